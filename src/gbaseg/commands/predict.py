"""predict: segment any scan of the target modality with a trained round; no part of the pipeline."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gbaseg import params, volume
from gbaseg.commands import predict_table
from gbaseg.commands.outputs import as_text, identity, is_text, shared_names
from gbaseg.commands.predict_table import DONE, FAILED, TABLE, WAITING, Row
from gbaseg.errors import SomeFailed, UserError
from gbaseg.params import Params
from gbaseg.raw.checks import read_image
from gbaseg.runtime.engine import Task
from gbaseg.runtime.engine import run as run_tasks
from gbaseg.runtime.progress import log, meter
from gbaseg.runtime.scratch import written_whole
from gbaseg.segmentation.prediction import Ensemble, decide, fold_file
from gbaseg.self_training.confidence import OUTSIDE, doubts
from gbaseg.stages import layout
from gbaseg.stages.context import read_json
from gbaseg.stages.pseudo_label import on_scan
from gbaseg.standardise.case import ordinary, standardise_finely, standardise_image

# What `Ensemble` and this command read of a model's folder, besides the folds.
_PARTS = ("plans.json", "dataset.json", layout.ROUND)


@dataclass(frozen=True)
class _Model:
    """A round's ensemble, and what its round.json says of it."""

    round_id: str
    ensemble: Ensemble
    fine: bool
    ranges_mm3: Mapping[str, tuple[float, float]]


def run(images: Sequence[Path], out: Path, round_id: str | None, skip_faulty: bool = False) -> None:
    """Write `out/NAME.nii.gz` (uint8, the scan's own grid, the data set's label values) for every scan.

    Each mask appears whole, when it is done, and with it its rows in `out/predictions.csv` (`predict_table.Row`), which
    names all scans from the start. A mask is replaced where that table says that this command wrote it. One scan at a
    time is in memory (one a worker while they are checked). A scan that fails does not stop the others.

    Args:
        images: one file a scan.
        out: a folder; made where it is missing.
        round_id: whose model is used; default: the last.
        skip_faulty: leave out scans with a fault, as if they had failed, instead of stopping before any.

    Raises:
        UserError: no such round; or no model, scans that are missing, damaged or without contrast, names that cannot be
            kept, masks that would take each other's place, a scan's or another file's: all of them in one message,
            before any scan is segmented.
        SomeFailed: some scans have no mask, or all; the others are done.
    """
    settings = params.load()
    if round_id is not None and round_id != layout.SURVEY:
        settings.self_training.round(round_id)  # raises where there is none
    round_id = round_id or settings.self_training.last
    folder = layout.model_of(round_id)
    folds = 1 if round_id == layout.SURVEY else settings.segmentation.folds
    masks = {path: out / name for path in images if (name := _mask_name(path))}
    of_scans = _scan_faults(images, settings)
    faults = [*_model_faults(folder, folds), *_name_faults(images, masks, out)]
    if not skip_faulty:
        faults += [fault for found in of_scans.values() for fault in found]
    if faults:
        raise UserError("\n".join(faults))
    model = _loaded(folder, round_id, settings)
    rows = {path: [Row(_mask_name(path), as_text(path), round_id, WAITING)] for path in images}
    for path, found in of_scans.items():
        if found:
            rows[path] = [_failed(rows[path][0], masks.get(path), "; ".join(_without(path, fault) for fault in found))]
    todo = [path for path in images if rows[path][0].status == WAITING]
    predict_table.write_table(out, _all(rows))
    with meter("predict", len(todo)) as bar:
        for path in todo:
            try:
                mask, rows[path] = _segment(path, masks[path].name, model, settings)
                with written_whole(masks[path]) as partial:
                    volume.write(mask, partial)
            except Exception as error:  # whatever it is: it is this scan's, and the others are worth doing
                rows[path] = [_failed(rows[path][0], masks[path], _without(path, _reason(error)))]
                log(f"{path}: {rows[path][0].error}")
            predict_table.write_table(out, _all(rows))
            bar.advance()
    _conclude(_all(rows), out, model)


def _all(rows: Mapping[Path, Sequence[Row]]) -> list[Row]:
    return [row for group in rows.values() for row in group]


