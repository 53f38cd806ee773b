"""nnU-Net's folders: where images and labels are in them, which channels, and what dataset.json says."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from gbaseg.errors import UserError
from gbaseg.text_file import text_of

DATASET, _IMAGES, _LABELS = "dataset.json", ("imagesTr", "imagesTs"), ("labelsTr", "labelsTs")
# The mark of a channel at the end of an image's name, and that of the first one.
_CHANNEL, FIRST = re.compile(r"_(\d{4})$"), "_0000"
# How many channels are believed: numbers of patients look the same.
_MOST_CHANNELS = 10
# The name of voxels that nobody has labelled.
_IGNORED = "ignore"


def inside(images: Path, labels: Path | None, first: bool, needs_labels: bool) -> tuple[Path, Path | None]:
    """The folders of images and of labels in what was named; what is no folder of nnU-Net's stays.

    Args:
        images, labels: as they were named.
        first: those of training come before those of testing.
        needs_labels: labels beside the images are taken where none were named.
    """
    order = slice(None, None, 1 if first else -1)
    inner = next((images / name for name in _IMAGES[order] if (images / name).is_dir()), None)
    if inner is not None:
        beside = images / _LABELS[_IMAGES.index(inner.name)]
        if labels is None and beside.is_dir() and needs_labels:
            labels = beside
        images = inner
    if labels is not None:
        labels = next((labels / name for name in _LABELS[order] if (labels / name).is_dir()), labels)
    return images, labels


def passed_over(images: Mapping[str, Path]) -> list[str]:
    """A remark for each folder of images that lies beside one that is taken, and is not.

    Args:
        images: what is taken, by option.
    """
    taken = {folder.resolve() for folder in images.values()}
    return [
        f"{option}: {folder.name} is taken, {name} beside it is not"
        for option, folder in images.items()
        for name in _IMAGES
        if folder.name in _IMAGES and (other := folder.parent / name).is_dir() and other.resolve() not in taken
    ]


def channels(stems: Sequence[str], labels: Collection[str]) -> list[str]:
    """Channels where scans are there in several; none of scans that are numbered with four digits.

    Args:
        stems: names of images without the format's suffix.
        labels: those of their labels, empty where there are none.
    """
    found: dict[str, set[str]] = defaultdict(set)
    for stem in stems:
        if (match := _CHANNEL.search(stem)) is None:
            return []
        found[stem[: match.start()]].add(match[1])
    numbers = sorted(set().union(*found.values()))
    # `img_0001` and `img_0002` are two patients, but where a label is called `img`.
    of_scans = len(found) > 1 or not found.keys().isdisjoint(labels)
    first = all(FIRST.removeprefix("_") in own for own in found.values())
    return numbers if of_scans and first and len(numbers) > 1 and int(numbers[-1]) < _MOST_CHANNELS else []


def structures(folder: Path) -> tuple[dict[str, int], list[str]]:
    """By dataset.json: `labels` as name -> value, or value -> name as its first version had them.

    Returns:
        Structures, empty where it does not say; and remarks on what it says and is not taken.

    Raises:
        UserError: it is no JSON.
    """
    labels = _read_dataset(folder).get("labels", {})
    found: dict[str, int] = {}
    if isinstance(labels, Mapping) and _IGNORED in labels:
        what = (
            f"labels in part ({_IGNORED}: {labels[_IGNORED]}) are not learnt from; what is no structure is background"
        )
        return {}, [f"{DATASET}: {what}"]
    for key, value in labels.items() if isinstance(labels, Mapping) else ():
        name, number = (value, key) if isinstance(value, str) else (key, value)
        if isinstance(number, int) or (isinstance(number, str) and number.isdecimal()):
            found[str(name)] = int(number)
        else:
            return {}, [f"{DATASET}: labels of regions ({name}: {number}) are not taken: --structures names them"]
    found = {name: value for name, value in found.items() if value > 0}
    if twice := [name for name, value in found.items() if list(found.values()).count(value) > 1]:
        what = f"labels that share a value ({', '.join(f'{name}: {found[name]}' for name in twice)})"
        return {}, [f"{DATASET}: {what} are not taken: --structures names them"]
    return found, []


def modality(folder: Path) -> str:
    """The first channel's name by dataset.json; empty where it has none.

    Raises:
        UserError: it is no JSON.
    """
    content = _read_dataset(folder)
    named = content.get("channel_names", content.get("modality", {}))
    name = named.get("0") if isinstance(named, Mapping) else None
    return name if isinstance(name, str) and name.strip() else ""


def _read_dataset(folder: Path) -> dict[str, Any]:
    """dataset.json of a folder, or beside one of its own; empty where there is none to read."""
    for place in (folder, folder.parent if folder.name in _IMAGES else folder):
        if (place / DATASET).is_file():
            try:
                content = json.loads(text_of(place / DATASET))
            except ValueError as error:
                raise UserError(f"{place / DATASET}: no JSON ({error}); allowed: as nnU-Net has it") from error
            return content if isinstance(content, dict) else {}
    return {}
