"""Cases from folders of scans and labels as people have them, paired by their names; nnU-Net's folders, too."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from glob import escape
from itertools import count
from pathlib import Path

from gbaseg.cases import Case, Domain
from gbaseg.planning import nnunet_folders as nnunet
from gbaseg.planning.listing import HEADERS, images_of, stem_of
from gbaseg.planning.names import SEPARATORS, common_ending, pair, plain, without
from gbaseg.raw.fault import Fault
from gbaseg.raw.table import unfit_name
from gbaseg.volume import split_suffix, voxels_beside

ONE_CENTRE = "A"


@dataclass(frozen=True)
class Folders:
    """What was named on the command line."""

    source: Path
    labels: Path | None
    target: Path
    held_out: Path | None = None
    held_out_labels: Path | None = None


@dataclass
class Found:
    """Cases, and the file behind each path of theirs.

    Args:
        cases: paths relative to the data set's folder, which is yet to be made.
        files: such a path -> the file that it will be a link to.
        faults: of names and folders.
        structures: by nnU-Net's dataset.json, where one says so; `of_structures`: what of it is not taken.
        remarks: what was taken for granted.
    """

    cases: list[Case] = field(default_factory=list)
    files: dict[str, Path] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    structures: dict[str, int] = field(default_factory=dict)
    of_structures: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Part:
    """One folder of scans: name of its folder in the data set, option, domain, split."""

    name: str
    domain: Domain
    split: str
    images: Path
    labels: Path | None

    @property
    def option(self) -> str:
        return f"--{self.name.replace('_', '-')}"

    @property
    def labels_option(self) -> str:
        return "--labels" if self.name == "source" else f"{self.option}-labels"


def find(folders: Folders, centres: str | None, modalities: Sequence[str], patients: str | None = None) -> Found:
    """The cases of some folders.

    Args:
        folders: of scans and labels.
        centres: the one centre's name, or a pattern whose group in a scan's name is the centre; None: one for all.
        patients: a pattern whose group in a scan's name is the patient; None: every scan is of another one.
        modalities: names of source and target, empty: by what all names of a folder end in, or the domain.

    Raises:
        UserError: a dataset.json that is no JSON; all other faults are in what is found.
    """
    found = Found()
    parts = [
        _part("source", "source", "train", folders.source, folders.labels, needs_labels=True),
        _part("target", "target", "train", folders.target, None),
    ]
    if folders.held_out is not None:
        parts.append(_part("held_out", "target", "test", folders.held_out, folders.held_out_labels))
    elif folders.held_out_labels is not None:
        found.faults.append(Fault("", "--held-out-labels", "no --held-out", "the scans of these labels as well"))
    if shared := list(_shared(parts)):
        # What is in such a folder fits one of its two parts at most.
        found.faults += shared
        return found
    found.remarks += nnunet.passed_over({part.option: part.images for part in parts})
    found.structures, found.of_structures = nnunet.structures(folders.source)
    found.remarks += found.of_structures
    named: list[tuple[_Part, list[tuple[str, Path, Path | None]], str]] = []
    for part in parts:
        named.append((part, *_scans(part, found)))
    called = [_called(scans, found) for _, scans, _ in named]
    twice = _in_several([scans for _, scans, _ in named], called)
    if twice:
        found.remarks.append(
            f"{len(twice)} name(s) such as {twice[0]} are in more than one folder and taken for different patients; if "
            "they are the same ones, each is to be in one of source, target and held-out alone: leave the others out"
        )
    words = {part.domain: _modality(part, ending, modalities, folders) for part, _, ending in named[:2]}
    for (part, scans, _), of_part in zip(named, called, strict=True):
        for name, (_, image, label) in zip(of_part, scans, strict=True):
            case = f"{part.name}_{name}" if twice else name
            if allowed := unfit_name(case):
                found.faults.append(Fault("", str(image), f"its case would be called {case!r}", allowed))
            row = Case(
                case=case,
                patient=case if patients is None else _in_name(image, "patient", patients, found),
                centre=_centre(image, centres, found),
                domain=part.domain,
                split=part.split,
                modality=words[part.domain],
                image=_linked(part.name, image, found),
                label="" if label is None else _linked(_folder_of_labels(part), label, found),
            )
            found.cases.append(row)
    if centres is None:
        found.remarks.append(
            f"one centre, {ONE_CENTRE}: --centres 'PATTERN' takes it from names, such as '_(ldn|etz)_'"
        )
    if patients is None:
        found.remarks.append("every scan is of another patient: --patients 'PATTERN' takes them from names")
    return found


def _shared(parts: Sequence[_Part]) -> Iterator[Fault]:
    """A fault for each folder that was named for two things."""
    first: dict[Path, str] = {}
    for part in parts:
        for option, folder in ((part.option, part.images), (part.labels_option, part.labels)):
            if folder is None:
                continue
            other = first.setdefault(folder.resolve(), option)
            if other != option:
                allowed = "scans of one domain and split, or labels, alone in a folder"
                yield Fault("", f"{option} {folder}", f"the folder of {other}, too", allowed)


def _in_several(parts: Sequence[Sequence[tuple[str, Path, Path | None]]], called: Sequence[Sequence[str]]) -> list[str]:
    """Names of scans that another part before has: of the case or of the file, whatever letters are capitals."""
    before: set[str] = set()
    found: dict[str, str] = {}
    for scans, names in zip(parts, called, strict=True):
        keys = [{name.lower(), stem_of(image).lower()} for name, (_, image, _) in zip(names, scans, strict=True)]
        found |= {name.lower(): name for name, own in zip(names, keys, strict=True) if own & before}
        before.update(*keys)
    return list(found.values())


def _called(scans: Sequence[tuple[str, Path, Path | None]], found: Found) -> list[str]:
    """What the cases of a part are called, each otherwise: signs that no case can have leave some names alike."""
    called: list[str] = []
    for name, image, _ in scans:
        fitting = plain(name)
        if fitting in called:
            number = next(number for number in count(2) if f"{fitting}-{number}" not in called)
            found.remarks.append(f"{image.name}: its case is {fitting}-{number}, as another one is {fitting} already")
            fitting = f"{fitting}-{number}"
        called.append(fitting)
    return called


def _part(
    name: str, domain: Domain, split: str, images: Path, labels: Path | None, needs_labels: bool = False
) -> _Part:
    first = split == "train"
    images, labels = nnunet.inside(images, labels, first, needs_labels=needs_labels or not first)
    return _Part(name, domain, split, images, labels)


def _scans(part: _Part, found: Found) -> tuple[list[tuple[str, Path, Path | None]], str]:
    """(name, image, label) of each scan of a folder, and what all names of its images end in."""
    images = _images(part.images, part.option, found)
    ending = common_ending(list(images))
    labels = {} if part.labels is None else _images(part.labels, part.labels_option, found)
    if channels := nnunet.channels(list(images), labels):
        allowed = "scans of one channel; of scans that are numbered so, another sign before the number than _"
        found.faults.append(Fault("", str(part.images), f"nnU-Net channels {', '.join(channels)}", allowed))
        return [], ""
    if part.labels is None:
        if part.name == "source":
            found.faults.append(
                Fault("", part.labels_option, "not given", "a folder of labels, one for each source scan")
            )
        return [(without(stem, ending), image, None) for stem, image in images.items()], ending
    pairs = pair(list(images), list(labels))
    if images and labels:
        found.faults += [
            Fault("", str(images[stem]), f"no label of that name in {part.labels}", "one label a scan, of one name")
            for stem in images
            if stem not in pairs
        ]
        found.faults += [
            Fault("", str(labels[stem]), f"no scan of that name in {part.images}", "one scan a label, of one name")
            for stem in labels
            if stem not in pairs.values()
        ]
    if other := next((stem for stem, of_stem in pairs.items() if stem != of_stem), None):
        shown = f"{images[other].name} with {labels[pairs[other]].name}"
        found.remarks.append(f"{part.labels_option}: paired by what differs in their names, such as {shown}")
    scans = [
        (without(stem, ending), image, labels[pairs[stem]] if stem in pairs else None) for stem, image in images.items()
    ]
    return [scan for scan in scans if scan[2] is not None or not labels], ending


def _images(folder: Path, option: str, found: Found) -> dict[str, Path]:
    images, faults, remarks = images_of(folder, option)
    found.faults += faults
    found.remarks += remarks
    return images


def _centre(image: Path, pattern: str | None, found: Found) -> str:
    if pattern is None:
        return ONE_CENTRE
    return _in_name(image, "centre", pattern, found) if "(" in pattern else pattern


def _in_name(image: Path, what: str, pattern: str, found: Found) -> str:
    """The group of a pattern in the name of an image; the name itself, and a fault, where there is none."""
    match = re.search(pattern, image.name)
    if match is None or not match[1]:
        found.faults.append(
            Fault("", str(image), f"nothing that --{what}s {pattern} finds", f"a {what} in every scan's name")
        )
        return image.name
    return match[1]


def _modality(part: _Part, ending: str, given: Sequence[str], folders: Folders) -> str:
    if given:
        return given[0] if part.domain == "source" else given[1]
    word = ending.strip(SEPARATORS)
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9]{0,15}", word):
        return word
    return nnunet.modality(folders.source if part.domain == "source" else folders.target) or part.domain


def _folder_of_labels(part: _Part) -> str:
    return "labels" if part.name == "source" else f"{part.name}_labels"


def _linked(folder: str, file: Path, found: Found) -> str:
    """The path of a file in the data set; a header's voxels that lie beside it come along."""
    inside = f"{folder}/{file.name}"
    found.files[inside] = file
    stem, suffix = split_suffix(file)
    if suffix in HEADERS:
        for other in file.parent.glob(f"{escape(stem)}.*"):
            if other.is_file():
                found.files[f"{folder}/{other.name}"] = other
        # The header may name another one.
        if voxels := voxels_beside(file):
            found.files[f"{folder}/{voxels.relative_to(file.parent).as_posix()}"] = voxels
    return inside
