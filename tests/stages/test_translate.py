"""Translated images that show nothing are no images."""

from pathlib import Path

import numpy as np
import pytest

from gbaseg.cases import Case, write_table
from gbaseg.errors import UserError
from gbaseg.params import Params
from gbaseg.stages import train_translation, translate
from gbaseg.volume import Grid, Volume, read, write
from gbaseg.workflow import layout
from gbaseg.workflow.context import read_json, write_json
from gbaseg.workflow.models import MODE

ROOT = Path(__file__).parents[2]
SCAN = np.random.default_rng(0).random((4, 16, 16), np.float32)


@pytest.mark.parametrize(
    ("image", "said"),
    [
        pytest.param(
            np.zeros_like(SCAN),
            "c0: its translated image is 0 all over; models/translation is unfit",
            marks=pytest.mark.unusual("Scans and masks", "a translated image that is constant", "a fault; no image"),
        ),
        pytest.param(
            np.where(SCAN > 0.99, np.nan, SCAN),
            "c0: its translated image is not finite",
            marks=pytest.mark.unusual("Scans and masks", "a translated image with NaN in it", "a fault; no image"),
        ),
    ],
)
def test_an_image_that_shows_nothing_is_a_fault(tmp_path, monkeypatch, image, said):
    monkeypatch.chdir(tmp_path)

    class Translator:
        def __init__(self, settings):
            pass

        def __call__(self, scan):
            return image, image

    monkeypatch.setattr(translate, "Translator", Translator)
    case = Case("c0", "c0", "A", "source", "train", "ceT1", "images/c0.nii.gz", "labels/c0.nii.gz")
    write(Volume(SCAN, Grid(SCAN.shape, (1.0, 1.0, 1.0))), layout.STANDARD / case.image)
    write(Volume((SCAN > 0.9).astype(np.uint8), Grid(SCAN.shape, (1.0, 1.0, 1.0))), layout.STANDARD / case.label)
    with pytest.raises(UserError, match=said):
        translate.translate_cases([case], tmp_path / "out", Params(), np.zeros((2, 49)))
    assert not (tmp_path / "out").exists()


def test_a_scan_without_contrast_may_stay_so():
    flat = np.full_like(SCAN, 0.5)
    translate._check_image(flat, flat, "c0")
    translate._check_image(SCAN, SCAN, "c0")


@pytest.mark.parametrize(("mode", "said"), [("cyclegan", 1), ("none", 0)])
def test_a_width_that_does_nothing_on_the_grid_is_said(tmp_path, monkeypatch, capsys, mode, said):
    monkeypatch.chdir(tmp_path)
    write_json(layout.TRANSLATION_MODEL / MODE, {"mode": mode})
    cases = [Case(f"c{n}", f"c{n}", "A", "source", "train", "ceT1", f"images/c{n}.nii.gz", "") for n in range(2)]
    for case in cases:
        write(Volume(SCAN, Grid(SCAN.shape, (5.0, 1.0, 1.0))), layout.STANDARD / case.image)
    settings = Params.model_validate({"translation": {"mode": mode, "van_cittert": {"psf_mm_xyz": [1.0, 1.0, 2.0]}}})
    translate._warn_of_widths(cases, settings)
    err = capsys.readouterr().err
    assert (
        err.count("WARNING: translation.van_cittert.psf_mm_xyz: 2 mm (fwhm) along z has no effect on voxels of 5 mm")
        == said
    )
    assert err.count("WARNING") == said


def test_histogram_gives_the_sources_scans_the_targets_distribution(tmp_path, monkeypatch):
    """Of the centre that is named; without a CycleGAN, and without its deconvolution."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(translate, "run_tasks", lambda tasks, **_: [task.function(**task.arguments) for task in tasks])
    cases = []
    rng = np.random.default_rng(0)
    for name, domain, centre, power in (
        ("s0", "source", "A", 2.0), ("s1", "source", "A", 2.0), ("t0", "target", "A", 0.5), ("t1", "target", "B", 4.0),
    ):  # fmt: skip
        one = Case(name, name, centre, domain, "train", "MR", f"images/{name}.nii.gz", f"labels/{name}.nii.gz")
        image = (rng.random((8, 16, 16)) ** power).astype(np.float32)
        write(Volume(image, Grid(image.shape, (1.0, 1.0, 1.0))), layout.STANDARD / one.image)
        write(Volume((image > 0.9).astype(np.uint8), Grid(image.shape, (1.0, 1.0, 1.0))), layout.STANDARD / one.label)
        cases.append(one)
    write_table(cases, layout.STANDARD)
    text = (ROOT / "presets/default.yaml").read_text()
    text = text.replace("  mode: cyclegan", "  mode: histogram", 1).replace("foreground: head", "foreground: all")
    (tmp_path / "params.yaml").write_text(text)
    (tmp_path / "dvc.yaml").write_text((ROOT / "dvc.yaml").read_text())
    train_translation.run()
    translate.run()
    for name in ("s0", "s1"):
        before, after = (
            read(folder / f"images/{name}.nii.gz").array for folder in (layout.STANDARD, layout.TRANSLATED)
        )
        # u squared became the root of u.
        np.testing.assert_allclose(after, before**0.25, atol=0.05)
    checks = read_json(layout.METRICS / "translation.json")
    assert checks["patch_distance"] < 0.5 * checks["source_patch_distance"]
    assert checks["edge_gain"] == pytest.approx(1.0, abs=0.01)
