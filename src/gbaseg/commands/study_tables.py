"""study --tables: the arms of a study side by side, and whether its best run can be told without labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gbaseg.commands.comparable import STUDY_AXES, differences
from gbaseg.commands.consensus import consensus_of
from gbaseg.commands.experiments import (
    experiments_of_this_commit,
    in_caption,
    of_other_commits,
    open_experiments,
    read_runs,
)
from gbaseg.commands.outputs import remove_former
from gbaseg.commands.study import Study
from gbaseg.commands.without_labels import known_of
from gbaseg.errors import UserError, some_of
from gbaseg.evaluation import study_tables, table_layout
from gbaseg.evaluation.choice_figure import scores_against_dice
from gbaseg.evaluation.drawing import save_to
from gbaseg.evaluation.run_choice import FEWEST, KnownRun, choice_table, run_table, with_rule
from gbaseg.evaluation.runs import Run, crossed, group_runs, mean_of_structures
from gbaseg.evaluation.settings import LOW_DICE
from gbaseg.evaluation.statistics import RESAMPLES
from gbaseg.evaluation.tables import label
from gbaseg.runtime.progress import log
from gbaseg.runtime.scratch import atomic_outputs

ARMS = "Arms: last round, all seeds and cases"
CHOICE = "Scores without labels of the target, and its Dice, over all runs"
RUNS = "Runs, the best by the rule first"
FIGURE = "scores_against_dice"
NOTES = f"""Dice and ASSD: mean of the seeds' means [95 % interval by bootstrap over seeds and cases, too narrow with
two or three seeds, or with several scans of a patient]. Gap closed: of the Dice between no adaptation and the oracle
(evaluation.oracle).

