"""predict: segment any scan of the target modality with a trained round; no part of the pipeline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from gbaseg import volume
from gbaseg.commands import predict_table
from gbaseg.commands.predict_extras import (
    CSV,
    NOTHING_ELSE,
    Wanted,
    extra_faults,
    known_masks,
    remove_stale,
    seg_place,
    statistics_rows,
    write_statistics,
    write_volumes,
)
from gbaseg.commands.predict_inputs import expanded
from gbaseg.commands.predict_scans import mask_name, name_faults, scan_faults, without
from gbaseg.commands.predict_table import DONE, FAILED, TABLE, WAITING, Row
from gbaseg.errors import SomeFailed, UserError, as_text
from gbaseg.inference.dicom_seg import write_seg
from gbaseg.inference.find import describe
from gbaseg.inference.model import Model
from gbaseg.inference.scans import Standardised, read_scan, standardised
from gbaseg.inference.segment import Segmentation, segment
from gbaseg.inference.words import words_of
from gbaseg.runtime.ahead import one_ahead
from gbaseg.runtime.ending import kept
from gbaseg.runtime.progress import log, meter
from gbaseg.runtime.whole import written_whole
from gbaseg.volume import BadImage


@dataclass(frozen=True)
class _Work:
    """Where the masks of a call go, what this command has written there (`known_masks`), and what else is written."""

    out: Path
    masks: Mapping[Path, Path]
    known: Mapping[str, str]
    wanted: Wanted
    model: Model


def run(
    given: Sequence[Path],
    out: Path,
    round_id: str | None,
    skip_faulty: bool = False,
    model: Path | str | None = None,
    wanted: Wanted = NOTHING_ELSE,
) -> None:
    """Write `out/NAME.nii.gz` (uint8, the scan's own grid, the data set's label values) for every scan.

    Each mask appears whole, when it is done, and with it its rows in `out/predictions.csv` (`predict_table.Row`), which
    names all scans from the start. A mask is replaced where it is, by its hash in that table, as this command wrote it.
    Two scans at a time are in memory, the second being read while the first is segmented (one a worker while they are
    checked). A scan that fails does not stop the others.

    Args:
        given: files, folders of them or of a DICOM series, patterns: see `predict_inputs.expanded`.
        out: a folder; made where it is missing.
        round_id: whose model is used; default: the last, or that of `model`.
        skip_faulty: leave out scans with a fault, as if they had failed, instead of stopping before any.
        model: an export or its folder, a round's folder, or an artifact of DVC; default: of the project in this folder.
        wanted: what is written beside the masks.

    Raises:
        UserError: no such round; or no model, scans that are missing, damaged or without contrast, names that cannot be
            kept, masks that would take each other's place, a scan's or another file's: all of them in one message,
            before any scan is segmented.
        SomeFailed: some scans have no mask, or all; the others are done.
    """
    described = describe(model, round_id)
    settings, round_id, images = described.settings, described.round_id, expanded(given)
    names = {path: mask_name(path) for path in images}
    masks = {path: out / name for path, name in names.items() if name}
    of_scans = scan_faults(images, settings)
    known = known_masks(out)
    faults = [*described.faults, *name_faults(images, masks, out)]
    faults += extra_faults(masks, out, wanted, list(settings.labels), known)
    if not skip_faulty:
        faults += [fault for found in of_scans.values() for fault in found]
    if faults:
        raise UserError("\n".join(faults))
    loaded = described.load()
    if wanted.uncertainty:
        loaded.need_several()
    rows = {
        path: [Row(name, as_text(path), round_id, WAITING, blake2b=known.get(name, ""))] for path, name in names.items()
    }
    for path, found in of_scans.items():
        if found:
            rows[path] = [_failed(rows[path][0], masks.get(path), "; ".join(without(path, fault) for fault in found))]
    todo = [path for path in images if rows[path][0].status == WAITING]
    predict_table.write_table(out, _all(rows))
    work = _Work(out, masks, known, wanted, loaded)
    measured: list[dict[str, Any]] = []
    with meter("predict", len(todo)) as bar, closing(one_ahead(partial(_ready, loaded), todo)) as scans:
        for path, ready in scans:
            try:
                with kept():
                    measured += _do(path, ready, rows, work)
                    if measured:
                        write_statistics(out, measured)
            except Exception as error:  # whatever it is: it is this scan's, and the others are worth doing
                rows[path] = [_failed(rows[path][0], masks[path], without(path, words_of(error)))]
                log(f"{path}: {rows[path][0].error}")
            predict_table.write_table(out, _all(rows))
            bar.advance()
    _conclude(_all(rows), out, round_id, bool(measured))


def _all(rows: Mapping[Path, Sequence[Row]]) -> list[Row]:
    return [row for group in rows.values() for row in group]


def _ready(model: Model, path: Path) -> Standardised:
    """A scan, read again and standardised: while others are segmented it may have changed."""
    scan, flaws = read_scan(path, model.settings)
    if scan is None or flaws:
        raise BadImage(path, flaws)
    return standardised(scan, model.settings, model.fine)


def _do(
    path: Path, ready: Callable[[], Standardised], rows: dict[Path, list[Row]], work: _Work
) -> list[dict[str, Any]]:
    """Segment one scan, write its mask and what was asked for beside it; its rows of statistics."""
    wanted, row = work.wanted, rows[path][0]
    found = segment(ready(), work.model, path.name, probabilities=wanted.probabilities, uncertainty=wanted.uncertainty)
    measured = statistics_rows(row.mask, as_text(path), row.round, found.statistics()) if wanted.statistics else []
    # Before the mask, which says that all of it is there.
    write_volumes(found, work.out, row.mask, wanted)
    if wanted.dicom_seg:
        write_seg(found, path, seg_place(work.out, row.mask), row.round)
    _write_mask(path, found, rows, work)
    return measured


def _write_mask(path: Path, found: Segmentation, rows: dict[Path, list[Row]], work: _Work) -> None:
    """Put the mask in its place, and its rows into the table."""
    waiting, mask = rows[path][0], work.masks[path]
    with written_whole(mask) as partial_mask:
        volume.write(found.mask, partial_mask)
        written = predict_table.hash_of(partial_mask)
        rows[path] = [_replacing(waiting, mask, written)]
        former = work.known.get(mask.name)
        # Two models that find nothing write the same bytes.
        if former is not None and (written not in former.split() or not found.mask.array.any()):
            remove_stale(work.out, mask.name, work.wanted, list(found.values))
        predict_table.write_table(work.out, _all(rows))
    rows[path] = [
        replace(
            waiting,
            status=DONE,
            structure=one.structure,
            volume_mm3=one.volume_mm3,
            pieces=one.pieces,
            fold_dice=one.fold_dice,
            warnings=one.warnings,
            blake2b=written,
        )
        for one in found.found
    ]


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


def _conclude(rows: Sequence[Row], out: Path, round_id: str, measured: bool) -> None:
    """Print the table and what became of the scans.

    Raises:
        SomeFailed: some have no mask.
    """
    predict_table.print_table(rows)
    done = len({row.mask for row in rows if row.status == DONE})
    doubtful = len({row.mask for row in rows if row.warnings})
    log(f"{done} mask(s) of {round_id} in {out}, {doubtful} with warnings; {TABLE} there says which")
    if measured:
        log(f"{out / CSV}: sizes and mean intensities")
    failed = [row for row in rows if row.status == FAILED]
    if failed:
        scans = "\n".join(f"{row.scan}: {row.error}" for row in failed)
        others = "the others are done" if done else "none is done"
        raise SomeFailed(f"{len(failed)} of {done + len(failed)} scans failed, {others}:\n{scans}")
