"""What the shipped presets say: all load, and the paper's has its numbers."""

from pathlib import Path

import pytest

from gbaseg.augmentation.singan.pyramid import make_pyramid, width_at
from gbaseg.params import Params, check, load
from gbaseg.preset_writing import apply_preset
from gbaseg.translation.van_cittert import sigma_voxels, without_effect

ROOT = Path(__file__).parents[1]
PRESETS = ROOT / "presets"
NAMES = sorted(path.stem for path in PRESETS.glob("*.yaml"))


@pytest.fixture(scope="module")
def crossmoda2022(tmp_path_factory) -> Params:
    """The preset of the paper, to look at."""
    return with_preset("crossmoda2022", tmp_path_factory.mktemp("paper"))


def with_preset(name: str, folder: Path) -> Params:
    apply_preset(name, PRESETS, folder / "params.yaml", validate=check)
    return load(folder / "params.yaml")


@pytest.mark.parametrize("name", NAMES)
def test_every_preset_loads_on_the_defaults(name, tmp_path):
    with_preset(name, tmp_path)


def test_crossmoda2022_translates_as_the_paper_does(crossmoda2022):
    """METHOD 1 to 4."""
    params = crossmoda2022
    assert (params.dataset.root, params.dataset.layout) == ("data/raw/crossmoda2022", "crossmoda2022")
    assert (params.dataset.label_values, params.pieces) == ({"VS": 1}, {"VS": 1})

    standardise = params.standardise
    assert standardise.spacing_xyz_mm == (0.6, 0.6, 1.0)
    assert (standardise.crop_xy_px, standardise.crop_z_px, standardise.brain_percentile) == (256, None, 75)
    assert standardise.fine_spacing_xyz_mm == (0.4, 0.4, 1.0)
    assert standardise.intensity_percentiles == (0, 99.9)

    assert (params.translation.mode, params.translation.centre, params.translation.failure_dice) == (
        "cyclegan",
        "A",
        0.4,
    )
    cyclegan = params.translation.cyclegan
    assert (cyclegan.mu_cyc, cyclegan.identity_weight, cyclegan.adversarial) == (10, 0.5, "least_squares")
    assert (cyclegan.learning_rate, cyclegan.betas, cyclegan.batch_size) == (2e-4, (0.5, 0.999), 1)
    assert (cyclegan.epochs, cyclegan.decay_epochs, cyclegan.steps_per_epoch) == (100, 100, None)
    assert (cyclegan.pool_size, cyclegan.crop_yx) == (50, None)
    assert (cyclegan.generator_width, cyclegan.residual_blocks) == (64, 9)
    assert (cyclegan.discriminator_width, cyclegan.discriminator_layers) == (64, 3)
    van_cittert = params.translation.van_cittert
    assert (van_cittert.iterations, van_cittert.alpha) == (15, 1)
    assert (van_cittert.psf_mm_xyz, van_cittert.psf_is) == ((1, 1, 2.5), "fwhm")


@pytest.mark.parametrize("name", NAMES)
def test_every_presets_deconvolution_acts_on_its_grid(name, tmp_path):
    params = with_preset(name, tmp_path)
    deconvolution, spacing_zyx_mm = params.translation.van_cittert, params.standardise.spacing_xyz_mm[::-1]
    assert deconvolution.iterations > 0 and any(sigma_voxels(spacing_zyx_mm, deconvolution))
    assert without_effect(spacing_zyx_mm, deconvolution) == []


def test_crossmoda2022_augments_as_the_paper_does(crossmoda2022):
    """METHOD 5."""
    augmentation = crossmoda2022.augmentation
    assert augmentation.arm == "gba"
    large, small = augmentation.rules
    assert (large.structure, large.centres, large.volume_mm3_above, large.volume_mm3_below, large.std_above) == (
        "VS", ["B"], 2000, None, 0.10,
    )  # fmt: skip
    assert (small.structure, small.centres, small.volume_mm3_above, small.volume_mm3_below, small.std_above) == (
        "VS", "both", None, 300, None,
    )  # fmt: skip
    assert (large.lambdas, small.lambdas) == ([0.7, 1.2, 1.5], [0.6, 0.8, 1.2])
    assert large.k_star == small.k_star == [1, 3]
    singan = augmentation.singan
    assert (singan.image, singan.min_size, singan.scale_factor) == ("target_slice", 25, 0.85)
    assert (singan.iterations, singan.decay_at_fraction * singan.iterations) == (2000, 1600)
    assert (singan.discriminator_steps, singan.generator_steps) == (3, 3)
    assert (singan.width, singan.max_width) == (32, 128)
    assert (singan.gp_weight, singan.reconstruction_weight, singan.noise_factor) == (0.1, 10, 0.1)
    assert (singan.learning_rate, singan.betas, singan.eight_bit) == (5e-4, (0.5, 0.999), False)
    assert (augmentation.harmonise.down_steps, augmentation.harmonise.noise) == ("code", True)
    assert (augmentation.blend.dilation_px, augmentation.blend.sigma_px) == (7, 5)


