"""MetaImage and NRRD: as ITK reads them where they are whole; a fault where something would have to be guessed."""

import os

import numpy as np
import pytest
import SimpleITK as sitk

from gbaseg.errors import UserError
from gbaseg.volume import Grid, Volume, read, read_grid, write

GRID = Grid((4, 5, 6), (5.0, 3.0, 2.0), (1.5, -2.0, 7.0), (0.8, -0.6, 0.0, 0.6, 0.8, 0.0, 0.0, 0.0, 1.0))


def image(dtype=np.int16):
    out = sitk.GetImageFromArray(np.arange(120).reshape(4, 5, 6).astype(dtype))
    out.SetSpacing(GRID.spacing_zyx_mm[::-1])
    out.SetOrigin(GRID.origin_xyz_mm)
    out.SetDirection(GRID.direction)
    return out


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("suffix", [".mha", ".mhd", ".nrrd", ".nhdr"])
@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "i8", "f4", "f8"])
def test_as_itk_reads_it(tmp_path, suffix, packed, dtype):
    path = tmp_path / f"s{suffix}"
    sitk.WriteImage(image(dtype), str(path), useCompression=packed)
    volume, theirs = read(path), sitk.ReadImage(str(path))
    assert volume.array.dtype == np.dtype(dtype)
    assert np.array_equal(volume.array, sitk.GetArrayFromImage(theirs))
    assert volume.grid.agrees_with(GRID, 1e-9) and volume.placed
    assert read_grid(path) == volume.grid


@pytest.mark.parametrize("suffix", [".mha", ".nrrd"])
def test_what_is_written_is_read(tmp_path, suffix):
    volume = Volume(np.arange(120, dtype=np.uint8).reshape(4, 5, 6), GRID)
    write(volume, tmp_path / f"x.nii{suffix}")
    back = read(tmp_path / f"x.nii{suffix}")
    assert np.array_equal(back.array, volume.array) and back.grid.agrees_with(GRID, 1e-9)


@pytest.mark.unusual("Scans and masks", "a mask to be written as .mhd or .tif", "a fault before anything is written")
@pytest.mark.parametrize("name", ["m.mhd", "m.nhdr", "m.tif", "m.img", "m"])
def test_formats_that_are_not_written(tmp_path, name):
    with pytest.raises(UserError, match=r"\.nii\.gz"):
        write(Volume(np.zeros((4, 5, 6), np.uint8), GRID), tmp_path / "new" / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.unusual("Scans and masks", ".img, .tif, .png, .mnc, .dcm", "a fault that names the formats that are read")
@pytest.mark.parametrize("name", ["s.img", "s.tif", "s.png", "s.mnc", "s.dcm", "s.gz", "s"])
def test_other_formats(tmp_path, fault, name):
    (tmp_path / name).write_bytes(b"something")
    assert "no format that is read" in fault(tmp_path / name)


@pytest.mark.unusual("Scans and masks", "a cut-off .raw, .mha, .nrrd or compressed .zraw", "a fault")
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(("suffix", "data"), [(".mha", ".mha"), (".mhd", ""), (".nrrd", ".nrrd"), (".nhdr", "")])
def test_cut_off_and_damaged(tmp_path, fault, suffix, data, packed):
    path = tmp_path / f"s{suffix}"
    sitk.WriteImage(image(), str(path), useCompression=packed)
    voxels = path if data else next(other for other in tmp_path.iterdir() if other != path)
    whole = voxels.read_bytes()
    voxels.write_bytes(whole[:-9])
    assert "cut off" in fault(path)
    voxels.write_bytes(whole + b"more")
    assert "bytes" in fault(path)
    if packed:
        voxels.write_bytes(whole[:-6] + bytes([whole[-6] ^ 1]) + whole[-5:])
        assert "cannot be read" in fault(path)


@pytest.mark.unusual("Scans and masks", "a .mhd whose .raw is missing or in another folder", "a fault; not read")
def test_the_file_of_voxels(tmp_path, fault):
    path = tmp_path / "in" / "s.mhd"
    path.parent.mkdir()
    sitk.WriteImage(image(), str(path))
    (path.parent / "s.raw").rename(tmp_path / "s.raw")
    assert "s.raw is not there" in fault(path)
    text = path.read_text()
    for elsewhere in ("../s.raw", str(tmp_path / "s.raw"), "..\\s.raw"):
        path.write_text(text.replace("s.raw", elsewhere))
        assert "outside the header's folder" in fault(path)
    path.write_text(text.replace("s.raw", "LIST"))
    assert "several files" in fault(path)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        pytest.param("ElementSpacing = 2 3 5\n", "", "ElementSpacing missing",
            marks=pytest.mark.unusual("Scans and masks", "a MetaImage without a spacing", "a fault; ITK takes 1 mm")),
        ("ElementSpacing = 2 3 5", "ElementSpacing = 2 3", "ElementSpacing 2 3"),
        pytest.param("ElementSpacing = 2 3 5", "ElementSpacing = 2 3 0", "voxels of 2, 3, 0 mm",
            marks=pytest.mark.unusual("Scans and masks", "a MetaImage with a spacing of 0", "a fault")),
        ("ElementSpacing = 2 3 5", "ElementSpacing = 2 3 nan", "ElementSpacing 2 3 nan"),
        ("TransformMatrix = 0.8", "TransformMatrix = 0.7", "not at right angles"),
        ("MET_SHORT", "MET_SHORT_ARRAY", "ElementType MET_SHORT_ARRAY"),
        pytest.param("MET_SHORT", "MET_LONG", "ElementType MET_LONG: its size is not defined",
            marks=pytest.mark.unusual("Scans and masks", "a MetaImage of MET_LONG", "a fault: resave it as MET_INT")),
        ("MET_SHORT", "MET_ULONG", "ElementType MET_ULONG: its size is not defined"),
        ("NDims = 3", "NDims = 2", "NDims 2"),
        ("BinaryData = True", "BinaryData = False", "BinaryData False"),
        ("DimSize = 6 5 4", "DimSize = 6 5 0", "DimSize 6 5 0"),
        ("NDims = 3", "NDims = 3\nDistanceUnits = um", "DistanceUnits um"),
        ("NDims = 3", "NDims = 3\nElementNumberOfChannels = 3", "ElementNumberOfChannels 3"),
        ("NDims = 3", "NDims = 3\nHeaderSize = 100", "HeaderSize 100"),
        ("ObjectType = Image", "ObjectType", "no MetaImage header"),
    ],
)  # fmt: skip
def test_metaimage_headers_that_are_refused(tmp_path, fault, old, new, says):
    path = tmp_path / "s.mha"
    sitk.WriteImage(image(), str(path))
    content = path.read_bytes()
    assert old.encode() in content
    path.write_bytes(content.replace(old.encode(), new.encode(), 1))
    assert says in fault(path)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        pytest.param("space directions", "#", "spacings or space directions missing",
            marks=pytest.mark.unusual("Scans and masks", "an NRRD without a spacing", "a fault; ITK takes 1 mm")),
        ("dimension: 3", "dimension: 4", "found 4D"),
        ("kinds: domain domain domain", "kinds: vector domain domain", "kinds vector"),
        ("encoding: raw", "encoding: hex", "encoding hex"),
        ("encoding: raw", "encoding: raw\nbyte skip: 4", "byte skip 4"),
        ("encoding: raw", 'encoding: raw\nspace units: "um" "um" "um"', "units um"),
        ("type: short", "type: block", "type block"),
        ("endian: little", "endian: middle", "endian middle"),
        ("NRRD000", "NERD000", "no NRRD header"),
    ],
)  # fmt: skip
def test_nrrd_headers_that_are_refused(tmp_path, fault, old, new, says):
    path = tmp_path / "s.nrrd"
    sitk.WriteImage(image(), str(path))
    content = path.read_bytes()
    assert old.encode() in content
    path.write_bytes(content.replace(old.encode(), new.encode(), 1))
    assert says in fault(path)


