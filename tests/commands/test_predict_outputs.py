"""What `predict` writes beside masks, and which scans its arguments name."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from gbaseg.cli import main
from gbaseg.commands import predict
from gbaseg.inference import project as rounds
from gbaseg.volume import Grid, Volume, read, write
from gbaseg.workflow import layout
from gbaseg.workflow.context import write_json

ROOT = Path(__file__).parents[2]
GRID = Grid((8, 24, 24), (3.0, 2.0, 2.0), origin_xyz_mm=(-3.0, 4.0, 5.0))
MODEL = layout.model_of("round_1")
ALL = ("--probabilities", "--uncertainty", "--statistics")


class TwoFolds:
    """In the place of the networks: both are sure of what is bright, one of them a little less."""

    members = 2

    def __init__(self, *_):
        self.structures = {"VS": 1}

    def fold_probabilities(self, scan):
        bright = (scan.array > 0.5).astype(np.float32)
        return np.stack([np.stack([1.0 - one, one]) for one in (bright, 0.75 * bright)])


class OneFold(TwoFolds):
    members = 1


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """The default project with the model of a round, and two scans in a folder."""
    shutil.copyfile(ROOT / "presets/default.yaml", tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(rounds, "Ensemble", TwoFolds)
    write_json(MODEL / layout.ROUND, {"fine_grid": False, "volumes_mm3": {"VS": [1000.0, 3000.0]}})
    for name in ("plans.json", "dataset.json", "fold_0.safetensors", "fold_1.safetensors"):
        (MODEL / name).touch()
    for name in ("a", "b"):
        write(scan(), f"scans/{name}.nii.gz")
    return tmp_path


def scan():
    array = np.random.default_rng(0).normal(10, 3, GRID.shape).astype(np.float32)
    array[1:-1, 1:-1, 1:-1] += 90
    array[2:6, 8:14, 8:14] += 300
    return Volume(array, GRID)


def gbaseg(*arguments):
    return CliRunner().invoke(main, ["predict", *arguments, "-o", "masks"])


def written():
    return sorted(str(path.relative_to("masks")) for path in Path("masks").rglob("*") if path.is_file())


def table(name="statistics.csv"):
    with Path("masks", name).open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_all_that_can_be_asked_for_lies_beside_the_masks():
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


def test_without_being_asked_nothing_more_is_written():
    assert gbaseg("scans").exit_code == 0
    assert written() == ["a.nii.gz", "b.nii.gz", "predictions.csv"]


def test_statistics_are_those_of_the_masks_in_both_tables():
    assert gbaseg("scans", "--statistics").exit_code == 0
    rows = table()
    assert [row["mask"] for row in rows] == ["a.nii.gz", "b.nii.gz"]
    mask = read("masks/a.nii.gz")
    inside = mask.array == 1
    assert float(rows[0]["volume_mm3"]) == pytest.approx(inside.sum() * GRID.voxel_mm3, rel=1e-5)
    assert float(rows[0]["mean_intensity"]) == pytest.approx(scan().array[inside].mean(), rel=1e-4)
    assert float(rows[0]["volume_mm3"]) == pytest.approx(float(table("predictions.csv")[0]["volume_mm3"]))
    content = json.loads(Path("masks/statistics.json").read_text())
    for row, cells in zip(content["rows"], rows, strict=True):
        assert {key: str(value) for key, value in row.items()} == cells
    assert {"volume_mm3", "diameter_mm", "axial_diameter_mm"} < content["about"].keys()


def test_calls_into_one_folder_share_the_tables_of_statistics():
    for name in ("scans/b.nii.gz", "scans/a.nii.gz", "scans/b.nii.gz"):
        assert gbaseg(name, "--statistics").exit_code == 0
    assert [row["mask"] for row in table()] == ["a.nii.gz", "b.nii.gz"]
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
def test_other_files_stay(name, content):
    path = Path("masks", name)
    path.parent.mkdir(parents=True)
    path.write_text(content)
    result = gbaseg("scans", *ALL)
    assert result.exit_code == 1 and f"masks/{name}: " in result.stderr and "move it away" in result.stderr
    assert written() == [name] and path.read_text() == content


def test_what_this_command_wrote_is_written_anew():
    assert gbaseg("scans", *ALL).exit_code == 0
    before = Path("masks/statistics.csv").read_bytes()
    assert gbaseg("scans", *ALL).exit_code == 0
    assert Path("masks/statistics.csv").read_bytes() == before


def test_a_single_network_has_no_uncertainty(monkeypatch):
    monkeypatch.setattr(rounds, "Ensemble", OneFold)
    result = gbaseg("scans", "--uncertainty")
    assert result.exit_code == 1 and "a single network, which has no other to disagree with" in result.stderr
    assert not Path("masks").exists()


def test_a_scan_that_fails_leaves_the_statistics_of_the_others(monkeypatch):
    segment, calls = TwoFolds.fold_probabilities, iter(range(9))

    def second_fails(self, image):
        if next(calls) == 1:
            raise RuntimeError("no")
        return segment(self, image)

    monkeypatch.setattr(TwoFolds, "fold_probabilities", second_fails)
    assert gbaseg("scans", *ALL).exit_code == 2
    assert [row["mask"] for row in table()] == ["a.nii.gz"]
    assert "uncertainty/b.nii.gz" not in written()


@pytest.mark.unusual(
    "Commands", "`predict` on a folder without scans, or a pattern that names nothing", "which, before work"
)
def test_what_names_no_scan():
    Path("empty").mkdir()
    result = gbaseg("empty", "none*.nii.gz", "scans")
    assert result.exit_code == 1 and not Path("masks").exists()
    [empty, none] = result.stderr.partition("gbaseg: ")[2].splitlines()
    assert empty.startswith("empty: a folder; allowed: one file a scan")
    assert none.startswith("none*.nii.gz: no such file")


def test_folders_and_patterns_name_scans():
    assert gbaseg("scans").exit_code == 0
    first = {path.name: path.read_bytes() for path in Path("masks").glob("*.nii.gz")}
    shutil.rmtree("masks")
    assert gbaseg("scans/[ab].nii.gz").exit_code == 0
    assert {path.name: path.read_bytes() for path in Path("masks").glob("*.nii.gz")} == first
    assert [row["scan"] for row in table("predictions.csv")] == ["scans/a.nii.gz", "scans/b.nii.gz"]


@pytest.mark.unusual(
    "Scans and masks",
    "`gbaseg predict` of a folder with links to nothing (data that DVC or git-annex has not fetched)",
    "each is named as missing; what else is passed over in a folder is said",
)
def test_what_lies_in_a_folder_is_a_scan_or_said(capsys):
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


class Fainter(TwoFolds):
    """Another model: it finds less."""

    def fold_probabilities(self, scan):
        fainter = 0.6 * (scan.array > 0.9).astype(np.float32)
        return np.stack([np.stack([1.0 - fainter, fainter])] * 2)


class Nothing(TwoFolds):
    def fold_probabilities(self, scan):
        none = np.zeros_like(scan.array, np.float32)
        return np.stack([np.stack([1.0 - none, none])] * 2)


def test_what_belongs_to_an_earlier_mask_does_not_stay_beside_another_one(monkeypatch):
    """Probabilities and sizes of one model beside the mask of another would be taken for its own."""
    assert gbaseg("scans", *ALL).exit_code == 0
    everything = written()
    assert gbaseg("scans/a.nii.gz").exit_code == 0 and written() == everything, "the same mask: they are its own"
    monkeypatch.setattr(rounds, "Ensemble", Fainter)
    result = gbaseg("scans/a.nii.gz", "--uncertainty")
    assert result.exit_code == 0, result.output
    assert written() == [name for name in everything if name != "probabilities/VS/a.nii.gz"]
    assert [row["mask"] for row in table()] == ["b.nii.gz"]
    assert [row["mask"] for row in json.loads(Path("masks/statistics.json").read_text())["rows"]] == ["b.nii.gz"]


def test_of_two_models_that_find_nothing_the_second_has_none_of_the_firsts_files(monkeypatch):
    monkeypatch.setattr(rounds, "Ensemble", Nothing)
    assert gbaseg("scans", *ALL).exit_code == 0
    assert gbaseg("scans").exit_code == 0
    assert not [name for name in written() if name.startswith(("probabilities", "uncertainty"))] and not table()


def test_a_call_that_ends_before_the_mask_leaves_nothing_to_the_next(monkeypatch):
    """Probabilities are written first; the next call, with another model, has no word from their mask."""

    def ends(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(predict, "_write_mask", ends)
        gbaseg("scans/a.nii.gz", "--probabilities")
    assert written() == ["predictions.csv", "probabilities/VS/a.nii.gz"]
    assert gbaseg("scans/a.nii.gz").exit_code == 0
    assert written() == ["a.nii.gz", "predictions.csv"]
