"""Copies of which all structures look as the target's do."""

from pathlib import Path

import numpy as np
import pytest

from gbaseg import params, volume
from gbaseg.cases import Case, read_table, write_table
from gbaseg.stages import adapt, augment
from gbaseg.volume import Grid, Volume
from gbaseg.workflow import layout
from gbaseg.workflow.changes import changes_of
from gbaseg.workflow.context import read_json
from gbaseg.workflow.verdict import Verdict


@pytest.fixture
def hearts(project):
    """Blood within muscle, and beside it more: 0.4, 0.6 and 0.5 on 0.3; the target's are 0.7, 0.2, 0.8."""
    grid = Grid((8, 12, 12), (1.0, 1.0, 1.0))
    rng = np.random.default_rng(2)

    def draw(folder, domain, names, means, labels):
        cases = []
        for number, name in enumerate(names):
            label = np.zeros(grid.shape, np.uint8)
            label[2:7, 2:8, 2:8] = 2
            label[3:6, 3 : 6 + number % 2, 3:7] = 1
            label[3:6, 3 : 6 + number % 2, 9:11] = 3
            noise = 0.02 * rng.standard_normal(label.shape)
            one = Case(name, name, "A", domain, "train", "MR", f"images/{name}.nii.gz", f"labels/{name}.nii.gz")
            volume.write(Volume((np.array(means)[label] + noise).astype(np.float32), grid), folder / one.image)
            volume.write(Volume(label, grid), folder / one.label)
            volume.write(Volume(label, grid), labels / f"{name}.nii.gz")
            cases.append(one)
        write_table(cases, folder)

    labels = layout.pseudo_labelled("survey") / "standard"
    draw(layout.TRANSLATED, "source", ["s1", "s2"], [0.3, 0.4, 0.6, 0.5], labels)
    draw(layout.STANDARD, "target", [f"t{n}" for n in range(5)], [0.3, 0.7, 0.2, 0.8], labels)
    rows = [f"t{n},{name},100,nan,1,1.0," for n in range(5) for name in ("LV", "MYO", "RV")]
    columns = "case,structure,volume_mm3,fold_dice,pieces,largest_share,doubts"
    (layout.pseudo_labelled("survey") / "pseudo_labels.csv").write_text("\n".join([columns, *rows, ""]))
    Verdict().write(layout.decision("survey"))
    rule = "{{name: {0}, structure: {0}, lambdas: [], adaptive: {1}}}"
    rules = ", ".join(rule.format(name, count) for name, count in (("LV", 3), ("MYO", 3), ("RV", 2)))
    Path("params.yaml").write_text(
        "dataset: {structures: {LV: 1, MYO: 2, RV: 3}, known_labels: [1, 2, 3]}\n"
        f"augmentation: {{arm: naive, together: true, rules: [{rules}]}}\n"
    )


def test_one_copy_shows_all_structures_as_the_target_does(hearts):
    """A contrast within muscle that has itself been altered is against what the muscle is now."""
    augment.run()
    adapt.run("round_0")
    folder = layout.adapted("round_0")
    found = {row.case: row for row in read_table(layout.adapted("round_0"))}
    names = ("LV-MYO-RV_la1", "LV-MYO-RV_la2", "LV-MYO_la3")
    assert sorted(found) == [f"s{n}_{name}" for n in (1, 2) for name in names]
    for row in found.values():
        image, label = (volume.read(folder / path).array for path in (row.image, row.label))
        blood, muscle, beside = (image[label == value].mean() for value in (1, 2, 3))
        assert (blood, muscle) == (pytest.approx(0.7, abs=0.08), pytest.approx(0.2, abs=0.05))
        assert beside == pytest.approx(0.8 if "RV" in row.case else 0.5, abs=0.05)
        before = volume.read(layout.TRANSLATED / f"images/{row.patient}.nii.gz").array
        assert np.array_equal(image[label == 0], before[label == 0])
    metrics = read_json(layout.coverage("round_0"))
    for about in (metrics, *metrics["others"].values()):
        distance = about["energy_distance_to_target"]
        assert distance["after"] < 0.5 * distance["before"]
    assert (metrics["copies"], metrics["unaltered_share"]) == (6, 0.25)
    # What pictures show of a case: each rule by itself.
    for rule, count in zip(params.load().augmentation.rules, (3, 3, 2), strict=True):
        assert len(changes_of(rule, "s1", "round_0")) == count


def test_one_structure_at_a_time_leaves_the_others_as_they_were(hearts):
    path = Path("params.yaml")
    distances = {}
    for together, count in (("true", 6), ("false", 16)):
        path.write_text(path.read_text().replace("together: true", f"together: {together}"))
        augment.run()
        adapt.run("round_0")
        metrics = read_json(layout.coverage("round_0"))
        assert metrics["copies"] == count
        distances[together] = metrics["energy_distance_to_target"]["after"]
    assert distances["true"] < 0.5 * distances["false"]


def test_what_is_altered_together_begins_at_the_same_scales(hearts):
    path = Path("params.yaml")
    text = path.read_text()
    for change, fault in (("arm: online", "arm online rescales one structure at a time"), ("k_star: [1, 2]", "k_star")):
        old = "arm: naive" if "arm" in change else "adaptive: 2"
        path.write_text(text.replace(old, change if "arm" in change else f"adaptive: 2, {change}"))
        with pytest.raises(params.UserError, match=fault):
            params.load()
