"""The folder of the masks: what this command did not write stays there, and calls share its table."""

from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from gbaseg.cli import main
from gbaseg.commands import predict
from gbaseg.volume import read, write


def test_a_mask_never_takes_the_place_of_its_scan(project):
    before = (project / "good.nii.gz").read_bytes()
    result = CliRunner().invoke(main, ["predict", "good.nii.gz", "--out", str(project)])
    assert result.exit_code == 1
    assert f"{project / 'good.nii.gz'}: a scan, whose place its mask would take; allowed: another" in result.stderr
    assert (project / "good.nii.gz").read_bytes() == before


@pytest.mark.unusual(
    "Commands", "`predict --out`: a link, or a linked folder, leads to the scan", "refused; the scan stays"
)
def test_links_to_the_scan(project):
    before = (project / "good.nii.gz").read_bytes()
    (project / "there").symlink_to(".")
    (project / "soft").mkdir()
    (project / "soft/good.nii.gz").symlink_to("../good.nii.gz")
    (project / "hard").mkdir()
    (project / "hard/good.nii.gz").hardlink_to("good.nii.gz")
    for out in ("there", "soft", "hard"):
        result = CliRunner().invoke(main, ["predict", "good.nii.gz", "--out", out])
        assert result.exit_code == 1
        assert f"{out}/good.nii.gz: a scan, whose place its mask would take" in result.stderr
    assert (project / "good.nii.gz").read_bytes() == before


@pytest.mark.unusual(
    "Commands", "`predict --out` has a file or folder of a mask's name that it did not write", "refused; it stays"
)
def test_what_predict_did_not_write_stays(scan):
    """Labels drawn by hand, or another scan of that name in another format."""
    write(scan(), "labels/good.nii.gz")
    Path("labels/other.nii.gz").mkdir()
    write(scan(), "other.mha")
    before = Path("labels/good.nii.gz").read_bytes()
    result = CliRunner().invoke(main, ["predict", "good.nii.gz", "other.mha", "--out", "labels"])
    assert result.exit_code == 1
    for name in ("good", "other"):
        assert f"labels/{name}.nii.gz: there already, and not by this command" in result.stderr
    assert Path("labels/good.nii.gz").read_bytes() == before and Path("labels/other.nii.gz").is_dir()


@pytest.fixture
def refused(gbaseg):
    """A call on the good scan, whose mask is not replaced."""

    def call():
        before = Path("masks/good.nii.gz").read_bytes()
        result = gbaseg("good.nii.gz")
        assert (result.exit_code, type(result.exception)) == (1, SystemExit)
        assert (
            "masks/good.nii.gz: there already, and not by this command, or changed since it wrote it" in result.stderr
        )
        assert Path("masks/good.nii.gz").read_bytes() == before

    return call


@pytest.mark.unusual(
    "Commands", "`predict` again where a mask of it was corrected by hand", "refused; the corrected mask stays"
)
def test_a_mask_that_was_corrected_stays(gbaseg, refused):
    assert gbaseg("good.nii.gz").exit_code == 0
    corrected = read("masks/good.nii.gz")
    corrected.array[4, 11, 11] = 0
    write(corrected, "masks/good.nii.gz")
    refused()
    Path("masks/good.nii.gz").unlink()
    assert gbaseg("good.nii.gz").exit_code == 0 and gbaseg("good.nii.gz").exit_code == 0


@pytest.mark.unusual(
    "Commands",
    "`predict` again where a scan had failed and its mask was drawn by hand",
    "refused; the drawn mask stays",
)
@pytest.mark.parametrize("status", ["failed", "waiting"])
def test_a_mask_that_was_drawn_by_hand_stays(monkeypatch, scan, gbaseg, table, fail_at, refused, status):
    with monkeypatch.context() as patch:
        fail_at(patch, 0, RuntimeError("no") if status == "failed" else KeyboardInterrupt())
        assert gbaseg("good.nii.gz").exit_code != 0
    assert table()[0]["status"] == status
    write(scan(), "masks/good.nii.gz")
    refused()


def test_a_table_from_before_masks_had_hashes(gbaseg, refused):
    assert gbaseg("good.nii.gz").exit_code == 0
    rows = [line.rsplit(",", 1)[0] for line in Path("masks/predictions.csv").read_text().splitlines()]
    Path("masks/predictions.csv").write_text("\n".join(rows) + "\n")
    refused()
    Path("masks/good.nii.gz").rename("elsewhere.nii.gz")
    assert gbaseg("good.nii.gz").exit_code == 0


