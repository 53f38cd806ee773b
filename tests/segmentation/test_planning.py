"""nnU-Net's plans with numbers of ours."""

import copy

import pytest
from pydantic import ValidationError

from gbaseg.errors import UserError
from gbaseg.segmentation.planning import adapt_plans, at_spacing, mirrored_axes, padded_slices
from gbaseg.segmentation.settings import NetworkSettings

# What the planner writes, less what nobody here looks at.
PLANS = {
    "plans_name": "nnUNetPlans",
    "transpose_forward": [0, 1, 2],
    "foreground_intensity_properties_per_channel": {"0": {"mean": 0.5}},
    "configurations": {
        "2d": {
            "data_identifier": "nnUNetPlans_2d",
            "batch_size": 12,
            "patch_size": [96, 64],
            "median_image_size_in_voxels": [90.0, 60.0],
            "spacing": [1.0, 1.0],
            "architecture": {
                "network_class_name": "PlainConvUNet",
                "arch_kwargs": {
                    "n_stages": 3,
                    "features_per_stage": [32, 64, 128],
                    "conv_op": "torch.nn.modules.conv.Conv2d",
                    "norm_op": "torch.nn.modules.instancenorm.InstanceNorm2d",
                    "kernel_sizes": [[3, 3], [3, 3], [3, 3]],
                    "strides": [[1, 1], [2, 2], [2, 1]],
                    "n_conv_per_stage": [2, 2, 2],
                    "n_conv_per_stage_decoder": [2, 2],
                },
            },
        },
        "3d_fullres": {
            "batch_size": 7,
            "patch_size": [40, 96, 96],
            "spacing": [2.0, 1.0, 1.0],
            "architecture": {
                "network_class_name": "PlainConvUNet",
                "arch_kwargs": {
                    "n_stages": 3,
                    "features_per_stage": [32, 64, 128],
                    "kernel_sizes": [[1, 3, 3], [3, 3, 3], [3, 3, 3]],
                    "strides": [[1, 1, 1], [1, 2, 2], [2, 2, 2]],
                    "n_conv_per_stage": [2, 2, 2],
                    "n_conv_per_stage_decoder": [2, 2],
                    "conv_bias": True,
                },
            },
        },
        "3d_lowres": {"spacing": [4.0, 2.0, 2.0]},
    },
}
SPACING = (1.5, 0.75, 0.75)


def adapted(spacing=SPACING, forward=(0, 1, 2), **network) -> dict:
    """The one configuration that comes out."""
    plans = {**PLANS, "transpose_forward": list(forward)}
    return adapt_plans(plans, NetworkSettings(**network), spacing)["configurations"]["3d_fullres"]


def architecture(**given) -> dict:
    return adapted(**given)["architecture"]["arch_kwargs"]


def test_without_numbers_only_the_spacing_changes():
    expected = copy.deepcopy(PLANS["configurations"]["3d_fullres"])
    assert adapted() == {**expected, "spacing": [1.5, 0.75, 0.75]}


def test_one_configuration_stays_and_all_around_it():
    plans = adapt_plans(PLANS, NetworkSettings(), SPACING)
    assert list(plans["configurations"]) == ["3d_fullres"]
    assert {key: plans[key] for key in plans if key != "configurations"} == {
        key: PLANS[key] for key in PLANS if key != "configurations"
    }


def test_the_given_plans_are_left_alone():
    before = copy.deepcopy(PLANS)
    adapt_plans(PLANS, NetworkSettings(patch_size_zyx=(16, 32, 32), batch_size=1, features=(4, 8, 8)), SPACING)
    assert before == PLANS


def test_spacing_and_patch_follow_the_planners_order_of_axes():
    configuration = adapted(
        spacing=(0.5, 3.0, 0.6), forward=(1, 0, 2), patch_size_zyx=(64, 16, 48), features=(4, 8, 8), batch_size=3
    )
    assert configuration["spacing"] == [3.0, 0.5, 0.6]
    assert configuration["patch_size"] == [16, 64, 48]
    assert configuration["batch_size"] == 3
    # The coarse axis, now the first, is not convolved until the others are as coarse, and never pooled.
    assert configuration["architecture"]["arch_kwargs"]["kernel_sizes"] == [[1, 3, 3], [1, 3, 3], [3, 3, 3]]
    assert configuration["architecture"]["arch_kwargs"]["strides"] == [[1, 1, 1], [1, 2, 2], [1, 2, 2]]


@pytest.mark.parametrize(
    ("named", "axes"), [(None, (0, 1, 2)), ([], ()), (["x"], (2,)), (["z", "x"], (1, 2)), (["x", "y", "z"], (0, 1, 2))]
)
def test_patches_are_mirrored_along_the_axes_that_are_named(named, axes):
    """In the planner's order of axes, here Y Z X."""
    plans = {**PLANS, "transpose_forward": [1, 0, 2]}
    adapted_plans = adapt_plans(plans, NetworkSettings(mirrored=named), SPACING)
    assert mirrored_axes(adapted_plans) == mirrored_axes(at_spacing(adapted_plans, (1.0, 0.5, 0.5))) == axes


