"""What a round trains on."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from gbaseg.cases import Case, write_table
from gbaseg.params import Params
from gbaseg.runtime.scratch import atomic_outputs
from gbaseg.segmentation.dataset import TrainingItem, whole_draws
from gbaseg.workflow import layout, training
from gbaseg.workflow.pseudo_labels import TABLE
from gbaseg.workflow.reviewed import Review
from gbaseg.workflow.training_sets import source_items, target_items, target_weight


def source(*counts_and_weights):
    return [
        TrainingItem(f"{group}_{n}", "p", Path("i"), Path("l"), weight=Fraction(weight))
        for group, (count, weight) in enumerate(counts_and_weights)
        for n in range(count)
    ]


@pytest.mark.parametrize(
    ("items", "target"),
    [
        pytest.param(source((24, 1)), 16, id="none"),
        pytest.param(source((120, 1)), 16, id="naive"),
        pytest.param(source((24, 1), (192, "1/2")), 16, id="gba"),
        pytest.param(source((24, 5)), 16, id="online"),
        pytest.param(source((24, 1)), 1, id="one is left"),
        pytest.param(source((16, 1)), 200, id="a large target"),
        pytest.param(source((210, 1), (288, 1)), 210, id="the paper's set"),
    ],
)
def test_the_target_has_its_share_whatever_the_arm(items, target):
    real = replace(items[0], name="real", weight=target_weight(items, target, 0.3))
    draws = whole_draws([*items, *(replace(real, name=f"real {n}") for n in range(target))])
    drawn = sum(count for name, count in draws.items() if name.startswith("real"))
    assert drawn / sum(draws.values()) == pytest.approx(0.3, abs=0.01)
    assert sum(draws.values()) < 10_000  # nnU-Net makes an array of it for every batch: 1 ms


@pytest.mark.parametrize(("items", "target", "share"), [(216, 16, None), (216, 0, 0.3), (0, 16, 0.3)])
def test_without_a_share_a_real_image_is_drawn_as_an_unaltered_one(items, target, share):
    assert target_weight(source((items, "1/2")), target, share) == 1


def write_pseudo_labels(dices):
    """Of round 0: case -> what the folds' agreement on VS and cochlea is, as the table has it."""
    write_table(
        [Case(name, name, "A", "target", "train", "hrT2", f"images/{name}.nii.gz") for name in dices], layout.STANDARD
    )
    folder = layout.pseudo_labelled("round_0")
    folder.mkdir(parents=True)
    lines = [
        f"{name},{structure},1,{dice},1,1,"
        for name, pair in dices.items()
        for structure, dice in zip(("VS", "Cochlea"), pair, strict=True)
    ]
    (folder / TABLE).write_text("\n".join(["case,structure,volume_mm3,fold_dice,pieces,largest_share,doubts", *lines]))


@pytest.mark.parametrize(
    ("dices", "expected"),
    [
        pytest.param({"a": (0.9, 0.9), "b": (0.6, 0.6), "c": (0.3, 0.3)}, {"a": 1.5, "b": 1, "c": 0.5}, id="in ratio"),
        pytest.param({"a": (0.9, 0.3), "b": (0.6, 0.6)}, {"a": 1, "b": 1}, id="the mean of the structures"),
        pytest.param({"a": (0.8, "nan"), "b": (0.4, 0.4), "c": ("nan", "nan")}, {"a": 1.3, "b": 0.7, "c": 1}, id="nan"),
        pytest.param({"a": (0.9, 0.9), "b": (0.0, 0.0)}, {"a": 2, "b": 0.1}, id="drawn at least now and then"),
        pytest.param({"a": ("nan", "nan"), "b": ("nan", "nan")}, {"a": 1, "b": 1}, id="a single fold"),
        pytest.param({"a": (0, 0), "b": (0, 0)}, {"a": 1, "b": 1}, id="no agreement anywhere"),
    ],
)
def test_cases_are_drawn_in_proportion_to_the_folds_agreement(tmp_path, monkeypatch, dices, expected):
    monkeypatch.chdir(tmp_path)
    write_pseudo_labels(dices)
    structures = {"VS": 1, "Cochlea": {"value": 2, "pieces": 2}}
    for weigh in (True, False):
        settings = Params(
            dataset={"structures": structures}, self_training={"confidence": {"action": "keep", "weigh": weigh}}
        )
        weights = {item.name: float(item.weight) for item in target_items(settings, Review("round_0"), False, tmp_path)}
        assert weights == (expected if weigh else dict.fromkeys(dices, 1.0))


