"""Room on disk and in memory, counted."""

from dataclasses import replace
from pathlib import Path

import pytest

from gbaseg import params
from gbaseg.augmentation.singan.networks import Generator as SinGANGenerator
from gbaseg.augmentation.singan.pyramid import make_pyramid
from gbaseg.cost.counted import KINDS, DataSize, kind_of
from gbaseg.cost.networks import (
    discriminator_parameters,
    generator_parameters,
    singan_parameters,
    unet_parameters,
)
from gbaseg.cost.room import Machine, Room, count_room, expected_copies, whole_run
from gbaseg.presets import preset_content
from gbaseg.runtime.store import LIMIT_GIB
from gbaseg.translation.networks import Discriminator, Generator

PRESETS = Path(__file__).parents[2] / "presets"
PAPER = DataSize(source=210, target=210, held_out=64, slices=120, copies=288 / 210)
GIB = 2**30


@pytest.fixture(scope="module", params=["crossmoda2022", "default", "tiny"])
def settings(request):
    return params.check(preset_content(request.param, PRESETS))


@pytest.fixture(scope="module")
def paper():
    return params.check(preset_content("crossmoda2022", PRESETS))


def size_of(network):
    return sum(tensor.numel() for tensor in network.state_dict().values())


def test_parameters_of_the_cyclegan_are_those_of_its_networks(settings):
    one = settings.translation.cyclegan
    assert generator_parameters(settings) == size_of(
        Generator(one.generator_width, one.residual_blocks, one.generator_halvings)
    )
    assert discriminator_parameters(settings) == size_of(
        Discriminator(one.discriminator_width, one.discriminator_layers)
    )


def test_the_survey_keeps_copies_of_every_structure():
    both, one = (params.check(preset_content(name, PRESETS)) for name in ("cochlea", "default"))
    rooms = [
        {room.stage: room for room in count_room(settings, PAPER, Machine())}["survey"] for settings in (both, one)
    ]
    assert rooms[0].store / rooms[1].store == pytest.approx((1 + 4 * 2) / (1 + 4))


def test_parameters_of_the_singan_are_those_of_its_generators(settings):
    one, side = settings.augmentation.singan, settings.standardise.crop_xy_px
    pyramid = make_pyramid((side, side), one.min_size, one.scale_factor)
    if one.pyramid == "used":
        pyramid = pyramid.used_from(max(k for rule in settings.augmentation.rules for k in rule.k_star))
    weights = sum(
        size_of(SinGANGenerator(pyramid.channels(scale, one.width, one.max_width)))
        for scale in range(len(pyramid.sizes))
    )
    images = 2 * sum(height * width for height, width in pyramid.sizes)
    assert singan_parameters(settings) == pytest.approx(weights + images, rel=0.01)


def test_parameters_of_the_segmentation_are_those_of_its_network(settings):
    from dynamic_network_architectures.architectures.unet import PlainConvUNet
    from torch import nn

    network = settings.segmentation.network
    features = network.features or (32, 64, 128, 256, 320, 320)
    convolutions = network.convs_per_stage or 2
    plain = PlainConvUNet(
        1, len(features), features, nn.Conv3d, 3, [1] + [2] * (len(features) - 1), convolutions,
        len(settings.dataset.structures) + 1, convolutions, conv_bias=True, norm_op=nn.InstanceNorm3d,
        norm_op_kwargs={"affine": True}, deep_supervision=True,
    )  # fmt: skip
    assert unet_parameters(settings) == sum(tensor.numel() for tensor in plain.parameters())


def test_every_stage_whose_work_is_counted_has_its_room_counted(settings):
    stages = [room.stage for room in count_room(settings, PAPER, Machine())]
    assert {kind_of(stage) for stage in stages} == set(KINDS.values())
    assert (
        len(stages) == len(set(stages)) == 7 + (2 + settings.augmentation.adapts) * len(settings.self_training.rounds)
    )


def test_the_papers_run(paper):
    """484 scans of 256 x 256 x 120 float32 voxels are 14.2 GiB; of the target's, once more at 2.25 times the voxels."""
    rooms = {room.stage: room for room in count_room(paper, PAPER, Machine(2, 1, 12))}
    raw = (484 + 2.25 * 274) * 256**2 * 120 * 4 / GIB
    assert 0.75 * raw < rooms["standardise"].outputs / GIB < raw
    fine = (210 + 288 + 210) * 2.25 * 256**2 * 120 * 4 / GIB
    assert rooms["train_segmentation/round_3"].store / GIB == pytest.approx(fine, rel=0.06)
    # nnU-Net's own plan has 31 M parameters (its paper's 3d_fullres); five folds.
    assert rooms["train_segmentation/round_0"].outputs == pytest.approx(5 * 4 * 31e6, rel=0.05)


def test_the_finer_grids_patches_and_labels_take_room(paper):
    def rooms(fine):
        rounds = paper.self_training.model_copy(update={"last_round_fine_grid": fine})
        found = count_room(paper.model_copy(update={"self_training": rounds}), PAPER, Machine(2, 1, 12))
        return {room.stage: room for room in found}

    finer, coarse = rooms(True), rooms(False)
    for stage, times in (("train_segmentation/round_3", 2.25), ("train_segmentation/round_2", 1.0)):
        assert finer[stage].shared == pytest.approx(times * coarse[stage].shared)
    # 210 masks, beside 274 on two grids.
    more = finer["pseudo_label/round_2"].outputs / coarse["pseudo_label/round_2"].outputs
    assert more == pytest.approx(1 + 2.25 * 210 / (2 * 274))
    assert finer["pseudo_label/survey"] == coarse["pseudo_label/survey"]


def test_augmenters_share_memory_on_a_gpu_alone(paper):
    def trained(machine):
        return next(one for one in count_room(paper, PAPER, machine) if one.stage == "train_segmentation/round_0")

    assert trained(Machine(2, 2)).shared == 0
    one, two = trained(Machine(2, 1, 12)), trained(Machine(2, 2, 12))
    assert 0.25 < one.shared / GIB < 1.0 and two.shared == 2 * one.shared
    assert two.memory > one.memory > trained(Machine(2, 1)).memory


def test_copies_are_expected_by_the_rules_until_they_are_made(paper):
    assert 1.0 <= expected_copies(paper) / (288 / 210) < 2.0
    before = {room.stage: room for room in count_room(paper, replace(PAPER, copies=0.0), Machine())}
    after = {room.stage: room for room in count_room(paper, PAPER, Machine())}
    assert 1.0 <= before["augment"].outputs / after["augment"].outputs < 2.0


def test_an_arm_or_mode_without_work_takes_no_room(paper):
    none = paper.model_copy(
        update={
            "augmentation": paper.augmentation.model_copy(update={"arm": "none"}),
            "translation": paper.translation.model_copy(update={"mode": "none"}),
        }
    )
    stages = {room.stage for room in count_room(none, PAPER, Machine())}
    assert not {"train_translation", "train_singan", "augment"} & stages and "translate" in stages


def test_the_store_of_a_run_has_a_limit_which_a_training_set_may_pass():
    rooms = [Room("a", outputs=1, scratch=5, store=40 * GIB), Room("b", outputs=2, scratch=3, store=30 * GIB, memory=7)]
    whole = whole_run(rooms)
    assert (whole.outputs, whole.scratch, whole.memory) == (3, 5, 7)
    assert whole.store == 70 * GIB
    assert whole_run([*rooms, Room("c", store=1 * GIB)]).store == 70 * GIB
    assert whole_run([Room("a", store=LIMIT_GIB * GIB), Room("b", store=GIB)]).store == (LIMIT_GIB + 1) * GIB
