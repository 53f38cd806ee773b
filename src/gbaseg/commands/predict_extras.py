"""What `predict` writes beside masks where it is asked to: probabilities, uncertainty, statistics."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from gbaseg import volume
from gbaseg.commands import predict_table
from gbaseg.commands.outputs import remove_former
from gbaseg.errors import UserError
from gbaseg.inference.dicom_seg import check_installed, seg_faults
from gbaseg.inference.segment import Segmentation
from gbaseg.inference.statistics import Statistics
from gbaseg.runtime.progress import log
from gbaseg.runtime.whole import written_whole

CSV, JSON = "statistics.csv", "statistics.json"
PROBABILITIES, UNCERTAINTY, SEGMENTATIONS = "probabilities", "uncertainty", "dicom_seg"
_NUMBERS = ("volume_mm3", "diameter_mm", "axial_diameter_mm", "axial_right_angle_mm", "mean_intensity")
_COLUMNS = ("mask", "scan", "round", "structure", *_NUMBERS)
_ABOUT = {
    "what": "sizes of the structures in the masks beside this file, by gbaseg predict",
    "volume_mm3": "of all voxels of the structure",
    "diameter_mm": "greatest distance between two points of the largest piece's surface",
    "axial_diameter_mm": "greatest distance within an axial slice, of all slices",
    "axial_right_angle_mm": "greatest width at right angles to that, in the same slice",
    "mean_intensity": "of the scan in the structure, in the scan's own numbers",
}


@dataclass(frozen=True)
class Wanted:
    """What is written besides masks and their table."""

    probabilities: bool = False
    uncertainty: bool = False
    statistics: bool = False
    dicom_seg: bool = False


NOTHING_ELSE = Wanted()


def places(out: Path, mask: str, wanted: Wanted, structures: Sequence[str]) -> list[Path]:
    """Files of volumes beside a mask: a folder for each kind, since a name of its own could be another scan's."""
    kinds = [f"{PROBABILITIES}/{quote(name, safe=' ')}" for name in structures] if wanted.probabilities else []
    return [out / kind / mask for kind in [*kinds, *([UNCERTAINTY] if wanted.uncertainty else [])]]


def seg_place(out: Path, mask: str) -> Path:
    """File of the DICOM segmentation beside a mask."""
    return out / SEGMENTATIONS / f"{volume.split_suffix(mask)[0]}.dcm"


def extra_faults(
    masks: Mapping[Path, Path], out: Path, wanted: Wanted, structures: Sequence[str], known: Mapping[str, str]
) -> Iterator[str]:
    """Other files where these would be written.

    Args:
        masks: scan -> its mask.
        known: masks that predict has written here; what lies beside those is its own.

    Raises:
        UserError: what writes DICOM is not installed.
    """
    for mask in dict.fromkeys(masks.values()):
        segmentation = [seg_place(out, mask.name)] if wanted.dicom_seg else []
        for path in [*places(out, mask.name, wanted, structures), *segmentation]:
            if path.exists() and (mask.name not in known or not path.is_file()):
                yield f"{path}: there already, and not by this command; move it away, or name another --out"
    if wanted.statistics:
        try:
            _read(out)
        except UserError as error:
            yield str(error)
    if wanted.dicom_seg:
        check_installed()
        yield from seg_faults(masks)


def write_volumes(segmentation: Segmentation, out: Path, mask: str, wanted: Wanted) -> None:
    """Write what was asked for, each file whole or not at all; before the mask, which says that all of it is there."""
    found = [*segmentation.probabilities.values()]
    if segmentation.uncertainty is not None:
        found.append(segmentation.uncertainty)
    for path, one in zip(places(out, mask, wanted, list(segmentation.probabilities)), found, strict=True):
        with written_whole(path) as partial:
            volume.write(one, partial)


def statistics_rows(mask: str, scan: str, round_id: str, found: Sequence[Statistics]) -> list[dict[str, Any]]:
    """Rows of one scan; None where a structure was not found."""
    return [
        {"mask": mask, "scan": scan, "round": round_id, **{key: _number(value) for key, value in asdict(one).items()}}
        for one in found
    ]


def write_statistics(out: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write both tables: rows of other masks that are there, then these.

    Raises:
        UserError: a file of their names is none of them.
    """
    mine = {row["mask"] for row in rows}
    others = [row for row in _read(out) if row["mask"] not in mine and (out / row["mask"]).is_file()]
    _write_tables(out, [*others, *rows])


def remove_stale(out: Path, mask: str, wanted: Wanted, structures: Sequence[str]) -> None:
    """Remove what an earlier call wrote beside a mask that is about to be another one, and this call does not write.

    Probabilities, a segmentation or sizes of the earlier mask would be taken for this one's.
    """
    folders = sorted((out / PROBABILITIES).iterdir()) if (out / PROBABILITIES).is_dir() else []
    volumes = {folder / mask for folder in (*folders, out / UNCERTAINTY)} - {*places(out, mask, wanted, structures)}
    remove_former([*sorted(volumes), *([] if wanted.dicom_seg else [seg_place(out, mask)])])
    if wanted.statistics:
        return  # written anew
    try:
        rows = _read(out)
    except UserError:
        return  # another table
    if len(others := [row for row in rows if row["mask"] != mask]) < len(rows):
        log(f"{out / CSV}: sizes of the earlier {mask} removed; --statistics measures the present one")
        _write_tables(out, others)


def _write_tables(out: Path, every: Sequence[Mapping[str, Any]]) -> None:
    with written_whole(out / JSON) as partial:
        partial.write_text(json.dumps({"about": _ABOUT, "rows": every}, indent=1) + "\n", encoding="utf-8")
    with (
        written_whole(out / CSV) as partial,
        partial.open("w", newline="", encoding="utf-8") as stream,
    ):
        writer = csv.DictWriter(stream, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: "" if value is None else value for key, value in row.items()} for row in every)


def known_masks(out: Path) -> dict[str, str]:
    """As `predict_table.known_masks`; none where that table is not ours, which is said elsewhere."""
    try:
        return predict_table.known_masks(out)
    except UserError:
        return {}


def _number(value: object) -> object:
    if isinstance(value, float):
        return None if math.isnan(value) else float(f"{value:.6g}")
    return value


def _read(out: Path) -> list[dict[str, Any]]:
    """Rows that are there already.

    Raises:
        UserError: a file of the tables' names is none of them.
    """
    for name in (CSV, JSON):
        path = out / name
        if not path.exists():
            continue
        advice = "not a table that predict wrote; move it away, or name another --out"
        if not path.is_file():
            raise UserError(f"{path}: {advice}")
        text = path.read_text(encoding="utf-8", errors="replace")
        if name == CSV and text.partition("\n")[0] != ",".join(_COLUMNS):
            raise UserError(f"{path}: {advice}")
        if name == JSON:
            return _rows_of(text, f"{path}: {advice}")
    return []


def _rows_of(text: str, otherwise: str) -> list[dict[str, Any]]:
    try:
        content = json.loads(text)
        rows = content["rows"]
        if content["about"]["what"] == _ABOUT["what"] and all(row.keys() == {*_COLUMNS} for row in rows):
            return list(rows)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(otherwise) from error
    raise UserError(otherwise)
