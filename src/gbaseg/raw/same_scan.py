"""One scan is one scan by its voxels, whatever it is called, and however it is compressed or linked."""

from __future__ import annotations

import hashlib
import posixpath
from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from gbaseg.cases import TABLE, Case
from gbaseg.errors import some_of
from gbaseg.raw.fault import Fault
from gbaseg.volume import Turn, Volume, turn_to_axial

_SHOWN = 4
_AS_IT_LIES = Turn((0, 1, 2), (False, False, False))


def voxels_of(image: Volume) -> frozenset[str]:
    """Hashes of the voxels and their number along each axis, as they lie in the file and turned to the patient's axes.

    Two images that share one are one scan: equal values, whatever their type on disk, their compression, the order of
    their axes (`fslreorient2std` and the like flip and permute them, and say so in the header), or else what the header
    says of the patient's space. None for an image that is constant, and for labels: two scans' may be equal by chance.
    """
    array = np.ascontiguousarray(image.array, dtype=np.float32)
    if array.size == 0 or array.min() == array.max():
        return frozenset()
    turn = turn_to_axial(image.grid)
    return frozenset({_hash(array)} if turn == _AS_IT_LIES else {_hash(array), _hash(turn.apply(array))})


def _hash(array: np.ndarray) -> str:
    shape = str(array.shape).encode()
    # + 0.0: minus zero is zero. In slices, so that no second copy of the scan is in memory.
    total = hashlib.blake2b(shape, digest_size=16)
    for slice_yx in array:
        total.update((slice_yx + np.float32(0.0)).tobytes())
    return total.hexdigest()


def same_path(path: str) -> str:
    """A path of the table as it is compared: `images/./a`, `images//a` and `images/x/../a` are `images/a`."""
    return posixpath.normpath(path) if path else ""


def repeated_scans(cases: Sequence[Case], voxels: Sequence[frozenset[str]], rows: bool) -> Iterator[Fault]:
    """A fault for each scan that is there under several names.

    Args:
        cases: as `find_cases` gives them, in the order of the rows of a table.
        voxels: `voxels_of` of each case's image, empty where it could not be read.
        rows: the cases come from a table, whose rows are named.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for index, hashes in enumerate(voxels):
        for one in hashes:
            groups[one].append(index)
    # Two images may share both hashes, and a third one of them.
    found = sorted({tuple(group) for group in groups.values()})
    for group in found:
        if any(set(group) < set(other) for other in found):
            continue
        # One name several times is a fault of the names, and reported as that.
        if len({same_path(cases[index].image) for index in group}) < 2:
            continue
        where = [
            f"{cases[index].image} (case {cases[index].case}, {cases[index].domain} {cases[index].split}"
            f"{f', {TABLE} row {index + 1}' if rows else ''})"
            for index in group
        ]
        shown = some_of(where, _SHOWN, " and ")
        yield Fault("", "", f"one scan under {len(group)} names: {shown}", "every scan once", whole_set=True)
