"""What an experiment tells of itself without the target's labels: of its last pseudo-labels, one structure."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from gbaseg.cases import Case
from gbaseg.commands.experiments import Files, in_cache
from gbaseg.errors import UserError
from gbaseg.evaluation.run_choice import CONSENSUS, FOLDS, ROUNDS, KnownRun
from gbaseg.evaluation.runs import Run
from gbaseg.self_training.confidence import OUTSIDE
from gbaseg.workflow import layout
from gbaseg.workflow.pseudo_labels import TABLE


def known_of(run: Run, arm: str, structure: str, files: Files, consensus: float = math.nan) -> KnownRun:
    """Its scores, from the target's training cases.

    Agreement of the folds is 0 on a case on which no fold finds the structure: folds that find nothing agree on
    nothing. Agreement of the rounds, and Dice on held-out pseudo-target, are those of the last round that was trained:
    one that passed its labels on agrees with the round before whatever they are.

    Args:
        run: the experiment.
        arm: it, in words.
        structure: name.
        files: of the experiment.
        consensus: its score among other runs, see `consensus.consensus_of`.

    Raises:
        UserError: its pseudo-labels are not in DVC's cache, or there is none.
    """
    folder = layout.pseudo_labelled(run.last)
    trained_on = set(target_cases(files))
    table = [row for row in read_csv(files, folder / TABLE) if row["structure"] == structure]
    rows = [row for row in table if row["case"] in trained_on]
    if not rows:
        raise UserError(f"{run.name}: {folder / TABLE}: no training case of the target has a line of {structure}")
    found = [float(row["volume_mm3"]) > 0 for row in rows]
    plausible = [some and OUTSIDE not in row["doubts"] for some, row in zip(found, rows, strict=True)]
    folds = [float(row["fold_dice"]) for row in rows]
    agreement = float(np.nan_to_num(folds).mean())
    share = float(np.mean(plausible))
    scored = [row.dice for row in run.rounds[run.last]]
    return KnownRun(
        run.name,
        arm,
        run.seed,
        {
            CONSENSUS: consensus,
            FOLDS: agreement * share,
            "fold_agreement": agreement,
            ROUNDS: _of_last_trained(run.proxies, "round_agreement"),
            "plausible": share,
            "not_empty": float(np.mean(found)),
            "pseudo_target_dice": _of_last_trained(run.proxies, "pseudo_target_dice"),
        },
        share,
        float(np.mean(scored)) if scored else math.nan,
    )


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
    with in_cache(path):
        text = files.read_text(str(path))
    yield from csv.DictReader(io.StringIO(text))
