"""Copies that follow the target, anew in every round."""

from pathlib import Path

import numpy as np
import pytest

from gbaseg import params, volume
from gbaseg.augmentation.appearance import measure
from gbaseg.cases import Case, read_table, write_table
from gbaseg.stages import adapt, augment
from gbaseg.volume import Grid, Volume
from gbaseg.workflow import copies, layout, singans
from gbaseg.workflow.changes import changes_of
from gbaseg.workflow.context import read_json, write_json
from gbaseg.workflow.training_sets import source_items
from gbaseg.workflow.verdict import Verdict


def label_target(round_id, tumours, doubted=()):
    """Six target cases, which a round labels; and the verdict after it."""
    rng = np.random.default_rng(1)
    cases, rows = [], []
    for number, tumour in enumerate(tumours):
        name, label = f"t{number}", np.zeros((8, 12, 12), np.uint8)
        label[2:5, 3:6, 3 : 6 + number % 3] = 1
        image = np.where(label == 1, tumour, 0.4 + 0.02 * rng.random(label.shape)).astype(np.float32)
        one = Case(name, name, "A", "target", "train", "MR", f"images/{name}.nii.gz", "")
        grid = Grid(label.shape, (1.0, 1.0, 1.0))
        volume.write(Volume(image, grid), layout.STANDARD / one.image)
        volume.write(Volume(label, grid), layout.pseudo_labelled(round_id) / "standard" / f"{name}.nii.gz")
        cases.append(one)
        rows.append(f"{name},VS,{int(label.sum())},nan,1,1.0,{'in pieces' if number in doubted else ''}")
    write_table(cases, layout.STANDARD)
    columns = "case,structure,volume_mm3,fold_dice,pieces,largest_share,doubts"
    (layout.pseudo_labelled(round_id) / "pseudo_labels.csv").write_text("\n".join([columns, *rows, ""]))
    Verdict().write(layout.decision(round_id))


DARK, BRIGHT = [0.2, 0.22, 0.24, 0.26, 0.28, 0.9], [0.6, 0.62, 0.64, 0.66, 0.68, 0.7]


@pytest.fixture
def adaptive(project):
    """The survey finds dark tumours, but for the last, which it doubts; the source's are bright."""
    label_target("survey", DARK, doubted=[5])

    def write(arm: str, lambdas: str = "[]") -> None:
        project(arm)
        path = Path("params.yaml")
        by_hand = "lambdas: [0.5, 0.7, 1.4, 1.7] # Eq. 5"
        text = path.read_text()
        assert by_hand in text and "adaptive: 0 #" in text
        path.write_text(text.replace(by_hand, f"lambdas: {lambdas} # Eq. 5").replace("adaptive: 0 #", "adaptive: 8 #"))

    return write


def darker_than_their_ring(folder):
    found = []
    for row in read_table(folder):
        before = volume.read(layout.TRANSLATED / f"images/{row.patient}.nii.gz").array
        after, mask = (volume.read(folder / path).array for path in (row.image, row.label))
        assert np.array_equal(after[mask == 0], before[mask == 0])
        found.append(after[mask == 1].mean() < after[mask == 0].mean())
    return found


def test_copies_look_as_what_the_round_before_finds_and_believes(adaptive, capsys):
    """Dark, as no factor by hand made them; the one that the survey doubts, a bright one, has no say."""
    adaptive("naive")
    augment.run()
    assert read_table(layout.AUGMENTED) == []
    adapt.run("round_0")
    assert "rule all: VS at centre A: contrasts -0.2" in capsys.readouterr().err
    names = sorted(row.case for row in read_table(layout.adapted("round_0")))
    assert names == [f"s{n}_all_la{copy}" for n in (1, 2) for copy in range(1, 9)]
    assert all(darker_than_their_ring(layout.adapted("round_0")))
    metrics = read_json(layout.coverage("round_0"))
    assert metrics["energy_distance_to_target"]["after"] < metrics["energy_distance_to_target"]["before"]
    assert (metrics["copies"], metrics["unaltered_share"]) == (16, pytest.approx(1 / 9, abs=1e-4))
    # What pictures show of a case.
    [rule] = params.load().augmentation.rules
    drawn = changes_of(rule, "s1", "round_0")
    assert len(drawn) == 8 and all(change.factor < 0 for _, change in drawn)


def test_a_singan_that_washes_contrasts_out_leaves_those_that_were_drawn(adaptive, monkeypatch):
    """And takes what it takes of factors by hand, as the paper's does."""
    monkeypatch.setattr(copies, "load_model", lambda *_: "a model")
    monkeypatch.setattr(copies, "blend_in", lambda image, altered, mask, **_: 0.7 * image + 0.3 * altered)
    adaptive("gba", "[0.5]")
    write_json(layout.SINGAN_MODEL / singans.ABOUT, {"models": {"shared": {"case": "t2", "z": 3, "rule": "tumour"}}})
    augment.run()
    adapt.run("round_0")

    def contrasts(folder):
        found = []
        for row in read_table(folder):
            image, label = (volume.read(folder / path) for path in (row.image, row.label))
            found.append(measure(image.array, label.array, label.grid.spacing_zyx_mm).contrast)
        return found

    assert max(contrasts(layout.adapted("round_0"))) < -0.05, "the target's are"
    assert min(contrasts(layout.AUGMENTED)) > 0.1, "30 % of a factor of a half"


