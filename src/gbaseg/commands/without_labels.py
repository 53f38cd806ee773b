"""What an experiment tells of itself without the target's labels: of its last pseudo-labels."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from gbaseg.cases import Case
from gbaseg.commands.revisions import Files, in_cache
from gbaseg.errors import UserError
from gbaseg.evaluation.run_choice import CONSENSUS, FOLDS, ROUNDS, KnownRun
from gbaseg.evaluation.runs import Run, mean_of_structures
from gbaseg.self_training.confidence import OUTSIDE
from gbaseg.workflow import layout
from gbaseg.workflow.pseudo_labels import TABLE


def known_of(of: Mapping[str, Run], arm: str, files: Files, consensus: Mapping[str, float]) -> KnownRun:
    """Its scores, from the target's training cases; of several structures the mean.

    Agreement of the folds is 0 on a case on which no fold finds the structure: folds that find nothing agree on
    nothing. Agreement of the rounds, and Dice on held-out pseudo-target, are those of the last round that was trained:
    one that passed its labels on agrees with the round before whatever they are. A run that has collapsed in one of
    its structures has collapsed: what it is good for is the least of their plausible shares.

    Args:
        of: structure -> the experiment with the scores of it.
        arm: it, in words.
        files: of the experiment.
        consensus: structure -> its score among other runs, see `consensus.consensus_of`; without one not known.

    Raises:
        UserError: its pseudo-labels are not in DVC's cache, or there is none.
    """
    run = mean_of_structures(list(of.values()))
    table = layout.pseudo_labelled(run.last) / TABLE
    trained_on = set(target_cases(files))
    rows = [row for row in read_csv(files, table) if row["case"] in trained_on]
    missing = [name for name in of if not any(row["structure"] == name for row in rows)]
    if missing:
        raise UserError(f"{run.name}: {table}: no training case of the target has a line of {', '.join(missing)}")
    scores = [
        _scores(one.proxies, [row for row in rows if row["structure"] == name], consensus.get(name, math.nan))
        for name, one in of.items()
    ]
    scored = [row.dice for row in run.rounds[run.last]]
    return KnownRun(
        run.name,
        arm,
        run.seed,
        {name: float(np.mean([one[name] for one in scores])) for name in scores[0]},
        min(one["plausible"] for one in scores),
        float(np.mean(scored)) if scored else math.nan,
    )


def _scores(
    proxies: Mapping[str, Mapping[str, object]], rows: Sequence[Mapping[str, str]], consensus: float
) -> dict[str, float]:
    """Of one structure, from its lines of the pseudo-labels' table."""
    found = [float(row["volume_mm3"]) > 0 for row in rows]
    share = float(np.mean([some and OUTSIDE not in row["doubts"] for some, row in zip(found, rows, strict=True)]))
    agreement = float(np.nan_to_num([float(row["fold_dice"]) for row in rows]).mean())
    return {
        CONSENSUS: consensus,
        FOLDS: agreement * share,
        "fold_agreement": agreement,
        ROUNDS: _of_last_trained(proxies, "round_agreement"),
        "plausible": share,
        "not_empty": float(np.mean(found)),
        "pseudo_target_dice": _of_last_trained(proxies, "pseudo_target_dice"),
    }


def target_cases(files: Files) -> list[str]:
    """The target's training cases of an experiment, which it has pseudo-labels of.

    Raises:
        UserError: their table is not in DVC's cache.
    """
    cases = read_cases(files, layout.STANDARD)
    return [case.case for case in cases if (case.domain, case.split) == ("target", "train")]


def _of_last_trained(proxies: Mapping[str, Mapping[str, object]], name: str) -> float:
    trained = [one for one in proxies.values() if not one.get("passed_on")]
    found = trained[-1].get(name) if trained else None
    return float(found) if isinstance(found, int | float) else math.nan


def read_cases(files: Files, folder: Path) -> list[Case]:
    """The table of cases in a folder of an experiment.

    Raises:
        UserError: it is not in DVC's cache.
    """
    return [Case(**row) for row in read_csv(files, folder / "cases.csv")]  # type: ignore[arg-type]


def read_csv(files: Files, path: Path) -> Iterator[dict[str, str]]:
    """Rows of a table of an experiment.

    Raises:
        UserError: it is not in DVC's cache.
    """
    with in_cache(files, path):
        text = files.read_text(str(path))
    yield from csv.DictReader(io.StringIO(text))
