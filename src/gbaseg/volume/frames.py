"""Where the frames of one DICOM file lie (enhanced MR and CT), by pydicom, which is optional.

ITK takes frames for a stack in the order in which they are stored, whatever their headers say of their places: masks of
frames that run downwards would lie upside down, and those of two points in time on twice as many slices.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np

from gbaseg.volume.flaws import Flawed

_A_FILE_EACH = "a file a slice, or NIfTI"
# Where the standard has them: in the group of a frame, or in the one that all share.
_POSITION = ("PlanePositionSequence", "ImagePositionPatient")
_ORIENTATION = ("PlaneOrientationSequence", "ImageOrientationPatient")
_SPACING = ("PixelMeasuresSequence", "PixelSpacing")
_RESCALED = "PixelValueTransformationSequence"


class Frames(NamedTuple):
    """Of the frames of one file, as they are stored.

    Args:
        positions: centres of their first voxels (frame, xyz), mm.
        orientation: cosines of row and column, 6 numbers.
        spacing: between rows and between columns, mm.
    """

    positions: np.ndarray
    orientation: np.ndarray
    spacing: np.ndarray


def read_places(file: str) -> Frames:
    """Where the frames of a file lie; 6 and 2 numbers that all of them share.

    Raises:
        Flawed: it does not say so of each, they are not alike, or pydicom is not there.
    """
    if find_spec("pydicom") is None:
        raise Flawed(
            "several frames in one file, whose places are read by pydicom, which is not installed",
            f"pip install -c constraints.txt -e '.[dicom]' in gbaseg's folder; or {_A_FILE_EACH}",
        )
    from pydicom import dcmread

    header = dcmread(file, stop_before_pixels=True)
    shared, frames = header.get("SharedFunctionalGroupsSequence"), header.get("PerFrameFunctionalGroupsSequence")
    count = int(header.get("NumberOfFrames") or 1)
    if not frames or len(frames) != count:
        found = f"{count} frame(s) in one file, and the places of {len(frames or ())}"
        raise Flawed(found, f"frames that say where each lies (enhanced MR or CT); or {_A_FILE_EACH}")
    groups = [(frame, shared[0] if shared else None) for frame in frames]
    positions = _numbers(groups, *_POSITION, 3)
    alike = {name: _numbers(groups, *where, size) for name, where, size in (
        ("orientations", _ORIENTATION, 6), ("voxel sizes", _SPACING, 2),
    )}  # fmt: skip
    alike["rescalings (one array holds one unit)"] = np.array([_rescaling(*group) for group in groups])
    for name, values in alike.items():
        if np.ptp(values, axis=0).max() > 1e-4:
            raise Flawed(f"{count} frames of several {name}", "frames that are alike")
    return Frames(positions, alike["orientations"][0], alike["voxel sizes"][0])


def _numbers(groups: list[tuple[Any, Any]], sequence: str, key: str, size: int) -> np.ndarray:
    """(frame, size) of an attribute of every frame."""
    found = [_item(frame, shared, sequence).get(key) for frame, shared in groups]
    if lacking := sum(value is None or len(value) != size for value in found):
        raise Flawed(f"{lacking} of {len(found)} frames without {key}", f"frames that say it; or {_A_FILE_EACH}")
    return np.array(found, float)


def _rescaling(frame: Any, shared: Any) -> tuple[float, float]:
    item = _item(frame, shared, _RESCALED)
    return float(item.get("RescaleSlope", 1.0)), float(item.get("RescaleIntercept", 0.0))


def _item(frame: Any, shared: Any, sequence: str) -> Any:
    """What a frame's group says, or else what all share; nothing where neither does."""
    for group in (frame, shared):
        if group is not None and group.get(sequence):
            return group[sequence][0]
    return {}
