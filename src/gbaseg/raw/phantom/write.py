"""The data set on disk: CrossMoDA 2022's folders and names, the target's labels apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gbaseg.raw.phantom.case import Centre, centre_settings, make_case
from gbaseg.raw.phantom.imaging import Modality
from gbaseg.raw.settings import PhantomSettings
from gbaseg.runtime.engine import Task, run
from gbaseg.volume import write

# London and Tilburg, as the challenge names them.
CODES: dict[Centre, str] = {"A": "ldn", "B": "etz"}
SOURCE, TARGET, VALIDATION, HIDDEN = "training_source", "training_target", "validation", "target_labels"


@dataclass(frozen=True)
class Scan:
    """One scan to be written; `label` lies beside the image for the source, in `target_labels` for the target."""

    centre: Centre
    modality: Modality
    number: int
    image: str
    label: str


def scans(settings: PhantomSettings) -> Iterator[Scan]:
    """Every scan of the data set. Numbers run on over folders and centres: no patient is scanned twice."""
    number = 0
    for folder in (SOURCE, TARGET, VALIDATION):
        modality: Modality = "ceT1" if folder == SOURCE else "hrT2"
        for centre, code in CODES.items():
            numbers = centre_settings(settings, centre)
            count = {
                SOURCE: numbers.source_cases,
                TARGET: numbers.target_cases,
                VALIDATION: numbers.validation_cases,
            }[folder]
            for _ in range(count):
                number += 1
                name = f"crossmoda2022_{code}_{number}"
                label_folder = SOURCE if folder == SOURCE else HIDDEN
                yield Scan(
                    centre, modality, number,
                    f"{folder}/{name}_{modality}.nii.gz", f"{label_folder}/{name}_Label.nii.gz",
                )  # fmt: skip


def write_scan(settings: PhantomSettings, seed: int, scan: Scan, folder: Path) -> None:
    """Make one case and write its image and label."""
    image, label = make_case(settings, seed, scan.centre, scan.modality, scan.number)
    write(image, folder / scan.image)
    write(label, folder / scan.label)


def write_phantom(settings: PhantomSettings, seed: int, folder: Path) -> None:
    """Write the whole data set into `folder`, which exists and is empty.

    `training_source` holds ceT1 and labels, `training_target` and `validation` hold hrT2 alone, and
    `target_labels` holds the labels of both of these, for scoring only.
    """
    run(
        [
            Task(
                f"phantom {scan.number}",
                write_scan,
                {"settings": settings, "seed": seed, "scan": scan, "folder": folder},
            )
            for scan in scans(settings)
        ],
        light=True,
    )
