"""predict: segment any scan of the target modality with a trained round; no part of the pipeline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from gbaseg import params, volume
from gbaseg.commands import predict_table
from gbaseg.commands.outputs import as_text
from gbaseg.commands.predict_scans import mask_name, name_faults, scan_faults, without, words_of
from gbaseg.commands.predict_table import DONE, FAILED, TABLE, WAITING, Row
from gbaseg.errors import SomeFailed, UserError
from gbaseg.params import Params
from gbaseg.runtime.progress import log, meter
from gbaseg.runtime.scratch import written_whole
from gbaseg.segmentation.ensemble import Ensemble, fold_file
from gbaseg.segmentation.prediction import decide
from gbaseg.self_training.confidence import OUTSIDE, doubts
from gbaseg.stages.pseudo_label import on_scan
from gbaseg.standardise.case import standardise_finely, standardise_image
from gbaseg.standardise.settings import StandardiseSettings
from gbaseg.workflow import layout
from gbaseg.workflow.context import read_json

# What `Ensemble` and this command read of a model's folder, besides the folds.
_PARTS = ("plans.json", "dataset.json", layout.ROUND)
# What was done before there was a setting for it, which round.json does not name then.
_BEFORE = {"slices": "axial"}


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
    names all scans from the start. A mask is replaced where it is, by its hash in that table, as this command wrote it.
    One scan at a time is in memory (one a worker while they are checked). A scan that fails does not stop the others.

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
    settings = _as_trained(folder, settings)
    folds = 1 if round_id == layout.SURVEY else settings.segmentation.folds
    masks = {path: out / name for path in images if (name := mask_name(path))}
    of_scans = scan_faults(images, settings)
    faults = [*_model_faults(folder, folds), *name_faults(images, masks, out)]
    if not skip_faulty:
        faults += [fault for found in of_scans.values() for fault in found]
    if faults:
        raise UserError("\n".join(faults))
    model = _loaded(folder, round_id, settings)
    known = predict_table.known_masks(out)
    names = {path: mask_name(path) for path in images}
    rows = {
        path: [Row(name, as_text(path), round_id, WAITING, blake2b=known.get(name, ""))] for path, name in names.items()
    }
    for path, found in of_scans.items():
        if found:
            rows[path] = [_failed(rows[path][0], masks.get(path), "; ".join(without(path, fault) for fault in found))]
    todo = [path for path in images if rows[path][0].status == WAITING]
    predict_table.write_table(out, _all(rows))
    with meter("predict", len(todo)) as bar:
        for path in todo:
            try:
                mask, segmented = _segment(path, masks[path].name, model, settings)
                with written_whole(masks[path]) as partial:
                    volume.write(mask, partial)
                    written = predict_table.hash_of(partial)
                    rows[path] = [_replacing(rows[path][0], masks[path], written)]
                    predict_table.write_table(out, _all(rows))
                rows[path] = [replace(row, blake2b=written) for row in segmented]
            except Exception as error:  # whatever it is: it is this scan's, and the others are worth doing
                rows[path] = [_failed(rows[path][0], masks[path], without(path, words_of(error)))]
                log(f"{path}: {rows[path][0].error}")
            predict_table.write_table(out, _all(rows))
            bar.advance()
    _conclude(_all(rows), out, model)


def _all(rows: Mapping[Path, Sequence[Row]]) -> list[Row]:
    return [row for group in rows.values() for row in group]


def _model_faults(model: Path, folds: int) -> Iterator[str]:
    parts = [*_PARTS, *(fold_file(fold) for fold in range(folds))]
    missing = [part for part in parts if not (model / part).is_file()]
    if missing:
        what = "model" if len(missing) == len(parts) else ", ".join(missing)
        yield f"{model}: no {what}; run `dvc repro train_segmentation`, or `dvc checkout` for one made before"


def _as_trained(folder: Path, settings: Params) -> Params:
    """The settings, with scans standardised as those that the model was trained on, whatever params.yaml says now.

    Raises:
        UserError: what the model says of that cannot be.
    """
    if not (folder / layout.ROUND).is_file():
        return settings  # said with whatever else is missing
    trained_on = read_json(folder / layout.ROUND).get("standardise")
    if trained_on is None:
        log(f"{folder}: does not say what its scans were standardised to; taken: that of params.yaml, axial slices")
        return settings.model_copy(update={"standardise": settings.standardise.model_copy(update=_BEFORE)})
    now = settings.standardise.model_dump(mode="json")
    try:
        trained_on = {**_BEFORE, **trained_on}
        standardise = StandardiseSettings(**trained_on)
    except (ValidationError, TypeError) as error:
        found = f"{folder / layout.ROUND}: standardise: {error}"
        raise UserError(f"{found}; `dvc checkout {folder}` brings back what was trained") from error
    differ = [f"{key} {then!r} (params.yaml: {now[key]!r})" for key, then in trained_on.items() if now[key] != then]
    if differ:
        log(f"{folder}: scans are standardised as it was trained: {', '.join(differ)}")
    return settings.model_copy(update={"standardise": standardise})


def _loaded(folder: Path, round_id: str, settings: Params) -> _Model:
    """The model in a folder.

    Raises:
        UserError: it cannot be loaded, or segments other structures than params.yaml has.
    """
    try:
        about: dict[str, Any] = read_json(folder / layout.ROUND)
        fine = bool(about["fine_grid"])
        ranges_mm3 = {name: (float(low), float(high)) for name, (low, high) in about.get("volumes_mm3", {}).items()}
        ensemble = Ensemble(folder, settings.segmentation.prediction)
    except UserError:
        raise
    except Exception as error:  # of any of the libraries that read it
        raise UserError(
            f"{folder}: cannot be loaded ({words_of(error)}); `dvc checkout {folder}` brings back what was trained"
        ) from error
    if ensemble.structures != settings.labels:
        raise UserError(
            f"{folder}: segments {', '.join(ensemble.structures)}; dataset.structures of params.yaml has "
            f"{', '.join(settings.labels)}; allowed: those that the model was trained on"
        )
    if fine and settings.standardise.fine_spacing_xyz_mm is None:
        raise UserError(f"{folder}: trained on the finer grid; standardise.fine_spacing_xyz_mm is null")
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
    decision = decide(folds, settings.pieces, settings.segmentation.prediction, path.name, image.grid.voxel_mm3)
    mask = on_scan(decision.probabilities, record, settings)
    rows = []
    for agreement in decision.agreements:
        structure = agreement.structure
        inside = mask.array == settings.dataset.label_values[structure]
        volume_mm3 = float(np.count_nonzero(inside)) * mask.grid.voxel_mm3
        low, high = model.ranges_mm3.get(structure, (0.0, np.inf))
        warnings = [
            f"{doubt} ({low:.0f} to {high:.0f} mm3)" if doubt == OUTSIDE else doubt
            for doubt in doubts(
                settings.self_training.confidence,
                pairwise_dice=agreement.pairwise_dice,
                both_empty=agreement.both_empty,
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
    return replace(row, status=FAILED, error=f"{error}{earlier}")


def _replacing(row: Row, mask: Path, written: str) -> Row:
    """The row while a mask takes its place: ended before or after, the next call knows what is there for its own.

    Raises:
        UserError: what is there is not by this command: it came while the scan was segmented.
    """
    hashes = f"{row.blake2b} {written}".strip()
    if reason := predict_table.in_the_way(mask, hashes):
        raise UserError(reason)
    return replace(row, blake2b=hashes)


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
