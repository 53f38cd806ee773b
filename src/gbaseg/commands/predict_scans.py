"""What is wrong with the scans that `predict` is given, and with the names of their masks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from gbaseg import volume
from gbaseg.commands import predict_table
from gbaseg.commands.outputs import identity, shared_names
from gbaseg.errors import UserError, as_text, is_text
from gbaseg.inference.scans import read_scan
from gbaseg.inference.words import words_of
from gbaseg.params import Params
from gbaseg.runtime.engine import Task
from gbaseg.runtime.engine import run as run_tasks
from gbaseg.standardise.case import ordinary, standardise_image
from gbaseg.volume.dicom import is_series


def check_scan(path: Path, settings: Params) -> list[str]:
    """What is wrong with one scan, read whole. Runs in a worker."""
    faults = []
    try:
        image, flaws = read_scan(path, settings)
        faults = [f"{path}: {flaw.found}; allowed: {flaw.allowed}" for flaw in flaws]
        if image is not None and flaws:
            ordinary(image)
        elif image is not None:
            standardise_image(image, settings.standardise)
    except UserError as error:  # wild voxels; or no contrast, which only shows on the standard grid
        faults.append(f"{path}: {without(path, str(error))}")
    except Exception as error:
        faults.append(f"{path}: cannot be brought to the standard grid ({words_of(error)})")
    return faults


def scan_faults(images: Sequence[Path], settings: Params) -> dict[Path, list[str]]:
    """What is wrong with each scan, its name's format included."""
    # ITK ends the whole process at a name that is no text.
    readable = [path for path in dict.fromkeys(images) if is_text(path)]
    tasks = [Task(f"check {path}", check_scan, {"path": path, "settings": settings}) for path in readable]
    found = dict(zip(readable, run_tasks(tasks, name="check", light=True), strict=True))
    allowed = f"a name in UTF-8 that ends in one of {', '.join(volume.FORMATS)}"
    for path in images:
        if not is_text(path):
            found[path] = [f"{as_text(path)}: bytes that are not UTF-8; allowed: {allowed}"]
        elif not found[path] and not mask_name(path):
            found[path] = [f"{path}: the name of no format; allowed: {allowed}"]
    return {path: found[path] for path in images}


def mask_name(path: Path) -> str:
    """Name of a scan's mask; empty where its own is of no format or no text, which is a fault of the scan."""
    if not is_text(path):
        return ""
    if is_series(path):
        return f"{path.resolve().name}.nii.gz"
    try:
        return f"{volume.split_suffix(path)[0]}.nii.gz"
    except UserError:
        return ""


def name_faults(images: Sequence[Path], masks: Mapping[Path, Path], out: Path) -> Iterator[str]:
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
        elif reason := predict_table.in_the_way(mask, known.get(mask.name, "")):
            yield reason


def without(path: Path, fault: str) -> str:
    """A fault without the scan's name, which its row has."""
    return fault.removeprefix(f"{as_text(path)}: ")
