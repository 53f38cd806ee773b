"""Cases of CrossMoDA 2022, from the folders and file names of the official archives (METHOD 1)."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from gbaseg.cases import Case, Domain
from gbaseg.errors import UserError
from gbaseg.raw.fault import Fault

# London and Tilburg, as the paper names them.
CENTRES = {"ldn": "A", "etz": "B"}
_FILE = re.compile(r"crossmoda2022_(?P<centre>ldn|etz)_(?P<number>\d+)_(?P<what>ceT1|hrT2|Label)\.nii(\.gz)?")
# (domain, split) of the images in a folder; None: labels only.
_FOLDERS: dict[str, tuple[Domain, str] | None] = {
    "training_source": ("source", "train"),
    "training_target": ("target", "train"),
    "validation": ("target", "validation"),
    "crossmoda2022_validation": ("target", "validation"),  # the archive's own folder, where images lie in it
    "target_labels": None,  # hidden by the challenge; for scoring only
}
_EXPECTED = {"source": ("ceT1", "Label"), "target": ("hrT2",)}
LAYOUT = """training_source/crossmoda2022_{ldn,etz}_N_ceT1.nii.gz and ..._Label.nii.gz,
training_target/crossmoda2022_{ldn,etz}_N_hrT2.nii.gz, validation/crossmoda2022_{ldn,etz}_N_hrT2.nii.gz and, where
labels of target cases are at hand, target_labels/crossmoda2022_{ldn,etz}_N_Label.nii.gz"""


@dataclass
class _Files:
    """What was found of one patient: images by (domain, split), labels by kind; paths relative to the root."""

    centre: str
    images: dict[tuple[Domain, str], list[str]] = field(default_factory=dict)
    labels: dict[Domain, list[str]] = field(default_factory=dict)


def find_cases(root: Path) -> tuple[list[Case], list[Fault]]:
    """The cases below `root`, however deep the archives nest, and a fault for each image file that fits nowhere.

    A patient is centre and number, `ldn_12`, and so is the case: no patient has two. Hidden files and folders,
    files that are not NIfTI (the archives' tables), and NIfTI files outside the folders of the layout are ignored.

    Raises:
        UserError: none of the layout's folders is below `root`.
    """
    patients: dict[str, _Files] = {}
    faults: list[Fault] = []
    any_folder = False
    files = (Path(folder, name) for folder, _, names in os.walk(root) for name in names)
    for path in sorted(files):
        inside = path.relative_to(root)
        if any(part.startswith((".", "__MACOSX")) for part in inside.parts):
            continue
        folder = next((part for part in reversed(inside.parts[:-1]) if part in _FOLDERS), None)
        any_folder = any_folder or folder is not None
        if folder is not None and path.name.endswith((".nii", ".nii.gz")):
            _sort_in(inside.as_posix(), folder, path.name, patients, faults)
    if not any_folder:
        raise UserError(f"{root}: nothing here in the layout crossmoda2022; expected\n{LAYOUT}")
    names = sorted(patients, key=lambda name: (name.split("_")[0], int(name.split("_")[1])))
    for name in names:
        if not patients[name].images.get(("source", "train")):
            for label in patients[name].labels.pop("source", []):
                faults.append(Fault(name, label, "a label without its ceT1 beside it", "an image for every label"))
        if not any(domain == "target" for domain, _ in patients[name].images):
            for label in patients[name].labels.pop("target", []):
                faults.append(Fault(name, label, "a label of no target case", "an hrT2 image for every label"))
    return [case for name in names for case in _cases_of(name, patients[name])], faults


def _sort_in(file: str, folder: str, name: str, patients: dict[str, _Files], faults: list[Fault]) -> None:
    """Put one file where its folder and name say."""
    part = _FOLDERS[folder]
    expected = ("Label",) if part is None else _EXPECTED[part[0]]
    match = _FILE.fullmatch(name)
    if match is None or match["what"] not in expected:
        allowed = " or ".join(f"crossmoda2022_{{ldn,etz}}_N_{what}.nii.gz" for what in expected)
        patient = f"{match['centre']}_{int(match['number'])}" if match else ""
        faults.append(Fault(patient, file, f"unknown file in {folder}", allowed))
        return
    patient = f"{match['centre']}_{int(match['number'])}"
    files = patients.setdefault(patient, _Files(CENTRES[match["centre"]]))
    if match["what"] == "Label":
        files.labels.setdefault("target" if part is None else part[0], []).append(file)
    elif part is not None:
        files.images.setdefault(part, []).append(file)


def _cases_of(patient: str, files: _Files) -> list[Case]:
    """One case an image (more than one is a fault that the checks name), with its label."""
    cases = []
    for (domain, split), images in files.images.items():
        labels = files.labels.get(domain, [])
        # Two label files for one image: as many cases, so that the checks report the case as repeated.
        for index in range(max(len(images), len(labels))):
            image = images[min(index, len(images) - 1)]
            label = labels[min(index, len(labels) - 1)] if labels else ""
            modality = _EXPECTED[domain][0]
            cases.append(Case(patient, patient, files.centre, domain, split, modality, image, label))
    return cases
