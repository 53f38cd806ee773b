"""A training set as nnU-Net reads it: paths, plans and preprocessed cases in one workspace folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm
from pathlib import Path

from gbaseg.runtime.engine import Task, run
from gbaseg.runtime.environment import variables
from gbaseg.runtime.leftovers import discard
from gbaseg.runtime.markers import read_marker, write_marker
from gbaseg.runtime.progress import log
from gbaseg.runtime.store import Store
from gbaseg.segmentation.fingerprint import FINGERPRINT, look_at, write_fingerprint
from gbaseg.segmentation.partial import UNKNOWN, WITH_IGNORED
from gbaseg.segmentation.planning import PLANS_NAME, adapt_plans, at_spacing, padded_slices
from gbaseg.segmentation.preprocessing import RESCALING, preprocess
from gbaseg.segmentation.settings import SegmentationSettings
from gbaseg.segmentation.splits import split_by_patient
from gbaseg.segmentation.workspace import AUGMENTERS, Workspace
from gbaseg.standardise.settings import ForegroundKind


@dataclass(frozen=True)
class TrainingItem:
    """One image to train on, with its label on the same grid. Copies of a patient share `patient`.

    Args:
        weight: how often it is drawn, relative to the others.
        rescaled: (label value, lambda, offset), of which one or none is applied each time it is drawn (arm `online`).
        randomised: contrasts are randomised each time it is drawn, see `randomise`: the kind of the image's foreground
            (`standardise.foreground`), outside of which is air; `None`: they are not.
        unknown: label values of structures that the label is not to be believed about: see `partial`.
        with_ignored: the label may have voxels of `prediction.IGNORED`.
    """

    name: str
    patient: str
    image: Path
    label: Path
    weight: Fraction = Fraction(1)
    rescaled: tuple[tuple[int, float, float], ...] = ()
    randomised: ForegroundKind | None = None
    unknown: tuple[int, ...] = ()
    with_ignored: bool = False


def prepare(
    items: Sequence[TrainingItem],
    structures: Mapping[str, int],
    settings: SegmentationSettings,
    seed: int,
    workspace: Workspace,
    store: Store,
    spacing_zyx_mm: tuple[float, float, float],
    frozen_plans: dict | None = None,
    pools: Sequence[Sequence[str]] = (),
) -> dict:
    """Plan and preprocess a training set.

    Args:
        items: what to train on.
        structures: label value of each structure.
        store: keeps preprocessed images and labels, for this set and later ones.
        spacing_zyx_mm: the spacing to train at. Set explicitly: nnU-Net's planner would take the median of the set,
            and undo the finer grid of the last round.
        frozen_plans: plans of an earlier round, so that rounds stay comparable; `None`: plan now.
        pools: all patients of all rounds, see `deal_patients`.

    Returns:
        The plans, as they are to be frozen.
    """
    marker = workspace.root / "prepared.json"
    prepared = read_marker(marker)
    if prepared is not None:
        return prepared["content"]
    # Half-written, or not as the marker says. Preprocessed cases are found in the store.
    discard(workspace.raw)
    discard(workspace.preprocessed)
    workspace.raw.mkdir(parents=True, exist_ok=True)
    workspace.preprocessed.mkdir(parents=True, exist_ok=True)
    dataset = {
        "channel_names": {"0": "MRI"},
        "labels": {"background": 0, **structures},
        "numTraining": len(items),
        "file_ending": ".nii.gz",
        # Not resolved: what a link into DVC's cache (cache.type symlink) leads to has no name that says its format.
        "dataset": {
            item.name: {"images": [str(item.image.absolute())], "label": str(item.label.absolute())} for item in items
        },
    }
    _write_json(workspace.raw / "dataset.json", dataset)
    _write_json(workspace.preprocessed / "dataset.json", dataset)
    splits = split_by_patient({item.name: item.patient for item in items}, settings.folds, seed, pools)
    # nnU-Net draws cases evenly from this list: a name that stands there twice is drawn twice as often.
    draws = whole_draws(items)
    for split in splits:
        split["train"] = [name for name in split["train"] for _ in range(draws[name])]
    _write_json(workspace.preprocessed / "splits_final.json", splits)
    chunks = _chunks([item.name for item in items], 8)
    if frozen_plans is None:
        seen = run(
            [
                Task(f"look at {index + 1}/{len(chunks)}", look_at, {"workspace": workspace, "names": chunk})
                for index, chunk in enumerate(chunks)
            ],
            name="fingerprint (8 cases a step)",
        )
        write_fingerprint([case for chunk in seen for case in chunk], workspace.preprocessed / FINGERPRINT)
        [plans] = run([Task("plan", plan, {"workspace": workspace, "spacing_zyx_mm": spacing_zyx_mm})])
        plans = adapt_plans(plans, settings.network, spacing_zyx_mm)
        if warning := padded_slices(plans):
            log(f"WARNING: {warning}")
    else:
        plans = at_spacing(frozen_plans, spacing_zyx_mm)
        _write_json(workspace.preprocessed / FINGERPRINT, {})  # nnU-Net copies it; nothing reads it
    _write_json(workspace.preprocessed / f"{PLANS_NAME}.json", plans)
    changed = {item.name: (item.rescaled, item.randomised) for item in items if item.rescaled or item.randomised}
    log(f"training set: {len(items)} cases, preprocessed at {' x '.join(f'{s:g}' for s in spacing_zyx_mm[::-1])} mm")
    found = run(
        [
            Task(
                f"preprocess {index + 1}/{len(chunks)}",
                preprocess,
                {
                    "workspace": workspace,
                    "names": chunk,
                    "store": store,
                    "changed": {name: changed[name] for name in chunk if name in changed},
                },
            )
            for index, chunk in enumerate(chunks)
        ],
        name="preprocessing (8 cases a step)",
    )
    _write_json(workspace.preprocessed / RESCALING, {name: one for group in found for name, one in group.items()})
    if unknown := {item.name: item.unknown for item in items if item.unknown}:
        _write_json(workspace.preprocessed / UNKNOWN, unknown)
    if ignored := [item.name for item in items if item.with_ignored]:
        _write_json(workspace.preprocessed / WITH_IGNORED, ignored)
    store.prune()
    # The store vouches for the cases' files: tens of GiB are not to be read once more.
    write_marker(marker, [workspace.raw, workspace.preprocessed], plans, sized=lambda file: file.suffix != ".json")
    return plans


def whole_draws(items: Sequence[TrainingItem]) -> dict[str, int]:
    """Item -> its weight in the smallest whole numbers that have the weights' ratios."""
    unit = Fraction(gcd(*(item.weight.numerator for item in items)), lcm(*(item.weight.denominator for item in items)))
    return {item.name: int(item.weight / unit) for item in items}


def plan(workspace: Workspace, spacing_zyx_mm: tuple[float, float, float]) -> dict:
    """nnU-Net's own plans by the fingerprint in the workspace; runs in a worker (nnU-Net takes seconds to import)."""
    from contextlib import redirect_stdout
    from io import StringIO

    workspace.enter()
    from nnunetv2.experiment_planning.plan_and_preprocess_api import plan_experiment_dataset

    # The planner takes as many threads as the trainer has augmenting processes, which may be none.
    with variables({AUGMENTERS: "1"}), redirect_stdout(StringIO()):
        plans, _ = plan_experiment_dataset(1, overwrite_target_spacing=spacing_zyx_mm)
    return plans


def _chunks(names: Sequence[str], size: int) -> list[list[str]]:
    return [list(names[start : start + size]) for start in range(0, len(names), size)]


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1))
