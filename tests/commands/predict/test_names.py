"""Names of scans: those that their masks cannot have are refused before work, all others are kept."""

import os
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from gbaseg.cli import main
from gbaseg.volume import write


def test_scans_of_one_name_are_named_with_the_mask_they_would_share(scan, faults):
    write(scan(), "old/good.nii")
    assert faults("good.nii.gz", "gone.mha", "old/good.nii") == [
        "good.nii.gz, old/good.nii: 2 scans for the mask masks/good.nii.gz; allowed: another name for each",
        "gone.mha: no such file; allowed: a whole, readable 3D image with one channel",
    ]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        pytest.param(
            "x.img.nii.gz", "the name x.img.nii.gz ends like two formats; allowed: one format's end",
            marks=pytest.mark.unusual("Commands", "`predict x.img.nii.gz`", "a scan of another name, before work"),
        ),
        pytest.param(
            "s000.nii.nii.gz", "the name s000.nii.nii.gz ends like two formats",
            marks=pytest.mark.unusual("Commands", "`predict s000.nii.nii.gz`", "a scan of another name, before work"),
        ),
        pytest.param(
            ".hidden.nii.gz", "the name .hidden.nii.gz is a hidden file's",
            marks=pytest.mark.unusual("Commands", "`predict` on a hidden file", "a scan of another name, before work"),
        ),
        pytest.param(
            "line\nbreak.nii.gz", "the name 'line\\nbreak.nii.gz' has signs that cannot be printed",
            marks=pytest.mark.unusual("Commands", "`predict` on a name with a line break", "the name, before work"),
        ),
        pytest.param(
            "x" * 243 + ".nii", f"the name {'x' * 243}.nii.gz has 250 bytes; allowed: 246 at most",
            marks=pytest.mark.unusual("Commands", "`predict` on a name of 247 signs", "how long it may be"),
        ),
    ],
)  # fmt: skip
def test_names_that_cannot_be_kept_are_refused_before_work(scan, faults, name, says):
    shutil.copyfile("good.nii.gz", "bytes")
    if name.endswith(".nii"):
        write(scan(), "plain.nii")
        Path("plain.nii").rename(name)
    else:
        Path("bytes").rename(name)
    found = "\n".join(faults("good.nii.gz", name))
    assert says in found and "rename the scan" in found


@pytest.mark.unusual("Commands", "`predict` on a name or folder that is not UTF-8", "the name, before work")
def test_names_that_are_no_text(project, faults):
    folder = Path(os.fsdecode(b"caf\xe9"))
    folder.mkdir()
    for name in (folder / "good.nii.gz", os.fsdecode(b"gr\xfc\xdfe.nii.gz")):
        shutil.copyfile("good.nii.gz", name)
    found = faults("good.nii.gz", str(folder / "good.nii.gz"), os.fsdecode(b"gr\xfc\xdfe.nii.gz"))
    assert [fault.split(";")[0] for fault in found] == [
        "caf\\xe9/good.nii.gz: bytes that are not UTF-8", "gr\\xfc\\xdfe.nii.gz: bytes that are not UTF-8",
    ]  # fmt: skip
    result = CliRunner().invoke(main, ["predict", "good.nii.gz", "--out", str(folder)])
    assert result.exit_code == 1 and "caf\\xe9: bytes that are not UTF-8" in result.stderr


@pytest.mark.unusual("Commands", "`predict .nii.gz`, `predict scan`, `predict scan.tif`", "the formats that are read")
def test_names_of_no_format(faults):
    for name in (".nii.gz", "scan", "scan.tif"):
        shutil.copyfile("good.nii.gz", name)
    found = faults(".nii.gz", "good.nii.gz", "scan", "scan.tif")
    assert [fault.split(":")[0] for fault in found] == [".nii.gz", "scan", "scan.tif"]


@pytest.mark.unusual(
    "Commands", "`predict` on names with spaces, accents, brackets, dots and capitals", "kept as they are"
)
def test_unusual_names_are_kept(table):
    names = ["two words", "größe 頭", "s[bold]1", "v1.2.3", "-dash", "100%", ":smile:", "A.NII.b"]
    for name in names:
        shutil.copyfile("good.nii.gz", f"{name}.nii.gz")
    result = CliRunner().invoke(main, ["predict", "--out", "masks", "--", *(f"{name}.nii.gz" for name in names)])
    assert result.exit_code == 0, result.output
    assert [row["mask"] for row in table()] == [f"{name}.nii.gz" for name in names]
    assert all(Path("masks", f"{name}.nii.gz").is_file() for name in names)
    assert "s[bold]1.nii.gz" in result.stdout and ":smile:" in result.stdout


@pytest.mark.unusual(
    "Commands", "`predict` on scans whose masks differ by the case of a letter alone", "both, before work"
)
def test_masks_that_some_file_systems_take_for_one(scan, faults):
    for name in ("GOOD.nii.gz", "e\u0301.nii.gz", "\u00e9.nii"):
        write(scan(), name)
    first, second = faults("good.nii.gz", "GOOD.nii.gz", "e\u0301.nii.gz", "\u00e9.nii")
    assert first.startswith("good.nii.gz, GOOD.nii.gz: 2 scans for the mask masks/good.nii.gz")
    assert second.startswith("e\u0301.nii.gz, \u00e9.nii: 2 scans for the mask")
