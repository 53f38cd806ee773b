"""What `predict` says of every scan: a CSV file beside the masks, and a table on the terminal."""

from __future__ import annotations

import csv
import hashlib
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from rich.console import Console
from rich.text import Text

from gbaseg.cases import csv_rows
from gbaseg.errors import UserError
from gbaseg.evaluation.text import UNKNOWN, number, plain_console, plain_table

# No name of a mask: those end in .nii.gz.
TABLE = "predictions.csv"
DONE, FAILED, WAITING = "done", "failed", "waiting"


@dataclass(frozen=True)
class Row:
    """One structure of one scan; one row without a structure where there is no mask.

    Args:
        mask: name of its file, in the folder of the table.
        scan: the file, as it was given.
        round: whose model it was.
        status: `done`, `failed`, or `waiting` where the command was ended before.
        structure: of the mask.
        volume_mm3: of the structure in the mask, on the scan's own grid.
        pieces: connected components of what the folds found together, of which the mask has the largest (of a
            structure of several pieces as many).
        fold_dice: mean Dice over the pairs of folds of which either finds something; NaN where there is none.
        warnings: what speaks against the mask.
        error: why there is none.
        blake2b: of the mask's file as this command wrote it; two, parted by a space, where it was ended while the
            mask was replaced: it is one or the other.
    """

    mask: str
    scan: str
    round: str
    status: str
    structure: str = ""
    volume_mm3: float = math.nan
    pieces: int | None = None
    fold_dice: float = math.nan
    warnings: tuple[str, ...] = ()
    error: str = ""
    blake2b: str = ""


_COLUMNS = tuple(field.name for field in fields(Row))
# Of tables from before masks had hashes.
_EARLIER_COLUMNS = _COLUMNS[:-1]


def known_masks(out: Path) -> dict[str, str]:
    """Name -> `Row.blake2b` of the masks in `out` that this command has written; empty where it has none.

    Raises:
        UserError: a file of the table's name that is none.
    """
    return {row["mask"]: row["blake2b"] for row in _read(out / TABLE)}


def hash_of(mask: Path) -> str:
    """`Row.blake2b` of a file."""
    return hashlib.blake2b(mask.read_bytes(), digest_size=8).hexdigest()


def in_the_way(mask: Path, hashes: str) -> str:
    """Why no mask may be put at `mask`: something else is there than this command wrote; empty where nothing is.

    Args:
        hashes: its `Row.blake2b`. That the table names a mask says too little: one may have been corrected since, or
            drawn by hand where the scan had failed.
    """
    if not os.path.lexists(mask) or (mask.is_file() and hash_of(mask) in hashes.split()):
        return ""
    return (
        f"{mask}: there already, and not by this command, or changed since it wrote it (by the hash in {TABLE} there); "
        "move it away, or name another --out"
    )


def write_table(out: Path, rows: Sequence[Row]) -> None:
    """Write the table whole: rows of other masks that are there, then these, in the order of the scans.

    Other rows are read each time: calls side by side may share a folder (an array of jobs, a scan each).

    Raises:
        UserError: the folder cannot be written to (any more), or a file of the table's name is none.
    """
    mine = {row.mask for row in rows}
    others = [row for row in _read(out / TABLE) if row["mask"] not in mine and (out / row["mask"]).is_file()]
    partial = out / f".partial-{os.getpid()}-{TABLE}"
    try:
        out.mkdir(parents=True, exist_ok=True)
        with partial.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, _COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(others)
            writer.writerows(_cells(row) for row in rows)
        partial.replace(out / TABLE)
    except OSError as error:
        raise UserError(
            f"{out / TABLE}: cannot be written ({error.strerror}); the masks before it are whole"
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def print_table(rows: Sequence[Row], console: Console | None = None) -> None:
    """Print what is known of every mask, warnings below one another; it fits narrow terminals."""
    structures = {row.structure for row in rows if row.structure}
    table = plain_table("")
    table.add_column("scan", overflow="fold")
    if len(structures) > 1:
        table.add_column("structure", overflow="fold")
    for heading in ("mm3", "pieces", "folds"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("warnings", overflow="fold", ratio=1)
    for row in rows:
        said = "\n".join(row.warnings) if row.status == DONE else f"{row.status}: {row.error}"
        table.add_row(
            Text(Path(row.scan).name),
            *([Text(row.structure)] if len(structures) > 1 else []),
            number(row.volume_mm3, 0),
            UNKNOWN if row.pieces is None else str(row.pieces),
            number(row.fold_dice, 2),
            Text(said),
        )
    console = console or plain_console()
    console.print(table)
    console.print("mm3: volume of the mask; pieces: found, of which the largest are kept; folds: Dice with each other")


def _cells(row: Row) -> dict[str, object]:
    return {
        **asdict(row),
        "volume_mm3": "" if math.isnan(row.volume_mm3) else f"{row.volume_mm3:.6g}",
        "pieces": "" if row.pieces is None else row.pieces,
        "fold_dice": "" if math.isnan(row.fold_dice) else f"{row.fold_dice:.4f}",
        "warnings": "; ".join(row.warnings),
    }


def _read(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    if path.is_file():
        lines = [cells for _, cells in csv_rows(path)]
        header = tuple(lines[0]) if lines else ()
        if header in (_COLUMNS, _EARLIER_COLUMNS) and all(len(cells) == len(header) for cells in lines):
            return [{"blake2b": "", **dict(zip(header, cells, strict=True))} for cells in lines[1:]]
    raise UserError(f"{path}: not a table that predict wrote; move it away, or name another --out")
