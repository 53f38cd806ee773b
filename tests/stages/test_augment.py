"""Arm online: no copies, and what training may do in their place."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from gbaseg import params, volume
from gbaseg.cases import Case, read_table, write_table
from gbaseg.stages import augment
from gbaseg.stages.train_segmentation import source_items
from gbaseg.volume import Grid, Volume
from gbaseg.workflow import layout
from gbaseg.workflow.changes import changes_of
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
    ways = tuple((1, factor, 0.0) for factor in (0.5, 0.7, 1.4, 1.7))
    assert augment.read_choices() == {"s1": ways, "s2": ways}
    assert [(item.name, item.weight, item.rescaled) for item in source_items(params.load())] == [
        ("s1", 5, ways),
        ("s2", 5, ways),
    ]
    metrics = read_json(layout.METRICS / "appearance.json")
    assert (metrics["copies"], metrics["unaltered_share"]) == (0, 0.2)


def test_naive_writes_them_and_leaves_training_nothing_to_choose(project):
    project("naive")
    augment.run()
    assert augment.read_choices() == {}
    items = {item.name: item for item in source_items(params.load())}
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
    path = Path("params.yaml")
    path.write_text(path.read_text().replace("draws: factors", f"draws: {draws}"))
    augment.run()
    weights = {item.name: item.weight for item in source_items(params.load())}
    assert len(weights) == 2 * 9
    assert {name: value for name, value in weights.items() if "_k" not in name} == {"s1": 1, "s2": 1}
    assert {value for name, value in weights.items() if "_k" in name} == {weight}
    assert read_json(layout.METRICS / "appearance.json")["unaltered_share"] == pytest.approx(unaltered, abs=1e-4)


@pytest.fixture
def adaptive(project, monkeypatch):
    """Six target cases with dark tumours, of which the survey doubts the last; the source's are bright."""
    rng = np.random.default_rng(1)
    cases, rows = [], []
    for number in range(6):
        name, label = f"t{number}", np.zeros((8, 12, 12), np.uint8)
        label[2:5, 3:6, 3 : 6 + number % 3] = 1
        tumour = 0.9 if number == 5 else 0.2 + 0.02 * number
        image = np.where(label == 1, tumour, 0.4 + 0.02 * rng.random(label.shape)).astype(np.float32)
        one = Case(name, name, "A", "target", "train", "MR", f"images/{name}.nii.gz", "")
        grid = Grid(label.shape, (1.0, 1.0, 1.0))
        volume.write(Volume(image, grid), layout.STANDARD / one.image)
        volume.write(Volume(label, grid), layout.pseudo_labelled("survey") / "standard" / f"{name}.nii.gz")
        cases.append(one)
        rows.append(f"{name},VS,{int(label.sum())},nan,1,1.0,{'in pieces' if number == 5 else ''}")
    write_table(cases, layout.STANDARD)
    columns = "case,structure,volume_mm3,fold_dice,pieces,largest_share,doubts"
    (layout.pseudo_labelled("survey") / "pseudo_labels.csv").write_text("\n".join([columns, *rows, ""]))

    def write(arm: str, lambdas: str = "[]") -> None:
        project(arm)
        path = Path("params.yaml")
        by_hand = "lambdas: [0.5, 0.7, 1.4, 1.7] # Eq. 5"
        text = path.read_text()
        assert by_hand in text and "adaptive: 0 #" in text
        path.write_text(text.replace(by_hand, f"lambdas: {lambdas} # Eq. 5").replace("adaptive: 0 #", "adaptive: 8 #"))

    return write


def test_copies_look_as_what_the_survey_finds_and_believes(adaptive, capsys):
    """Dark, as no factor by hand made them; the one that the survey doubts, a bright one, has no say."""
    adaptive("naive")
    augment.run()
    assert "rule all: VS at centre A: contrasts -0.2" in capsys.readouterr().err
    rows = read_table(layout.AUGMENTED)
    assert sorted(row.case for row in rows) == [f"s{n}_all_la{copy}" for n in (1, 2) for copy in range(1, 9)]
    darker = []
    for row in rows:
        before = volume.read(layout.TRANSLATED / f"images/{row.patient}.nii.gz").array
        after, mask = (volume.read(layout.AUGMENTED / path).array for path in (row.image, row.label))
        assert np.array_equal(after[mask == 0], before[mask == 0])
        darker.append(after[mask == 1].mean() < after[mask == 0].mean())
    assert all(darker)
    metrics = read_json(layout.METRICS / "appearance.json")
    assert metrics["energy_distance_to_survey"]["after"] < metrics["energy_distance_to_survey"]["before"]
    # What pictures show of a case.
    [rule] = params.load().augmentation.rules
    drawn = changes_of(rule, "s1")
    assert len(drawn) == 8 and all(change.factor < 0 for _, change in drawn)


def test_by_hand_and_drawn_together(adaptive):
    adaptive("online", "[1.5]")
    augment.run()
    ways = augment.read_choices()["s1"]
    assert len(ways) == 9 and ways[0] == (1, 1.5, 0.0)
    assert {item.weight for item in source_items(params.load())} == {10}
    [rule] = params.load().augmentation.rules
    names = [called for called, _ in changes_of(rule, "s1")]
    assert names[0] == "λ = 1.5" and len(names) == 9
