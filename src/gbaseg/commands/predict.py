"""predict: segment any scan of the target modality with a trained round; no part of the pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gbaseg import params, volume
from gbaseg.errors import UserError
from gbaseg.runtime.progress import log, meter
from gbaseg.segmentation.prediction import Ensemble, decide
from gbaseg.stages import layout
from gbaseg.stages.context import read_json
from gbaseg.stages.pseudo_label import on_scan
from gbaseg.standardise.case import standardise_finely, standardise_image


def run(images: Sequence[Path], out: Path, round_id: str | None) -> None:
    """Write `out/NAME.nii.gz` (uint8, the scan's own grid, the data set's label values) for every scan.

    Raises:
        UserError: no such model, or scans that are missing, unreadable or of one name (all of them are named).
    """
    settings = params.load()
    if round_id is not None and round_id != layout.SURVEY:
        settings.self_training.round(round_id)  # raises where there is none
    round_id = round_id or settings.self_training.last
    model = layout.model_of(round_id)
    if not (model / "plans.json").is_file():
        raise UserError(f"{model}: no model; run `dvc repro train_segmentation`, or `dvc checkout` for one made before")
    names = [_name(path) for path in images]
    faults = [f"{path}: no such file" for path in images if not path.is_file()]
    faults += [f"{name}: the name of several scans" for name in sorted({n for n in names if names.count(n) > 1})]
    if faults:
        raise UserError("\n".join(faults))
    fine = read_json(model / layout.ROUND)["fine_grid"]
    ensemble = Ensemble(model, settings.segmentation.prediction)
    with meter("predict", len(images)) as bar:
        for path, name in zip(images, names, strict=True):
            try:
                scan = volume.read(path)
            except (RuntimeError, ValueError) as error:
                raise UserError(f"{path}: not readable as a 3D image: {error}") from error
            image, record = standardise_image(scan, settings.standardise)
            grid = settings.standardise
            if fine and grid.fine_spacing_xyz_mm is not None:
                image, record = standardise_finely(scan, record, grid.fine_spacing_xyz_mm, grid.smooth_shrinking)
            folds = ensemble.fold_probabilities(image)
            voxel_mm3 = image.grid.voxel_mm3
            decision = decide(folds, ensemble.structures, settings.segmentation.prediction, name, voxel_mm3)
            volume.write(on_scan(decision.probabilities, record, settings), out / f"{name}.nii.gz")
            bar.advance()
    log(f"{len(images)} mask(s) of {round_id} in {out}")


def _name(path: Path) -> str:
    return path.name.removesuffix(".gz").rsplit(".", 1)[0]
