"""What one pass over scans sees, and what it does not look at."""

import gzip

import numpy as np
import pytest

from gbaseg.cases import Case
from gbaseg.planning.gather import see, see_case
from gbaseg.raw.dataset_settings import DatasetSettings
from gbaseg.volume import Grid, Volume, write

# 2 mm thick slices of 1 mm; lies in the file as Z, Y, X of the patient.
GRID = Grid((10, 40, 40), (2.0, 1.0, 1.0))
TABLE = DatasetSettings(layout="table")


@pytest.fixture
def head(tmp_path):
    """A body at rows and columns 5 to 34, and what is written of it."""
    image = np.random.default_rng(0).uniform(0, 5, GRID.shape).astype(np.float32)
    image[:, 5:35, 5:35] += 100
    label = np.zeros(GRID.shape, np.uint8)
    label[3:6, 20:24, 10:30] = 2  # 3 slices, 4 x 20 mm
    label[3:6, 30:33, 10:12] = 2  # a second piece of it
    label[8, 30, 30] = 9

    def save(case, domain="source", split="train", number=0):
        own = image.copy()
        own[0, 0, 0] += number / 10
        write(Volume(own, GRID), tmp_path / f"{case}.nii.gz")
        write(Volume(label, GRID), tmp_path / f"{case}_l.nii.gz")
        return Case(case, case, "A", domain, split, "T1", f"{case}.nii.gz", f"{case}_l.nii.gz")

    return save


def test_facts_of_a_scan(head, tmp_path):
    found = see_case(head("s"), tmp_path, "acquired", TABLE)
    assert found.faults == []
    scan = found.facts
    assert scan.shape == GRID.shape and scan.spacing_mm == (2.0, 1.0, 1.0)
    # The directions of the file are turned: the middle of an even body stays the middle.
    assert scan.centre_mm == pytest.approx((10.0, 20.0, 20.0), abs=0.6)
    assert scan.body_low_mm == pytest.approx((0, 5, 5), abs=1) and scan.body_high_mm == pytest.approx(
        (20, 35, 35), abs=1
    )
    assert (scan.zeros, scan.edge_zeros) == (0.0, 0.0)
    two, nine = scan.labels
    assert (two.value, two.volume_mm3, two.pieces) == (2, 3 * (80 + 6) * 2.0, 1)
    assert nine.volume_mm3 == 2.0
    assert two.high_mm[0] - two.low_mm[0] == 6.0
    # A disc of 3 to 4 mm fits between the long sides.
    assert two.across_mm == pytest.approx(3.5, abs=0.6)


@pytest.mark.parametrize(("darkest", "zero_at"), [(0, 0.0), (-50, 0.5), (50, 0.0), (-1000, 1.0)])
def test_where_zero_lies_among_the_intensities(head, tmp_path, darkest, zero_at):
    case = head("s")
    array = np.random.default_rng(0).uniform(darkest, darkest + 100, GRID.shape).astype(np.float32)
    write(Volume(array, GRID), tmp_path / case.image)
    found = see_case(case, tmp_path, "acquired", TABLE)
    assert found.faults == [] and found.facts.zero_at == pytest.approx(zero_at, abs=0.05)


def test_a_label_of_the_target_is_not_read_beyond_its_header(head, tmp_path):
    case = head("t", "target", "test")
    file = tmp_path / case.label
    whole = gzip.decompress(file.read_bytes())
    file.write_bytes(gzip.compress(whole[:400]))  # the header, and no voxel worth the name
    assert see_case(case, tmp_path, "acquired", TABLE).faults == []
    broken = Case(**{**vars(case), "domain": "source"})
    assert see_case(broken, tmp_path, "acquired", TABLE).faults != []


def test_a_target_label_of_another_grid_or_none_at_all_is_a_fault(head, tmp_path):
    case = head("t", "target", "test")
    write(Volume(np.zeros((9, 40, 40), np.uint8), Grid((9, 40, 40), (2.0, 1.0, 1.0))), tmp_path / case.label)
    assert "40, 40, 9" in str(see_case(case, tmp_path, "acquired", TABLE).faults[0])
    (tmp_path / case.label).unlink()
    assert "no such file" in str(see_case(case, tmp_path, "acquired", TABLE).faults[0])


def test_all_faults_of_all_cases(head, tmp_path, monkeypatch):
    monkeypatch.setenv("GBASEG_WORKERS", "1")
    good, twin, empty, target = head("good"), head("twin"), head("empty", number=1), head("t", "target", number=2)
    write(Volume(np.zeros(GRID.shape, np.uint8), GRID), tmp_path / empty.label)
    (tmp_path / "gone.nii.gz").write_bytes(b"no image")
    gone = Case("gone", "gone", "A", "source", "train", "T1", "gone.nii.gz", "gone_l.nii.gz")
    facts, faults = see([good, twin, empty, gone, target], tmp_path, "acquired", TABLE)
    said = "\n".join(map(str, faults))
    for part in ("one scan under 2 names", "every voxel is 0", "gone.nii.gz", "gone_l.nii.gz: no such file"):
        assert part in said
    assert [scan.case for scan in facts.scans] == ["good", "twin", "t"]
    assert facts.values == {2: 2, 9: 2} and (facts.source_cases, facts.target_cases) == (4, 1)


@pytest.mark.unusual("Data sets and folders", "`plan`: scans given as their own labels", "a fault of each")
def test_a_scan_is_no_label_of_itself(head, tmp_path):
    case = head("s")
    write(Volume(np.random.default_rng(0).integers(0, 9, GRID.shape).astype(np.uint8), GRID), tmp_path / case.image)
    (tmp_path / case.label).write_bytes((tmp_path / case.image).read_bytes())
    assert "the voxels of the scan itself" in str(see_case(case, tmp_path, "acquired", TABLE).faults[0])


def test_a_target_label_that_lies_elsewhere_is_a_fault_as_in_standardise(head, tmp_path):
    case = head("t", "target", "test")
    moved = Grid(GRID.shape, GRID.spacing_zyx_mm, origin_xyz_mm=(9.0, 0.0, 0.0))
    write(Volume(np.zeros(GRID.shape, np.uint8), moved), tmp_path / case.label)
    assert "not on its image's grid: origin" in str(see_case(case, tmp_path, "acquired", TABLE).faults[0])
