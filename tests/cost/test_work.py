"""How much work a run is."""

from dataclasses import replace
from pathlib import Path

import pytest

from gbaseg import params
from gbaseg.commands.cost import variants
from gbaseg.cost import passes
from gbaseg.cost.counted import DataSize
from gbaseg.cost.work import count_work
from gbaseg.presets import preset_content

PRESETS = Path(__file__).parents[2] / "presets"
SIZE = DataSize(source=210, target=210, held_out=64, slices=120, copies=288 / 210)


@pytest.fixture(scope="module")
def paper():
    return params.check(preset_content("crossmoda2022", PRESETS))


def amounts(settings, size=SIZE):
    return {work.stage: work.amount for work in count_work(settings, size)}


def test_the_generator_counts_as_in_the_literature():
    """56.8 G multiplications with addition for 256 x 256 pixels of 3 channels (Li et al., GAN compression, 2020)."""
    layers_of_two_channels = 2 * 2 * 49 * 64 * 256**2 / 1e9  # the first and the last, which here have one
    # That count takes the transposed convolutions at the size they give, four times the one they are computed on.
    transposed = 3 * 9 * (256 * 128 * 64**2 + 128 * 64 * 128**2) / 1e9
    found = passes.generator(1, (256, 256), width=64, blocks=9, halvings=2) / 2 / 1e9
    assert found + layers_of_two_channels + transposed == pytest.approx(56.8, rel=0.002)


def test_the_papers_singan_is_thirty_pflop(paper):
    """30.6 by a count of its own, layer by layer."""
    assert amounts(paper)["train_singan"] == pytest.approx(30.6, rel=0.03)
    used = paper.augmentation.singan.model_copy(update={"pyramid": "used"})
    less = paper.model_copy(update={"augmentation": paper.augmentation.model_copy(update={"singan": used})})
    assert 0.5 < amounts(less)["train_singan"] / amounts(paper)["train_singan"] < 0.9


def test_rounds_cost_by_epochs_and_folds(paper):
    found = amounts(paper)
    assert found["train round_0"] == pytest.approx(5 * found["survey"])  # one fold, as many epochs
    # Twice the epochs, on patches of the finer grid.
    assert found["train round_3"] == pytest.approx(2 * 2.25 * found["train round_0"])
    assert "train_translation" in found and "augment" in found


@pytest.mark.parametrize("arm", ["none", "online"])
def test_stages_that_an_arm_or_mode_does_not_have_cost_nothing(paper, arm):
    plain = paper.model_copy(
        update={
            "augmentation": paper.augmentation.model_copy(update={"arm": arm}),
            "translation": paper.translation.model_copy(update={"mode": "none"}),
        }
    )
    assert not {"train_singan", "augment", "train_translation", "translate"} & amounts(plain).keys()


def test_a_choice_costs_its_trainings_and_what_they_label(paper):
    """Four candidates of three seeds, each a training and two passes over the target; members count, too."""
    auto = paper.model_copy(update={"translation": paper.translation.model_copy(update={"mode": "auto"})})
    one, more = amounts(auto), amounts(auto, replace(SIZE, target=SIZE.target + 10))
    a_case = one["pseudo_label survey"] / (SIZE.target + SIZE.held_out)
    stage = "choose_translation"
    assert more[stage] - one[stage] == pytest.approx(4 * 3 * 2 * 10 * a_case)
    three = amounts(auto.model_copy(update={"segmentation": auto.segmentation.model_copy(update={"members": 3})}))
    assert three["train round_0"] == pytest.approx(3 * one["train round_0"])
    assert three["survey"] == one["survey"]


def test_what_grows_with_what(paper):
    once = amounts(paper)
    for what, grows in {
        "twice the cases": {"standardise", "train_translation", "pseudo_label round_0"},
        "twice the slices": {"standardise", "train_translation", "pseudo_label round_0"},
        "twice the folds": {"train round_0", "pseudo_label round_0"},
    }.items():
        twice = amounts(*variants(paper, SIZE)[what])
        for stage in ("standardise", "train_translation", "train_singan", "train round_0", "pseudo_label round_0"):
            assert twice[stage] == pytest.approx((2 if stage in grows else 1) * once[stage]), (what, stage)
    scales = amounts(*variants(paper, SIZE)["twice SinGAN's scales"])
    assert scales["train_singan"] > 1.5 * once["train_singan"]


def test_an_epoch_of_the_cyclegan_is_as_long_as_the_longer_domain(paper):
    """As `train_cyclegan` counts it: the official code's length of two data sets."""
    once = amounts(paper)["train_translation"]
    for fewer in ("source", "target"):
        assert amounts(paper, replace(SIZE, **{fewer: 105}))["train_translation"] == pytest.approx(once)
    assert amounts(paper, replace(SIZE, target=420))["train_translation"] == pytest.approx(2 * once)


def changed(settings, section, **values):
    return settings.model_copy(update={section: getattr(settings, section).model_copy(update=values)})


def test_the_finer_grid_of_the_last_round_has_more_voxels(paper):
    finer = (0.6 / 0.4) ** 2  # in plane; slices stay
    found = amounts(paper)
    assert found["pseudo_label round_3"] == pytest.approx(finer * found["pseudo_label round_0"])
    coarse = changed(paper, "self_training", last_round_fine_grid=False)
    assert found["train round_3"] == pytest.approx(finer * amounts(coarse)["train round_3"])  # of the same millimetres
    assert found["train round_2"] == pytest.approx(amounts(coarse)["train round_2"])
    assert amounts(coarse)["pseudo_label round_3"] == pytest.approx(found["pseudo_label round_0"])
    # The target's cases are put on both grids, wherever there is a finer one.
    once = amounts(changed(coarse, "standardise", fine_spacing_xyz_mm=None))["standardise"]
    assert found["standardise"] == pytest.approx(once * (1 + finer * (210 + 64) / (210 + 210 + 64)))


def test_a_pool_of_samples_saves_passes(paper):
    reference = paper.augmentation.singan.model_copy(update={"mode": "reference"})
    slow = paper.model_copy(update={"augmentation": paper.augmentation.model_copy(update={"singan": reference})})
    assert amounts(slow)["train_singan"] > 1.1 * amounts(paper)["train_singan"]
    assert amounts(slow, replace(SIZE, held_out=0))["pseudo_label survey"] < amounts(slow)["pseudo_label survey"]
