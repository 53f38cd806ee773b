"""What may stand at an output's place: checked before any work, so that no result is lost at the end of it."""

from __future__ import annotations

import os
import tempfile
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from gbaseg.errors import UserError
from gbaseg.volume import FORMATS, split_suffix

# Before a suffix these are taken for another format or a pair of files: `x.img.nii.gz`.
_MISLEADING = (*FORMATS, ".gz", ".img", ".hdr")
# Bytes of a name on every file system in use, less what stands before it while it is written.
_LONGEST = 255 - len(".partial-")


def unwritable(path: Path) -> str:
    """Why nothing can be written at `path` (a file or folder, there or not), empty where it can.

    The nearest folder above that exists is tried with a file without a name, which leaves nothing behind: permissions
    alone say too little (root, network file systems, read-only mounts).
    """
    folder = path if path.is_dir() else path.parent
    while not os.path.lexists(folder):
        folder = folder.parent
    if not folder.is_dir():
        return f"{folder} is no folder"
    try:
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return f"{folder} cannot be written to ({error.strerror})"


def same_file(path: Path, others: Iterable[Path]) -> Path | None:
    """The first of `others` that is the file at `path`: by links, or by another case of its name, too."""
    if not path.exists():
        return None
    return next((other for other in others if other.exists() and path.samefile(other)), None)


def mask_name_fault(name: str) -> str:
    """Why a mask cannot be called `name`, empty where it can: what a scan or a case is called decides that."""
    if not name.isprintable():  # nor are bytes that are no UTF-8, which cannot be written into a table
        return f"the name {name!r} has signs that cannot be printed; allowed: a name without them"
    if "/" in name or "\\" in name:
        return f"the name {name} leads to another folder; allowed: a name without / and \\"
    if name.startswith("."):
        return f"the name {name} is a hidden file's; allowed: one that does not begin with a dot"
    if len(name.encode()) > _LONGEST:
        return f"the name {name} has {len(name.encode())} bytes; allowed: {_LONGEST} at most"
    try:
        stem, _ = split_suffix(name)
    except UserError as error:
        return str(error)
    if stem.lower().endswith(_MISLEADING):
        return f"the name {name} ends like two formats; allowed: one format's end"
    return ""


def shared_names(names: Mapping[str, str]) -> list[tuple[str, list[str]]]:
    """Names that several wish for, with those who do: equal, or but for the case of letters or how accents are coded.

    Some file systems (macOS, Windows, many network drives) take such names for one.

    Args:
        names: who -> name.
    """
    wishes = defaultdict(list)
    for who, name in names.items():
        wishes[unicodedata.normalize("NFC", name).casefold()].append(who)
    return [(names[group[0]], group) for group in wishes.values() if len(group) > 1]
