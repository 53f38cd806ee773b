"""tables: the paper's Tables I to III, and the differences between arms, from DVC's experiments."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from gbaseg.commands.experiments import in_caption, open_experiments, read_runs
from gbaseg.commands.outputs import remove_former
from gbaseg.errors import UserError
from gbaseg.evaluation import paper, table_layout, tables
from gbaseg.evaluation.runs import Run, failed_translations, group_runs, reference_runs
from gbaseg.runtime.progress import log
from gbaseg.runtime.scratch import atomic_outputs

FAILURE = "Table I. Dice; ASSD (mm) by translation, retraining and arm; N/A: the translation has failed"
ROUNDS = "Table II. Dice and ASSD by round"
JUDGED_BY = {
    "none": "its arm without copies",
    "survey": "its survey, one fold without copies, in the place of that arm",
    "checks": "checks without labels, in the place of an arm without copies",
}
QUANTILES = "Table III. Last round: mean and percentiles over the cases, from the worst to the best"
SCORED = (
    ("translations", FAILURE, table_layout.lay_out_translations, paper.translations),
    ("rounds", ROUNDS, table_layout.lay_out_rounds, paper.rounds),
    ("quantiles", QUANTILES, table_layout.lay_out_quantiles, paper.quantiles),
    ("differences", "Differences", table_layout.lay_out_differences, paper.differences),
)
PROXIES = "What is known without the target's labels (none of it but the last column is Dice on the target)"
NAMES = (*(name for name, *_ in SCORED), "proxies")
NOTES = """Mean of the seeds' means ± SD over the cases of all seeds (ddof = 1); [95 % interval] by bootstrap over seeds
and cases, too narrow with two or three seeds. p: paired t-test and Wilcoxon over the cases, two-sided, for these very
trainings; over seeds: t-test of the seeds' mean differences; none is corrected for the number of comparisons. Cases
count as independent: of several scans of a patient all of this is too sure. Reference rows: an empty prediction, the
threshold that is best on the source's (pseudo-target) images, the same network trained on the target's own labels
(oracle). Gap closed: of the Dice between no adaptation and the oracle. Agreement with the round before: of all
structures together."""


class NamedTable(NamedTuple):
    """A table: long and unrounded, and laid out for reading."""

    name: str
    caption: str
    content: pd.DataFrame
    laid_out: pd.DataFrame


def run(
    experiments: Sequence[str], out: Path, structure: str, small_mm3: float, large_mm3: float, percents: Sequence[float]
) -> None:
    """Write every table as CSV (long, unrounded), Markdown and LaTeX into `out`, and the scores; print the Markdown.

    Args:
        experiments: see `open_experiments`.
        out: folder of the tables.
        structure: whose scores; empty: the tumour.
        small_mm3, large_mm3: bounds of Table II's groups.
        percents: of Table III.

    Raises:
        UserError: see `open_experiments` and `read_runs`; or no run has scores or proxies.
    """
    opened = open_experiments(experiments)
    structures = opened[0].structures
    shown = structure or structures[0]
    runs = [of[shown] for of in read_runs(opened, [shown])]
    of_it = in_caption([shown], structures)
    made = _make(runs, small_mm3, large_mm3, percents)
    if not made:
        raise UserError(f"{', '.join(run.name for run in runs)}: neither scores nor proxies to tabulate")
    page = out / "tables.md"
    cases = out / "cases.csv"
    files = [page, cases, *(out / f"{table.name}.{suffix}" for table in made for suffix in ("csv", "tex"))]
    with atomic_outputs("tables", *files, keep_work=False) as scratch:
        tables.case_table(runs).to_csv(scratch.output(cases), index=False, lineterminator="\n")
        notes = [NOTES, *([paper.NOTE] if with_papers(runs) else []), *failures_note(runs), *draws_note(runs)]
        text = []
        for table in made:
            table.content.to_csv(scratch.output(out / f"{table.name}.csv"), index=False, lineterminator="\n")
            latex = table_layout.to_latex(table.laid_out, f"{table.caption}{of_it}", table.name)
            scratch.output(out / f"{table.name}.tex").write_text(latex, encoding="utf-8")
            text.append(f"{table.caption}{of_it}\n\n{table_layout.to_markdown(table.laid_out)}\n")
        scratch.output(page).write_text("\n".join([*text, *notes, ""]), encoding="utf-8")
    remove_former({out / f"{name}.{suffix}" for name in NAMES for suffix in ("csv", "tex")} - set(files))
    print(page.read_text(encoding="utf-8"))
    log(f"{len(runs)} runs, tables in {out}")


def with_papers(runs: Sequence[Run]) -> bool:
    """Whether the paper's figures can stand beside: the runs are scored, on its structure."""
    scored = [row for run in runs for rows in run.rounds.values() for row in rows]
    return bool(scored) and all(row.structure == paper.STRUCTURE for row in scored)


def failures_note(runs: Sequence[Run]) -> list[str]:
    """Which translations have failed, and by what; nothing where none has."""
    failed = [
        f"{tables.label_of_translation((translation, centre, retraining))}, seed {seed} (by {JUDGED_BY[by]})"
        for (translation, centre, retraining, seed), by in failed_translations(runs).items()
    ]
    return [f"Failed translations, whose other arms and rounds are N/A in Table I: {'; '.join(failed)}."] * bool(failed)


def draws_note(runs: Sequence[Run]) -> list[str]:
    """What an arm's training sees of unaltered images, in a sentence; nothing where no run says so."""
    by_arm: dict[str, list[float]] = {}
    for (*_, arm), group in group_runs(runs).items():
        if known := [run.unaltered_share for run in group if run.unaltered_share is not None]:
            by_arm.setdefault(arm, []).extend(known)
    shares = {arm: sum(found) / len(found) for arm, found in by_arm.items()}
    if not shares:
        return []
    rescaling = [share for arm, share in shares.items() if arm != "none"]
    unequal = bool(rescaling) and max(rescaling) - min(rescaling) > 0.005
    note = f"Unaltered images among the draws from the source: {', '.join(f'{a} {s:.2f}' for a, s in shares.items())}"
    more = "; arms differ in how many copies they draw, not only in what a copy is (augmentation.draws: images)"
    return [f"{note}{more if unequal else ''}."]


def _make(runs: Sequence[Run], small_mm3: float, large_mm3: float, percents: Sequence[float]) -> list[NamedTable]:
    """The tables that the runs have figures for."""
    scored = [run for run in runs if all(run.rounds.values())]
    named = []
    if scored:
        everything = [*reference_runs(scored), *scored]
        papers = with_papers(scored)
        contents = (
            tables.translation_table(scored),
            tables.round_table(everything, small_mm3, large_mm3),
            tables.quantile_table(everything, percents),
            tables.difference_table(scored),
        )
        for (name, caption, lay_out, beside), content in zip(SCORED, contents, strict=True):
            named.append(NamedTable(name, caption, content, lay_out(content, beside if papers else list)))
    proxies = tables.proxy_table(runs)
    named.append(NamedTable("proxies", PROXIES, proxies, table_layout.lay_out_proxies(proxies)))
    return [table for table in named if len(table.content)]