def check_scan(path: Path, settings: Params) -> list[str]:
    """What is wrong with one scan, read whole. Runs in a worker."""
    faults = []
    try:
        image, flaws = read_image(path, settings.dataset, wild=False)  # found below
        faults = [f"{path}: {flaw.found}; allowed: {flaw.allowed}" for flaw in flaws]
        if image is not None and flaws:
            ordinary(image)
        elif image is not None:
            standardise_image(image, settings.standardise)
    except UserError as error:  # wild voxels; or no contrast, which only shows on the standard grid
        faults.append(f"{path}: {_without(path, str(error))}")
    except Exception as error:
        faults.append(f"{path}: cannot be brought to the standard grid ({_reason(error)})")
    return faults


def _scan_faults(images: Sequence[Path], settings: Params) -> dict[Path, list[str]]:
    """What is wrong with each scan, its name's format included."""
    # ITK ends the whole process at a name that is no text.
    readable = [path for path in dict.fromkeys(images) if is_text(path)]
    tasks = [Task(f"check {path}", check_scan, {"path": path, "settings": settings}) for path in readable]
    found = dict(zip(readable, run_tasks(tasks, name="check", light=True), strict=True))
    allowed = f"a name in UTF-8 that ends in one of {', '.join(volume.FORMATS)}"
    for path in images:
        if not is_text(path):
            found[path] = [f"{as_text(path)}: bytes that are not UTF-8; allowed: {allowed}"]
        elif not found[path] and not _mask_name(path):
            found[path] = [f"{path}: the name of no format; allowed: {allowed}"]
    return {path: found[path] for path in images}


def _model_faults(model: Path, folds: int) -> Iterator[str]:
    parts = [*_PARTS, *(fold_file(fold) for fold in range(folds))]
    missing = [part for part in parts if not (model / part).is_file()]
    if missing:
        what = "model" if len(missing) == len(parts) else ", ".join(missing)
        yield f"{model}: no {what}; run `dvc repro train_segmentation`, or `dvc checkout` for one made before"


def _mask_name(path: Path) -> str:
    """Name of a scan's mask; empty where its own is of no format or no text, which is a fault of the scan."""
    if not is_text(path):
        return ""
    try:
        return f"{volume.split_suffix(path)[0]}.nii.gz"
    except UserError:
        return ""


def _name_faults(images: Sequence[Path], masks: Mapping[Path, Path], out: Path) -> Iterator[str]:
    """Masks whose names cannot be kept, or that would take each other's place, that of a scan or of another file."""
    for path, mask in masks.items():
        if reason := volume.file_name_fault(mask.name):
            yield f"{path}: the scan names its mask, and {reason}; rename the scan"
    given = [(str(path), masks[path]) for path in images if path in masks]
    for name, sharing in shared_names([(path, mask.name) for path, mask in given]):
        yield f"{', '.join(sharing)}: {len(sharing)} scans for the mask {out / name}; allowed: another name for each"
    try:
        known = predict_table.known_masks(out)
    except UserError as error:
        yield str(error)
        return
    scans = {identity(path) for path in images}
    for mask in dict.fromkeys(masks.values()):
        if mask.exists() and identity(mask) in scans:
            yield f"{mask}: a scan, whose place its mask would take; allowed: another --out than the scan's folder"
        elif os.path.lexists(mask) and (mask.name not in known or mask.is_dir()):
            yield f"{mask}: there already, and not by this command ({TABLE} there); move it away, or name another --out"


def _loaded(folder: Path, round_id: str, settings: Params) -> _Model:
    """The model in a folder.

    Raises:
        UserError: it cannot be loaded, or segments other structures than params.yaml has.
    """
    try:
        about: dict[str, Any] = read_json(folder / layout.ROUND)
        fine, trained_on = bool(about["fine_grid"]), dict(about.get("standardise", {}))
        ranges_mm3 = {name: (float(low), float(high)) for name, (low, high) in about.get("volumes_mm3", {}).items()}
        ensemble = Ensemble(folder, settings.segmentation.prediction)
    except UserError:
        raise
    except Exception as error:  # of any of the libraries that read it
        raise UserError(
            f"{folder}: cannot be loaded ({_reason(error)}); `dvc checkout {folder}` brings back what was trained"
        ) from error
    if ensemble.structures != settings.labels:
        raise UserError(
            f"{folder}: segments {', '.join(ensemble.structures)}; dataset.structures of params.yaml has "
            f"{', '.join(settings.labels)}; allowed: those that the model was trained on"
        )
    now = settings.standardise.model_dump(mode="json")
    differ = [
        f"standardise.{key} was {then!r}, is {now.get(key)!r}"
        for key, then in trained_on.items()
        if now.get(key) != then
    ]
    if differ:
        raise UserError(
            f"{folder}: trained on scans that were standardised otherwise: {'; '.join(differ)}; put these back into "
            "params.yaml, or train again"
        )
    if fine and settings.standardise.fine_spacing_xyz_mm is None:
        raise UserError(f"{folder}: trained on the finer grid; standardise.fine_spacing_xyz_mm of params.yaml is null")
    if not ranges_mm3:
        log(f"{folder}: trained before volumes were noted in {layout.ROUND}: those of the masks are not judged")
    return _Model(round_id, ensemble, fine, ranges_mm3)


