"""The translation's settings: the paper's defaults, and what is refused."""

from typing import get_args

import click
import pytest
from pydantic import ValidationError

from gbaseg.cli import main
from gbaseg.commands.study_arms import ARMS
from gbaseg.translation.settings import (
    TRAINED,
    UNTRANSLATED,
    AutoSettings,
    CycleGANSettings,
    Mode,
    TranslationSettings,
    VanCittertSettings,
)


def test_defaults_are_the_papers():
    settings = TranslationSettings()
    gan, deconvolution = settings.cyclegan, settings.van_cittert
    assert (settings.centre, settings.run, settings.failure_dice) == ("A", 0, 0.4)
    assert (gan.epochs, gan.decay_epochs, gan.mu_cyc, gan.pool_size, gan.batch_size) == (100, 100, 10.0, 50, 1)
    assert (gan.learning_rate, gan.betas) == (2e-4, (0.5, 0.999))
    assert (gan.generator_width, gan.residual_blocks, gan.discriminator_layers) == (64, 9, 3)
    assert (deconvolution.iterations, deconvolution.alpha, deconvolution.psf_mm_xyz) == (15, 1.0, (1.0, 1.0, 2.5))


@pytest.mark.parametrize(
    ("model", "values"),
    [
        (VanCittertSettings, {"alpha": 2.0}),  # diverges from 2 on
        (VanCittertSettings, {"alpha": 0.0}),
        (VanCittertSettings, {"psf_mm_xyz": (1.0, -0.1, 2.5)}),
        (CycleGANSettings, {"betas": (0.5, 1.0)}),
        (CycleGANSettings, {"crop_yx": (4, 64)}),
        (CycleGANSettings, {"adversarial": "hinge"}),
        (TranslationSettings, {"run": -1}),
        (TranslationSettings, {"epochs": 3}),  # belongs into `cyclegan`
    ],
)
def test_values_out_of_range_are_refused(model, values):
    with pytest.raises(ValidationError):
        model(**values)


def test_every_number_says_what_it_is():
    for model in (CycleGANSettings, VanCittertSettings):
        assert all(field.description for field in model.model_fields.values())


def test_every_mode_is_a_candidate_an_arm_and_a_choice_of_the_ablation():
    """Where another translation has to be named, besides what uses it (docs/own_data.md)."""
    modes = get_args(Mode)
    assert set(AutoSettings().candidates) == set(modes) == {arm.settings["translation.mode"] for arm in ARMS} - {"auto"}
    context = click.Context(main)
    arms = main.get_command(context, "ablation").get_command(context, "arms")
    [choice] = [option.type for option in arms.params if option.name == "translation"]
    assert tuple(choice.choices) == modes
    assert {*TRAINED, *UNTRANSLATED} < set(modes)
