"""Copies by the factors of the rules."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from gbaseg import params, volume
from gbaseg.cases import read_table
from gbaseg.stages import augment
from gbaseg.workflow import copies, layout
from gbaseg.workflow.context import read_json
from gbaseg.workflow.training_sets import source_items


def test_online_writes_no_copies_but_what_training_chooses_from(project):
    project("online")
    augment.run()
    assert read_table(layout.AUGMENTED) == []
    ways = tuple((1, factor, 0.0) for factor in (0.5, 0.7, 1.4, 1.7))
    assert copies.read_choices([layout.AUGMENTED]) == {"s1": ways, "s2": ways}
    assert [(item.name, item.weight, item.rescaled) for item in source_items(params.load(), [layout.AUGMENTED])] == [
        ("s1", 5, ways),
        ("s2", 5, ways),
    ]
    metrics = read_json(layout.METRICS / "appearance.json")
    assert (metrics["copies"], metrics["unaltered_share"]) == (0, 0.2)


def test_naive_writes_them_and_leaves_training_nothing_to_choose(project):
    project("naive")
    augment.run()
    assert copies.read_choices([layout.AUGMENTED]) == {}
    items = {item.name: item for item in source_items(params.load(), [layout.AUGMENTED])}
    assert len(items) == 2 * 5 and not any(item.rescaled for item in items.values())
    assert {item.weight for item in items.values()} == {1}
    before, after = (volume.read(items[name].image).array for name in ("s1", "s1_all_l0.5"))
    mask = volume.read(items["s1"].label).array == 1
    np.testing.assert_allclose(after[mask], 0.5 * before[mask], rtol=1e-6)
    assert np.array_equal(after[~mask], before[~mask])


@pytest.mark.parametrize(("draws", "weight", "unaltered"), [("factors", Fraction(1, 2), 1 / 5), ("images", 1, 1 / 9)])
def test_two_start_scales_share_the_draws_of_their_factor(project, monkeypatch, draws, weight, unaltered):
    """Issue of the comparison: gba's 8 copies of a case beside naive's 4 are another share of unaltered images."""
    monkeypatch.setattr(copies, "load_model", lambda *_: "a model")
    monkeypatch.setattr(copies, "blend_in", lambda image, altered, mask, **_: altered)
    project("gba")
    path = Path("params.yaml")
    path.write_text(path.read_text().replace("draws: factors", f"draws: {draws}"))
    augment.run()
    weights = {item.name: item.weight for item in source_items(params.load(), [layout.AUGMENTED])}
    assert len(weights) == 2 * 9
    assert {name: value for name, value in weights.items() if "_k" not in name} == {"s1": 1, "s2": 1}
    assert {value for name, value in weights.items() if "_k" in name} == {weight}
    assert read_json(layout.METRICS / "appearance.json")["unaltered_share"] == pytest.approx(unaltered, abs=1e-4)