def test_copies_that_look_like_the_target_are_not_randomised(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folders = layout.TRANSLATED, layout.AUGMENTED, layout.adapted("round_0")
    for folder in folders:
        name = "_".join(folder.parts[1:])
        write_table([Case(name, name, "A", "source", "train", "x", f"images/{name}.nii.gz", "labels/x.nii.gz")], folder)
        (folder / "draws.json").write_text("{}")
    items = source_items(Params(translation={"mode": "randomise"}), folders[1:])
    assert [item.randomised for item in items] == ["head", "head", None]


@pytest.mark.parametrize(
    ("mode", "arm", "choices", "lost"),
    [
        pytest.param("randomise", "gba", {}, "2 copies by factors", id="copies by hand"),
        pytest.param("randomise", "online", {"s": [[1, 1.4, 0.0]]}, "what arm online does to 1 cases", id="online"),
        pytest.param("none", "gba", {}, "", id="contrasts stay"),
    ],
)
def test_factors_that_random_contrasts_take_the_place_of_are_said(
    tmp_path, monkeypatch, capfd, mode, arm, choices, lost
):
    """Of a contrast of 0.40 after lambda = 2 the random ones left nothing: -0.28 to 0.28, as without."""
    monkeypatch.chdir(tmp_path)
    case = Case("s", "s", "A", "source", "train", "pseudo-target", "images/s.nii.gz", "labels/s.nii.gz")
    write_table([case], layout.TRANSLATED)
    by_hand = [] if choices else [replace(case, case=f"s_all_l{factor}") for factor in (0.7, 1.4)]
    for folder, cases in ((layout.AUGMENTED, by_hand), (layout.ADAPTED / "round_0", [replace(case, case="s_all_la1")])):
        write_table(cases, folder)
        (folder / "draws.json").write_text("{}")
    (layout.AUGMENTED / "online.json").write_text(json.dumps(choices))
    source_items(Params(translation={"mode": mode}, augmentation={"arm": arm}), layout.copies_of("round_0"))
    said = capfd.readouterr().err
    assert said.count("WARNING") == bool(lost)
    if lost:
        assert (
            f"WARNING: contrasts are randomised after {lost} (translation.mode randomise): the factors are lost" in said
        )


def test_disputed_voxels_are_ignored_where_asked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_pseudo_labels({"a": (0.9, 0.9)})
    settings = Params(self_training={"confidence": {"disputed": "ignore"}})
    folder = layout.pseudo_labelled("round_0")
    for fine in (False, True):
        [item] = target_items(settings, Review("round_0"), fine, tmp_path)
        assert item.with_ignored and item.label == folder / f"undisputed/{'fine' if fine else 'standard'}/a.nii.gz"


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("keep", {"sound": (), "no_vs": (), "no_cochlea": (), "neither": ()}),
        ("drop", {"sound": (), "no_vs": (1,), "no_cochlea": (2,)}),
    ],
)
def test_a_doubtful_structure_is_left_out_and_not_its_case(tmp_path, monkeypatch, capsys, action, expected):
    monkeypatch.chdir(tmp_path)
    doubts = {"sound": ("", ""), "no_vs": ("empty", ""), "no_cochlea": ("", "folds disagree"), "neither": ("x", "y")}
    write_table(
        [Case(name, name, "A", "target", "train", "hrT2", f"images/{name}.nii.gz") for name in doubts], layout.STANDARD
    )
    lines = [
        f"{name},{structure},1,1,1,1,{doubt}"
        for name, pair in doubts.items()
        for structure, doubt in zip(("VS", "Cochlea"), pair, strict=True)
    ]
    folder = layout.pseudo_labelled("round_0")
    folder.mkdir(parents=True)
    header = "case,structure,volume_mm3,fold_dice,pieces,largest_share,doubts"
    (folder / TABLE).write_text("\n".join([header, *lines]))
    settings = Params(
        dataset={"structures": {"VS": 1, "Cochlea": {"value": 2, "pieces": 2}}},
        self_training={"confidence": {"action": action}},
    )
    items = target_items(settings, Review("round_0"), False, tmp_path)
    assert {item.name: item.unknown for item in items} == expected
    said = capsys.readouterr().err
    left_out = "VS of 2, Cochlea of 2" if action == "drop" else "VS of 0, Cochlea of 0"
    assert f"{len(expected)} of 4 pseudo-labelled target cases; left out as doubtful: {left_out}" in said


def test_finished_folds_survive_an_interruption(tmp_path, monkeypatch):
    """Days of a fold's training: a rerun of the stage finds its weights and curves, and they reach the outputs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(training, "prepare", lambda *_, **__: None)
    trained = []

    def train_side_by_side(trainings):
        [one] = trainings
        for fold in one.folds:
            if not (one.model / f"fold_{fold}").is_file():
                trained.append(fold)
                for folder in (one.model, one.curves):
                    folder.mkdir(parents=True, exist_ok=True)
                    (folder / f"fold_{fold}").write_text("done")
                if trained == [0, 1]:
                    raise KeyboardInterrupt

    monkeypatch.setattr(training, "train_side_by_side", train_side_by_side)

    def stage():
        with atomic_outputs("train", "model", "curves") as scratch:
            prepared = training.prepare_training(
                Params(), [], scratch.work, folds=range(3), epochs=1, name="round_0", fine=False, previous=None,
                pools=[],
            )  # fmt: skip
            training.train(prepared, scratch.output("model"), scratch.output("curves"))

    with pytest.raises(KeyboardInterrupt):
        stage()
    assert not Path("model").exists()
    stage()
    assert trained == [0, 1, 2]
    for folder in ("model", "curves"):
        assert sorted(path.name for path in Path(folder).iterdir()) == ["fold_0", "fold_1", "fold_2"]
