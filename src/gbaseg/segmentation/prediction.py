"""Segment images with the folds of a model, in workers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gbaseg import volume
from gbaseg.runtime.device import is_gpu
from gbaseg.runtime.engine import Task, run
from gbaseg.runtime.fork_server import import_for_workers
from gbaseg.runtime.turns import beside_gpu, dealt_out
from gbaseg.segmentation.decision import FoldAgreement, Votes, count, settle, undisputed, volumes_at
from gbaseg.segmentation.ensemble import IMPORTED, Ensemble
from gbaseg.segmentation.extents import LEVELS
from gbaseg.segmentation.settings import PredictionSettings

# Few enough to share the work out, enough to pay for loading the model.
_CASES_A_TASK = 4


@dataclass(frozen=True)
class PredictionItem:
    """One image to segment, and where its mask and its probabilities (`Decision.probabilities`, `.npy`) are written.

    `undisputed`: where its mask is written with `IGNORED` in the voxels that the folds do not agree on.
    """

    name: str
    image: Path
    mask: Path
    probabilities: Path
    undisputed: Path | None = None


class Asked(NamedTuple):
    """What is known of an item before its mask is made.

    Args:
        agreement: as `Votes.agreement`.
        volumes_mm3: (structure, `extents.LEVELS`), of its mask, were its structures to end there.
    """

    agreement: list[tuple[float, int]]
    volumes_mm3: np.ndarray


Choose = Callable[[Mapping[str, np.ndarray]], PredictionSettings]


def predict(
    model: Path,
    items: Sequence[PredictionItem],
    pieces: Mapping[str, int],
    settings: PredictionSettings,
    name: str,
    choose: Choose | None = None,
) -> tuple[list[FoldAgreement], PredictionSettings]:
    """Segment every item, write its mask (uint8, the image's grid), and say how far the folds agreed.

    Args:
        model: folder written by `train_folds`; every fold in it votes.
        pieces: see `settle`.
        choose: from every item's volumes (`extents.LEVELS`) to the settings that its mask is made with, in the place
            of `settings`; the folds are asked once all the same.

    Returns:
        How far they agreed; the settings that masks were made with.
    """
    import_for_workers(*IMPORTED)
    exclusive = is_gpu()
    results = run(
        [
            Task(
                f"{name} from {chunk[0].name}",
                predict_cases,
                {"model": model, "items": chunk, "pieces": pieces, "settings": settings, "later": choose is not None},
            )
            for chunk in dealt_out(items, _CASES_A_TASK, exclusive)
        ],
        name="" if exclusive else f"{name} ({_CASES_A_TASK} cases a step)",
        exclusive=exclusive,
    )
    found = [one for result in results for one in result]
    if choose is not None:
        settings = choose({item.name: asked.volumes_mm3 for item, asked in zip(items, found, strict=True)})
        found = run(
            [
                Task(
                    f"{name}: masks {item.name}",
                    settle_case,
                    {"item": item, "agreement": asked.agreement, "pieces": pieces, "settings": settings},
                )
                for item, asked in zip(items, found, strict=True)
            ],
            name=f"{name}: masks",
            light=True,
        )
    return [agreement for of_case in found for agreement in of_case], settings


def predict_cases(
    model: Path, items: Sequence[PredictionItem], pieces: Mapping[str, int], settings: PredictionSettings, later: bool
) -> list[list[FoldAgreement]] | list[Asked]:
    """Segment some items in one process. Runs in a worker.

    Args:
        later: masks are made by `settle_case`, with other settings: what it reads is written in their place.
    """
    ensemble = Ensemble(model, settings)

    def votes_of(item: PredictionItem) -> tuple[volume.Volume, Votes]:
        scan = volume.read(item.image, np.float32)
        return scan, count(ensemble.fold_probabilities(scan), len(pieces))

    def predict_case(item: PredictionItem) -> list[FoldAgreement]:
        return _write(item, *votes_of(item), pieces, settings)

    def ask(item: PredictionItem) -> Asked:
        scan, votes = votes_of(item)
        item.probabilities.parent.mkdir(parents=True, exist_ok=True)
        np.save(item.probabilities, votes.probabilities)
        if item.undisputed is not None:
            np.save(_disputed_of(item), votes.disputed)
        return Asked(votes.agreement, volumes_at(votes.probabilities, pieces, settings, LEVELS, scan.grid.voxel_mm3))

    what = f"predict from {items[0].name}"
    return beside_gpu(ask, items, what) if later else beside_gpu(predict_case, items, what)


def settle_case(
    item: PredictionItem, agreement: list[tuple[float, int]], pieces: Mapping[str, int], settings: PredictionSettings
) -> list[FoldAgreement]:
    """Make the mask of an item whose folds were asked; runs in a worker."""
    disputed = np.zeros((), bool)
    if item.undisputed is not None:
        disputed = np.load(_disputed_of(item))
        _disputed_of(item).unlink()
    votes = Votes(np.load(item.probabilities), agreement, disputed)
    return _write(item, volume.read(item.image, np.float32), votes, pieces, settings)


def _write(
    item: PredictionItem, scan: volume.Volume, votes: Votes, pieces: Mapping[str, int], settings: PredictionSettings
) -> list[FoldAgreement]:
    decision = settle(votes, pieces, settings, item.name, scan.grid.voxel_mm3)
    volume.write(scan.with_array(decision.mask), item.mask)
    if item.undisputed is not None:
        volume.write(scan.with_array(undisputed(decision.mask, decision.disputed)), item.undisputed)
    item.probabilities.parent.mkdir(parents=True, exist_ok=True)
    np.save(item.probabilities, decision.probabilities)
    return decision.agreements


def _disputed_of(item: PredictionItem) -> Path:
    return item.probabilities.with_suffix(".disputed.npy")
