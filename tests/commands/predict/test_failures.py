"""A scan that fails, and a call that is broken off: the other masks are there."""

import signal
from pathlib import Path

import pytest

from gbaseg.runtime.ending import Ended
from gbaseg.volume import read, write


@pytest.mark.unusual(
    "Commands", "`predict`: one of several scans fails while it is segmented", "the others are done; exit code 2"
)
@pytest.mark.parametrize(
    "error", [RuntimeError("out of memory\n at line 3"), MemoryError(), OSError(28, "No space left")]
)
def test_a_scan_that_fails_does_not_stop_the_others(monkeypatch, scan, gbaseg, table, fail_at, error):
    for name in ("a.mha", "z.nii"):
        write(scan(), name)
    fail_at(monkeypatch, 1, error)
    result = gbaseg("z.nii", "good.nii.gz", "a.mha")
    assert (result.exit_code, type(result.exception)) == (2, SystemExit)
    assert "1 of 3 scans failed, the others are done:\ngood.nii.gz: " in result.stderr
    assert sorted(path.name for path in Path("masks").iterdir()) == ["a.nii.gz", "predictions.csv", "z.nii.gz"]
    rows = table()
    assert [(row["scan"], row["status"]) for row in rows] == [
        ("z.nii", "done"), ("good.nii.gz", "failed"), ("a.mha", "done"),
    ]  # fmt: skip
    assert rows[1]["error"].startswith(type(error).__name__) and "\n" not in rows[1]["error"]
    assert "failed: " in result.stdout and "Traceback" not in result.output


def of_an_end():
    """What is left of one where a library says every failure in its own words."""
    error = RuntimeError("did not work")
    error.__context__ = Ended(signal.SIGTERM)
    return error


@pytest.mark.unusual(
    "Interruptions", "`predict` ended between two scans", "done and waiting scans in its table; the same call goes"
)
@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 1), (of_an_end(), 143)])
def test_a_run_that_is_broken_off_leaves_the_masks_that_are_done(
    monkeypatch, scan, gbaseg, table, fail_at, error, code
):
    write(scan(), "other.nii.gz")
    with monkeypatch.context() as patch:
        fail_at(patch, 1, error)
        assert gbaseg("good.nii.gz", "other.nii.gz").exit_code == code
    assert sorted(path.name for path in Path("masks").iterdir()) == ["good.nii.gz", "predictions.csv"]
    assert read("masks/good.nii.gz").array.any()
    assert [row["status"] for row in table()] == ["done", "waiting"]
    assert gbaseg("good.nii.gz", "other.nii.gz").exit_code == 0
    assert [row["status"] for row in table()] == ["done", "done"]


@pytest.mark.unusual(
    "Commands", "`predict --on-bad-scan skip` with a scan that is cut off", "the others are done; exit code 2"
)
def test_faulty_scans_are_skipped_where_asked(gbaseg, table, cut_off):
    cut_off("cut.nii.gz")
    result = gbaseg("cut.nii.gz", "good.nii.gz", "scan.tif", "--on-bad-scan", "skip")
    assert result.exit_code == 2
    assert [(row["scan"], row["status"]) for row in table()] == [
        ("cut.nii.gz", "failed"), ("good.nii.gz", "done"), ("scan.tif", "failed"),
    ]  # fmt: skip
    assert table()[0]["error"].startswith("cannot be read")
    assert not Path("masks/cut.nii.gz").exists()


@pytest.mark.unusual(
    "Commands", "`predict --on-bad-scan skip` where every scan has a fault", "that none is done; exit code 2"
)
def test_every_scan_fails(gbaseg, cut_off):
    cut_off("cut.nii.gz")
    result = gbaseg("cut.nii.gz", "scan.tif", "--on-bad-scan", "skip")
    assert result.exit_code == 2
    assert "2 of 2 scans failed, none is done:\ncut.nii.gz: cannot be read" in result.stderr
    assert "the others" not in result.stderr
