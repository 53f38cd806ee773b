"""Which cases, which copies."""

import pytest

from gbaseg.augmentation.appearance import Appearance
from gbaseg.augmentation.rules import (
    Measurement,
    check_start_scales,
    equal_draws,
    plan_copies,
    select_cases,
    unaltered_share,
)
from gbaseg.augmentation.settings import AugmentationSettings, Rule
from gbaseg.errors import UserError


def _seen(case, centre, volume_mm3, std=0.2, structure="VS"):
    return Measurement(case, centre, structure, Appearance(volume_mm3, 0.5, std, 0.1))


CASES = [
    _seen("b2", "B", 2500, 0.15),
    _seen("b1", "B", 2500, 0.11),
    _seen("b3", "B", 2500, 0.10),  # not above 0.10
    _seen("b4", "B", 2000, 0.20),  # not above 2000
    _seen("a1", "A", 2500, 0.20),  # other centre
    _seen("a2", "A", 299),
    _seen("b5", "B", 300),  # not below 300
    _seen("b6", "B", 0.0),  # no tumour
    _seen("a3", "A", 100, structure="cochlea"),
]


def test_the_papers_rules_select_by_centre_volume_and_spread():
    large, small = AugmentationSettings().rules
    assert select_cases(large, CASES) == ["b1", "b2"]
    assert select_cases(small, CASES) == ["a2"]


def test_copies_are_cases_by_factors_by_start_scales():
    rules = AugmentationSettings().rules
    copies = plan_copies(rules, CASES)
    assert len(copies) == 3 * 3 * 2
    assert [copy.name for copy in copies[:3]] == ["b1_large_l0.7_k1", "b1_large_l0.7_k3", "b1_large_l1.2_k1"]
    assert len({copy.name for copy in copies}) == len(copies)
    assert plan_copies(rules, CASES[::-1]) == copies


def test_the_papers_48_cases_make_288_copies():
    """METHOD 5: 29 + 19 cases x 3 lambdas x 2 start scales."""
    cases = [_seen(f"l{n}", "B", 3000) for n in range(29)] + [_seen(f"s{n}", "A", 200) for n in range(19)]
    assert len(plan_copies(AugmentationSettings().rules, cases)) == 288


def test_arms_without_harmonisation():
    rules = AugmentationSettings().rules
    naive = plan_copies(rules, CASES, "naive")
    assert [copy.name for copy in naive][:2] == ["b1_large_l0.7", "b1_large_l1.2"] and len(naive) == 9
    assert plan_copies(rules, CASES, "none") == []


# Two start scales, one (the report's cochlea), three; a case that two rules select, and one that none does.
MIXED = [
    Rule(name="tumour", volume_mm3_above=2000, lambdas=[0.7, 1.2], k_star=[1, 3]),
    Rule(name="cochlea", structure="cochlea", lambdas=[2, 3, 4], k_star=[3]),
    Rule(name="small", volume_mm3_below=300, lambdas=[0.6], k_star=[0, 1, 3]),
]


def shown(arm, cases, draws):
    """Case -> factor (rule, lambda) or None -> draws for one of an unaltered image."""
    copies = plan_copies(MIXED, cases, arm)
    weights = draws(copies, arm)
    found = {(case, None): weights.get(case, 1) for case in sorted({seen.case for seen in cases})}
    for copy in copies:
        key = (copy.case, (copy.rule, copy.factor))
        if arm == "online":
            ways = 1 + sum(other.case == copy.case for other in copies)
            found[key] = weights.get(copy.case, 1) / ways
        else:
            found[key] = found.get(key, 0) + weights.get(copy.name, 1)
    if arm == "online":
        ways = {case: 1 + sum(copy.case == case for copy in copies) for case, factor in found if factor is None}
        found |= {(case, None): weights.get(case, 1) / count for case, count in ways.items()}
    return found


def test_the_arms_draw_a_case_and_each_of_its_factors_alike():
    cases = [*CASES, _seen("b2", "B", 90, structure="cochlea")]
    naive, gba, online = (shown(arm, cases, equal_draws) for arm in ("naive", "gba", "online"))
    assert naive == gba == online
    assert set(naive.values()) == {1}
    by_image = shown("gba", cases, lambda *_: {})
    assert by_image["b2", ("tumour", 0.7)] == 2 and by_image["a2", ("small", 0.6)] == 3


def test_the_share_of_unaltered_draws():
    cases = sorted({seen.case for seen in CASES})
    factors = plan_copies(MIXED, CASES, "naive")
    for arm in ("naive", "gba", "online"):
        copies = plan_copies(MIXED, CASES, arm)
        share = unaltered_share(cases, copies, equal_draws(copies, arm), arm)
        assert share == pytest.approx(len(cases) / (len(cases) + len(factors)))
    copies = plan_copies(MIXED, CASES)
    assert unaltered_share(cases, copies, {}, "gba") == pytest.approx(len(cases) / (len(cases) + len(copies)))
    # One case of nine with three ways to be altered: a quarter of its draws stay.
    online = plan_copies(MIXED[1:2], CASES, "online")
    assert unaltered_share(cases, online, {}, "online") == pytest.approx(1 - 3 / 4 / 9)
    assert unaltered_share(cases, [], {}, "none") == 1


def test_a_rule_looks_at_its_own_structure():
    assert select_cases(Rule(name="c", structure="cochlea", lambdas=[2, 3, 4]), CASES) == ["a3"]


def test_an_unknown_centre_is_named():
    with pytest.raises(UserError, match=r"rule large: centres Tilburg not in the data; the cases are of A, B"):
        select_cases(Rule(name="large", centres=["Tilburg"], lambdas=[2]), CASES)


def test_k_star_is_checked_against_the_pyramid():
    rules = [Rule(name="deep", lambdas=[0.7], k_star=[1, 9])]
    check_start_scales(rules, last_scale=9)
    with pytest.raises(UserError, match=r"rule deep: k_star 9 .* K = 8"):
        check_start_scales(rules, last_scale=8)


def test_every_rule_that_starts_too_deep_is_named_with_its_key():
    rules = [Rule(name=name, lambdas=[0.7], k_star=[1, k]) for name, k in (("deep", 9), ("good", 3), ("deeper", 12))]
    with pytest.raises(UserError) as raised:
        check_start_scales(rules, last_scale=8)
    first, second = str(raised.value).splitlines()
    assert first.startswith("augmentation.rules[0].k_star: found [1, 9]; rule deep: k_star 9 starts below")
    assert second.startswith("augmentation.rules[2].k_star: found [1, 12]; rule deeper: k_star 12 starts below")
