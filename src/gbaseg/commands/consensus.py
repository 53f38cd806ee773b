"""What experiments tell of one another without the target's labels: how well each agrees with the others."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from gbaseg.commands.experiments import Files, read_volume, values_of
from gbaseg.commands.without_labels import target_cases
from gbaseg.evaluation.consensus import FEWEST, consensus, pairwise_dice
from gbaseg.evaluation.runs import Run
from gbaseg.runtime.progress import meter
from gbaseg.text_file import parse_yaml
from gbaseg.workflow import layout


def consensus_of(runs: Sequence[Run], structure: str, files: Mapping[str, Files]) -> dict[str, float]:
    """The consensus score of each run among those on the same images, by its name; `nan` where they are under three.

    Of one structure, over the target's training cases, in the last round's pseudo-labels.

    Args:
        runs: experiments.
        structure: name.
        files: of each, by its name.

    Raises:
        UserError: pseudo-labels are not in DVC's cache.
    """
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(_images_of(files[run.name]), []).append(run)
    found = dict.fromkeys((run.name for run in runs), math.nan)
    for images, group in groups.items():
        if images and len(group) >= FEWEST:
            scores = consensus(pairwise_dice(_masks(group, structure, files)))
            found |= {run.name: float(score) for run, score in zip(group, scores, strict=True)}
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


def _masks(group: Sequence[Run], structure: str, files: Mapping[str, Files]) -> Iterator[np.ndarray]:
    """Case by case (runs, Z, Y, X)."""
    cases = target_cases(files[group[0].name])
    values = {run.name: values_of(files[run.name], structure)[0] for run in group}
    with meter("consensus of the runs", len(cases)) as bar:
        for case in cases:
            yield np.stack(
                [
                    read_volume(files[run.name], layout.pseudo_labelled(run.last) / "standard" / f"{case}.nii.gz").array
                    == values[run.name]
                    for run in group
                ]
            )
            bar.advance()
