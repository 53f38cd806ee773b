"""Arm online: no copies, and what training may do in their place."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from gbaseg import volume
from gbaseg.cases import Case, read_table, write_table
from gbaseg.stages import augment
from gbaseg.stages.train_segmentation import source_items
from gbaseg.volume import Grid, Volume
from gbaseg.workflow import layout
from gbaseg.workflow.context import read_json

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Two pseudo-target cases with tumours of 64 and 8 mm3, one target case."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GBASEG_DEVICE", "cpu")
    # Here, and not in a worker, which would import torch for seconds.
    monkeypatch.setattr(augment, "run_tasks", lambda tasks, **_: [task.function(**task.arguments) for task in tasks])
    rng = np.random.default_rng(0)
    for folder, domain, sizes in (
        (layout.TRANSLATED, "source", {"s1": 4, "s2": 2}),
        (layout.STANDARD, "target", {"t1": 3}),
    ):
        cases = []
        for name, size in sizes.items():
            label = np.zeros((8, 12, 12), np.uint8)
            label[2 : 2 + size, 3 : 3 + size, 3 : 3 + size] = 1
            image = (0.3 + 0.1 * rng.random(label.shape) + 0.3 * label).astype(np.float32)
            one = Case(name, name, "A", domain, "train", "MR", f"images/{name}.nii.gz", f"labels/{name}.nii.gz")
            grid = Grid(label.shape, (1.0, 1.0, 1.0))
            volume.write(Volume(image, grid), folder / one.image)
            volume.write(Volume(label, grid), folder / one.label)
            volume.write(Volume(label, grid), layout.pseudo_labelled("survey") / "standard" / f"{name}.nii.gz")
            cases.append(one)
        write_table(cases, folder)
    layout.SINGAN_MODEL.mkdir(parents=True)
    settings = (ROOT / "presets/default.yaml").read_text()
    return lambda arm: Path("params.yaml").write_text(settings.replace("  arm: gba #", f"  arm: {arm} #"))


def test_online_writes_no_copies_but_what_training_chooses_from(project):
    project("online")
    augment.run()
    assert read_table(layout.AUGMENTED) == []
    ways = tuple((1, factor) for factor in (0.5, 0.7, 1.4, 1.7))
    assert augment.read_choices() == {"s1": ways, "s2": ways}
    assert [(item.name, item.weight, item.rescaled) for item in source_items()] == [("s1", 5, ways), ("s2", 5, ways)]
    metrics = read_json(layout.METRICS / "appearance.json")
    assert (metrics["copies"], metrics["unaltered_share"]) == (0, 0.2)


def test_naive_writes_them_and_leaves_training_nothing_to_choose(project):
    project("naive")
    augment.run()
    assert augment.read_choices() == {}
    items = {item.name: item for item in source_items()}
    assert len(items) == 2 * 5 and not any(item.rescaled for item in items.values())
    assert {item.weight for item in items.values()} == {1}
    before, after = (volume.read(items[name].image).array for name in ("s1", "s1_all_l0.5"))
    mask = volume.read(items["s1"].label).array == 1
    np.testing.assert_allclose(after[mask], 0.5 * before[mask], rtol=1e-6)
    assert np.array_equal(after[~mask], before[~mask])


@pytest.mark.parametrize(("draws", "weight", "unaltered"), [("factors", Fraction(1, 2), 1 / 5), ("images", 1, 1 / 9)])
def test_two_start_scales_share_the_draws_of_their_factor(project, monkeypatch, draws, weight, unaltered):
    """Issue of the comparison: gba's 8 copies of a case beside naive's 4 are another share of unaltered images."""
    monkeypatch.setattr(augment, "load_model", lambda *_: "a model")
    monkeypatch.setattr(augment, "apply_gba", lambda array, mask, *, factor, **_: array * factor)
    project("gba")
    params = Path("params.yaml")
    params.write_text(params.read_text().replace("draws: factors", f"draws: {draws}"))
    augment.run()
    weights = {item.name: item.weight for item in source_items()}
    assert len(weights) == 2 * 9
    assert {name: value for name, value in weights.items() if "_k" not in name} == {"s1": 1, "s2": 1}
    assert {value for name, value in weights.items() if "_k" in name} == {weight}
    assert read_json(layout.METRICS / "appearance.json")["unaltered_share"] == pytest.approx(unaltered, abs=1e-4)
