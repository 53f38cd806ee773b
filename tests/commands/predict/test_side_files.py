"""What `predict` writes beside masks: probabilities, uncertainty and statistics."""

import json
from pathlib import Path

import numpy as np
import pytest

from gbaseg.commands import predict
from gbaseg.volume import read

ALL = ("--probabilities", "--uncertainty", "--statistics")


@pytest.fixture(autouse=True)
def two_folds(networks, monkeypatch):
    """Both are sure of what is bright, one of them a little less."""
    monkeypatch.setattr(networks, "sure", (1.0, 0.75))


def test_all_that_can_be_asked_for_lies_beside_the_masks(gbaseg, written):
    assert gbaseg("scans", *ALL).exit_code == 0
    assert written() == [
        "a.nii.gz", "b.nii.gz", "predictions.csv", "probabilities/VS/a.nii.gz", "probabilities/VS/b.nii.gz",
        "statistics.csv", "statistics.json", "uncertainty/a.nii.gz", "uncertainty/b.nii.gz",
    ]  # fmt: skip
    mask, probability, apart = (read(f"masks/{name}a.nii.gz") for name in ("", "probabilities/VS/", "uncertainty/"))
    assert probability.grid == apart.grid == mask.grid == read("scans/a.nii.gz").grid
    assert probability.array.dtype == apart.array.dtype == np.float32
    # Of the two, 1 and 0.75.
    assert probability.array.max() == pytest.approx(0.875) and apart.array.max() == pytest.approx(0.25)
    assert np.array_equal(probability.array >= 0.5, mask.array == 1)


def test_without_being_asked_nothing_more_is_written(gbaseg, written):
    assert gbaseg("scans").exit_code == 0
    assert written() == ["a.nii.gz", "b.nii.gz", "predictions.csv"]


def test_statistics_are_those_of_the_masks_in_both_tables(scan, gbaseg, table):
    assert gbaseg("scans", "--statistics").exit_code == 0
    rows = table("statistics.csv")
    assert [row["mask"] for row in rows] == ["a.nii.gz", "b.nii.gz"]
    mask = read("masks/a.nii.gz")
    inside = mask.array == 1
    assert float(rows[0]["volume_mm3"]) == pytest.approx(inside.sum() * scan().grid.voxel_mm3, rel=1e-5)
    assert float(rows[0]["mean_intensity"]) == pytest.approx(scan().array[inside].mean(), rel=1e-4)
    assert float(rows[0]["volume_mm3"]) == pytest.approx(float(table()[0]["volume_mm3"]))
    content = json.loads(Path("masks/statistics.json").read_text())
    for row, cells in zip(content["rows"], rows, strict=True):
        assert {key: str(value) for key, value in row.items()} == cells
    assert {"volume_mm3", "diameter_mm", "axial_diameter_mm"} < content["about"].keys()


def test_calls_into_one_folder_share_the_tables_of_statistics(gbaseg, table):
    for name in ("scans/b.nii.gz", "scans/a.nii.gz", "scans/b.nii.gz"):
        assert gbaseg(name, "--statistics").exit_code == 0
    assert [row["mask"] for row in table("statistics.csv")] == ["a.nii.gz", "b.nii.gz"]
    assert len(json.loads(Path("masks/statistics.json").read_text())["rows"]) == 2


@pytest.mark.unusual(
    "Commands", "`predict --statistics` or `--probabilities` where another file of that name is", "refused; it stays"
)
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("statistics.csv", "case,dice\nx,1\n"), ("statistics.json", "{}"), ("statistics.json", "[1]"),
        ("probabilities/VS/a.nii.gz", "x"), ("uncertainty/b.nii.gz", "x"),
    ],
)  # fmt: skip
def test_other_files_stay(gbaseg, written, name, content):
    path = Path("masks", name)
    path.parent.mkdir(parents=True)
    path.write_text(content)
    result = gbaseg("scans", *ALL)
    assert result.exit_code == 1 and f"masks/{name}: " in result.stderr and "move it away" in result.stderr
    assert written() == [name] and path.read_text() == content


def test_what_this_command_wrote_is_written_anew(gbaseg):
    assert gbaseg("scans", *ALL).exit_code == 0
    before = Path("masks/statistics.csv").read_bytes()
    assert gbaseg("scans", *ALL).exit_code == 0
    assert Path("masks/statistics.csv").read_bytes() == before


def test_a_single_network_has_no_uncertainty(monkeypatch, networks, gbaseg):
    monkeypatch.setattr(networks, "sure", (1.0,))
    result = gbaseg("scans", "--uncertainty")
    assert result.exit_code == 1 and "a single network, which has no other to disagree with" in result.stderr
    assert not Path("masks").exists()


def test_a_scan_that_fails_leaves_the_statistics_of_the_others(monkeypatch, gbaseg, table, written, fail_at):
    fail_at(monkeypatch, 1, RuntimeError("no"))
    assert gbaseg("scans", *ALL).exit_code == 2
    assert [row["mask"] for row in table("statistics.csv")] == ["a.nii.gz"]
    assert "uncertainty/b.nii.gz" not in written()


def test_what_belongs_to_an_earlier_mask_does_not_stay_beside_another_one(
    monkeypatch, networks, gbaseg, table, written
):
    """Probabilities and sizes of one model beside the mask of another would be taken for its own."""
    assert gbaseg("scans", *ALL).exit_code == 0
    everything = written()
    assert gbaseg("scans/a.nii.gz").exit_code == 0 and written() == everything, "the same mask: they are its own"

    def fainter(self, image):
        """Another model: it finds less."""
        less = 0.6 * (image.array > 0.9).astype(np.float32)
        return np.stack([np.stack([1.0 - less, less])] * 2)

    monkeypatch.setattr(networks, "fold_probabilities", fainter)
    result = gbaseg("scans/a.nii.gz", "--uncertainty")
    assert result.exit_code == 0, result.output
    assert written() == [name for name in everything if name != "probabilities/VS/a.nii.gz"]
    assert [row["mask"] for row in table("statistics.csv")] == ["b.nii.gz"]
    assert [row["mask"] for row in json.loads(Path("masks/statistics.json").read_text())["rows"]] == ["b.nii.gz"]


def test_of_two_models_that_find_nothing_the_second_has_none_of_the_firsts_files(
    monkeypatch, networks, gbaseg, table, written
):
    def nothing(self, image):
        none = np.zeros_like(image.array, np.float32)
        return np.stack([np.stack([1.0 - none, none])] * 2)

    monkeypatch.setattr(networks, "fold_probabilities", nothing)
    assert gbaseg("scans", *ALL).exit_code == 0
    assert gbaseg("scans").exit_code == 0
    assert not [name for name in written() if name.startswith(("probabilities", "uncertainty"))]
    assert not table("statistics.csv")


def test_a_call_that_ends_before_the_mask_leaves_nothing_to_the_next(monkeypatch, gbaseg, written):
    """Probabilities are written first; the next call, with another model, has no word from their mask."""

    def ends(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(predict, "_write_mask", ends)
        gbaseg("scans/a.nii.gz", "--probabilities")
    assert written() == ["predictions.csv", "probabilities/VS/a.nii.gz"]
    assert gbaseg("scans/a.nii.gz").exit_code == 0
    assert written() == ["a.nii.gz", "predictions.csv"]
