"""Cross-modal tumour segmentation with generative blending augmentation and self-training.

`gbaseg.predict(scan, model)` segments a scan, `gbaseg.Model.load(path)` loads a model for many of them; see
`gbaseg.inference`. They are imported when they are asked for.
"""

from importlib import import_module
from typing import Any

__version__ = "0.2.0"
_INFERENCE = ("Model", "Segmentation", "predict")


def __getattr__(name: str) -> Any:
    if name in _INFERENCE:
        return getattr(import_module("gbaseg.inference"), name)
    raise AttributeError(f"module 'gbaseg' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_INFERENCE])
