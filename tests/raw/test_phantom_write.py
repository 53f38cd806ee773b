"""The data set on disk: CrossMoDA 2022's layout and names, the target's labels apart."""

import re
from pathlib import Path

import pytest

from gbaseg.raw.phantom.case import make_case
from gbaseg.raw.phantom.write import scans, write_phantom
from gbaseg.raw.settings import PhantomSettings
from gbaseg.volume import read

DEFAULT = PhantomSettings()
COUNTS = {"source_cases": 1, "target_cases": 1, "validation_cases": 1}
TINY = DEFAULT.model_copy(
    update={
        "centre_a": DEFAULT.centre_a.model_copy(update={**COUNTS, "spacing_zyx_mm": (4.0, 2.5, 2.5)}),
        "centre_b": DEFAULT.centre_b.model_copy(update={**COUNTS, "spacing_zyx_mm": (5.0, 3.0, 3.0)}),
    }
)
NAME = re.compile(r"crossmoda2022_(ldn|etz)_(\d+)_(ceT1|hrT2|Label)\.nii\.gz")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantom")
    write_phantom(TINY, 3, folder)
    return folder


def contents(folder: Path) -> dict[str, set[str]]:
    return {part.name: {path.name for path in part.iterdir()} for part in folder.iterdir()}


def test_layout_and_names(written: Path) -> None:
    assert contents(written) == {
        "training_source": {
            "crossmoda2022_ldn_1_ceT1.nii.gz", "crossmoda2022_ldn_1_Label.nii.gz",
            "crossmoda2022_etz_2_ceT1.nii.gz", "crossmoda2022_etz_2_Label.nii.gz",
        },
        "training_target": {"crossmoda2022_ldn_3_hrT2.nii.gz", "crossmoda2022_etz_4_hrT2.nii.gz"},
        "validation": {"crossmoda2022_ldn_5_hrT2.nii.gz", "crossmoda2022_etz_6_hrT2.nii.gz"},
        "target_labels": {f"crossmoda2022_{c}_Label.nii.gz" for c in ("ldn_3", "etz_4", "ldn_5", "etz_6")},
    }  # fmt: skip


def test_images_and_labels_on_disk_share_a_grid(written: Path) -> None:
    for path in sorted(written.rglob("*_Label.nii.gz")):
        label = read(path)
        (image_path,) = [
            p for p in written.rglob(path.name.replace("Label", "*")) if not p.name.endswith("Label.nii.gz")
        ]
        assert read(image_path).grid.agrees_with(label.grid)
        assert label.array.dtype == "uint8"


def test_what_is_on_disk_is_what_make_case_returns(written: Path) -> None:
    image, label = make_case(TINY, 3, "B", "hrT2", 4)
    stored = read(written / "training_target/crossmoda2022_etz_4_hrT2.nii.gz")
    assert stored.array.dtype == image.array.dtype
    assert stored.array.tobytes() == image.array.tobytes()
    assert stored.grid.agrees_with(image.grid)
    hidden = read(written / "target_labels/crossmoda2022_etz_4_Label.nii.gz")
    assert hidden.array.tobytes() == label.array.tobytes()


def test_no_patient_is_in_two_folders_and_every_scan_is_named_once() -> None:
    planned = list(scans(DEFAULT))
    assert len(planned) == 2 * (12 + 8 + 7)
    assert len({scan.number for scan in planned}) == len(planned)
    for scan in planned:
        image, label = NAME.fullmatch(Path(scan.image).name), NAME.fullmatch(Path(scan.label).name)
        assert image is not None
        assert label is not None
        assert image[2] == label[2] == str(scan.number)


def test_labels_of_the_target_are_planned_apart() -> None:
    for scan in scans(DEFAULT):
        apart = Path(scan.label).parent != Path(scan.image).parent
        assert apart == (scan.modality == "hrT2")


def test_a_split_may_be_empty() -> None:
    none = DEFAULT.model_copy(update={"centre_b": DEFAULT.centre_b.model_copy(update=dict.fromkeys(COUNTS, 0))})
    assert {scan.centre for scan in scans(none)} == {"A"}
