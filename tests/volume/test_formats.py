"""Names of image files: what is a format's suffix, and what is none."""

import pytest

from gbaseg.errors import UserError
from gbaseg.volume import FORMATS, split_suffix


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
