"""Masks that come back from ITK-SNAP and 3D Slicer: found, checked for place and values, never taken for another."""

from dataclasses import replace

import numpy as np
import pytest

from gbaseg import volume
from gbaseg.errors import UserError
from gbaseg.review.corrected import find_edited, keep_mask, mask_path, read_checked
from gbaseg.review.decisions import hash_of
from gbaseg.volume import Grid, Volume, write

OBLIQUE = (0.96, -0.28, 0.0, 0.28, 0.96, 0.0, 0.0, 0.0, 1.0)
GRID = Grid((6, 8, 10), (2.0, 1.0, 1.5), (3.0, -4.0, 5.0), OBLIQUE)
LABELS = {"VS": 1, "Cochlea": 2}


def drawn(values=(1, 2)):
    array = np.zeros(GRID.shape, np.uint8)
    array[2:4, 3:6, 4:8] = values[0]
    array[4, 1, 1] = values[1]
    return array


@pytest.mark.parametrize("name", ["mask.nii.gz", "any name.nii", "Segmentation.nrrd", "mask.mha"])
def test_a_mask_is_read_in_every_format_of_the_editors(tmp_path, name):
    write(Volume(drawn().astype(np.int16), GRID), tmp_path / name)
    found = read_checked(find_edited(tmp_path, ()), GRID, LABELS)
    assert found.dtype == np.uint8 and np.array_equal(found, drawn())


def test_the_part_that_3d_slicer_saves_is_put_back_where_it_belongs(tmp_path):
    part = volume.crop_or_pad(Volume(drawn(), GRID), (2, 1, 1), (3, 5, 7))
    write(part, tmp_path / "Segmentation.seg.nrrd")
    assert np.array_equal(read_checked(tmp_path / "Segmentation.seg.nrrd", GRID, LABELS), drawn())


@pytest.mark.unusual(
    "Review", "a corrected mask on another grid, or with values that are no structure's",
    "what differs, on the page; nothing is taken over",
)  # fmt: skip
@pytest.mark.parametrize(
    ("grid", "says"),
    [
        (replace(GRID, spacing_zyx_mm=(2.0, 1.0, 1.0)), "spacing 1, 1, 2 against 1.5, 1, 2"),
        (replace(GRID, origin_xyz_mm=(3.5, -4.0, 5.0)), "origin 3.5, -4, 5 against 3, -4, 5"),
        (replace(GRID, direction=(1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0)), "direction"),
        (GRID.shifted((1, 0, 0), GRID.shape), "origin"),  # a whole slice aside: it leaves the image
        (GRID.shifted((-1, 0, 0), GRID.shape), "origin"),
    ],
)
def test_a_mask_that_lies_elsewhere_is_refused(tmp_path, grid, says):
    write(Volume(drawn(), grid), tmp_path / "a.nii.gz")
    with pytest.raises(UserError, match=f"does not lie on the image's voxels: .*{says}"):
        read_checked(tmp_path / "a.nii.gz", GRID, LABELS)


def test_other_values_are_refused_and_all_faults_said_at_once(tmp_path):
    write(Volume(drawn((3, 7)), replace(GRID, spacing_zyx_mm=(2.0, 1.0, 1.0))), tmp_path / "a.nii.gz")
    with pytest.raises(UserError) as error:
        read_checked(tmp_path / "a.nii.gz", GRID, LABELS)
    values, place = str(error.value).splitlines()
    assert values == f"{tmp_path / 'a.nii.gz'}: value(s) 3, 7; allowed: 0, 1 (VS), 2 (Cochlea)"
    assert "spacing" in place


def test_a_probability_map_and_a_torn_file_are_no_masks(tmp_path):
    write(Volume(np.full(GRID.shape, 0.4, np.float32), GRID), tmp_path / "a.nii.gz")
    with pytest.raises(UserError, match="no whole numbers"):
        read_checked(tmp_path / "a.nii.gz", GRID, LABELS)
    (tmp_path / "a.nii.gz").write_bytes((tmp_path / "a.nii.gz").read_bytes()[:60])
    with pytest.raises(UserError, match="cannot be read"):
        read_checked(tmp_path / "a.nii.gz", GRID, LABELS)


def test_an_empty_mask_is_one(tmp_path):
    """There is no tumour: somebody has looked."""
    write(Volume(np.zeros(GRID.shape, np.uint8), GRID), tmp_path / "a.nii.gz")
    assert not read_checked(tmp_path / "a.nii.gz", GRID, LABELS).any()


def test_the_copy_as_it_was_is_no_correction(tmp_path):
    with pytest.raises(UserError, match=r"no mask; save it there"):
        find_edited(tmp_path, ())
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(UserError, match=r"no mask \(notes.txt\)"):
        find_edited(tmp_path, ())
    write(Volume(drawn(), GRID), tmp_path / "a.nii.gz")
    before = hash_of(tmp_path / "a.nii.gz")
    with pytest.raises(UserError, match=r"a.nii.gz is as it was put there"):
        find_edited(tmp_path, {before})
    write(Volume(drawn((2, 1)), GRID), tmp_path / "b.nrrd")
    assert find_edited(tmp_path, {before}).name == "b.nrrd"
    write(Volume(drawn((1, 1)), GRID), tmp_path / "a.nii.gz")
    with pytest.raises(UserError, match=r"2 masks: a.nii.gz, b.nrrd; keep one"):
        find_edited(tmp_path, {before})


def test_a_kept_mask_has_its_hash_in_its_name_and_the_image_s_grid(tmp_path):
    found = keep_mask(drawn(), GRID, tmp_path / "round_0", "etz_1")
    path = mask_path(tmp_path / "round_0", "etz_1", found)
    assert path.name == f"etz_1.{found}.nii.gz" and hash_of(path) == found
    kept = volume.read(path)
    assert np.array_equal(kept.array, drawn()) and kept.grid.agrees_with(GRID)
    other = keep_mask(drawn((2, 1)), GRID, tmp_path / "round_0", "etz_1")
    assert keep_mask(drawn(), GRID, tmp_path / "round_0", "etz_1") == found != other
    assert len(list((tmp_path / "round_0").iterdir())) == 2