Scores are of the last round's pseudo-labels of the target's training cases; none reads a label of the target. Agreement
of folds: Dice, 0 where no fold finds the structure. With the round before: of the last that was trained, all structures
together. Plausible: the share of masks that are not empty and whose volume the source's structures have. Consensus: how
well a run agrees with the others on its images, as the factor of their pairwise Dice (of three runs or more); it goes
by the most, and is wrong where most arms fail in the same way. The rule: consensus x folds x rounds x plausible,
without what is not known of every run. Of several structures every figure is the mean over them, of a case over those
that its labels have; a run that has collapsed in one of them has collapsed, rightly or because half of the target's
scans do not have it: then name another (--structure).
Rank correlation: Spearman's with the runs' mean Dice, over all of them [95 % interval by bootstrap over runs]; within a
seed: among its runs, mean over the seeds; without failed runs: over those whose Dice is {{failed:g}} or more. Regret:
the best run's Dice less that of the run that the score chooses; of an arm, which is chosen by its mean over the seeds
that all arms have, the same of mean Dice. A run of which less than half of the masks are plausible has collapsed: it is
the worst by every score, and never chosen. A ranking is trusted with {FEWEST} runs or more, an interval above 0, and
scores dealt out at random that rank as well in under 5 % of {RESAMPLES:,} times (p in choice.csv)."""
NESTED = """Every seed has other patients here, so that runs of two seeds differ by their patients, too: what a choice
among the arms is worth says "within a seed", and so are "without failed runs" and the verdict here."""


def run(study: Study, experiments: Sequence[str], out: Path, structure: str) -> None:
    """Write the tables as CSV (unrounded) and LaTeX, all of them as Markdown, and the figure into `out`; print them.

    Args:
        study: whose experiments, those that are done.
        experiments: others in their place, see `open_experiments`.
        out: a folder.
        structure: whose scores; empty: the mean over all.

    Raises:
        UserError: nothing is done yet, a run of another params.yaml, or experiments that are no study.
    """
    arms = {} if experiments else study.names()
    done = set() if experiments else study.stand().done
    missing = [name for name in arms if name not in done]
    if arms and not done:
        others = sorted(experiments_of_this_commit())
        has = f", which has {some_of(others)} (name them, or give their --arms, --seeds and -S)" if others else ""
        raise UserError(
            f"no run of this study on the present commit{has}; `gbaseg study --run` makes them{of_other_commits(arms)}"
        )
    opened = open_experiments(experiments or sorted(done), STUDY_AXES)
    all_structures = opened[0].structures  # of every run: they differ in STUDY_AXES alone
    structures = [structure] if structure else all_structures
    of_each = read_runs(opened, structures)
    runs = [mean_of_structures(list(of.values())) for of in of_each]
    called = _called(runs, arms)
    _refuse_mixed(runs, {one.name: one.settings for one in opened})
    agreeing = consensus_of(runs, structures, {one.name: one.files for one in opened})
    known = [
        known_of(of, called[one.setting], experiment.files, agreeing[one.name])
        for experiment, of, one in zip(opened, of_each, runs, strict=True)
    ]
    labelled = [name for name in structures if any(rows for of in of_each for rows in of[name].rounds.values())]
    nowhere = [name for name in structures if name not in labelled] if labelled else []
    _write(runs, known, called, missing, out, in_caption(structures, all_structures), nowhere)
    log(f"{len(runs)} runs, tables and {FIGURE} in {out}")


def _called(runs: Sequence[Run], arms: Mapping[str, str]) -> dict[tuple[str, str, int, str], str]:
    """Setting -> its arm, in the order of the study; of other experiments the setting in words."""
    order = list(arms.values())
    found = {setting: arms.get(group[0].name, label(setting)) for setting, group in group_runs(runs).items()}
    return dict(sorted(found.items(), key=lambda item: order.index(item[1]) if item[1] in order else len(order)))


def _refuse_mixed(runs: Sequence[Run], settings: Mapping[str, Mapping[str, Any]]) -> None:
    """A row of the table is one arm: its runs differ in their seeds."""
    faults = []
    for group in group_runs(runs).values():
        for other in group[1:]:
            names = (f"in {group[0].name}", f"in {other.name}")
            faults += differences(
                settings[group[0].name], settings[other.name], names, ("seed", "evaluation.oracle", "translation.run")
            )
    if faults:
        raise UserError(
            "\n".join(["runs of one arm differ in more than the seed; name those to be compared:", *faults[:20]])
        )


def _write(
    runs: Sequence[Run],
    known: Sequence[KnownRun],
    called: Mapping[tuple[str, str, int, str], str],
    missing: Sequence[str],
    out: Path,
    of: str,
    nowhere: Sequence[str] = (),
) -> None:
    """`of`: what captions say of the structure; `nowhere`: structures that no label of the target has."""
    scored = [one for one in runs if all(one.rounds.values())]
    failed_below = min(runs[0].low_dice, default=LOW_DICE[0])
    made = []
    if scored:
        arms = study_tables.arm_table(scored, called)
        made.append(("arms", f"{ARMS}{of}", arms, study_tables.lay_out_arms(arms)))
    nested = len({one.seed for one in scored}) > 1 and not crossed(scored)
    known = with_rule(known)
    choice, each = choice_table(known, failed_below, nested), run_table(known)
    made.append(("choice", f"{CHOICE}{of}", choice, study_tables.lay_out_choice(choice)))
    made.append(("runs", f"{RUNS}{of}", each, study_tables.lay_out_runs(each)))
    page, figures = out / "study.md", [out / f"{FIGURE}.{suffix}" for suffix in ("svg", "png")]
    files = [page, *figures, *(out / f"{name}.{suffix}" for name, *_ in made for suffix in ("csv", "tex"))]
    with atomic_outputs("study", *files, keep_work=False) as scratch:
        text = []
        for name, caption, content, laid_out in made:
            content.to_csv(scratch.output(out / f"{name}.csv"), index=False, lineterminator="\n")
            latex = table_layout.to_latex(laid_out, caption, f"study-{name}")
            scratch.output(out / f"{name}.tex").write_text(latex, encoding="utf-8")
            text.append(f"{caption}\n\n{table_layout.to_markdown(laid_out)}\n")
        notes = [NOTES.format(failed=failed_below)]
        notes += [NESTED] * nested
        notes += [f"In no label of the target: {', '.join(nowhere)}; Dice and ASSD are of the others."] * bool(nowhere)
        notes += [f"Not run yet: {', '.join(missing)}."] * bool(missing)
        scratch.output(page).write_text("\n".join([*text, *notes, ""]), encoding="utf-8")
        figure = scores_against_dice(known, study_tables.SCORES)
        for path in figures:
            with scratch.output(path).open("wb") as stream:
                save_to(figure, stream, path.suffix.removeprefix("."))
    if not scored:
        remove_former([out / "arms.csv", out / "arms.tex"])
    print(page.read_text(encoding="utf-8"))
