"""Which scans the arguments of `predict` name: files, folders, patterns."""

import shutil
from pathlib import Path

import pytest


@pytest.mark.unusual(
    "Commands", "`predict` on a folder without scans, or a pattern that names nothing", "which, before work"
)
def test_what_names_no_scan(gbaseg):
    Path("empty").mkdir()
    result = gbaseg("empty", "none*.nii.gz", "scans")
    assert result.exit_code == 1 and not Path("masks").exists()
    [empty, none] = result.stderr.partition("gbaseg: ")[2].splitlines()
    assert empty.startswith("empty: a folder; allowed: one file a scan")
    assert none.startswith("none*.nii.gz: no such file")


def test_folders_and_patterns_name_scans(gbaseg, table):
    assert gbaseg("scans").exit_code == 0
    first = {path.name: path.read_bytes() for path in Path("masks").glob("*.nii.gz")}
    shutil.rmtree("masks")
    assert gbaseg("scans/[ab].nii.gz").exit_code == 0
    assert {path.name: path.read_bytes() for path in Path("masks").glob("*.nii.gz")} == first
    assert [row["scan"] for row in table()] == ["scans/a.nii.gz", "scans/b.nii.gz"]


@pytest.mark.unusual(
    "Scans and masks",
    "`gbaseg predict` of a folder with links to nothing (data that DVC or git-annex has not fetched)",
    "each is named as missing; what else is passed over in a folder is said",
)
def test_what_lies_in_a_folder_is_a_scan_or_said(capsys, gbaseg):
    Path("scans/gone.nii.gz").symlink_to("../nowhere.nii.gz")
    Path("scans/loop.nrrd").symlink_to("loop.nrrd")
    result = gbaseg("scans")
    assert result.exit_code == 1 and not Path("masks").exists()
    assert "scans/gone.nii.gz: no such file" in result.stderr and "scans/loop.nrrd: no such file" in result.stderr
    for name in ("gone.nii.gz", "loop.nrrd"):
        Path("scans", name).unlink()
    Path("scans/.hidden.png").touch()
    assert "passed over" not in gbaseg("scans").output
    Path("scans/c.nii.gz").mkdir()
    Path("scans/photo.png").touch()
    result = gbaseg("scans")
    assert result.exit_code == 0
    assert "scans: 2 passed over, which are no scans by their names, and no DICOM series: c.nii.gz, photo.png" in (
        result.output + result.stderr
    )
