"""Copies that adaptive rules ask for."""

from dataclasses import replace

import numpy as np
import pytest

from gbaseg.augmentation.adaptive import energy_distance
from gbaseg.augmentation.adaptive_rules import left_by_contrasts, looks_of, plan_adaptive, said_of_sizes, shown_of
from gbaseg.augmentation.appearance import Appearance
from gbaseg.augmentation.rescale import Change
from gbaseg.augmentation.rules import Measurement, equal_draws, plan_copies, unaltered_share
from gbaseg.augmentation.settings import AugmentationSettings, Rule

RULE = Rule(name="all", adaptive=3, k_star=[1, 3])


def asked(*rules, arm="naive", together=False):
    return AugmentationSettings(arm=arm, rules=list(rules), together=together)


def planned(augmentation, source, target, seed):
    left = left_by_contrasts(augmentation, source, target, seed)
    return plan_adaptive(augmentation, source, target, seed, left)


def measured(name, contrast, centre="A", structure="VS", volume_mm3=1000.0):
    return Measurement(name, centre, structure, Appearance(volume_mm3, 0.5 + contrast, 0.05, contrast))


def test_an_adaptive_rule_makes_numbered_copies_with_each_start_scale():
    source = [measured(f"s{n}", -0.1 - 0.01 * n) for n in range(5)]
    target = [measured(f"t{n}", 0.2 + 0.02 * n) for n in range(6)]
    copies = planned(asked(RULE, arm="gba"), source, target, 3)
    assert len(copies) == 5 * 3 * 2 and len({copy.name for copy in copies}) == 30
    assert [copy.name for copy in copies[:3]] == ["s0_all_la1_k1", "s0_all_la1_k3", "s0_all_la2_k1"]
    assert copies == planned(asked(RULE, arm="gba"), source[::-1], target, 3)
    assert copies != planned(asked(RULE, arm="gba"), source, target, 4)
    # One draw a case and change, whatever is made of it.
    naive = planned(asked(RULE), source, target, 3)
    assert {copy.change for copy in naive} == {copy.change for copy in copies}
    shares = [
        unaltered_share([f"s{n}" for n in range(5)], of_arm, equal_draws(of_arm, arm), arm)
        for arm, of_arm in (("gba", copies), ("naive", naive), ("online", naive))
    ]
    assert shares == pytest.approx([0.25] * 3)


def test_each_centre_goes_by_its_own_unless_that_shows_too_few():
    target = [measured(f"a{n}", 0.3) for n in range(5)] + [measured(f"b{n}", -0.3, "B") for n in range(3)]
    assert {one.contrast for one in looks_of(target, "VS", "A")} == {0.3}
    assert {one.contrast for one in looks_of(target, "VS", "B")} == {0.3, -0.3}
    assert looks_of(target, "cochlea", "A") == []


def test_where_the_target_shows_next_to_nothing_contrasts_are_spread_and_it_is_said():
    source = [measured("s0", -0.1), measured("s1", 0.1)]
    copies = planned(asked(RULE), source, [measured("t0", 0.2)], 0)
    found = [
        copy.factor * (0.5 + c) + copy.offset - 0.5 for copy, c in zip(copies, [-0.1] * 3 + [0.1] * 3, strict=True)
    ]
    assert found == pytest.approx([-0.21, 0.03, 0.21] * 2)
    [line] = shown_of(RULE, source, [measured("t0", 0.2)])
    assert line.startswith("WARNING: rule all: VS at centre A: 1 believable pseudo-label(s)")


def test_cases_without_a_contrast_get_no_copies_and_it_is_said():
    source = [measured("s0", -0.1), measured("s1", float("nan"))]
    target = [measured(f"t{n}", 0.1 + 0.02 * n) for n in range(5)]
    assert {copy.case for copy in planned(asked(RULE), source, target, 0)} == {"s0"}
    _, line = shown_of(RULE, source, target)
    assert line.startswith("WARNING: rule all: no copies of 1 of 2 cases") and line.endswith("(s1)")


def test_factors_by_hand_are_what_they_were():
    by_hand = Rule(name="all", lambdas=[0.7, 1.2], k_star=[1])
    assert [copy.change for copy in plan_copies([by_hand], [measured("s0", 0.1)])] == [Change(0.7), Change(1.2)]


def sets(source_mm3, target_mm3):
    """A source and a target that differ in contrast, and in their volumes as asked."""
    rng = np.random.default_rng(0)

    def some(kind, contrast, mm3):
        return [
            measured(f"{kind}{n}", contrast + 0.15 * a, volume_mm3=mm3 * np.exp(0.3 * b))
            for n, (a, b) in enumerate(rng.standard_normal((25, 2)))
        ]

    return some("s", -0.1, source_mm3), some("t", 0.2, target_mm3)


IF_NEEDED = RULE.model_copy(update={"adaptive_size": "if_needed"})


@pytest.mark.parametrize("target_mm3", [1000.0, 2500.0])
def test_sizes_are_drawn_where_contrasts_are_not_enough_and_it_is_said(target_mm3):
    source, target = sets(1000.0, target_mm3)
    needed = target_mm3 > 1000.0
    copies = planned(asked(IF_NEEDED), source, target, 5)
    assert copies == planned(asked(RULE.model_copy(update={"adaptive_size": needed})), source, target, 5)
    assert any(copy.diameter != 1.0 for copy in copies) is needed
    left = left_by_contrasts(asked(IF_NEEDED), source, target, 5)
    assert left.keys() == {"all"} and (left["all"] > 0.4) is needed
    said = f"rule all: with contrasts alone the copies leave {left['all']:.2f} of the distance to the target: they "
    assert said_of_sizes(left) == [said + ("take its sizes, too" if needed else "keep their sizes")]
    assert left_by_contrasts(asked(RULE), source, target, 5) == {}


