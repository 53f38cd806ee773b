"""Padding and wild voxels: a scan with them is standardised as without."""

import numpy as np
import pytest

from gbaseg.errors import UserError
from gbaseg.raw.checks import read_image
from gbaseg.raw.dataset_settings import DatasetSettings
from gbaseg.standardise.case import standardise_image
from gbaseg.standardise.settings import StandardiseSettings
from gbaseg.volume import Grid, Volume, write
from gbaseg.volume.wild import without_wild

SETTINGS = StandardiseSettings(spacing_xyz_mm=(3.0, 3.0, 5.0), crop_xy_px=32)


@pytest.fixture
def scan(scans):
    array = scans.head()[0].T.copy()
    return Volume(array, Grid(array.shape, (5.0, 3.0, 3.0)))


def spoilt(scan, change):
    array = scan.array.astype(np.int32)
    change(array)
    return scan.with_array(array)


def border(array, value):
    array[:, :3] = array[:, -3:] = array[:, :, :3] = array[:, :, -3:] = value


def at(array, values, inside=False):
    """`values` at random voxels."""
    rng = np.random.default_rng(3)
    for value in values:
        z, y, x = (rng.integers(6, n - 6) if inside else rng.integers(0, n) for n in array.shape)
        array[z, y, x] = value


CHANGES = [
    pytest.param(lambda a: at(a, [-32768], inside=True), id="one",
        marks=pytest.mark.unusual("Scans and masks", "one voxel of -32768 among 0 to 900", "as without it, and said")),
    pytest.param(lambda a: at(a, [-32768]), id="one in the air"),
    pytest.param(lambda a: at(a, [-600], inside=True), id="one, not so far"),
    pytest.param(lambda a: at(a, [32767, 20000, 9000, 5000]), id="spikes",
        marks=pytest.mark.unusual("Scans and masks", "a few spikes of 5000 to 32767", "as without them, and said")),
    pytest.param(lambda a: at(a, [-32768, 32767, -1000, 65535]), id="both ends"),
    pytest.param(lambda a: border(a, -32768), id="border",
        marks=pytest.mark.unusual("Scans and masks", "a border of -32768 or 65535", "taken for air, and said")),
    pytest.param(lambda a: border(a, -1000), id="border, not so far"),
    pytest.param(lambda a: border(a, 65535), id="bright border"),
    pytest.param(lambda a: (border(a, -2000), at(a, [-32768, 32767], inside=True)), id="border and voxels"),
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_standardised_as_without(scan, change):
    clean, record = standardise_image(scan, SETTINGS)
    image, noted = standardise_image(spoilt(scan, change), SETTINGS)
    assert record.notes == () and noted.notes
    assert (noted.intensity_low, noted.intensity_high) == pytest.approx(
        (record.intensity_low, record.intensity_high), abs=20
    )
    assert noted.crop_start_zyx == record.crop_start_zyx
    assert np.mean(np.abs(image.array - clean.array) > 0.05) < 0.01


def test_an_ordinary_scan_is_handed_back_as_it_is(scan):
    for array in (scan.array, scan.array.astype(np.float32) - 900, -scan.array, scan.array * (scan.array > 100)):
        assert without_wild(array)[0] is array


@pytest.mark.unusual("Scans and masks", "5 % of the voxels -32768, all over the scan", "a fault with share and value")
def test_a_large_share_is_a_fault(scan, tmp_path):
    def change(array):
        array[np.random.default_rng(0).random(array.shape) < 0.05] = -32768

    bad = spoilt(scan, change)
    with pytest.raises(UserError, match=r"% of the voxels are -32768, far from all others"):
        standardise_image(bad, SETTINGS)
    write(bad, tmp_path / "s.nii.gz")
    (flaw,) = read_image(tmp_path / "s.nii.gz", DatasetSettings())[1]
    assert "are -32768" in flaw.found


@pytest.mark.unusual("Scans and masks", "a scan of two intensities", "a fault: a mask, it seems")
def test_two_intensities(scan, tmp_path):
    write(scan.with_array((scan.array > 200).astype(np.uint8)), tmp_path / "s.nii.gz")
    (flaw,) = read_image(tmp_path / "s.nii.gz", DatasetSettings())[1]
    assert flaw.found == "two intensities only, 0 and 1 (a mask?)"


@pytest.mark.unusual("Scans and masks", "a head that fills 1 % of the scan, in noise", "found where it is, and said")
def test_a_small_head(scan):
    rng = np.random.default_rng(1)
    wide = rng.uniform(0, 30, (56, 112, 112)).astype(np.float32)
    wide[30:44, 70:98, 5:33] = scan.array
    _, record = standardise_image(Volume(wide, Grid(wide.shape, (5.0, 3.0, 3.0))), SETTINGS)
    assert "the head fills" in record.notes[0]
    _, alone = standardise_image(scan, SETTINGS)
    assert np.abs(np.subtract(record.crop_start_zyx[1:], np.add(alone.crop_start_zyx[1:], (70, 5)))).max() <= 1
    assert record.intensity_high == pytest.approx(alone.intensity_high, rel=0.02)


@pytest.mark.unusual("Scans and masks", "dark and bright swapped", "said: bright borders")
def test_an_inverted_scan_is_said(scan):
    assert "bright borders" in standardise_image(scan.with_array(900 - scan.array), SETTINGS)[1].notes[0]


@pytest.mark.unusual("Scans and masks", "voxel sizes that make the scan longer than 1 m", "a fault")
def test_a_scan_of_two_metres(scan, tmp_path):
    write(Volume(np.tile(scan.array, (1, 8, 1)), Grid((14, 224, 28), (5.0, 9.0, 3.0))), tmp_path / "s.nii.gz")
    (flaw,) = read_image(tmp_path / "s.nii.gz", DatasetSettings())[1]
    assert flaw.found == "a scan of 84, 2016, 70 mm (x, y, z)"


@pytest.mark.unusual(
    "Scans and masks", "voxels that are all but equal: whole numbers read as floating-point ones, say", "a fault"
)
@pytest.mark.parametrize(("offset", "scale"), [(0.0, 5e-324), (0.0, 1e-40), (1.0, 5e-17)], ids=str)
def test_voxels_too_near_to_each_other(scan, tmp_path, offset, scale):
    """A histogram of them has no bins: numpy's own error was a traceback."""
    near = scan.with_array(offset + scale * scan.array.astype(np.float64))
    write(near, tmp_path / "s.nii.gz")
    _, flaws = read_image(tmp_path / "s.nii.gz", DatasetSettings())
    assert [flaw.allowed for flaw in flaws] == ["a spread that numbers can hold"]


def test_numbers_beyond_single_precision(scan):
    with pytest.raises(UserError, match="intensities from"):
        standardise_image(scan.with_array(scan.array * 1e40), SETTINGS)


@pytest.mark.unusual(
    "Scans and masks",
    "0.2 % of wild voxels at 5000 or 10000, 0.3 % at -400: too many for single ones, too near to be refused",
    "a warning with the values",
)
@pytest.mark.parametrize(("share", "value"), [(0.002, 5000), (0.002, 10000), (0.003, -400)])
def test_a_share_that_draws_the_range_out_is_said(scan, share, value):
    rng = np.random.default_rng(0)
    where = rng.random(scan.array.shape) < 2 * share
    where &= rng.random(scan.array.shape) < 0.5
    array = scan.array.astype(np.int32)
    head = scan.array > 200
    array[where & head] = value
    _, record = standardise_image(scan.with_array(array), SETTINGS)
    assert any(f"{value}" in note or "range" in note for note in record.notes), record.notes
    assert standardise_image(scan, SETTINGS)[1].notes == ()


@pytest.mark.unusual(
    "Scans and masks", "CT with -2000 or -1500 outside the scanner's circle", "taken for air, and said"
)
@pytest.mark.parametrize("value", [-3024, -2000, -1500])
def test_what_lies_outside_the_circle_of_a_ct_is_air(value):
    z, y, x = np.mgrid[:12, :40, :40]
    rng = np.random.default_rng(0)
    circle = ((y - 20) / 20) ** 2 + ((x - 20) / 20) ** 2 < 1
    skull = ((y - 20) / 15) ** 2 + ((x - 20) / 13) ** 2
    array = np.where(skull < 1, np.where(skull > 0.85, 1100, 40), -1000) + rng.normal(0, 10, z.shape)
    ct = Volume(np.where(circle, array, array.min()).astype(np.int16), Grid(z.shape, (5.0, 5.0, 5.0)))
    clean = standardise_image(ct, SETTINGS)[1]
    record = standardise_image(ct.with_array(np.where(circle, array, value).astype(np.int16)), SETTINGS)[1]
    assert any(f"are {value}" in note and "padding" in note for note in record.notes)
    assert (record.intensity_low, record.intensity_high) == pytest.approx(
        (clean.intensity_low, clean.intensity_high), abs=60
    )
