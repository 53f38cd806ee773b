"""A DICOM series and its NIfTI twin have one mask, by function and command."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import gbaseg
from gbaseg import volume
from gbaseg.commands.predict_inputs import expanded
from gbaseg.commands.predict_scans import mask_name
from gbaseg.inference.scans import read_scan
from gbaseg.params import load
from gbaseg.volume import Grid, Volume

_spec = importlib.util.spec_from_file_location("series", Path(__file__).parents[1] / "volume/test_dicom.py")
series = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(series)

PRESET = Path(__file__).parents[2] / "presets/default.yaml"


@pytest.fixture
def twins(drawn, tmp_path):
    """A tilted coronal scan as a series and as NIfTI."""
    grid = Grid((36, 70, 66), (2.5, 1.1, 1.25), (-12.5, 30.25, 7.0), series.GRID.direction)
    array = np.round(drawn(grid, (5.0, -3.0, 4.0)).array).clip(0).astype(np.int16)
    volume.write(Volume(array, grid), tmp_path / "twin.nii.gz")
    return series.write_series(tmp_path / "coronal", array, grid, names=[f"{z:03d}" for z in range(36)])


def test_a_series_gives_its_nifti_twins_mask(twins, sure, tmp_path):
    model = sure(0.0)
    of_series, of_twin = (gbaseg.predict(tmp_path / name, model).mask for name in ("coronal", "twin.nii.gz"))
    assert of_twin.array.any() and np.array_equal(of_series.array, of_twin.array)
    assert of_series.grid.agrees_with(of_twin.grid, 1e-4)


def test_a_series_is_one_scan_named_by_its_folder(twins, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert expanded([Path("coronal")]) == [Path("coronal")]
    assert mask_name(Path("coronal")) == "coronal.nii.gz"
    monkeypatch.chdir(twins)
    assert mask_name(Path()) == "coronal.nii.gz"


def test_files_and_series_of_a_folder_are_its_scans_and_nothing_deeper(twins, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in (".hidden.nii.gz", "b.mha", "a.NII", "notes.txt", "deeper/c.nii.gz", "dirs.nii.gz/x"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()
    found = ["a.NII", "b.mha", "coronal", "twin.nii.gz"]
    assert [str(path) for path in expanded([Path()])] == found
    assert expanded([Path("*.nii.gz")]) == [Path("dirs.nii.gz"), Path("twin.nii.gz")]
    assert expanded([Path("c*"), Path("gone*.nii"), Path("deeper")]) == [
        Path("coronal"), Path("gone*.nii"), Path("deeper/c.nii.gz"),
    ]  # fmt: skip
    (twins / "beside.nii").touch()  # nothing is passed over without a word
    assert expanded([Path("coronal")]) == [Path("coronal"), Path("coronal/beside.nii")]
    Path("x[1].nii").touch()
    assert expanded([Path("x[1].nii")]) == [Path("x[1].nii")]


@pytest.mark.unusual("Commands", "`predict` on a single file of DICOM, or on what is not there", "the folder is wanted")
def test_a_file_of_dicom_is_no_scan_but_its_folder_is(tmp_path):
    folder = series.write_series(tmp_path / "scan", series.scan(), names=[f"{z}" for z in range(6)])
    (folder / "0.dcm").rename(folder / "IM0")
    for name in ("IM0", "1.dcm"):
        _, [flaw] = read_scan(folder / name, load(PRESET))
        assert flaw.found == "a file of DICOM" and flaw.allowed.endswith(f"such as {folder}")
    _, [flaw] = read_scan(tmp_path / "gone", load(PRESET))
    assert flaw.found == "no such file or folder" and "a DICOM series" in flaw.allowed