def contrasts_in(copies, source):
    """Of VS in each copy that alters it."""
    of = {one.case: one.appearance for one in source}
    found = [(of[copy.case], copy) for copy in copies if copy.structure == "VS"]
    return [
        Appearance(look.volume_mm3, 0.5, 0.05, copy.factor * look.mean + copy.offset - look.mean + look.contrast)
        for look, copy in found
    ]


@pytest.mark.parametrize("together", [False, True])
def test_what_contrasts_leave_is_the_distance_of_all_images_with_the_sizes_they_have(together):
    """Copies of another structure, by hand or drawn, show this one as it is, unless they alter both."""
    source, target = sets(1000.0, 1300.0)
    others = [measured(one.case, 0.1, structure="Cochlea") for one in source]
    target += [measured(f"t{n}", 0.1, structure="Cochlea") for n in range(5)]
    rules = [
        IF_NEEDED,
        Rule(name="drawn", structure="Cochlea", adaptive=3, k_star=[1, 3]),
        Rule(name="hand", structure="Cochlea", lambdas=[2.0], k_star=[1]),
    ]
    augmentation = asked(*rules, together=together)
    before, shown = [one.appearance for one in source], [one.appearance for one in target if one.structure == "VS"]
    altered = contrasts_in(planned(asked(RULE), source, target, 5), source)
    after = before * (1 + 1 + (0 if together else 3)) + altered
    expected = energy_distance(after, shown) / energy_distance(before, shown)
    assert 0.1 < expected < 1.0
    assert left_by_contrasts(augmentation, source + others, target, 5) == {"all": pytest.approx(expected)}


def test_arms_that_differ_in_what_a_copy_is_take_sizes_alike():
    source, target = sets(1000.0, 1300.0)
    left = [left_by_contrasts(asked(IF_NEEDED, arm=arm), source, target, 5) for arm in ("naive", "gba")]
    assert left[0] == left[1] and left[0]["all"] > 0


def test_of_a_target_like_the_source_no_size_is_taken():
    """What copies leave of a distance that is there by chance is chance, too, and most of it."""
    source, target = sets(1000.0, 1000.0)
    alike = [replace(one, case=f"t{n}") for n, one in enumerate(source[:12])]
    left = left_by_contrasts(asked(IF_NEEDED), source[12:], alike, 5)
    assert left == {"all": 0.0}
    assert said_of_sizes(left) == [
        "rule all: with contrasts alone the copies leave no more than chance of the distance to the target: "
        "they keep their sizes"
    ]
    assert left_by_contrasts(asked(IF_NEEDED), source[12:], target[:12], 5)["all"] > 0.0


def test_a_rule_that_draws_nothing_takes_no_sizes():
    by_hand = Rule(name="hand", lambdas=[2.0], adaptive_size="if_needed", k_star=[1])
    source, target = sets(1000.0, 2500.0)
    assert planned(asked(by_hand), source, target, 5) == [] == [*left_by_contrasts(asked(by_hand), source, target, 5)]


def test_of_a_target_that_shows_too_few_no_size_is_taken():
    source, target = [measured("s0", -0.1), measured("s1", 0.1)], [measured(f"t{n}", 0.2, volume_mm3=9e3) for n in "ab"]
    left = left_by_contrasts(asked(IF_NEEDED), source, target, 0)
    assert np.isnan(left["all"]) and said_of_sizes(left) == []
    assert {copy.diameter for copy in planned(asked(IF_NEEDED), source, target, 0)} == {1.0}


def test_copies_that_take_sizes_anyway_have_them_in_what_is_left():
    source, target = sets(1000.0, 1500.0)
    left = {}
    for size in (False, True):
        other = RULE.model_copy(update={"name": "other", "adaptive_size": size})
        left[size] = left_by_contrasts(asked(IF_NEEDED, other), source, target, 5)["all"]
    assert left[True] < 0.9 * left[False]


def test_an_arm_without_copies_takes_no_sizes_and_says_nothing_of_them():
    source, target = sets(1000.0, 2500.0)
    online = asked(IF_NEEDED, arm="online")
    assert left_by_contrasts(online, source, target, 5) == {}
    assert {copy.diameter for copy in planned(online, source, target, 5)} == {1.0}


def test_together_a_structure_is_altered_once_in_an_image():
    """Also where two rules select it, of which the second one's change would be done to what the first one's made."""
    source, target = sets(1000.0, 1300.0)
    others = [measured(one.case, 0.1, structure="Cochlea") for one in source]
    rules = [
        RULE,
        Rule(name="large", adaptive=3, volume_mm3_above=900, k_star=[1, 3]),
        Rule(name="other", structure="Cochlea", adaptive=3, k_star=[1, 3]),
    ]
    copies = planned(asked(*rules, together=True), source + others, target, 5)
    parts = [[part.structure for part in copy.parts] for copy in copies]
    assert all(len(set(names)) == len(names) for names in parts) and ["VS", "Cochlea"] in parts and ["VS"] in parts
    apart = planned(asked(*rules), source + others, target, 5)
    assert sum(map(len, parts)) == len(apart) and len({copy.name for copy in copies}) == len(copies)