def _segment(path: Path, name: str, model: _Model, settings: Params) -> tuple[volume.Volume, list[Row]]:
    """The mask of one scan on its own grid, and a row about each structure in it."""
    scan, grid = volume.read(path), settings.standardise
    image, record = standardise_image(scan, grid)
    if model.fine and grid.fine_spacing_xyz_mm is not None:  # checked in `_loaded`
        image, record = standardise_finely(scan, record, grid.fine_spacing_xyz_mm, grid.smooth_shrinking)
    folds = model.ensemble.fold_probabilities(image)
    structures = model.ensemble.structures
    decision = decide(folds, structures, settings.segmentation.prediction, path.name, image.grid.voxel_mm3)
    mask = on_scan(decision.probabilities, record, settings)
    rows = []
    for agreement in decision.agreements:
        structure = agreement.structure
        inside = mask.array == settings.dataset.structures[structure]
        volume_mm3 = float(np.count_nonzero(inside)) * mask.grid.voxel_mm3
        low, high = model.ranges_mm3.get(structure, (0.0, np.inf))
        warnings = [
            f"{doubt} ({low:.0f} to {high:.0f} mm3)" if doubt == OUTSIDE else doubt
            for doubt in doubts(
                settings.self_training.confidence,
                pairwise_dice=agreement.pairwise_dice,
                largest_share=agreement.largest_share,
                volume_mm3=volume_mm3,
                source_range_mm3=(low, high),
            )
        ]
        if _at_edge(decision.mask == structures[structure]):
            warnings.append("at the crop's edge")
        if _at_edge(inside):
            warnings.append("at the scan's edge")
        rows.append(
            Row(
                mask=name,
                scan=str(path),
                round=model.round_id,
                status=DONE,
                structure=structure,
                volume_mm3=volume_mm3,
                pieces=agreement.pieces,
                fold_dice=agreement.pairwise_dice,
                warnings=(*warnings, *record.notes),
            )
        )
    return mask, rows


def _at_edge(inside: np.ndarray) -> bool:
    """Whether a mask (Z, Y, X) has a voxel in an outermost plane: it may go on outside."""
    return any(bool(np.take(inside, [0, -1], axis=axis).any()) for axis in range(inside.ndim))


def _failed(row: Row, mask: Path | None, error: str) -> Row:
    earlier = "; the mask that is there is an earlier one" if mask is not None and mask.is_file() else ""
    return Row(row.mask, row.scan, row.round, FAILED, error=f"{error}{earlier}")


def _without(path: Path, fault: str) -> str:
    """A fault without the scan's name, which its row has."""
    return fault.removeprefix(f"{as_text(path)}: ")


def _reason(error: Exception) -> str:
    """One line about any exception; a name of its kind before it where it is not ours."""
    text = " ".join(str(error).split())
    return text if isinstance(error, UserError) else f"{type(error).__name__}: {text}" if text else type(error).__name__


def _conclude(rows: Sequence[Row], out: Path, model: _Model) -> None:
    """Print the table and what became of the scans.

    Raises:
        SomeFailed: some have no mask.
    """
    predict_table.print_table(rows)
    done = len({row.mask for row in rows if row.status == DONE})
    doubtful = len({row.mask for row in rows if row.warnings})
    log(f"{done} mask(s) of {model.round_id} in {out}, {doubtful} with warnings; {TABLE} there says which")
    failed = [row for row in rows if row.status == FAILED]
    if failed:
        scans = "\n".join(f"{row.scan}: {row.error}" for row in failed)
        others = "the others are done" if done else "none is done"
        raise SomeFailed(f"{len(failed)} of {done + len(failed)} scans failed, {others}:\n{scans}")
