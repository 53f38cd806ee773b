"""What experiments tell of one another without the target's labels: how well each agrees with the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from gbaseg.commands.revisions import Files, read_volume, values_of
from gbaseg.commands.without_labels import target_cases
from gbaseg.evaluation.consensus import FEWEST, consensus, pairwise_dice
from gbaseg.evaluation.runs import Run
from gbaseg.runtime.progress import meter
from gbaseg.text_file import parse_yaml
from gbaseg.workflow import layout


def consensus_of(
    runs: Sequence[Run], structures: Sequence[str], files: Mapping[str, Files]
) -> dict[str, dict[str, float]]:
    """Name of a run -> structure -> its consensus score among the runs on the same images, where they are three.

    Over the target's training cases, in the last round's pseudo-labels.

    Args:
        runs: experiments.
        structures: names.
        files: of each, by its name.

    Raises:
        UserError: pseudo-labels are not in DVC's cache.
    """
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(_images_of(files[run.name]), []).append(run)
    found: dict[str, dict[str, float]] = {run.name: {} for run in runs}
    for images, group in groups.items():
        if images and len(group) >= FEWEST:
            for structure, agreement in _agreements(group, structures, files).items():
                for run, score in zip(group, consensus(agreement), strict=True):
                    found[run.name][structure] = float(score)
    return found


def _images_of(files: Files) -> str:
    """DVC's hash of the images that a run is made of; nothing where its dvc.lock does not tell.

    The phantom has other patients with every seed, and another grid makes other images of the same ones.
    """
    try:
        lock = parse_yaml(files.read_text(str(layout.LOCK)), str(layout.LOCK)) or {}
    except FileNotFoundError:
        return ""
    outs = [out for stage in lock.get("stages", {}).values() for out in stage.get("outs", [])]
    return next((out["md5"] for out in outs if out["path"] == str(layout.STANDARD) and "md5" in out), "")


def _agreements(group: Sequence[Run], structures: Sequence[str], files: Mapping[str, Files]) -> dict[str, np.ndarray]:
    """Structure -> how well every two runs agree on it, (runs, runs). Every mask is read once."""
    cases = target_cases(files[group[0].name])
    values = {name: np.array([values_of(files[run.name], name)[0] for run in group]) for name in structures}
    found: dict[str, list[np.ndarray]] = {name: [] for name in structures}
    with meter("consensus of the runs", len(cases)) as bar:
        for case in cases:
            masks = np.stack([_mask(run, case, files[run.name]) for run in group])
            for name, dices in found.items():
                dices.append(pairwise_dice(masks == values[name][:, None, None, None]))
            bar.advance()
    return {name: np.mean(dices, axis=0) for name, dices in found.items()}


def _mask(run: Run, case: str, files: Files) -> np.ndarray:
    """(Z, Y, X), by value."""
    return read_volume(files, layout.pseudo_labelled(run.last) / "standard" / f"{case}.nii.gz").array
