"""Names of image files: what is a format's suffix, and what is none."""

import pytest

from gbaseg.errors import UserError
from gbaseg.volume import FORMATS, file_name_fault, split_suffix


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_is_split_off(suffix):
    assert split_suffix(f"a/b.c{suffix}") == ("b.c", suffix)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("A.NII.GZ", ("A", ".nii.gz")),
        ("x.img.nii.gz", ("x.img", ".nii.gz")),
        ("s000.nii.nii.gz", ("s000.nii", ".nii.gz")),
        (".hidden.mha", (".hidden", ".mha")),
    ],
)
def test_names_with_more_dots_and_capitals(name, parts):
    assert split_suffix(name) == parts


@pytest.mark.parametrize("name", ["a.img", "a.tif", "a.gz", "a", "a.tar.gz", ".nii.gz", "a.nii.bz2"])
def test_other_names_are_faults_that_say_what_is_allowed(name):
    with pytest.raises(UserError, match=r"\.nii\.gz, \.nrrd"):
        split_suffix(name)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("a.nii.gz", ""), ("v1.2.mha", ""), ("é b.nrrd", ""), ("a.img.nii.gz", "ends like two formats"),
        ("a.gz.nii", "ends like two formats"), ("a.NII.nrrd", "ends like two formats"), ("a/b.nii", "another folder"),
        (".a.nii", "a hidden file's"), ("a\n.nii", "cannot be printed"), ("é" * 120 + ".nii.gz", "has 247 bytes"),
        ("a.mhd", "voxels lie in another file"), ("a", "no format"),
    ],
)  # fmt: skip
def test_names_that_no_written_image_can_have(name, says):
    assert says in file_name_fault(name) and bool(says) == bool(file_name_fault(name))
