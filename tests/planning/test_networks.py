"""Networks, SinGAN's scales and the point spread on a grid."""

import pytest

from gbaseg.augmentation.singan.pyramid import make_pyramid
from gbaseg.planning.geometry import Detail, frame_of
from gbaseg.planning.networks import patch_of, point_spread, rounds, segmentation, singan, start_scales, translation
from gbaseg.planning.rungs import ladder
from gbaseg.segmentation.planning import adapt_plans
from gbaseg.segmentation.settings import NetworkSettings
from gbaseg.self_training.settings import SelfTrainingSettings

FINE = Detail(1000, 1000, 1000.0)


def test_start_scales_are_the_papers_on_its_slices():
    pyramid = make_pyramid((256, 256))
    assert start_scales(pyramid.ratio, pyramid.last_scale) == [1, 3]


@pytest.mark.parametrize("ratio", [0.5, 0.7, 0.8, 0.9])
def test_start_scales_differ_and_lie_in_the_pyramid(ratio):
    starts = start_scales(ratio, 4)
    assert starts == sorted(set(starts)) and starts[0] >= 1 and starts[-1] <= 4
    assert start_scales(ratio, 1) == [1]


@pytest.mark.parametrize("rung", ladder(2)[:-1], ids=lambda rung: rung.name)
@pytest.mark.parametrize("side", [30.0, 80.0])
@pytest.mark.parametrize("slices", [3, 9, 40])
def test_the_network_can_halve_its_patch(make, rung, side, slices):
    body = {"body_low_mm": (0, 100 - side, 100 - side), "body_high_mm": (120, 100 + side, 100 + side)}
    data = make.facts([make.label(reach_mm=side / 2)], shape=(slices, 200, 200), **body)
    frame = frame_of(data, {"tumour": 1}, rung.detail)
    patch = patch_of(frame, rung)
    architecture = {"arch_kwargs": {"features_per_stage": [1], "n_stages": 1}}
    planned = {"patch_size": [1, 1, 1], "spacing": [1, 1, 1], "architecture": architecture}
    plans = {"transpose_forward": [0, 1, 2], "configurations": {"3d_fullres": planned}}
    network = NetworkSettings(patch_size_zyx=patch, features=rung.features)
    across = (frame.spacing_mm[1], frame.spacing_mm[0], frame.spacing_mm[0])
    adapt_plans(plans, network, across)  # a UserError where it cannot
    assert patch[0] <= max(frame.slices, 1)


def test_folds_are_no_more_than_patients(make):
    rung = ladder(1)[-1]
    data = make.facts(source=3)
    frame = frame_of(data, {"tumour": 1}, rung.detail)
    [folds] = [c for c in segmentation(rung, rung.most, frame, data) if c.key == "segmentation.folds"]
    assert folds.value == 3 and "3 source patients" in folds.reason


def test_rounds_are_a_chain():
    assert [item.last for item in SelfTrainingSettings(rounds=rounds(3)).rounds] == [False, False, True]


def test_the_point_spread_is_in_voxels_and_never_without_effect():
    assert point_spread(0.6, 1.0, 2).value == [1.02, 1.02, 2.5]  # the paper's 1.0, 1.0, 2.5 mm
    assert point_spread(1.5, 2.0, 1).value == [1.05, 1.05, 0.0]  # the demonstration's 1.0, 1.0, 0 mm


def test_blending_keeps_the_papers_millimetres(make):
    rung = ladder(1)[1]
    frame = frame_of(make.facts(), {"tumour": 1}, rung.detail)
    choices, _ = singan(rung, rung.least, frame)
    values = {choice.key: choice.value for choice in choices}
    assert values["augmentation.blend.dilation_px"] == round(4.2 / frame.spacing_mm[0])
    assert values["augmentation.singan.min_size"] == 25


@pytest.mark.parametrize(
    ("half_mm", "patch", "crop"),
    [(3.0, "the crop's 16 px, padded to be halved,", "all"), (80.0, "0.75 of the crop", "0.75")],
)
def test_reasons_name_what_is_written(make, half_mm, patch, crop):
    rung = ladder(1)[1]
    body = {"body_low_mm": (0, 100 - half_mm, 100 - half_mm), "body_high_mm": (120, 100 + half_mm, 100 + half_mm)}
    data = make.facts([make.label(reach_mm=1.0)], **body)
    frame = frame_of(data, {"tumour": 1}, FINE)
    choices = [*segmentation(rung, rung.least, frame, data), *translation(rung, rung.least, frame, data, "both")]
    reasons = {choice.key.rpartition(".")[2]: choice.reason for choice in choices}
    assert reasons["patch_size_zyx"].startswith(patch) and reasons["crop_yx"].startswith(f"{crop} of the slice")


def test_blending_says_how_many_millimetres_it_is(make):
    frame = frame_of(make.facts(spacing_mm=(3.0, 3.0, 3.0)), {"tumour": 1}, FINE)
    reasons = {choice.key: choice.reason for choice in singan(ladder(1)[1], ladder(1)[1].least, frame)[0]}
    assert reasons["augmentation.blend.dilation_px"] == "3.0 mm (paper: 7 px, 4.2 mm)"
