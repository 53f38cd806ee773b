"""Masks on the grids of their scans, and the table of them."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from gbaseg.commands import predict, predict_table
from gbaseg.volume import read, write


def test_masks_lie_on_the_scans_own_grids_and_nothing_is_left_over(scan, gbaseg):
    write(scan(), "other.mha")
    write(scan(), "masks/old.nii.gz")
    assert gbaseg("good.nii.gz", "other.mha").exit_code == 0
    written = ["good.nii.gz", "old.nii.gz", "other.nii.gz", "predictions.csv"]
    assert sorted(path.name for path in Path("masks").iterdir()) == written
    for name in ("good", "other"):
        mask = read(f"masks/{name}.nii.gz")
        assert mask.grid.agrees_with(scan().grid, 1e-5)
        assert mask.array.dtype == np.uint8 and mask.array[4, 11, 11] == 1 and mask.array[0, 0, 0] == 0
    assert not Path(".scratch").exists()


def test_a_mask_appears_whole(monkeypatch, gbaseg):
    def cut_off(mask, path):
        write(mask, path)
        path.write_bytes(path.read_bytes()[:40])
        raise OSError("disk full")

    monkeypatch.setattr(predict.volume, "write", cut_off)
    assert gbaseg("good.nii.gz").exit_code == 2
    assert [path.name for path in Path("masks").iterdir()] == ["predictions.csv"]


def test_the_table_says_what_is_known_of_every_mask(gbaseg, table):
    assert gbaseg("good.nii.gz").exit_code == 0
    [row] = table()
    mask = read("masks/good.nii.gz")
    volume = float(row["volume_mm3"])
    assert volume == pytest.approx(np.count_nonzero(mask.array) * mask.grid.voxel_mm3)
    del row["volume_mm3"]
    assert row.pop("blake2b") == hashlib.blake2b(Path("masks/good.nii.gz").read_bytes(), digest_size=8).hexdigest()
    assert row == {
        "mask": "good.nii.gz", "scan": "good.nii.gz", "round": "round_1", "status": "done", "structure": "VS",
        "pieces": "1", "fold_dice": "", "warnings": "", "error": "",
    }  # fmt: skip


def test_the_printed_table_fits_a_narrow_terminal(capsys):
    rows = [
        predict_table.Row(
            "a.nii.gz", "in/a_very_long_name_of_a_scan_indeed.nii.gz", "round_1", "done", "VS", 123456.0, 3, 0.612,
            ("volume outside the source's range (1000 to 3000 mm3)", "folds disagree"),
        ),
        predict_table.Row("b.nii.gz", "b[bold]", "round_1", "failed", error="RuntimeError: no"),
    ]  # fmt: skip
    predict_table.print_table(rows, Console(width=44))
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= 44 for line in lines)
    assert "123456" in "".join(lines)
    assert "failed:" in "".join(lines) and "b[bold]" in "".join(lines)
