"""Settings: the paper's numbers by default, and what is refused."""

import pytest
from pydantic import ValidationError

from gbaseg.augmentation.settings import AugmentationSettings, Rule, SinGANSettings, structures


def test_defaults_are_the_papers():
    settings = AugmentationSettings()
    large, small = settings.rules
    assert (large.centres, large.volume_mm3_above, large.std_above, large.lambdas) == (
        ["B"],
        2000,
        0.10,
        [0.7, 1.2, 1.5],
    )
    assert (small.centres, small.volume_mm3_below, small.lambdas) == ("both", 300, [0.6, 0.8, 1.2])
    assert large.k_star == small.k_star == [1, 3]
    singan = settings.singan
    assert (singan.min_size, singan.iterations, singan.decay_at_fraction * singan.iterations) == (25, 2000, 1600)
    assert (singan.gp_weight, singan.reconstruction_weight, singan.learning_rate) == (0.1, 10, 5e-4)
    assert (settings.blend.dilation_px, settings.blend.sigma_px) == (7, 5)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"volume_mm3_above": 300, "volume_mm3_below": 200}, "must be less than volume_mm3_below"),
        ({"lambdas": []}, "lambdas"),
        ({"lambdas": [0.7, 0.0]}, "greater than 0"),
        ({"lambdas": [0.7, 0.70]}, "names a value twice"),
        ({"k_star": [-1]}, "k_star"),
        ({"centres": []}, "centres is empty"),
        ({"name": "a_b"}, "name"),
        ({"adaptive_size": "If_needed"}, "allowed: true, false or if_needed"),
        ({"adaptive_size": 2}, "allowed: true, false or if_needed"),
        ({"colour": 1}, "colour"),
    ],
)
def test_a_faulty_rule_is_refused(change, complaint):
    with pytest.raises(ValidationError, match=complaint):
        Rule(**{"name": "large", "lambdas": [0.7], **change})


def test_rules_need_unique_names_and_an_arm_needs_rules():
    rule = Rule(name="large", lambdas=[0.7])
    with pytest.raises(ValidationError, match="same name: large"):
        AugmentationSettings(rules=[rule, rule])
    with pytest.raises(ValidationError, match="arm gba without rules"):
        AugmentationSettings(rules=[])
    assert AugmentationSettings(arm="none", rules=[]).rules == []


def test_sizes_need_copies_that_take_them():
    sized = Rule(name="large", adaptive=2, adaptive_size=True)
    with pytest.raises(ValidationError, match=r"no copies that could take a size \(adaptive_size of rule\(s\) large\)"):
        AugmentationSettings(arm="online", rules=[sized])
    if_needed = Rule(name="large", adaptive=2, adaptive_size="if_needed")
    assert AugmentationSettings(arm="online", rules=[if_needed]).rules == [if_needed]


def test_width_must_not_exceed_max_width():
    with pytest.raises(ValidationError, match="must not exceed max_width"):
        SinGANSettings(width=64, max_width=32)


def test_structures_are_named_once_in_order():
    of = {"a": "cochlea", "b": "VS", "c": "cochlea"}
    rules = [Rule(name=name, structure=structure, lambdas=[2]) for name, structure in of.items()]
    assert structures(rules) == ["cochlea", "VS"]
