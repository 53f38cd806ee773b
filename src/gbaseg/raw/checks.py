"""The checks on what comes in, made before anything is trained: all faults of all cases in one report."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gbaseg.cases import Case
from gbaseg.errors import BadCases
from gbaseg.integrity import Flaw, off_grid, read_checked
from gbaseg.raw.dataset_settings import DatasetSettings
from gbaseg.raw.fault import Fault
from gbaseg.raw.same_scan import repeated_scans, same_path, voxels_of
from gbaseg.runtime import engine
from gbaseg.volume import Volume, numbers_as_text
from gbaseg.volume.flaws import Flawed
from gbaseg.volume.wild import without_wild

SPLITS = ("train", "validation", "test")
_LONGEST_MM = 1000.0


class Examined(NamedTuple):
    """What was found of one case: its faults, and `voxels_of` its image (empty where it could not be read)."""

    faults: list[Fault]
    voxels: frozenset[str]


def check_cases(cases: Sequence[Case], root: Path, settings: DatasetSettings) -> list[Fault]:
    """Every fault of every case and of the set as a whole.

    Args:
        cases: as `find_cases` gives them, paths relative to `root`.
        root: folder of the data set.
    """
    tasks = [
        engine.Task(f"check {case.case}", examine_case, {"case": case, "root": root, "settings": settings})
        for case in cases
    ]
    examined = engine.run(tasks, light=True)
    repeated = repeated_scans(cases, [one.voxels for one in examined], rows=settings.layout == "table")
    return [*check_set(cases), *repeated, *(fault for one in examined for fault in one.faults)]


def accept_cases(
    cases: Sequence[Case], faults: Sequence[Fault], settings: DatasetSettings
) -> tuple[list[Case], list[Fault]]:
    """The cases to go on with, and the faults for which the others were left out.

    A target's training case goes on without a label that is faulty: what is trained on is the same whether anybody has
    labelled it, or how.

    Raises:
        BadCases: there are faults and `on_bad_case` is `stop`; or a fault concerns the whole set, also when that
            is so only after the faulty cases are gone (no source case left, say).
    """
    if not faults:
        return list(cases), []
    if settings.on_bad_case == "stop":
        advice = "Mend them, or set dataset.on_bad_case: skip to go on without these cases."
        lasting = any(fault.whole_set for fault in faults)
        raise BadCases([str(fault) for fault in faults], "" if lasting else advice)
    of_scoring = {
        (case.case, case.label)
        for case in cases
        if (case.domain, case.split) == ("target", "train") and case.image not in ("", case.label)
    }
    bad = {fault.case for fault in faults if (fault.case, fault.file) not in of_scoring}
    unlabelled = {fault.case for fault in faults} - bad
    good = [replace(case, label="") if case.case in unlabelled else case for case in cases if case.case not in bad]
    lasting_faults = [fault for fault in faults if fault.whole_set]
    if not lasting_faults:
        lasting_faults = [
            replace(fault, found=f"{fault.found} once the faulty cases are left out") for fault in check_set(good)
        ]
    if lasting_faults:
        rest = [fault for fault in faults if not fault.whole_set]
        raise BadCases(
            [str(fault) for fault in (*lasting_faults, *rest)],
            "dataset.on_bad_case: skip leaves out single cases; the first "
            f"{len(lasting_faults)} fault(s) concern the whole set.",
        )
    return good, list(faults)


def check_set(cases: Sequence[Case]) -> list[Fault]:
    """Faults that no single case has: names and patients that occur twice, domains without cases to train on."""
    return [*_repeated_cases(cases), *_leaking_patients(cases), *_missing_parts(cases)]


def linked_folders(root: Path) -> list[Fault]:
    """A fault for every link to a folder below `root`: DVC hashes what lies behind it as nothing.

    Links to files it follows, and `root` itself may be one.
    """
    links = sorted(
        path for folder, names, _ in os.walk(root) for name in names if (path := Path(folder, name)).is_symlink()
    )
    found = "a link to a folder; DVC does not look behind it, so that changed images would go unnoticed"
    allowed = "folders and files; only dataset.root itself may be a link to a folder"
    return [Fault("", path.relative_to(root).as_posix(), found, allowed, whole_set=True) for path in links]


def check_case(case: Case, root: Path, settings: DatasetSettings) -> list[Fault]:
    """Faults of one case, its files read whole."""
    return examine_case(case, root, settings).faults


def examine_case(case: Case, root: Path, settings: DatasetSettings) -> Examined:
    """One case, its files read whole. Picklable: runs in a worker."""
    image, flaws = read_image(Path(root) / case.image, settings) if case.image else (None, [])
    faults = [Fault(case.case, *fault) for fault in _faults_of(case, image, flaws, Path(root), settings)]
    return Examined(faults, frozenset() if image is None else voxels_of(image))


def read_image(path: Path, settings: DatasetSettings, wild: bool = True) -> tuple[Volume | None, list[Flaw]]:
    """A scan, `None` if the file gives none, and what is wrong with the file, the grid and the intensities.

    Args:
        wild: look for large shares of voxels far from all others; False: `standardise_image` is to find them.
    """
    image, flaws = read_checked(path)
    return image, flaws if image is None else [*flaws, *image_flaws(image, settings, wild)]


def _repeated_cases(cases: Sequence[Case]) -> Iterator[Fault]:
    for kind in ("case", "image", "label"):
        groups = defaultdict(list)
        for case in cases:
            if name := getattr(case, kind):
                groups[name if kind == "case" else same_path(name)].append(case)
        for group in groups.values():
            if len(group) < 2:
                continue
            if kind == "case":
                found = f"occurs {len(group)} times ({', '.join(case.image or case.label for case in group)})"
                yield Fault(group[0].case, "", found, "every case once", whole_set=True)
            elif len({case.case for case in group}) > 1:
                found = f"is the {kind} of {len(group)} cases ({', '.join(case.case for case in group)})"
                allowed = f"{'an' if kind == 'image' else 'a'} {kind} belongs to one case"
                yield Fault("", getattr(group[0], kind), found, allowed, whole_set=True)


def _leaking_patients(cases: Sequence[Case]) -> Iterator[Fault]:
    """A patient on two sides would be trained on and tested on, or make the unpaired domains paired."""
    parts: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for case in cases:
        parts[case.patient][f"{case.domain} {case.split}"].append(case.case)
    for patient, by_part in parts.items():
        if len(by_part) > 1:
            found = " and ".join(f"{part} ({', '.join(names)})" for part, names in sorted(by_part.items()))
            yield Fault(
                "", "", f"patient {patient} is in {found}", "a patient is in one domain and one split", whole_set=True
            )


def _missing_parts(cases: Sequence[Case]) -> Iterator[Fault]:
    for domain in ("source", "target"):
        splits = sorted({case.split for case in cases if case.domain == domain})
        if not splits:
            yield Fault("", "", f"no {domain} cases", "cases of both domains", whole_set=True)
        elif "train" not in splits:
            found = f"{domain} cases of split {', '.join(splits)} only"
            yield Fault("", "", found, f"some {domain} cases of split train", whole_set=True)


def _faults_of(
    case: Case, image: Volume | None, flaws: Sequence[Flaw], root: Path, settings: DatasetSettings
) -> Iterator[tuple[str, str, str]]:
    """(file, found, allowed) of each fault of one case, whose image was read."""
    if not case.image:
        yield case.label, "no image", "an image for every case"
    yield from ((case.image, *flaw) for flaw in flaws)
    if not case.label:
        if (case.domain, case.split) == ("source", "train"):
            yield case.image, "no label", "a label for every source case of split train"
        return
    label, flaws = read_checked(root / case.label, label=True)
    yield from ((case.label, *flaw) for flaw in flaws)
    if label is not None:
        yield from _label_faults(case, label, settings)
        if image is not None and (difference := off_grid(label, image.grid)):
            yield case.label, f"not on its image's grid: {difference}", "the image's grid"


def image_flaws(image: Volume, settings: DatasetSettings, wild: bool = True) -> Iterator[Flaw]:
    """What is wrong with a scan that was read: its grid and its intensities; `wild` as of `read_image`."""
    low, high = settings.spacing_mm_range
    spacing_xyz = image.grid.spacing_zyx_mm[::-1]
    if not all(low <= side <= high for side in spacing_xyz):
        yield Flaw(f"spacing {numbers_as_text(spacing_xyz)} mm (x, y, z)", f"{low:g} to {high:g} mm")
    extent = [side * size for side, size in zip(spacing_xyz, image.grid.shape[::-1], strict=True)]
    if max(extent) > _LONGEST_MM:  # resampled, it would not fit into memory either
        yield Flaw(f"a scan of {numbers_as_text(extent)} mm (x, y, z)", f"at most {_LONGEST_MM:g} mm along each axis")
    if min(image.grid.shape) < 2:
        yield Flaw(f"{numbers_as_text(image.grid.shape[::-1])} voxels (x, y, z)", "at least 2 voxels along each axis")
    if not image.placed:
        found = "a header that does not say where in the patient the voxels lie, nor which side is left"
        yield Flaw(found, "a form with a code (NIfTI), a TransformMatrix (MetaImage), space and directions (NRRD)")
    low, high = image.array.min(), image.array.max()
    if low == high:
        yield Flaw(f"every voxel is {low:g}", "an image that is not constant")
    elif not ((image.array != low) & (image.array != high)).any():
        yield Flaw(f"two intensities only, {low:g} and {high:g} (a mask?)", "an image")
    elif wild:
        try:
            without_wild(image.array)
        except Flawed as error:
            yield error.flaw


def _label_faults(case: Case, label: Volume, settings: DatasetSettings) -> Iterator[tuple[str, str, str]]:
    values = np.unique(label.array)
    unknown = values[~np.isin(values, (0, *settings.known_labels))]
    if unknown.size:
        shown = ", ".join(str(value) for value in unknown[:5]) + (" ..." if unknown.size > 5 else "")
        yield (
            case.label,
            f"label value(s) {shown}",
            f"0, {numbers_as_text(settings.known_labels)} (dataset.known_labels)",
        )
    if settings.tumour_label not in values:
        use = "" if case.domain == "source" else "; it is for scoring, and Dice of an empty label is undefined"
        allowed = f"at least one voxel of {settings.tumour} = {settings.tumour_label}{use}"
        yield case.label, f"no voxel of {settings.tumour} ({settings.tumour_label})", allowed
