"""Networks and their training, on a grid and with the work that the budget allows: values with their reasons."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from gbaseg.augmentation.singan.pyramid import make_pyramid
from gbaseg.planning.facts import Choice, DataFacts
from gbaseg.planning.geometry import Frame
from gbaseg.planning.rungs import Rung, Spend
from gbaseg.planning.symmetry import choose_mirrored
from gbaseg.translation.settings import VanCittertSettings
from gbaseg.translation.van_cittert import without_effect

# Of a crop's side: enough around a structure to tell it from what looks like it elsewhere (demonstration: 48 of 60).
_PATCH_SHARE = 0.75
_PATCH_SLICES = 16
# Parts of full size from which harmonisation starts: the paper's k* = 1 and 3 at 256 pixels.
_STARTS = (0.865, 0.647)
_MIN_SIZE = 25
# Blending, in mm: the paper's 7 and 5 pixels of 0.6 mm.
_DILATION_MM, _SIGMA_MM = 4.2, 3.0
# The CycleGAN's residual blocks work at most at so many mm where that is possible (the demonstration: 3; paper: 2.4).
_COARSEST_MM = 3.0
_ALL_AXES = "all axes, as nnU-Net does: the hours are enough to learn what stands on its head, too"
# Width of the point spread in voxels of the slice, by how often the generator halves it: what it blurs (METHOD 4).
_PSF_PX = {1: 0.7, 2: 1.7}


def segmentation(rung: Rung, spend: Spend, frame: Frame, facts: DataFacts) -> list[Choice]:
    """nnU-Net, its folds and rounds."""
    folds = min(rung.folds, facts.patients)
    fewer = f" ({facts.patients} source patients)" if folds < rung.folds else ""
    work = f"{spend.epochs * spend.iterations_per_epoch} iterations a round and fold"
    choices = [
        Choice("segmentation.folds", folds, f"split by patient{fewer} (paper: 5)"),
        Choice("segmentation.epochs", spend.epochs, f"{work}, as the hours allow (paper: 500)"),
        Choice("segmentation.last_round_epochs", spend.last_round_epochs, "as the hours allow (paper: 1000)"),
        Choice("segmentation.iterations_per_epoch", spend.iterations_per_epoch, "as the hours allow (nnU-Net: 250)"),
        Choice("survey.epochs", spend.survey, "of one fold, as the hours allow (paper: as many as a round)"),
        Choice("self_training.rounds", rounds(rung.rounds), f"{rung.rounds} as the hours allow (paper: 4)"),
    ]
    if rung.features is None:
        why = "nnU-Net's planner decides: the hours allow its own network"
        names = ("patch_size_zyx", "batch_size", "features", "convs_per_stage")
        own = [Choice(f"segmentation.network.{name}", None, why) for name in names]
        return [*choices, *own, choose_mirrored(facts, _ALL_AXES)]
    patch = patch_of(frame, rung)
    side, crop = patch[1], frame.crop_px
    of_crop = f"{_part(side, crop)} of the crop" if side <= crop else f"the crop's {crop} px, padded to be halved,"
    sides = f"{of_crop} in the slice, {patch[0]} of {frame.slices} slices"
    choices += [
        Choice("segmentation.network.patch_size_zyx", patch, sides),
        Choice("segmentation.network.batch_size", 2, "patches, as nnU-Net plans for 3D"),
        Choice("segmentation.network.features", list(rung.features), "width as the hours allow (nnU-Net: 32 to 320)"),
        Choice("segmentation.network.convs_per_stage", rung.convs, "as the hours allow (nnU-Net: 2)"),
        Choice("segmentation.prediction.grow_threshold", None, "where masks end is said by ends"),
        Choice(
            "segmentation.prediction.ends",
            "source_volumes",
            "masks of the target end where they are as large on average as the source's labels (ours)",
        ),
        choose_mirrored(facts, _ALL_AXES if rung.convs > 1 else ""),
    ]
    if rung.convs > 1:
        why = "nnU-Net's own: the hours are enough for it"
        choices += [
            Choice("segmentation.learning_rate", 0.01, why),
            Choice("segmentation.optimiser", "sgd", why),
            Choice("segmentation.schedule", "polynomial", why),
            Choice("segmentation.oversample_foreground", 0.33, why),
            Choice("segmentation.validation_iterations", 50, why),
        ]
    else:
        why = "learns in fewer steps than nnU-Net's sgd (the demonstration's)"
        choices.append(Choice("segmentation.optimiser", "adamw", why))
    return choices


def patch_of(frame: Frame, rung: Rung) -> list[int]:
    """(Z, Y, X) of a patch that the rung's stages can halve, no larger than the scans where they are large enough."""
    even = 2 ** (len(rung.features or ()) - 1)
    side = min(even * math.ceil(_PATCH_SHARE * frame.crop_px / even), even * (frame.crop_px // even))
    slices = min(_PATCH_SLICES, frame.slices)
    # Fewer than eight are never halved.
    slices = slices - slices % 4 if slices >= 8 else slices
    return [slices, *[max(side, 4 * even)] * 2]


def _part(side: int, whole: int) -> str:
    """A side as a part of another that is no shorter, for a reason."""
    return "all" if side == whole else f"{side / whole:.2g}"


def rounds(count: int) -> list[dict[str, Any]]:
    """As self_training.rounds has them."""
    names = ["survey", *(f"round_{number}" for number in range(count))]
    return [{"id": name, "prev": before, "last": name == names[-1]} for before, name in pairwise(names)]


def translation(rung: Rung, spend: Spend, frame: Frame, facts: DataFacts, centre: str) -> list[Choice]:
    """Which translation, the CycleGAN (which mode auto tries, too) and the deconvolution after it."""
    in_plane, across = frame.spacing_mm
    halvings = 2 if 4 * in_plane <= _COARSEST_MM else 1
    steps = steps_of(spend, frame, facts)
    side = min(8 * math.ceil(_PATCH_SHARE * frame.crop_px / 8), frame.crop_px)
    works_at = f"its residual blocks work at {in_plane * 2**halvings:.1f} mm (paper: 2, to 2.4 mm)"
    every = "every slice of the longer domain once (paper)"
    why = "as the hours allow"
    choices = [
        *_mode(rung, spend),
        Choice("translation.centre", centre, "the paper's; both domains have it" if centre != "both" else "all scans"),
        Choice("translation.cyclegan.epochs", spend.cyclegan_epochs, f"{why} (paper: 100)"),
        Choice("translation.cyclegan.decay_epochs", spend.cyclegan_epochs, f"{why} (paper: 100)"),
        Choice("translation.cyclegan.steps_per_epoch", steps, every if steps is None else why),
        Choice("translation.cyclegan.generator_width", rung.generator[0], f"{why} (paper: 64)"),
        Choice("translation.cyclegan.generator_halvings", halvings, works_at),
        Choice("translation.cyclegan.residual_blocks", rung.generator[1], f"{why} (paper: 9)"),
        Choice("translation.cyclegan.discriminator_width", rung.discriminator[0], f"{why} (paper: 64)"),
        Choice("translation.cyclegan.discriminator_layers", rung.discriminator[1], f"{why} (paper: 3)"),
        Choice(
            "translation.cyclegan.identity_weight",
            0.5,
            "official code; keeps what both modalities show alike (0 where they show nothing alike)",
        ),
        point_spread(in_plane, across, halvings),
    ]
    if rung.papers:
        return choices
    return [
        *choices,
        Choice(
            "translation.cyclegan.crop_yx",
            [side, side],
            f"{_part(side, frame.crop_px)} of the slice (paper: all)",
        ),
        Choice("translation.cyclegan.batch_size", 2, "steps teach more than slices (paper: 1)"),
    ]


def _mode(rung: Rung, spend: Spend) -> list[Choice]:
    if rung.papers:
        return [Choice("translation.mode", "cyclegan", "--no-translation leaves it out")]
    every = "none, histogram matching, contrasts at random, a CycleGAN: what serves the target best is tried"
    return [
        Choice("translation.mode", "auto", f"{every}; --no-translation leaves it out"),
        Choice("translation.auto.epochs", spend.survey, "as the survey's"),
    ]


def steps_of(spend: Spend, frame: Frame, facts: DataFacts) -> int | None:
    """Steps of an epoch; None, every slice of the longer domain, where the hours allow as many."""
    slices = max(facts.source_cases, facts.target_cases) * frame.mean_slices
    return None if spend.cyclegan_steps >= slices else spend.cyclegan_steps


def point_spread(in_plane: float, across: float, halvings: int) -> Choice:
    """Widths of the point spread: those that the generator blurs by, and none where they would change nothing."""
    width = round(_PSF_PX[halvings] * in_plane, 2)
    wanted = [width, width, 2.5 * across if halvings == 2 else 0.0]
    settings = VanCittertSettings(psf_mm_xyz=(wanted[0], wanted[1], wanted[2]))
    idle = without_effect((across, in_plane, in_plane), settings)
    widths = [
        0.0 if any(f" along {axis} " in line for line in idle) else w for axis, w in zip("xyz", wanted, strict=True)
    ]
    reason = f"mm; {_PSF_PX[halvings]:g} voxels in the slice, for {halvings} halving(s) of the generator (METHOD 4)"
    if not widths[2]:
        reason += "; across slices the images differ by flicker, not by blur"
    return Choice("translation.van_cittert.psf_mm_xyz", widths, reason)


def singan(rung: Rung, spend: Spend, frame: Frame) -> tuple[list[Choice], list[int]]:
    """SinGAN and blending; and the start scales k* that its pyramid gives."""
    side = frame.crop_px
    smallest = _MIN_SIZE if side > 1.5 * _MIN_SIZE else max(11, side // 2)
    pyramid = make_pyramid((side, side), smallest, rung.singan_factor)
    k_star = start_scales(pyramid.ratio, pyramid.last_scale)
    starts = " and ".join(f"{pyramid.ratio**k:.2f}" for k in k_star)
    why = "as the hours allow"
    spacing = frame.spacing_mm[0]
    dilation, sigma = max(1, round(_DILATION_MM / spacing)), round(_SIGMA_MM / spacing, 1)
    scales = f"{pyramid.last_scale + 1} scales from {smallest} to {side} px; k* {k_star} start at {starts} of full size"
    return [
        Choice("augmentation.singan.min_size", smallest, "px (paper: 25)"),
        Choice("augmentation.singan.scale_factor", rung.singan_factor, f"{scales} (paper: 0.86 and 0.65)"),
        Choice("augmentation.singan.iterations", spend.singan, f"a scale, {why} (paper: 2000)"),
        Choice("augmentation.singan.width", rung.singan[0], f"{why} (paper: 32)"),
        Choice("augmentation.singan.max_width", rung.singan[1], f"{why} (paper: 128)"),
        Choice(
            "augmentation.blend.dilation_px",
            dilation,
            f"{dilation * spacing:.1f} mm (paper: 7 px, {_DILATION_MM:g} mm)",
        ),
        Choice("augmentation.blend.sigma_px", sigma, f"{sigma * spacing:.1f} mm (paper: 5 px, {_SIGMA_MM:g} mm)"),
    ], k_star


def start_scales(ratio: float, last_scale: int) -> list[int]:
    """The k* whose sizes are nearest to the paper's, each once.

    Args:
        ratio: between two scales, under 1.
        last_scale: K, which no start may exceed.
    """
    nearest = [min(last_scale, max(1, round(math.log(start) / math.log(ratio)))) for start in _STARTS]
    if nearest[1] == nearest[0] < last_scale:
        nearest[1] += 1
    return sorted(set(nearest))


def no_translation(why: str) -> list[Choice]:
    """The source's images as they are."""
    return [Choice("translation.mode", "none", why)]


def by_key(choices: list[Choice]) -> Mapping[str, Choice]:
    """Of several for one key the last."""
    return {choice.key: choice for choice in choices}