@pytest.mark.unusual(
    "Scans and masks", "a .nrrd of 3D Slicer with `Segment0_Name:=Wiązka`", "read; signs that end no line end none"
)
@pytest.mark.parametrize(
    "line",
    ["Segment0_Name:=Wiązka".encode(), b"Segment0_Name:=a\x1cb", "content: a\u2028b\u0085c".encode(), b"# caf\xe9\x85"],
)
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_signs_in_an_nrrd_header(tmp_path, line, end):
    path = tmp_path / "s.seg.nrrd"
    sitk.WriteImage(image(), str(path))
    header, voxels = path.read_bytes().split(b"\n\n", 1)
    path.write_bytes(end.join([*header.split(b"\n"), line, b"", b""]) + voxels)
    assert np.array_equal(read(path).array, sitk.GetArrayFromImage(image()))
    assert read(path).grid.agrees_with(GRID, 1e-9)


@pytest.mark.unusual(
    "Scans and masks", "`Müller.mhd` with `Müller.raw` beside it, the name in UTF-8 or Latin-1", "read"
)
@pytest.mark.parametrize("suffix", [".mhd", ".nhdr"])
@pytest.mark.parametrize("name", ["Müller".encode(), "Müller".encode("latin-1"), "Wiązka 頭".encode()])
def test_the_file_of_voxels_has_a_name_with_an_accent(tmp_path, fault, suffix, name):
    path, voxels = tmp_path / os.fsdecode(name + suffix.encode()), tmp_path / os.fsdecode(name + b".raw")
    sitk.WriteImage(image(), str(tmp_path / f"s{suffix}"))
    (tmp_path / "s.raw").rename(voxels)
    path.write_bytes(
        (tmp_path / f"s{suffix}").read_bytes().replace(b"s.raw", voxels.name.encode(errors="surrogateescape"))
    )
    assert np.array_equal(read(path).array, sitk.GetArrayFromImage(image()))
    voxels.unlink()
    found = fault(path)
    assert ".raw is not there" in found and found.encode()  # text, whatever the bytes


def test_nrrd_in_right_anterior_superior(tmp_path):
    path = tmp_path / "s.nrrd"
    sitk.WriteImage(image(), str(path))
    path.write_bytes(path.read_bytes().replace(b"left-posterior-superior", b"right-anterior-superior"))
    theirs = sitk.ReadImage(str(path))
    mine = read(path).grid
    assert np.allclose(mine.origin_xyz_mm, theirs.GetOrigin()) and np.allclose(mine.direction, theirs.GetDirection())


@pytest.mark.unusual("Scans and masks", "a MetaImage or NRRD without axes of the patient", "no scan to segment")
def test_no_patient_axes(tmp_path):
    for name, line in (("s.mha", b"TransformMatrix"), ("s.nrrd", b"space:")):
        path = tmp_path / name
        sitk.WriteImage(image(), str(path))
        lines = [one for one in path.read_bytes().split(b"\n") if not one.startswith(line)]
        path.write_bytes(b"\n".join(lines))
        assert not read(path).placed
