"""Which cases, which copies."""

import pytest

from gbaseg.augmentation.appearance import Appearance
from gbaseg.augmentation.rules import Measurement, check_start_scales, plan_copies, select_cases
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
