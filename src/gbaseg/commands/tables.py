"""tables: the paper's Tables I to III, and the differences between arms, from DVC's experiments."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gbaseg.commands.experiments import load_runs
from gbaseg.evaluation import table_layout, tables
from gbaseg.runtime.progress import log
from gbaseg.runtime.scratch import atomic_outputs

INTERVALS = (
    "Mean ± SD over the cases of all seeds (ddof = 1); [95 % interval] by bootstrap over seeds and cases; p: paired "
    "t-test and Wilcoxon, two-sided, not corrected for the number of comparisons."
)


def run(
    experiments: Sequence[str], out: Path, structure: str, small_mm3: float, large_mm3: float, percents: Sequence[float]
) -> None:
    """Write every table as CSV (long, unrounded), Markdown and LaTeX into `out`; print the Markdown.

    Args:
        experiments: see `load_runs`.
        out: folder of the tables.
        structure: whose scores; empty: the tumour.
        small_mm3, large_mm3: bounds of Table II's groups.
        percents: of Table III.
    """
    runs = load_runs(experiments, structure)
    made = {
        "translations": ("Table I. Dice by translation, retraining and arm; N/A: translation failed, not self-trained",
                         table_layout.lay_out_translations, tables.translation_table(runs)),
        "rounds": ("Table II. Dice and ASSD by round and arm",
                   table_layout.lay_out_rounds, tables.round_table(runs, small_mm3, large_mm3)),
        "quantiles": ("Table III. Percentiles of the last round, worst to best",
                      table_layout.lay_out_quantiles, tables.quantile_table(runs, percents)),
        "differences": ("Differences between arms",
                        table_layout.lay_out_differences, tables.difference_table(runs)),
    }  # fmt: skip
    page = out / "tables.md"
    files = [page, *(out / f"{name}.{suffix}" for name in made for suffix in ("csv", "tex"))]
    with atomic_outputs("tables", *files, keep_work=False) as scratch:
        text = []
        for name, (caption, lay_out, table) in made.items():
            laid_out = lay_out(table)
            table.to_csv(scratch.output(out / f"{name}.csv"), index=False, lineterminator="\n")
            latex = table_layout.to_latex(laid_out, caption, name)
            scratch.output(out / f"{name}.tex").write_text(latex, encoding="utf-8")
            text.append(f"{caption}\n\n{table_layout.to_markdown(laid_out)}\n")
        scratch.output(page).write_text("\n".join([*text, INTERVALS, ""]), encoding="utf-8")
    print(page.read_text(encoding="utf-8"))
    log(f"{len(runs)} runs, tables in {out}")
