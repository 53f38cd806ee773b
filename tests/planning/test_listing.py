"""Images of a folder, and what else may lie in it."""

import os
from unicodedata import normalize

import pytest

from gbaseg.planning.listing import images_of


def listed(folder, names):
    for name in names:
        (folder / name).write_text("")
    images, faults, remarks = images_of(folder, "--target")
    return list(images), [str(fault) for fault in faults], remarks


@pytest.mark.unusual(
    "Data sets and folders",
    "`plan`: scans in other formats (.hdr with .img, .dcm, .mgz) beside those that are read",
    "a fault: no patient is left out unsaid",
)
def test_scans_that_are_not_read_are_a_fault(tmp_path):
    images, [fault], remarks = listed(tmp_path, ["a.nii", "b.hdr", "b.img", "c.mgz", "notes.txt"])
    assert images == ["a"] and "scans in formats that are not read (b.hdr, b.img, c.mgz)" in fault
    assert remarks == [f"--target {tmp_path}: no images, and left alone: notes.txt"]


def test_but_not_where_the_same_scan_is_there_in_another_format_or_they_are_a_headers_voxels(tmp_path):
    (tmp_path / "b.mhd").write_text(
        "NDims = 3\nBinaryData = True\nDimSize = 2 2 2\nElementSpacing = 1 1 1\nElementType = MET_UCHAR\n"
        "ElementDataFile = voxels.img\n"
    )
    images, faults, _ = listed(tmp_path, ["a.nii", "a.hdr", "a.img", "voxels.img"])
    assert (images, faults) == (["a", "b"], [])


def test_accents_that_look_alike_are_alike(tmp_path):
    assert listed(tmp_path, [normalize("NFD", "Möller.nii")])[0] == [normalize("NFC", "Möller")]


@pytest.mark.unusual("Data sets and folders", "`plan`: a scan whose name is not UTF-8", "a fault, the name as bytes")
def test_a_name_that_is_not_utf_8_is_a_fault(tmp_path):
    _, [fault], _ = listed(tmp_path, ["a.nii", os.fsdecode(b"caf\xe9.nii")])
    assert "'caf\\udce9.nii', a name that is not UTF-8" in fault


def test_of_scans_in_folders_below_it_is_said_that_they_are_not_looked_into(tmp_path):
    (tmp_path / "p1").mkdir()
    assert "no image in it (p1); allowed: one 3D image a file" in listed(tmp_path, [])[1][0]
    assert listed(tmp_path, ["a.nii"])[2] == [f"--target {tmp_path}: not looked into the folders in it: p1"]
