"""One pass over the scans, side by side: what is wrong with each, and what the decisions go by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from gbaseg.cases import Case, select
from gbaseg.integrity import Flaw, off_grid, read_checked
from gbaseg.planes import Slices
from gbaseg.planning.facts import PERCENTS, DataFacts, LabelFacts, ScanFacts, Triple
from gbaseg.planning.symmetry import symmetry
from gbaseg.raw.checks import check_set, read_image
from gbaseg.raw.dataset_settings import DatasetSettings
from gbaseg.raw.fault import Fault
from gbaseg.raw.same_scan import repeated_scans, voxels_of
from gbaseg.runtime import engine
from gbaseg.segmentation.components import pieces
from gbaseg.standardise.case import ordinary
from gbaseg.standardise.grid import brain_centre
from gbaseg.standardise.intensity import SMALL_HEAD, centre_of, foreground
from gbaseg.standardise.settings import StandardiseSettings
from gbaseg.volume import BadImage, Grid, Turn, Volume, read_grid, same_voxels, turn_to_slices

# Of the voxels of a body, beyond which along an axis they are strays: at either side.
_STRAY = 0.005
_ALL_ZERO = 1e-12


class Seen(NamedTuple):
    """What is wrong with one case, and what it looks like; None where it could not be read."""

    faults: list[Fault]
    facts: ScanFacts | None


def grids_of(cases: Sequence[Case], root: Path) -> dict[str, Grid]:
    """Own grid of each case whose header can be read; what is wrong with the others is found by `see`."""
    grids = {}
    for case in cases:
        try:
            grids[case.case] = read_grid(root / case.image)
        except BadImage:
            continue
    return grids


def see(
    cases: Sequence[Case], root: Path, slices: Slices, settings: DatasetSettings, own_table: bool = True
) -> tuple[DataFacts, list[Fault]]:
    """Read every scan, and every label of the source, once.

    Args:
        cases: paths relative to `root`.
        slices: how they are turned.
        settings: which spacing is believed; labels are taken as they are.
        own_table: cases are rows that a user has written. False: `folders` has found them, and said which lack a label.

    Returns:
        What was seen, of the cases that can be read; every fault of every case and of the set.
    """
    arguments = {"root": root, "slices": slices, "settings": settings, "own_table": own_table}
    tasks = [engine.Task(f"look at {case.case}", see_case, {"case": case, **arguments}) for case in cases]
    seen = engine.run(tasks, name="looked at", light=True)
    voxels = [frozenset() if one.facts is None else one.facts.voxels for one in seen]
    repeated = repeated_scans(cases, voxels, rows=own_table and settings.layout == "table")
    faults = [*check_set(cases), *repeated, *(fault for one in seen for fault in one.faults)]
    train = select(cases, splits=["train"])
    source, target = select(train, domain="source"), select(train, domain="target")
    patients = {case.patient for case in source}
    if len(patients) == 1:
        found = f"one source patient ({next(iter(patients))})"
        faults.append(Fault("", "", found, "two or more: folds are split by patient", whole_set=True))
    facts = DataFacts(
        [one.facts for one in seen if one.facts is not None],
        len(patients),
        {
            "source": tuple(sorted({case.centre for case in source})),
            "target": tuple(sorted({case.centre for case in target})),
        },
        len(source),
        len(target),
        len([case for case in cases if case.domain == "target" and case.split != "train"]),
    )
    return facts, faults


def see_case(case: Case, root: Path, slices: Slices, settings: DatasetSettings, own_table: bool = True) -> Seen:
    """One case, as of `see`. Picklable: runs in a worker."""
    if not case.image:
        return Seen([Fault(case.case, case.label, "no image", "an image for every case")], None)
    image, flaws = read_image(root / case.image, settings)
    faults = [Fault(case.case, case.image, *flaw) for flaw in flaws]
    label: Volume | None = None
    if case.domain == "source" and not case.label and case.split == "train" and own_table:
        faults.append(Fault(case.case, case.image, "no label", "a label for every source case of split train"))
    elif case.label:
        # Of a target case the header alone: no choice may go by what its label says.
        label, wrong = _label_of(case, root, image)
        faults += [Fault(case.case, case.label, *flaw) for flaw in wrong]
    if image is None or faults:
        return Seen(faults, None)
    return Seen([], _facts(case, image, label, slices))


def _label_of(case: Case, root: Path, image: Volume | None) -> tuple[Volume | None, list[Flaw]]:
    allowed = "the image's grid"
    if case.domain == "target":
        try:
            grid = read_grid(root / case.label)
        except BadImage as error:
            return None, error.flaws
        if image is not None and not same_voxels(grid, image.grid):
            return None, [Flaw(f"not on its image's grid: {grid.difference_from(image.grid)}", allowed)]
        return None, []
    label, flaws = read_checked(root / case.label, label=True)
    if label is None or image is None:
        return None, flaws
    if difference := off_grid(label, image.grid):
        flaws.append(Flaw(f"not on its image's grid: {difference}", allowed))
    values = np.unique(label.array)
    if np.array_equal(label.array, image.array):
        flaws.append(Flaw("the voxels of the scan itself", "a mask of its structures"))
    elif values.size == 1:
        flaws.append(Flaw(f"every voxel is {values[0]}", "at least one voxel of a structure, a whole number above 0"))
    elif values[0] < 0 or values[-1] > 255:
        flaws.append(Flaw(f"label values {values[0]} to {values[-1]}", "0 to 255"))
    return label, flaws


def _facts(case: Case, image: Volume, label: Volume | None, slices: Slices) -> ScanFacts:
    turn = turn_to_slices(image.grid, slices)
    array = np.ascontiguousarray(turn.apply(ordinary(image).array), dtype=np.float32)
    grid = turn.grid(image.grid)
    body = foreground(array, "head")
    if not body.any():  # one intensity fills it; its range is what `standardise` will complain of
        body = np.ones_like(body)
    share = float(body.mean())
    percentile = StandardiseSettings().brain_percentile
    centre = centre_of(body) if share < SMALL_HEAD else brain_centre(array, percentile)
    low, high = _box(body, grid, _STRAY)
    percentiles = tuple(float(value) for value in np.percentile(array[body], PERCENTS))
    darkest, zero = float(array.min()), _ALL_ZERO * min(1.0, float(np.abs(array).max()))
    sides = np.concatenate([array[:, [0, -1], :].ravel(), array[:, :, [0, -1]].ravel()])
    return ScanFacts(
        case=case.case,
        source=case.domain == "source",
        held_out=case.split != "train",
        own=image.grid,
        shape=grid.shape,
        spacing_mm=grid.spacing_zyx_mm,
        centre_mm=_triple((place + 0.5) * step for place, step in zip(centre, grid.spacing_zyx_mm, strict=True)),
        body_low_mm=low,
        body_high_mm=high,
        zeros=float((np.abs(array) <= zero).mean()),
        edge_zeros=float((np.abs(sides) <= zero).mean()),
        head_share=share,
        percentiles=percentiles,
        symmetry=symmetry(array, body, grid.spacing_zyx_mm),
        labels=() if label is None else tuple(_labels(turn, label, array, grid)),
        voxels=voxels_of(image),
        zero_at=float(np.clip(-darkest / max(percentiles[-1] - darkest, 1e-30), 0.0, 1.0)),
    )


def _labels(turn: Turn, label: Volume, image: np.ndarray, grid: Grid) -> Iterator[LabelFacts]:
    turned = turn.apply(label.array)
    boxes = ndimage.find_objects(turned.astype(np.int32))
    for value, box in enumerate(boxes, start=1):
        if box is None:
            continue
        # A margin of one voxel, so that a structure at the side of its box ends there.
        mask = np.pad(turned[box] == value, 1)
        low = _triple(side.start * step for side, step in zip(box, grid.spacing_zyx_mm, strict=True))
        high = _triple(side.stop * step for side, step in zip(box, grid.spacing_zyx_mm, strict=True))
        yield LabelFacts(
            value,
            float(np.count_nonzero(mask) * grid.voxel_mm3),
            pieces(mask),
            low,
            high,
            _across_mm(mask, grid.spacing_zyx_mm),
            float(np.percentile(image[turned == value], 95.0)),
        )


def _across_mm(mask: np.ndarray, spacing_mm: Triple) -> float:
    """Diameter of the largest disc that lies in a slice of a mask, mm.

    The distance to the next voxel outside is half a voxel more than that to the edge between them.
    """
    in_plane = spacing_mm[1:]
    largest = max(ndimage.distance_transform_edt(slice_yx, sampling=in_plane).max() for slice_yx in mask)
    return float(2.0 * largest - min(in_plane))


def _box(mask: np.ndarray, grid: Grid, stray: float) -> tuple[Triple, Triple]:
    """First and last face of a mask along each axis, without a share of its voxels at either side, mm."""
    low, high = [], []
    for axis in range(3):
        along = np.cumsum(mask.sum(axis=tuple({0, 1, 2} - {axis}), dtype=np.int64))
        first, last = np.searchsorted(along, (stray * along[-1], (1.0 - stray) * along[-1]))
        low.append(float(first) * grid.spacing_zyx_mm[axis])
        high.append(float(last + 1) * grid.spacing_zyx_mm[axis])
    return _triple(low), _triple(high)


def _triple(values: Sequence[float] | Iterator[float]) -> Triple:
    z, y, x = values
    return (float(z), float(y), float(x))
