"""What speaks against a mask is said beside it."""

from pathlib import Path

import numpy as np
import pytest

from gbaseg.volume import read, write
from gbaseg.workflow import layout
from gbaseg.workflow.context import write_json

MODEL = layout.model_of("round_1")


@pytest.mark.parametrize(
    ("image", "says"),
    [
        pytest.param(
            [((3, 5), (8, 10), (8, 10))], "volume outside the source's range (1000 to 3000 mm3)",
            marks=pytest.mark.unusual("Commands", "`predict`: a volume far from training's", "a warning"),
        ),
        pytest.param(
            [((2, 6), (0, 6), (8, 14))], "at the scan's edge",
            marks=pytest.mark.unusual("Commands", "`predict`: a mask at the edge of the scan or crop", "a warning"),
        ),
        pytest.param(
            [((2, 5), (4 * n, 4 * n + 3), (4 * n, 4 * n + 3)) for n in range(1, 5)], "in pieces",
            marks=pytest.mark.unusual("Commands", "`predict`: a mask in several pieces", "a warning, how many"),
        ),
    ],
)  # fmt: skip
def test_what_speaks_against_a_mask_is_said(scan, gbaseg, table, image, says):
    """`image`: where it is bright."""
    write(scan(*image), "odd.nii.gz")
    result = gbaseg("odd.nii.gz", "good.nii.gz")
    assert result.exit_code == 0
    odd, good = table()
    assert says in odd["warnings"].split("; ") and not good["warnings"]
    assert " ".join(says.split()[:2]) in result.stdout
    assert "2 mask(s) of round_1 in masks, 1 with warnings" in result.stderr


def test_a_structure_of_several_pieces_is_not_in_pieces(scan, gbaseg, table):
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("structures: {VS: 1}", "structures: {VS: {value: 1, pieces: 2}}"))
    write(scan(((2, 5), (4, 8), (4, 8)), ((2, 5), (14, 18), (14, 18))), "two.nii.gz")
    assert gbaseg("two.nii.gz").exit_code == 0
    [row] = table()
    assert (row["pieces"], row["warnings"]) == ("2", "")
    halves = read("masks/two.nii.gz").array
    assert halves[:, :12].any() and halves[:, 12:].any()


@pytest.mark.unusual("Commands", "`predict`: a mask comes out empty", "a warning")
def test_an_empty_mask_is_said(monkeypatch, networks, gbaseg, table):
    nothing = np.float32([[1.0], [0.0]])[None, :, :, None, None]
    monkeypatch.setattr(
        networks,
        "fold_probabilities",
        lambda _, image: np.tile(nothing.reshape(1, 2, 1, 1, 1), (2, 1, *image.array.shape)),
    )
    assert gbaseg("good.nii.gz").exit_code == 0
    [row] = table()
    assert (row["warnings"], row["volume_mm3"], row["pieces"]) == ("empty", "0", "0")


@pytest.mark.unusual("Commands", "`predict`: the folds disagree", "a warning, their Dice")
def test_folds_that_disagree_are_said(monkeypatch, networks, gbaseg, table):
    def two(_, image):
        one = (image.array > 0.5).astype(np.float32)
        other = one.copy()
        other[:, : one.shape[1] // 2 + 1] = 0.0
        return np.stack([np.stack([1.0 - fold, fold]) for fold in (one, other)])

    monkeypatch.setattr(networks, "fold_probabilities", two)
    assert gbaseg("good.nii.gz").exit_code == 0
    [row] = table()
    assert "folds disagree" in row["warnings"] and float(row["fold_dice"]) < 0.7


def test_the_crops_edge_is_an_edge(project, gbaseg, table):
    text = (project / "params.yaml").read_text().replace("crop_xy_px: 60 ", "crop_xy_px: 8 ")
    (project / "params.yaml").write_text(text)
    assert gbaseg("good.nii.gz").exit_code == 0
    assert table()[0]["warnings"].split("; ")[-1] == "at the crop's edge"


def test_what_standardise_found_in_a_scan_stands_beside_its_mask(scan, gbaseg, table):
    wild = scan()
    wild.array[0, 0, 0] = -32768.0
    write(wild, "wild.nii.gz")
    assert gbaseg("wild.nii.gz").exit_code == 0
    [row] = table()
    assert "1 voxel(s) of -32768, far outside the others" in row["warnings"]
    assert float(row["volume_mm3"]) > 0


def test_a_model_from_before_volumes_were_noted_judges_none(scan, gbaseg, table):
    write_json(MODEL / layout.ROUND, {"fine_grid": False})
    write(scan(((3, 5), (8, 10), (8, 10))), "small.nii.gz")
    result = gbaseg("small.nii.gz")
    assert result.exit_code == 0 and "volume" not in table()[0]["warnings"]
    assert "trained before volumes were noted in round.json" in result.stderr