def test_an_axis_is_mirrored_once():
    with pytest.raises(ValidationError, match="named twice"):
        NetworkSettings(mirrored=["x", "x"])


def test_a_coarse_axis_waits_until_the_others_are_as_coarse():
    given = architecture(spacing=(3.0, 0.5, 0.5), patch_size_zyx=(16, 64, 64), features=(8, 16, 32, 64))
    assert given["n_stages"] == 4
    assert given["features_per_stage"] == [8, 16, 32, 64]
    assert given["strides"] == [[1, 1, 1], [1, 2, 2], [1, 2, 2], [2, 2, 2]]
    assert given["kernel_sizes"] == [[1, 3, 3], [1, 3, 3], [3, 3, 3], [3, 3, 3]]
    assert (given["n_conv_per_stage"], given["n_conv_per_stage_decoder"]) == ([2, 2, 2, 2], [2, 2, 2])
    assert given["conv_bias"] is True


@pytest.mark.parametrize(("coarse", "kernel"), [(2.0, 3), (2.01, 1)])
def test_up_to_twice_as_coarse_is_as_fine_as_the_others(coarse, kernel):
    given = architecture(spacing=(coarse, 1.0, 1.0), patch_size_zyx=(16, 16, 16), features=(4, 8, 8))
    assert given["kernel_sizes"][0] == [kernel, 3, 3]
    assert given["strides"][1] == [2 if kernel == 3 else 1, 2, 2]


def test_an_edge_is_halved_down_to_four_voxels_and_only_where_it_is_even():
    given = architecture(spacing=(1.0, 1.0, 1.0), patch_size_zyx=(8, 18, 32), features=(4, 8, 8, 8))
    # 8 -> 4 and no further; 18 -> 9, which is odd; 32 -> 16 -> 8 -> 4.
    assert given["strides"] == [[1, 1, 1], [2, 2, 2], [1, 1, 2], [1, 1, 2]]


def test_a_patch_that_cannot_be_halved_as_often_is_refused():
    numbers = {"spacing": (1.0, 1.0, 1.0), "patch_size_zyx": (12, 24, 24)}
    # 12 x 24 x 24 -> 6 x 12 x 12 -> 6 x 6 x 6
    assert architecture(**numbers, features=(4, 8, 8))["n_stages"] == 3
    with pytest.raises(
        UserError,
        match=r"segmentation\.network: a patch of \(12, 24, 24\) voxels allows 3 stages, features names 4; take",
    ):
        architecture(**numbers, features=(4, 8, 8, 8))


def test_features_alone_keep_the_planners_patch():
    configuration = adapted(spacing=(2.0, 1.0, 1.0), features=(4, 8, 8))
    assert configuration["patch_size"] == [40, 96, 96]
    assert configuration["batch_size"] == 7
    assert configuration["architecture"]["arch_kwargs"]["strides"] == [[1, 1, 1], [2, 2, 2], [2, 2, 2]]


def test_a_patch_alone_keeps_the_planners_features():
    given = architecture(spacing=(1.0, 1.0, 1.0), patch_size_zyx=(16, 16, 16))
    assert (given["n_stages"], given["features_per_stage"]) == (3, [32, 64, 128])
    assert given["strides"] == [[1, 1, 1], [2, 2, 2], [2, 2, 2]]


def test_convolutions_of_each_stage():
    given = architecture(convs_per_stage=1)
    assert (given["n_conv_per_stage"], given["n_conv_per_stage_decoder"]) == ([1, 1, 1], [1, 1])
    given = architecture(convs_per_stage=3, patch_size_zyx=(16, 16, 16), features=(4, 8, 8))
    assert (given["n_conv_per_stage"], given["n_conv_per_stage_decoder"]) == ([3, 3, 3], [3, 3])


def test_an_earlier_rounds_network_stays_on_a_finer_grid():
    """A warm start puts its weights in: from 2 x 1.5 mm to 2 x 0.9 mm a new plan would have another first kernel."""
    numbers = NetworkSettings(patch_size_zyx=(16, 48, 48), features=(4, 8, 8))
    first = adapt_plans(PLANS, numbers, (2.0, 1.5, 1.5))
    anew = adapt_plans(PLANS, numbers, (2.0, 0.9, 0.9))
    assert first["configurations"]["3d_fullres"]["architecture"] != anew["configurations"]["3d_fullres"]["architecture"]
    finer = at_spacing(first, (2.0, 0.9, 0.9))
    assert finer["configurations"]["3d_fullres"].pop("spacing") == [2.0, 0.9, 0.9]
    assert first["configurations"]["3d_fullres"].pop("spacing") == [2.0, 1.5, 1.5]
    # 48 voxels of 1.5 mm.
    assert finer["configurations"]["3d_fullres"].pop("patch_size") == [16, 80, 80]
    assert first["configurations"]["3d_fullres"].pop("patch_size") == [16, 48, 48]
    assert finer == first


