"""Rules of copies that nobody has set a number of."""

import pytest

from gbaseg.augmentation.settings import AugmentationSettings
from gbaseg.planning.factors import choose_factors


def planned(*structures):
    values = {name: number for number, name in enumerate(structures, start=1)}
    choices = {choice.key: choice.value for choice in choose_factors(values, [1, 3])}
    return AugmentationSettings(rules=choices["augmentation.rules"])


def test_every_structure_is_copied_in_contrasts_that_are_drawn():
    found = planned("LV", "MYO", "RV")
    assert [rule.structure for rule in found.rules] == ["LV", "MYO", "RV"]
    assert [rule.adaptive for rule in found.rules] == [2, 2, 2] and not any(rule.lambdas for rule in found.rules)
    assert found.drawn_share == 1.0
    assert {rule.adaptive_size for rule in found.rules} == {"if_needed"}


def test_one_structure_has_as_many_copies_as_factors_by_hand():
    found = planned("VS")
    [rule] = found.rules
    assert (rule.name, rule.adaptive) == ("all", 4)


@pytest.mark.parametrize("structures", [("a b", "a_b"), ("腫瘍", "核"), ("left_ventricle", "right ventricle")])
def test_rules_have_names_whatever_structures_are_called(structures):
    names = [rule.name for rule in planned(*structures).rules]  # settings refuse others
    assert len(set(names)) == len(structures)