@pytest.mark.unusual(
    "Interruptions", "`predict` killed while it replaces a mask", "the same call goes, whichever of the two is there"
)
@pytest.mark.parametrize("replaced", [False, True])
def test_a_call_that_ends_while_a_mask_is_replaced(monkeypatch, scan, gbaseg, table, replaced):
    assert gbaseg("good.nii.gz").exit_code == 0
    write(scan(((2, 6), (8, 16), (8, 14))), "good.nii.gz")  # so that its mask is another

    @contextmanager
    def killed(path):
        yield path.with_name(f"other-{path.name}")
        if replaced:
            path.with_name(f"other-{path.name}").replace(path)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(predict, "written_whole", killed)
        assert gbaseg("good.nii.gz").exit_code != 0
    [row] = table()
    assert row["status"] == "waiting" and len(row["blake2b"].split()) == 2
    assert gbaseg("good.nii.gz").exit_code == 0
    assert table()[0]["status"] == "done" and len(table()[0]["blake2b"]) == 16


def test_a_mask_that_is_drawn_while_the_scan_is_segmented_stays(monkeypatch, networks, scan, gbaseg, table):
    segment = networks.fold_probabilities

    def drawn_meanwhile(self, image):
        write(scan(), "masks/good.nii.gz")
        return segment(self, image)

    monkeypatch.setattr(networks, "fold_probabilities", drawn_meanwhile)
    assert gbaseg("good.nii.gz").exit_code == 2
    assert read("masks/good.nii.gz").array.max() > 1
    assert table()[0]["error"].startswith("masks/good.nii.gz: there already, and not by this command")


@pytest.mark.unusual("Commands", "`predict --out` has a predictions.csv of something else", "refused; it stays")
@pytest.mark.parametrize("content", ["case,dice\nx,1\n", "", None])
def test_another_table_of_that_name_stays(gbaseg, content):
    Path("masks").mkdir()
    if content is None:
        Path("masks/predictions.csv").mkdir()
    else:
        Path("masks/predictions.csv").write_text(content)
    result = gbaseg("good.nii.gz")
    assert result.exit_code == 1
    assert "masks/predictions.csv: not a table that predict wrote; move it away" in result.stderr
    assert [path.name for path in Path("masks").iterdir()] == ["predictions.csv"]


def test_calls_into_one_folder_share_a_table(scan, gbaseg, table):
    write(scan(), "other.mha")
    for names in (["good.nii.gz"], ["other.mha"], ["good.nii.gz"]):
        assert gbaseg(*names).exit_code == 0
    assert [row["mask"] for row in table()] == ["other.nii.gz", "good.nii.gz"]
    Path("masks/other.nii.gz").unlink()
    assert gbaseg("good.nii.gz").exit_code == 0
    assert [row["mask"] for row in table()] == ["good.nii.gz"]


@pytest.mark.unusual("Commands", "two calls of `predict` into one folder at once", "the table has the scans of both")
def test_calls_side_by_side_share_a_table(monkeypatch, networks, scan, gbaseg, table):
    write(scan(), "other.mha")
    segment = networks.fold_probabilities

    def another_call_meanwhile(self, image):
        monkeypatch.setattr(networks, "fold_probabilities", segment)
        assert gbaseg("other.mha").exit_code == 0
        return segment(self, image)

    monkeypatch.setattr(networks, "fold_probabilities", another_call_meanwhile)
    assert gbaseg("good.nii.gz").exit_code == 0
    assert [(row["mask"], row["status"]) for row in table()] == [("other.nii.gz", "done"), ("good.nii.gz", "done")]


def test_a_scan_that_fails_beside_an_earlier_mask_of_it(monkeypatch, gbaseg, table, fail_at):
    assert gbaseg("good.nii.gz").exit_code == 0
    before = Path("masks/good.nii.gz").read_bytes()
    fail_at(monkeypatch, 0, RuntimeError("no"))
    assert gbaseg("good.nii.gz").exit_code == 2
    assert table()[0]["error"] == "RuntimeError: no; the mask that is there is an earlier one"
    assert Path("masks/good.nii.gz").read_bytes() == before


@pytest.mark.unusual("Commands", "`--out` is a file, lies below a file, or cannot be written to", "refused before work")
@pytest.mark.parametrize(
    ("out", "says"),
    [
        ("good.nii.gz", "Directory 'good.nii.gz' is a file"),
        ("good.nii.gz/masks", "good.nii.gz is no folder"),
        ("/proc/masks", "/proc cannot be written to"),
    ],
)
def test_a_folder_that_cannot_be_written_to(out, says):
    result = CliRunner().invoke(main, ["predict", "good.nii.gz", "--out", out])
    assert (result.exit_code, type(result.exception)) == (1, SystemExit)
    assert says in result.stderr
