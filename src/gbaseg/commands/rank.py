"""rank: CrossMoDA's ranking of any number of methods, from tables of their scores by case."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from rich.table import Table

from gbaseg.commands.outputs import same_file
from gbaseg.errors import UserError
from gbaseg.evaluation.ranking import case_ranks, method_means, method_quantiles, quality_in_words, rank_methods
from gbaseg.evaluation.score_tables import METRICS, read_score_tables
from gbaseg.evaluation.text import number, plain_console, plain_table
from gbaseg.runtime.whole import written_whole

UNITS = ("", " (mm)")  # of METRICS


def run(
    files: Sequence[Path],
    structures: Sequence[str],
    percents: Sequence[float],
    resamples: int,
    seed: int,
    out: Path | None = None,
) -> None:
    """Print ranking, means and quantiles; write the ranking with the means as CSV where `out` says so.

    Args:
        files: as `read_score_tables` takes them.
        structures: which are ranked; empty: all.
        percents: of the quantiles, 0 to 100.
        resamples, seed: of the bootstrap.

    Raises:
        UserError: see `read_score_tables` and `cases_by_method`; a single method; `out` is one of the files.
    """
    if out is not None and (same := same_file(out, files)):
        raise UserError(f"--out {out}: {same}, one of the tables that are ranked; name another file")
    scores = read_score_tables(files)
    methods = sorted(set(scores["method"]))
    if len(methods) < 2:
        raise UserError(f"{', '.join(map(str, files))}: one method ({methods[0]}); a ranking compares two or more")
    structures = structures or sorted(set(scores["structure"]))
    ranks = case_ranks(scores, structures)
    ranking, means = rank_methods(ranks, resamples, seed), method_means(scores, structures)
    console = plain_console()
    console.print(_ranking_table(ranking, f"Ranking over {len(ranks)} cases ({', '.join(structures)})"))
    console.print("mean rank, its 95 % interval over the cases, share of the bootstrap's draws in which it is the best")
    for structure in structures:
        console.print(_means_table(means.loc[ranking.index, structure], f"{structure}: mean ± SD (ddof = 1)"))
        quantiles = method_quantiles(scores, structure, percents).loc[ranking.index]
        for metric, unit in zip(METRICS, UNITS, strict=True):
            title = f"{structure}: {METRICS[metric]}{unit} by percentile of the cases, worst to best"
            console.print(_quantile_table(quantiles[metric], metric, title))
    if out is not None:
        columns = {f"{name}_{metric}_{what}": means[(name, metric, what)] for name, metric, what in means.columns}
        with written_whole(out) as partial:
            ranking.join(pd.DataFrame(columns)).to_csv(partial, index_label="method", lineterminator="\n")


def _ranking_table(ranking: pd.DataFrame, title: str) -> Table:
    table = _table(title, "", "method", "rank", "95 %", "first")
    for place, (method, row) in enumerate(ranking.iterrows(), start=1):
        interval = f"{row['low']:.2f}–{row['high']:.2f}"
        table.add_row(str(place), str(method), f"{row['rank']:.3f}", interval, f"{row['first']:.1%}")
    return table


def _means_table(means: pd.DataFrame, title: str) -> Table:
    table = _table(title, "method", *(f"{name}{unit}" for name, unit in zip(METRICS.values(), UNITS, strict=True)))
    for method, row in means.iterrows():
        cells = (f"{number(row[(metric, 'mean')])} ± {number(row[(metric, 'std')])}" for metric in METRICS)
        table.add_row(str(method), *cells)
    return table


def _quantile_table(quantiles: pd.DataFrame, metric: str, title: str) -> Table:
    table = plain_table(title)
    table.padding = (0, 1, 0, 0)  # nine percentiles in 80 columns; a long name takes a second line
    table.add_column("method", overflow="fold")
    for percentile in quantiles.columns:
        table.add_column(quality_in_words(metric, percentile), justify="right", no_wrap=True)
    for method, row in quantiles.iterrows():
        # From 10 mm on fewer decimals: their width is the same.
        table.add_row(str(method), *(f"{value:.{3 - (value >= 10) - (value >= 100)}f}" for value in row))
    return table


def _table(title: str, *headings: str) -> Table:
    table = plain_table(title)
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "method" else "right", no_wrap=True)
    return table
