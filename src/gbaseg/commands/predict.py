"""predict: segment any scan of the target modality with a trained round; no part of the pipeline."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from gbaseg import params, volume
from gbaseg.errors import UserError
from gbaseg.params import Params
from gbaseg.raw.checks import read_image
from gbaseg.runtime.engine import Task
from gbaseg.runtime.engine import run as run_tasks
from gbaseg.runtime.progress import log, meter
from gbaseg.runtime.scratch import written_whole
from gbaseg.segmentation.prediction import Ensemble, decide, fold_file
from gbaseg.stages import layout
from gbaseg.stages.context import read_json
from gbaseg.stages.pseudo_label import on_scan
from gbaseg.standardise.case import standardise_finely, standardise_image

# What `Ensemble` and this command read of a model's folder, besides the folds.
_PARTS = ("plans.json", "dataset.json", layout.ROUND)


def run(images: Sequence[Path], out: Path, round_id: str | None) -> None:
    """Write `out/NAME.nii.gz` (uint8, the scan's own grid, the data set's label values) for every scan.

    Each mask appears whole, when it is done; one of this name that is there already is replaced. One scan at a time is
    in memory (one a worker while they are checked).

    Args:
        images: one file a scan.
        out: a folder; made where it is missing.
        round_id: whose model is used; default: the last.

    Raises:
        UserError: no such round; or no model, scans that are missing, damaged or without contrast, masks that would
            take each other's place or a scan's: all of them in one message, before any scan is segmented.
    """
    settings = params.load()
    if round_id is not None and round_id != layout.SURVEY:
        settings.self_training.round(round_id)  # raises where there is none
    round_id = round_id or settings.self_training.last
    model = layout.model_of(round_id)
    folds = 1 if round_id == layout.SURVEY else settings.segmentation.folds
    faults = [*_model_faults(model, folds), *_name_faults(images, out), *_scan_faults(images, settings)]
    if faults:
        raise UserError("\n".join(faults))
    fine = read_json(model / layout.ROUND, "fine_grid")["fine_grid"]
    ensemble = Ensemble(model, settings.segmentation.prediction)
    masks = {path: _mask_of(path, out) for path in images}
    with meter("predict", len(masks)) as bar:
        for path, mask in masks.items():
            with written_whole(mask) as partial:
                volume.write(_segment(path, ensemble, fine, settings), partial)
            bar.advance()
    log(f"{len(masks)} mask(s) of {round_id} in {out}")


def check_scan(path: Path, settings: Params) -> list[str]:
    """What is wrong with one scan, read whole. Runs in a worker."""
    image, flaws = read_image(path, settings.dataset)
    if image is None or flaws:
        return [f"{path}: {flaw.found}; allowed: {flaw.allowed}" for flaw in flaws]
    try:
        standardise_image(image, settings.standardise)
    except UserError as error:  # no contrast, which only shows on the standard grid
        return [f"{path}: {error}"]
    return []


def _scan_faults(images: Sequence[Path], settings: Params) -> list[str]:
    tasks = [Task(f"check {path}", check_scan, {"path": path, "settings": settings}) for path in dict.fromkeys(images)]
    return [fault for faults in run_tasks(tasks, name="check", light=True) for fault in faults]


def _model_faults(model: Path, folds: int) -> Iterator[str]:
    parts = [*_PARTS, *(fold_file(fold) for fold in range(folds))]
    missing = [part for part in parts if not (model / part).is_file()]
    if missing:
        what = "model" if len(missing) == len(parts) else ", ".join(missing)
        yield f"{model}: no {what}; run `dvc repro train_segmentation`, or `dvc checkout` for one made before"


def _name_faults(images: Sequence[Path], out: Path) -> Iterator[str]:
    """Masks that would take each other's place, or that of a scan."""
    sharing = defaultdict(list)
    for path in images:
        sharing[_mask_of(path, out)].append(str(path))
    scans = {path.resolve() for path in images}
    for mask, paths in sharing.items():
        if len(paths) > 1:
            yield f"{', '.join(paths)}: {len(paths)} scans for the mask {mask}; allowed: another name for each"
        if mask.resolve() in scans:
            yield f"{mask}: a scan, whose place its mask would take; allowed: another --out than the scan's folder"


def _mask_of(path: Path, out: Path) -> Path:
    return out / f"{path.name.removesuffix('.gz').rsplit('.', 1)[0]}.nii.gz"


def _segment(path: Path, ensemble: Ensemble, fine: bool, settings: Params) -> volume.Volume:
    """The mask of one scan on its own grid."""
    scan, grid = volume.read(path), settings.standardise
    image, record = standardise_image(scan, grid)
    if fine and grid.fine_spacing_xyz_mm is not None:
        image, record = standardise_finely(scan, record, grid.fine_spacing_xyz_mm, grid.smooth_shrinking)
    folds = ensemble.fold_probabilities(image)
    voxel_mm3 = image.grid.voxel_mm3
    decision = decide(folds, ensemble.structures, settings.segmentation.prediction, path.name, voxel_mm3)
    return on_scan(decision.probabilities, record, settings)