def test_crossmoda2022_segments_as_the_paper_does(crossmoda2022):
    """METHOD 6 and 7."""
    params = crossmoda2022
    assert params.survey.epochs == 500 and params.survey.lambdas == ()
    segmentation = params.segmentation
    assert (segmentation.folds, segmentation.epochs, segmentation.last_round_epochs) == (5, 500, 1000)
    assert (segmentation.iterations_per_epoch, segmentation.validation_iterations) == (250, 50)
    assert (segmentation.learning_rate, segmentation.oversample_foreground) == (0.01, 0.33)
    assert segmentation.start == "scratch"
    prediction = segmentation.prediction
    assert prediction.threshold == 0.5
    assert (prediction.tile_step, prediction.mirroring) == (0.5, True)
    assert set(segmentation.network.model_dump().values()) == {None}  # as nnU-Net plans

    self_training = params.self_training
    assert [(item.id, item.prev) for item in self_training.rounds] == [
        ("round_0", "survey"), ("round_1", "round_0"), ("round_2", "round_1"), ("round_3", "round_2"),
    ]  # fmt: skip
    assert (self_training.stop, self_training.agreement_above) == ("agreement", 0.997)
    assert self_training.dice_change_below == 0.003
    assert (self_training.last_round_set, self_training.last_round_fine_grid) == ("all", True)
    assert (self_training.confidence.action, self_training.confidence.fold_dice_below) == ("keep", 0.7)
    assert params.evaluation.empty_assd_mm == 350
    assert 0.4 in params.evaluation.low_dice and 0.5 in params.evaluation.low_dice


def test_crossmoda2022_gives_the_papers_pyramid(crossmoda2022):
    """METHOD 5: K = 16, and the sizes of its 17 scales."""
    params = crossmoda2022
    singan, side = params.augmentation.singan, params.standardise.crop_xy_px
    pyramid = make_pyramid((side, side), singan.min_size, singan.scale_factor)
    assert pyramid.last_scale == 16
    assert round(pyramid.ratio, 4) == 0.8647
    sizes = [25, 29, 34, 39, 45, 52, 60, 70, 80, 93, 107, 124, 144, 166, 192, 222, 256]
    assert pyramid.sizes == [(size, size) for size in sizes]
    widths = [width_at(scale, singan.width, singan.max_width) for scale in range(17)]
    assert widths == [32] * 4 + [64] * 4 + [128] * 9


def test_the_defaults_are_the_paper_wherever_a_preset_does_not_say_otherwise(crossmoda2022):
    """The settings' own defaults are the paper's: the preset brings the demonstration back to them."""
    paper = crossmoda2022.model_dump()
    own = Params().model_dump()
    paper["dataset"].pop("root"), own["dataset"].pop("root")
    differing = {section: value for section, value in paper.items() if value != own[section]}
    # The finer grid of the last round and its use are the paper's; off by default, as other data may not need them.
    assert sorted(differing) == ["augmentation", "self_training", "standardise"]
    own["standardise"]["fine_spacing_xyz_mm"] = (0.4, 0.4, 1.0)
    own["self_training"]["last_round_fine_grid"] = True
    # Axial in the paper; by default as acquired, which is the same for axial scans.
    own["standardise"]["slices"] = "axial"
    # By default arms differ in what a copy is, in the paper in their number, too.
    own["augmentation"]["draws"] = "images"
    assert paper == own


def test_the_reports_second_structure_is_all_that_its_preset_adds_to_the_paper(crossmoda2022, tmp_path):
    """Report: lambda 2, 3, 4, one start scale; a patient has two cochleas."""
    both = with_preset("crossmoda2022_cochlea", tmp_path)
    assert both.labels == {"VS": 1, "Cochlea": 2} and both.pieces == {"VS": 1, "Cochlea": 2}
    *large_and_small, cochlea = both.augmentation.rules
    assert large_and_small == list(crossmoda2022.augmentation.rules)
    assert (cochlea.structure, cochlea.lambdas, len(cochlea.k_star)) == ("Cochlea", [2, 3, 4], 1)
    bounds = (cochlea.volume_mm3_above, cochlea.volume_mm3_below, cochlea.std_above)
    assert cochlea.centres == "both" and set(bounds) == {None}
    same = {
        "dataset": both.dataset.model_copy(update={"structures": crossmoda2022.dataset.structures}),
        "augmentation": both.augmentation.model_copy(update={"rules": crossmoda2022.augmentation.rules}),
    }
    assert both.model_copy(update=same) == crossmoda2022
