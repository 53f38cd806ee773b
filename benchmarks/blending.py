"""GBA's harmonisation of one copy, of what is blended in alone against whole slices, turn by turn.

    python benchmarks/blending.py --turns 5

SinGANs of the demonstration's and the paper's size with weights as they are drawn, a ball of a tumour, one thread on a
processor. Both give the same voxels to within rounding, which is checked.
"""

import click
import numpy as np
import torch
from harness import Figure, in_turns, publish

from gbaseg.augmentation.blend import blend_mask
from gbaseg.augmentation.singan.harmonise import harmonise_volume
from gbaseg.augmentation.singan.model import SinGAN
from gbaseg.augmentation.singan.networks import Generator, Window, initialise
from gbaseg.augmentation.singan.pyramid import make_pyramid
from gbaseg.augmentation.singan.window import window_of
from gbaseg.params import Params, check
from gbaseg.presets import SHIPPED, preset_content
from gbaseg.runtime.training import place

RADIUS_MM = 10.0  # 4.2 ml
PRESETS = {"default": "demonstration", "crossmoda2022": "paper"}


def model_of(settings: Params) -> SinGAN:
    """A complete SinGAN for the slices of some settings, not trained."""
    one, side = settings.augmentation.singan, settings.standardise.crop_xy_px
    pyramid = make_pyramid((side, side), one.min_size, one.scale_factor)
    model = SinGAN(one, pyramid, torch.zeros(1, 1, side, side), torch.zeros(1, 1, *pyramid.size(0)))
    draw = torch.Generator().manual_seed(0)
    for scale in range(pyramid.last_scale + 1):
        generator = Generator(pyramid.channels(scale, one.width, one.max_width))
        initialise(generator, draw)
        place(generator, torch.device("cpu"), channels_last=one.mode == "fast")
        model.generators.append(generator.requires_grad_(False).eval())
        model.amplitudes.append(0.1)
    return model


def compare(name: str, settings: Params, turns: int) -> Figure:
    """A copy of each kind, turn by turn."""
    side, (x, y, z) = settings.standardise.crop_xy_px, settings.standardise.spacing_xyz_mm
    slices = round(2 * RADIUS_MM / z)
    away_mm = np.indices((slices, side, side)) - np.array([slices, side, side])[:, None, None, None] / 2
    away_mm *= np.array([z, y, x])[:, None, None, None]
    mask = (away_mm**2).sum(axis=0) <= RADIUS_MM**2
    array = np.random.default_rng(0).random(mask.shape, np.float32)
    blend = settings.augmentation.blend
    found = [int(each) for each in np.flatnonzero(mask.any(axis=(1, 2)))]
    window = window_of(blend_mask(mask[each], blend.dilation_px, blend.sigma_px) > 0 for each in found)
    assert window is not None
    model, k_star = model_of(settings), max(settings.augmentation.rules[0].k_star)

    def psi(wanted: Window | None) -> np.ndarray:
        return harmonise_volume(model, array, found, k_star, settings.augmentation.harmonise, seed=1, window=wanted)

    assert np.allclose(psi(window), psi(None)[:, *window], atol=1e-6)
    size = " x ".join(str(each.stop - each.start) for each in window)
    about = f"{name}: {len(found)} slices of {side} x {side}, k* = {k_star}, of which {size} is blended in"
    return in_turns(about, lambda: psi(window), lambda: psi(None), turns, "whole slices")


@click.command(help=__doc__)
@click.option("--turns", default=5, show_default=True, type=click.IntRange(min=1))
def main(turns: int) -> None:
    torch.set_num_threads(1)
    publish(
        "blending", [compare(name, check(preset_content(preset, SHIPPED)), turns) for preset, name in PRESETS.items()]
    )


if __name__ == "__main__":
    main()