def test_every_round_goes_by_the_one_before(adaptive):
    adaptive("naive")
    augment.run()
    adapt.run("round_0")
    label_target("round_0", BRIGHT)
    adapt.run("round_1")
    assert not any(darker_than_their_ring(layout.adapted("round_1")))
    items = source_items(params.load(), layout.copies_of("round_1"))
    assert len(items) == 2 + 16 and sum("adapted/round_1" in str(item.image) for item in items) == 16


def test_by_hand_and_drawn_together(adaptive):
    adaptive("online", "[1.5]")
    augment.run()
    adapt.run("round_0")
    folders = layout.copies_of("round_0")
    ways = copies.read_choices(folders)["s1"]
    assert len(ways) == 9 and ways[0] == (1, 1.5, 0.0)
    assert {item.weight for item in source_items(params.load(), folders)} == {10}
    assert read_json(layout.coverage("round_0"))["unaltered_share"] == 0.1
    [rule] = params.load().augmentation.rules
    names = [called for called, _ in changes_of(rule, "s1", "round_0")]
    assert names[0] == "λ = 1.5" and len(names) == 9


@pytest.mark.parametrize("why", ["no rule adapts", "arm none", "self-training has stopped", "the target alone"])
def test_a_round_that_needs_none_has_none(adaptive, project, why):
    adaptive("none" if why == "arm none" else "naive")
    if why == "no rule adapts":
        project("naive")
    if why == "the target alone":
        path = Path("params.yaml")
        path.write_text(path.read_text().replace("last_round_set: all", "last_round_set: target_only"))
    augment.run()
    label_target("round_0", BRIGHT)
    Verdict(stop=why.startswith("self"), failed=why.startswith("self")).write(layout.decision("round_0"))
    adapt.run("round_1")
    assert read_table(layout.adapted("round_1")) == [] and read_json(layout.coverage("round_1")) == {}
    assert read_json(layout.singan_of_round("round_1") / singans.ABOUT) == {"models": {}}
    assert copies.read_draws(layout.copies_of("round_1")) == {}


@pytest.mark.parametrize(("z", "doubted", "another"), [(3, [], False), (6, [], True), (3, [2], True)])
def test_another_singan_once_its_slice_shows_no_tumour(adaptive, monkeypatch, z, doubted, another):
    """By the labels of the round before; it stays where it was trained while they find the tumour there."""
    trained, used = [], set()
    monkeypatch.setattr(adapt, "train_all", lambda slices, *_: trained.append(slices["shared"].about) or 1)
    monkeypatch.setattr(copies, "load_model", lambda case, _, folder: used.add(folder.parent.name) or "a model")
    monkeypatch.setattr(copies, "blend_in", lambda image, altered, mask, **_: altered)
    monkeypatch.setattr(singans, "source_range_mm3", lambda _: (1.0, 1000.0))
    adaptive("gba")
    write_json(layout.SINGAN_MODEL / singans.ABOUT, {"models": {"shared": {"case": "t2", "z": z, "rule": "tumour"}}})
    augment.run()
    label_target("round_0", BRIGHT, doubted)
    adapt.run("round_0")
    assert not trained, "the survey's own labels chose it"
    adapt.run("round_1")
    assert bool(trained) is another
    assert all(about["z"] in (2, 3, 4) for about in trained)
    assert bool(read_json(layout.singan_of_round("round_1") / singans.ABOUT)["models"]) is another
    [rule] = params.load().augmentation.rules
    assert singans.singan_of(rule, "round_1") == (layout.singan_of_round("round_1") if another else layout.SINGAN_MODEL)


def test_copies_are_altered_as_asked_and_told(adaptive):
    """With the texture of what the round before labels and believes; an unaltered run's copies stay what they are."""
    adaptive("naive")
    grid = Grid((8, 12, 12), (1.0, 1.0, 1.0))
    label = np.zeros(grid.shape, np.uint8)
    label[1:7, 3:9, 3:9] = 1  # wide enough to be a voxel wider
    volume.write(Volume(label, grid), layout.TRANSLATED / "labels/s1.nii.gz")
    augment.run()
    adapt.run("round_0")
    plain = {
        case.case: volume.read(layout.adapted("round_0") / case.image).array
        for case in read_table(layout.adapted("round_0"))
    }
    path = Path("params.yaml")
    text = settings_before = path.read_text()
    for kind in ("diameter", "compartments", "texture", "edges"):
        assert f"    {kind}: 0 " in text
        text = text.replace(f"    {kind}: 0 ", f"    {kind}: 1 ")
    path.write_text(text)
    adapt.run("round_0")
    told = read_json(layout.adapted("round_0") / "alterations.json")
    assert told.keys() == plain.keys() and all(len(one) == 4 for one in told.values())
    assert {one["texture"] for one in told.values()} <= {"t0", "t1", "t2", "t3", "t4"}, "t5 is doubted"
    sizes = set()
    for case in read_table(layout.adapted("round_0")):
        image, label = (volume.read(layout.adapted("round_0") / name) for name in (case.image, case.label))
        original = volume.read(layout.TRANSLATED / f"labels/{case.patient}.nii.gz")
        sizes.add(int((label.array == 1).sum()) - int((original.array == 1).sum()))
        assert image.grid == label.grid == original.grid
        assert not np.array_equal(image.array, plain[case.case])
    assert min(sizes) < 0 < max(sizes), "smaller and larger ones"
    path.write_text(settings_before.replace("adaptive_size: false", "adaptive_size: true"))
    adapt.run("round_0")
    told = read_json(layout.adapted("round_0") / "alterations.json")
    assert {tuple(one) for one in told.values()} == {("diameter",)}
    assert {one["diameter"] for name, one in told.items() if name.startswith("s1")} == {0.8}, (
        "216 mm3, the target's have 45"
    )
