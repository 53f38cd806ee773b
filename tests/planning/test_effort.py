"""More hours never give less, what is planned fits the hours, and too little is said."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gbaseg.commands.plan import PAPER, Price
from gbaseg.errors import UserError
from gbaseg.planning.decide import Asked, decide
from gbaseg.planning.effort import fit
from gbaseg.planning.facts import Choice
from gbaseg.planning.rungs import ladder, least_iterations
from gbaseg.presets import list_presets

ROOT = Path(__file__).parents[2]
# What grows with the hours: of lists their length, None (nnU-Net's planner, all slices) is most.
GROW = (
    "segmentation.epochs", "segmentation.last_round_epochs", "segmentation.iterations_per_epoch", "segmentation.folds",
    "segmentation.network.features", "survey.epochs", "self_training.rounds", "translation.cyclegan.epochs",
    "translation.cyclegan.steps_per_epoch", "translation.cyclegan.generator_width", "augmentation.singan.iterations",
    "augmentation.singan.width",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _here(monkeypatch):
    monkeypatch.chdir(ROOT)  # dvc.yaml
    monkeypatch.setattr("gbaseg.cost.speeds.read_lines", list)  # no run of this checkout's


@pytest.fixture
def asked(make):
    papers = next(preset.changes for preset in list_presets(ROOT / "presets") if preset.name == PAPER)

    def ask(structures=1, layout="table"):
        labels = [make.label(value) for value in range(1, structures + 1)]
        names = {f"s{value}": value for value in range(1, structures + 1)}
        slices = Choice("standardise.slices", "acquired", "")
        return Asked(make.facts(labels), names, "data/x", layout, slices, True, papers, 1.0)

    return ask


@pytest.mark.parametrize("structures", [1, 3, 40])
def test_each_rung_begins_where_the_one_below_it_ends(structures):
    rungs = ladder(structures)
    assert [rung.learns for rung in rungs] == [False, *[True] * (len(rungs) - 1)]
    for below, above in pairwise(rungs):
        assert below.most == above.least
        assert below.most.at_least(below.least) == below.most
    first = rungs[1].least
    assert first.epochs * first.iterations_per_epoch >= least_iterations(structures)


def amount(value):
    """A number of anything: of widths their sum, of rounds how many, and None is all."""
    if isinstance(value, list):
        return sum(value) if isinstance(value[0], int) else len(value)
    return float("inf") if value is None else value


@pytest.mark.parametrize("layout", ["table", "crossmoda2022"])
@pytest.mark.parametrize("gpu", [None, "h100"])
def test_more_hours_never_give_less_and_are_never_exceeded(asked, layout, gpu):
    wanted = asked(layout=layout)
    price = Price(wanted, ROOT / "presets", gpu)

    def at(hours):
        found = fit(wanted.rungs, hours, price.hours)
        assert found.hours <= hours
        choices, _ = decide(wanted, found.place)
        return {key: amount(choices[key].value) for key in GROW}

    @settings(max_examples=40)
    @given(st.lists(st.floats(0.12, 1e5), min_size=2, max_size=4))
    def holds(hours):
        plans = [at(one) for one in sorted(hours)]
        for less, more in pairwise(plans):
            assert {key: (less[key], more[key]) for key in GROW if more[key] < less[key]} == {}

    holds()


def test_the_hours_that_are_enough_are_enough_and_a_bit_less_are_not(asked):
    price = Price(asked(3), ROOT / "presets", None)
    little = fit(asked(3).rungs, 0.2, price.hours)
    assert little.learns_from is not None and not little.place.rung.learns
    enough = fit(asked(3).rungs, little.learns_from * 1.001, price.hours)
    assert enough.learns_from is None and enough.place.rung.learns
    assert not fit(asked(3).rungs, little.learns_from * 0.98, price.hours).place.rung.learns


def test_three_structures_need_more_than_one(asked):
    hours = [
        fit(wanted.rungs, 0.15, Price(wanted, ROOT / "presets", None).hours).learns_from
        for wanted in (asked(1), asked(3))
    ]
    assert hours[0] < hours[1]


def test_what_holds_no_run_at_all_is_refused(asked):
    price = Price(asked(), ROOT / "presets", None)
    with pytest.raises(UserError, match=r"--hours 0.001: the least .* allowed: at least the first"):
        fit(asked().rungs, 0.001, price.hours)
