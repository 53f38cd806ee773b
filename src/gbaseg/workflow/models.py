"""Trained translations and SinGANs, as later stages and pictures use them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import numpy as np

from gbaseg import volume
from gbaseg.errors import UserError
from gbaseg.params import Params
from gbaseg.runtime.device import choose_device
from gbaseg.runtime.turns import on_gpu
from gbaseg.standardise.intensity import foreground
from gbaseg.translation.histogram import Histogram
from gbaseg.translation.settings import UNTRANSLATED, Mode
from gbaseg.translation.van_cittert import van_cittert
from gbaseg.workflow.choice import chosen
from gbaseg.workflow.context import read_json

# Of a translation's folder.
WEIGHTS = "generators.safetensors"
MODE = "mode.json"
QUANTILES = "quantiles.json"


class Translator:
    """A translation, loaded once: a scan on the standard grid to its pseudo-target image.

    Args:
        settings: of the run.
        model: its folder; `None`: of the one that is used (`choose_translation`).

    Raises:
        UserError: it is of a mode that there is not.
    """

    def __init__(self, settings: Params, model: Path | None = None) -> None:
        model = chosen(settings.translation).folder if model is None else model
        self._settings = settings
        self._device = choose_device()
        self._generators, self._histogram = None, None
        mode = read_json(model / MODE, "mode")["mode"]
        if mode == "cyclegan":
            from gbaseg.translation.weights import load_generators

            self._generators = load_generators(model / WEIGHTS, self._device)
        elif mode == "histogram":
            found = read_json(model / QUANTILES, "source", "target")
            self._histogram = Histogram(np.array(found["source"]), np.array(found["target"]))
        elif mode not in UNTRANSLATED:
            raise UserError(f"{model / MODE}: mode {mode!r} is none of this gbaseg; known: {', '.join(get_args(Mode))}")

    def __call__(self, scan: volume.Volume) -> tuple[np.ndarray, np.ndarray]:
        """The pseudo-target image (Z, Y, X), and what it was before the deconvolution, which a CycleGAN's alone has.

        The scan itself in modes that leave images as they are.
        """
        if self._histogram is not None:
            matched = self._histogram.to_target(scan.array, self._head(scan.array))
            return matched, matched
        if self._generators is None:
            return scan.array, scan.array
        from gbaseg.translation.translate import translate_volume

        before = on_gpu(translate_volume, self._generators.to_target, scan.array, self._device)
        return van_cittert(before, scan.grid.spacing_zyx_mm, self._settings.translation.van_cittert), before

    def back(self, before: np.ndarray) -> np.ndarray:
        """A translated image translated back to the source modality; the image itself where none was translated."""
        if self._histogram is not None:
            return self._histogram.to_source(before, self._head(before))
        if self._generators is None:
            return before
        from gbaseg.translation.translate import translate_volume

        return on_gpu(translate_volume, self._generators.to_source, before, self._device)

    def _head(self, image: np.ndarray) -> np.ndarray:
        return foreground(image, self._settings.standardise.foreground)


def load_model(case: str, settings: Params, folder: Path) -> Any:
    """The SinGAN of a folder that blends a case's copies; `None` for an arm without one."""
    if settings.augmentation.arm != "gba":
        return None
    from gbaseg.augmentation.singan.model import load_singan

    return load_singan(model_file(case, settings, folder), choose_device())


def model_file(case: str, settings: Params, folder: Path) -> Path:
    """Of the SinGAN for a case: it is not there where no copy is made of the case."""
    name = "shared" if settings.augmentation.singan.image == "target_slice" else case
    return folder / f"{name}.safetensors"
