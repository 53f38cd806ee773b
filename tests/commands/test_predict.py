"""Any scan segmented: what is checked before, what is written and said. The masks themselves: tests/pipeline."""

import csv
import hashlib
import os
import shutil
import signal
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from click.testing import CliRunner
from rich.console import Console

from gbaseg import params
from gbaseg.cli import main
from gbaseg.commands import predict, predict_scans, predict_table
from gbaseg.inference import project as rounds
from gbaseg.raw import checks
from gbaseg.runtime.ending import Ended
from gbaseg.volume import Grid, Volume, read, write
from gbaseg.volume.resampling import to_sitk
from gbaseg.workflow import layout
from gbaseg.workflow.context import write_json

ROOT = Path(__file__).parents[2]
GRID = Grid((8, 24, 24), (3.0, 2.0, 2.0), origin_xyz_mm=(-3.0, 4.0, 5.0))
MODEL = layout.model_of("round_1")


class BrightVoxels:
    """In the place of the networks: one fold that is sure of what is bright."""

    def __init__(self, *_):
        self.structures = {"VS": 1}

    def fold_probabilities(self, scan):
        bright = (scan.array > 0.5).astype(np.float32)
        return np.stack([1.0 - bright, bright])[None]


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """The default project with the model of a round, and one good scan."""
    shutil.copyfile(ROOT / "presets/default.yaml", tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(rounds, "Ensemble", BrightVoxels)
    write_json(MODEL / layout.ROUND, {"fine_grid": False, "volumes_mm3": {"VS": [1000.0, 3000.0]}})
    for name in ("plans.json", "dataset.json", "fold_0.safetensors", "fold_1.safetensors"):
        (MODEL / name).touch()
    write(scan(), "good.nii.gz")
    return tmp_path


def scan():
    return bright(((2, 6), (8, 14), (8, 14)))


def bright(*boxes):
    """A scan of a head with bright boxes of (first, last) voxel along Z, Y and X in it."""
    array = np.random.default_rng(0).normal(10, 3, GRID.shape).astype(np.float32)
    array[1:-1, 1:-1, 1:-1] += 90
    for box in boxes:
        array[tuple(slice(*ends) for ends in box)] += 300
    return Volume(array, GRID)


def gbaseg(*arguments):
    return CliRunner().invoke(main, ["predict", *arguments, "--out", "masks"])


def faults(*arguments):
    """The faults in the one report that a wrong call ends with; nothing is written."""
    result = gbaseg(*arguments)
    assert (result.exit_code, type(result.exception)) == (1, SystemExit), result.output
    assert not Path("masks").exists() and not Path(".scratch").exists()
    return result.stderr.partition("gbaseg: ")[2].splitlines()  # after what is logged


@pytest.mark.unusual(
    "Commands",
    "`predict` after params.yaml has got another grid or intensity range than the model was trained on",
    "scans are standardised as the model was trained; the difference is said",
)
def test_a_scan_is_brought_to_the_models_grid_whatever_params_yaml_says(monkeypatch):
    seen = []

    class Watching(BrightVoxels):
        def fold_probabilities(self, scan):
            seen.append(scan.grid)
            return super().fold_probabilities(scan)

    about = {**params.load().standardise.model_dump(mode="json"), "spacing_xyz_mm": [3.0, 3.0, 3.0], "crop_xy_px": 24}
    write_json(MODEL / layout.ROUND, {"fine_grid": False, "standardise": about})
    monkeypatch.setattr(rounds, "Ensemble", Watching)
    result = gbaseg("good.nii.gz")
    assert result.exit_code == 0
    assert seen[0].spacing_zyx_mm == (3.0, 3.0, 3.0) and seen[0].shape[1:] == (24, 24)
    assert "standardised as it was trained: spacing_xyz_mm [3.0, 3.0, 3.0] (params.yaml: [" in result.stderr


@pytest.mark.parametrize(("named", "axial"), [("acquired", False), ("axial", True), (None, True), ("no section", True)])
def test_slices_are_those_of_the_model_and_axial_for_one_of_before(monkeypatch, named, axial):
    seen = []

    class Watching(BrightVoxels):
        def fold_probabilities(self, scan):
            seen.append(scan.grid)
            return super().fold_probabilities(scan)

    sides = {"spacing_xyz_mm": [1.5, 1.5, 1.5], "crop_xy_px": 24, "crop_z_px": None}
    about = {**params.load().standardise.model_dump(mode="json"), **sides, "slices": named}
    if named is None:
        del about["slices"]
    about = {"fine_grid": False} if named == "no section" else {"fine_grid": False, "standardise": about}
    write_json(MODEL / layout.ROUND, about)
    monkeypatch.setattr(rounds, "Ensemble", Watching)
    sagittal = (0.0, 0.0, -1.0, 1.0, 0.0, 0.0, 0.0, -1.0, 0.0)
    stack = Volume(scan().array, Grid(GRID.shape, (4.0, 1.5, 1.5), direction=sagittal))
    write(stack, "stack.nii.gz")
    assert gbaseg("stack.nii.gz").exit_code == 0
    normal = np.array(seen[0].direction).reshape(3, 3)[:, 2]
    assert (abs(normal[2]) > 0.99) == axial
    assert read("masks/stack.nii.gz").grid.agrees_with(stack.grid, 1e-5)


def test_a_model_whose_grid_cannot_be_is_refused():
    write_json(MODEL / layout.ROUND, {"fine_grid": False, "standardise": {"spacing_xyz_mm": [0.0, 1.0, 1.0]}})
    assert "round.json: standardise:" in faults("good.nii.gz")[0]


def cut_off(name):
    write(scan(), name)
    Path(name).write_bytes(Path(name).read_bytes()[:-400])


def test_masks_lie_on_the_scans_own_grids_and_nothing_is_left_over():
    write(scan(), "other.mha")
    write(scan(), "masks/old.nii.gz")
    assert gbaseg("good.nii.gz", "other.mha").exit_code == 0
    written = ["good.nii.gz", "old.nii.gz", "other.nii.gz", "predictions.csv"]
    assert sorted(path.name for path in Path("masks").iterdir()) == written
    for name in ("good", "other"):
        mask = read(f"masks/{name}.nii.gz")
        assert mask.grid.agrees_with(GRID, 1e-5)
        assert mask.array.dtype == np.uint8 and mask.array[4, 11, 11] == 1 and mask.array[0, 0, 0] == 0
    assert not Path(".scratch").exists()


def test_what_is_wrong_with_any_scan_and_with_the_model_is_in_one_report():
    (MODEL / "plans.json").unlink()
    (MODEL / "fold_1.safetensors").unlink()  # half an ensemble would segment without a word
    cut_off("cut.nii")
    cut_off("cut.nii.gz")
    Path("text.nii.gz").write_bytes(b"no image")
    flawed = scan()
    flawed.array[0, 0, :2] = np.nan, np.inf
    sitk.WriteImage(to_sitk(flawed), "nan.nii")  # gbaseg's own does not write it
    write(Volume(np.full(GRID.shape, 7.0, np.float32), GRID), "constant.nii.gz")
    # Two intensities: a mask, taken for a scan.
    block = Volume(np.zeros(GRID.shape, np.float32), Grid(GRID.shape, (2.0, 1.5, 1.5)))
    block.array[2:6, 8:14, 8:14] = 100.0
    write(block, "block.nii.gz")
    Path("dicom").mkdir()
    wrong = ["gone.nii.gz", "cut.nii", "nan.nii", "constant.nii.gz", "block.nii.gz", "dicom"]
    model, *of_scans = faults("good.nii.gz", *wrong)
    assert model.startswith(f"{MODEL}: no plans.json, fold_1.safetensors; run `dvc repro train_segmentation`")
    assert [fault.split(": ")[0] for fault in of_scans] == wrong
    gone, cut, nan, constant, block, dicom = (fault.split(": ", 1)[1] for fault in of_scans)
    assert gone == "no such file; allowed: a whole, readable 3D image with one channel"
    assert cut.startswith("cannot be read")
    assert nan == "2 voxels are NaN or infinite; allowed: finite numbers"
    assert constant == "every voxel is 7; allowed: an image that is not constant"
    assert block.startswith("two intensities only, 0 and 100 (a mask?)")
    assert dicom.startswith("a folder; allowed: one file a scan, such as NIfTI (.nii.gz)")
    _, cut, text = faults("good.nii.gz", "cut.nii.gz", "text.nii.gz")
    assert cut.startswith("cut.nii.gz: cannot be read") and text.startswith("text.nii.gz: cannot be read")


def test_scans_of_one_name_are_named_with_the_mask_they_would_share():
    write(scan(), "old/good.nii")
    assert faults("good.nii.gz", "gone.mha", "old/good.nii") == [
        "good.nii.gz, old/good.nii: 2 scans for the mask masks/good.nii.gz; allowed: another name for each",
        "gone.mha: no such file; allowed: a whole, readable 3D image with one channel",
    ]


def test_a_mask_never_takes_the_place_of_its_scan(project):
    before = (project / "good.nii.gz").read_bytes()
    result = CliRunner().invoke(main, ["predict", "good.nii.gz", "--out", str(project)])
    assert result.exit_code == 1
    assert f"{project / 'good.nii.gz'}: a scan, whose place its mask would take; allowed: another" in result.stderr
    assert (project / "good.nii.gz").read_bytes() == before


def table():
    with Path("masks/predictions.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def fail_at(monkeypatch, number, error):
    """The network fails at the scan of that number, 0 the first."""
    calls = iter(range(99))
    segment = BrightVoxels.fold_probabilities

    def fold_probabilities(self, image):
        if next(calls) == number:
            raise error
        return segment(self, image)

    monkeypatch.setattr(BrightVoxels, "fold_probabilities", fold_probabilities)


@pytest.mark.unusual(
    "Commands", "`predict`: one of several scans fails while it is segmented", "the others are done; exit code 2"
)
@pytest.mark.parametrize(
    "error", [RuntimeError("out of memory\n at line 3"), MemoryError(), OSError(28, "No space left")]
)
def test_a_scan_that_fails_does_not_stop_the_others(monkeypatch, error):
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
def test_a_run_that_is_broken_off_leaves_the_masks_that_are_done(monkeypatch, error, code):
    write(scan(), "other.nii.gz")
    with monkeypatch.context() as patch:
        fail_at(patch, 1, error)
        assert gbaseg("good.nii.gz", "other.nii.gz").exit_code == code
    assert sorted(path.name for path in Path("masks").iterdir()) == ["good.nii.gz", "predictions.csv"]
    assert read("masks/good.nii.gz").array.any()
    assert [row["status"] for row in table()] == ["done", "waiting"]
    assert gbaseg("good.nii.gz", "other.nii.gz").exit_code == 0
    assert [row["status"] for row in table()] == ["done", "done"]


def test_a_mask_appears_whole(monkeypatch):
    def cut_off(mask, path):
        write(mask, path)
        path.write_bytes(path.read_bytes()[:40])
        raise OSError("disk full")

    monkeypatch.setattr(predict.volume, "write", cut_off)
    assert gbaseg("good.nii.gz").exit_code == 2
    assert [path.name for path in Path("masks").iterdir()] == ["predictions.csv"]


@pytest.mark.unusual(
    "Commands", "`predict --on-bad-scan skip` with a scan that is cut off", "the others are done; exit code 2"
)
def test_faulty_scans_are_skipped_where_asked():
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
def test_every_scan_fails():
    cut_off("cut.nii.gz")
    result = gbaseg("cut.nii.gz", "scan.tif", "--on-bad-scan", "skip")
    assert result.exit_code == 2
    assert "2 of 2 scans failed, none is done:\ncut.nii.gz: cannot be read" in result.stderr
    assert "the others" not in result.stderr


def test_the_table_says_what_is_known_of_every_mask():
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


@pytest.mark.parametrize(
    ("image", "says"),
    [
        pytest.param(
            bright(((3, 5), (8, 10), (8, 10))), "volume outside the source's range (1000 to 3000 mm3)",
            marks=pytest.mark.unusual("Commands", "`predict`: a volume far from training's", "a warning"),
        ),
        pytest.param(
            bright(((2, 6), (0, 6), (8, 14))), "at the scan's edge",
            marks=pytest.mark.unusual("Commands", "`predict`: a mask at the edge of the scan or crop", "a warning"),
        ),
        pytest.param(
            bright(*(((2, 5), (4 * n, 4 * n + 3), (4 * n, 4 * n + 3)) for n in range(1, 5))), "in pieces",
            marks=pytest.mark.unusual("Commands", "`predict`: a mask in several pieces", "a warning, how many"),
        ),
    ],
)  # fmt: skip
def test_what_speaks_against_a_mask_is_said(image, says):
    write(image, "odd.nii.gz")
    result = gbaseg("odd.nii.gz", "good.nii.gz")
    assert result.exit_code == 0
    odd, good = table()
    assert says in odd["warnings"].split("; ") and not good["warnings"]
    assert " ".join(says.split()[:2]) in result.stdout
    assert "2 mask(s) of round_1 in masks, 1 with warnings" in result.stderr


def test_a_structure_of_several_pieces_is_not_in_pieces():
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("structures: {VS: 1}", "structures: {VS: {value: 1, pieces: 2}}"))
    write(bright(((2, 5), (4, 8), (4, 8)), ((2, 5), (14, 18), (14, 18))), "two.nii.gz")
    assert gbaseg("two.nii.gz").exit_code == 0
    [row] = table()
    assert (row["pieces"], row["warnings"]) == ("2", "")
    halves = read("masks/two.nii.gz").array
    assert halves[:, :12].any() and halves[:, 12:].any()


@pytest.mark.unusual("Commands", "`predict`: a mask comes out empty", "a warning")
def test_an_empty_mask_is_said(monkeypatch):
    nothing = np.float32([[1.0], [0.0]])[None, :, :, None, None]
    monkeypatch.setattr(
        BrightVoxels,
        "fold_probabilities",
        lambda _, image: np.tile(nothing.reshape(1, 2, 1, 1, 1), (2, 1, *image.array.shape)),
    )
    assert gbaseg("good.nii.gz").exit_code == 0
    [row] = table()
    assert (row["warnings"], row["volume_mm3"], row["pieces"]) == ("empty", "0", "0")


@pytest.mark.unusual("Commands", "`predict`: the folds disagree", "a warning, their Dice")
def test_folds_that_disagree_are_said(monkeypatch):
    def two(_, image):
        one = (image.array > 0.5).astype(np.float32)
        other = one.copy()
        other[:, : one.shape[1] // 2 + 1] = 0.0
        return np.stack([np.stack([1.0 - fold, fold]) for fold in (one, other)])

    monkeypatch.setattr(BrightVoxels, "fold_probabilities", two)
    assert gbaseg("good.nii.gz").exit_code == 0
    [row] = table()
    assert "folds disagree" in row["warnings"] and float(row["fold_dice"]) < 0.7


def test_the_crops_edge_is_an_edge(project):
    text = (project / "params.yaml").read_text().replace("crop_xy_px: 60 ", "crop_xy_px: 8 ")
    (project / "params.yaml").write_text(text)
    assert gbaseg("good.nii.gz").exit_code == 0
    assert table()[0]["warnings"].split("; ")[-1] == "at the crop's edge"


def test_what_standardise_found_in_a_scan_stands_beside_its_mask():
    wild = scan()
    wild.array[0, 0, 0] = -32768.0
    write(wild, "wild.nii.gz")
    assert gbaseg("wild.nii.gz").exit_code == 0
    [row] = table()
    assert "1 voxel(s) of -32768, far outside the others" in row["warnings"]
    assert float(row["volume_mm3"]) > 0


def test_a_scan_is_searched_for_wild_voxels_once_and_said_with_its_other_faults(monkeypatch):
    settings = params.load()
    with monkeypatch.context() as patch:
        patch.setattr(checks, "without_wild", None)  # `standardise_image` has its own
        assert predict_scans.check_scan(Path("good.nii.gz"), settings) == []
    wild = scan()
    wild.array[np.random.default_rng(0).random(GRID.shape) < 0.05] = -32768.0
    write(wild, "wild.nii.gz")
    [fault] = predict_scans.check_scan(Path("wild.nii.gz"), settings)
    assert fault.startswith("wild.nii.gz: ") and "of the voxels are -32768, far from all others" in fault
    write(Volume(wild.array, replace(GRID, spacing_zyx_mm=(3.0, 2.0, 90.0))), "wild.nii.gz")
    spacing, length, voxels = predict_scans.check_scan(Path("wild.nii.gz"), settings)
    assert "spacing" in spacing and "a scan of" in length and "of the voxels are -32768" in voxels


def test_a_model_from_before_volumes_were_noted_judges_none():
    write_json(MODEL / layout.ROUND, {"fine_grid": False})
    write(bright(((3, 5), (8, 10), (8, 10))), "small.nii.gz")
    result = gbaseg("small.nii.gz")
    assert result.exit_code == 0 and "volume" not in table()[0]["warnings"]
    assert "trained before volumes were noted in round.json" in result.stderr


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
def test_names_that_cannot_be_kept_are_refused_before_work(name, says):
    shutil.copyfile("good.nii.gz", "bytes")
    if name.endswith(".nii"):
        write(scan(), "plain.nii")
        Path("plain.nii").rename(name)
    else:
        Path("bytes").rename(name)
    found = "\n".join(faults("good.nii.gz", name))
    assert says in found and "rename the scan" in found


@pytest.mark.unusual("Commands", "`predict` on a name or folder that is not UTF-8", "the name, before work")
def test_names_that_are_no_text(project):
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
def test_names_of_no_format():
    for name in (".nii.gz", "scan", "scan.tif"):
        shutil.copyfile("good.nii.gz", name)
    found = faults(".nii.gz", "good.nii.gz", "scan", "scan.tif")
    assert [fault.split(":")[0] for fault in found] == [".nii.gz", "scan", "scan.tif"]


@pytest.mark.unusual(
    "Commands", "`predict` on names with spaces, accents, brackets, dots and capitals", "kept as they are"
)
def test_unusual_names_are_kept():
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
def test_masks_that_some_file_systems_take_for_one():
    for name in ("GOOD.nii.gz", "e\u0301.nii.gz", "\u00e9.nii"):
        write(scan(), name)
    first, second = faults("good.nii.gz", "GOOD.nii.gz", "e\u0301.nii.gz", "\u00e9.nii")
    assert first.startswith("good.nii.gz, GOOD.nii.gz: 2 scans for the mask masks/good.nii.gz")
    assert second.startswith("e\u0301.nii.gz, \u00e9.nii: 2 scans for the mask")


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
def test_what_predict_did_not_write_stays():
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


def refused(name="good"):
    """A call on one scan, whose mask is not replaced."""
    before = Path(f"masks/{name}.nii.gz").read_bytes()
    result = gbaseg(f"{name}.nii.gz")
    assert (result.exit_code, type(result.exception)) == (1, SystemExit)
    assert f"masks/{name}.nii.gz: there already, and not by this command, or changed since it wrote it" in result.stderr
    assert Path(f"masks/{name}.nii.gz").read_bytes() == before


@pytest.mark.unusual(
    "Commands", "`predict` again where a mask of it was corrected by hand", "refused; the corrected mask stays"
)
def test_a_mask_that_was_corrected_stays():
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
def test_a_mask_that_was_drawn_by_hand_stays(monkeypatch, status):
    with monkeypatch.context() as patch:
        fail_at(patch, 0, RuntimeError("no") if status == "failed" else KeyboardInterrupt())
        assert gbaseg("good.nii.gz").exit_code != 0
    assert table()[0]["status"] == status
    write(scan(), "masks/good.nii.gz")
    refused()


def test_a_table_from_before_masks_had_hashes():
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
def test_a_call_that_ends_while_a_mask_is_replaced(monkeypatch, replaced):
    assert gbaseg("good.nii.gz").exit_code == 0
    write(bright(((2, 6), (8, 16), (8, 14))), "good.nii.gz")  # so that its mask is another

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


def test_a_mask_that_is_drawn_while_the_scan_is_segmented_stays(monkeypatch):
    segment = BrightVoxels.fold_probabilities

    def drawn_meanwhile(self, image):
        write(scan(), "masks/good.nii.gz")
        return segment(self, image)

    monkeypatch.setattr(BrightVoxels, "fold_probabilities", drawn_meanwhile)
    assert gbaseg("good.nii.gz").exit_code == 2
    assert read("masks/good.nii.gz").array.max() > 1
    assert table()[0]["error"].startswith("masks/good.nii.gz: there already, and not by this command")


@pytest.mark.unusual("Commands", "`predict --out` has a predictions.csv of something else", "refused; it stays")
@pytest.mark.parametrize("content", ["case,dice\nx,1\n", "", None])
def test_another_table_of_that_name_stays(content):
    Path("masks").mkdir()
    if content is None:
        Path("masks/predictions.csv").mkdir()
    else:
        Path("masks/predictions.csv").write_text(content)
    result = gbaseg("good.nii.gz")
    assert result.exit_code == 1
    assert "masks/predictions.csv: not a table that predict wrote; move it away" in result.stderr
    assert [path.name for path in Path("masks").iterdir()] == ["predictions.csv"]


def test_calls_into_one_folder_share_a_table():
    write(scan(), "other.mha")
    for names in (["good.nii.gz"], ["other.mha"], ["good.nii.gz"]):
        assert gbaseg(*names).exit_code == 0
    assert [row["mask"] for row in table()] == ["other.nii.gz", "good.nii.gz"]
    Path("masks/other.nii.gz").unlink()
    assert gbaseg("good.nii.gz").exit_code == 0
    assert [row["mask"] for row in table()] == ["good.nii.gz"]


@pytest.mark.unusual("Commands", "two calls of `predict` into one folder at once", "the table has the scans of both")
def test_calls_side_by_side_share_a_table(monkeypatch):
    write(scan(), "other.mha")
    segment = BrightVoxels.fold_probabilities

    def another_call_meanwhile(self, image):
        monkeypatch.setattr(BrightVoxels, "fold_probabilities", segment)
        assert gbaseg("other.mha").exit_code == 0
        return segment(self, image)

    monkeypatch.setattr(BrightVoxels, "fold_probabilities", another_call_meanwhile)
    assert gbaseg("good.nii.gz").exit_code == 0
    assert [(row["mask"], row["status"]) for row in table()] == [("other.nii.gz", "done"), ("good.nii.gz", "done")]


def test_a_scan_that_fails_beside_an_earlier_mask_of_it(monkeypatch):
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


@pytest.mark.unusual(
    "Commands", "`predict`: a model that is damaged, or of other structures than params.yaml", "the model, what to do"
)
def test_a_model_that_cannot_be_used(project, monkeypatch):
    (MODEL / layout.ROUND).write_text("{")
    [fault] = faults("good.nii.gz")
    assert str(MODEL) in fault and "dvc checkout" in fault
    write_json(MODEL / layout.ROUND, {"fine_grid": True})
    assert faults("good.nii.gz")[0].endswith("standardise.fine_spacing_xyz_mm is null")
    write_json(MODEL / layout.ROUND, {"fine_grid": False})
    text = (project / "params.yaml").read_text().replace("structures: {VS: 1}", "structures: {VS: 1, Cochlea: 2}")
    (project / "params.yaml").write_text(text)
    [fault] = faults("good.nii.gz")
    assert fault.startswith(f"{MODEL}: segments VS; dataset.structures of params.yaml has VS, Cochlea")


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