@pytest.mark.parametrize(
    ("spacing", "patch"),
    [
        ((2.0, 1.0, 1.0), [40, 96, 96]),  # the same grid
        ((2.0, 0.7, 0.5), [40, 136, 192]),  # 137.1 voxels: in steps of 4
        ((1.0, 1.0, 1.0), [80, 96, 96]),
        ((3.0, 1.4, 1.0), [26, 68, 96]),  # 26.7 in steps of 2
        ((200.0, 1.0, 1.0), [2, 96, 96]),  # never none
    ],
)
def test_the_patch_keeps_its_millimetres_on_another_grid(spacing, patch):
    """In steps of the network's strides, 2 x 4 x 4."""
    assert at_spacing(PLANS, spacing)["configurations"]["3d_fullres"]["patch_size"] == patch


def test_the_millimetres_are_those_of_the_planners_axes():
    plans = copy.deepcopy(PLANS) | {"transpose_forward": [2, 0, 1]}
    given = at_spacing(plans, (1.0, 0.5, 2.0))["configurations"]["3d_fullres"]
    assert given["spacing"] == [2.0, 1.0, 0.5] and given["patch_size"] == [40, 96, 192]


def test_a_patch_of_one_slice_looks_at_one_slice():
    """nnU-Net's 2d configuration, in a network in 3D."""
    given = architecture(spacing=(2.0, 1.0, 1.0), patch_size_zyx=(1, 32, 32), features=(4, 8, 8))
    assert given["kernel_sizes"] == [[1, 3, 3]] * 3
    assert given["strides"] == [[1, 1, 1], [1, 2, 2], [1, 2, 2]]


@pytest.mark.parametrize("slices", [2, 3, 6])
def test_a_patch_of_few_slices_is_not_halved_across_them(slices):
    """Nor do they keep the others back, which are soon more than twice as coarse."""
    given = architecture(spacing=(1.0, 1.0, 1.0), patch_size_zyx=(slices, 64, 64), features=(4, 8, 8, 8))
    assert given["strides"] == [[1, 1, 1], [1, 2, 2], [1, 2, 2], [1, 2, 2]]
    assert given["kernel_sizes"] == [[3, 3, 3]] * 4


def of_one_slice():
    plans = copy.deepcopy(PLANS)
    plans["configurations"] = {"2d": plans["configurations"]["2d"]}
    return plans


def test_where_nnunet_plans_in_2d_alone_that_is_the_network():
    """As it does for images of one slice."""
    before = of_one_slice()
    configuration = adapt_plans(before, NetworkSettings(), (5.0, 0.8, 0.8))["configurations"]["3d_fullres"]
    assert before == of_one_slice()
    given = configuration["architecture"]["arch_kwargs"]
    assert (configuration["patch_size"], configuration["batch_size"]) == ([1, 96, 64], 12)
    assert configuration["spacing"] == [5.0, 0.8, 0.8]
    assert configuration["median_image_size_in_voxels"] == [1, 90.0, 60.0]
    assert configuration["data_identifier"] == "nnUNetPlans_3d_fullres"
    assert given["strides"] == [[1, 1, 1], [1, 2, 2], [1, 2, 1]] and given["kernel_sizes"] == [[1, 3, 3]] * 3
    assert given["conv_op"] == "torch.nn.modules.conv.Conv3d"
    assert given["norm_op"] == "torch.nn.modules.instancenorm.InstanceNorm3d"


def test_numbers_of_ours_go_over_the_2d_configuration_too():
    numbers = NetworkSettings(patch_size_zyx=(1, 64, 32), features=(4, 8, 8), batch_size=3)
    configuration = adapt_plans(of_one_slice(), numbers, (5.0, 0.8, 0.8))["configurations"]["3d_fullres"]
    assert (configuration["patch_size"], configuration["batch_size"]) == ([1, 64, 32], 3)
    assert configuration["architecture"]["arch_kwargs"]["kernel_sizes"] == [[1, 3, 3]] * 3


@pytest.mark.parametrize(
    ("patch", "slices", "warns"), [(8, 3, True), (8, 4, True), (8, 5, False), (2, 2, False), (1, 1, False)]
)
def test_a_patch_that_is_mostly_padding_is_a_warning(patch, slices, warns):
    plans = adapt_plans(of_one_slice(), NetworkSettings(patch_size_zyx=(patch, 32, 32), features=(4, 8, 8)), SPACING)
    plans["configurations"]["3d_fullres"]["median_image_size_in_voxels"] = [float(slices), 90.0, 60.0]
    said = padded_slices(plans)
    assert bool(said) == warns
    assert not warns or f"of a patch's {patch} slices the median image has {slices}" in said
