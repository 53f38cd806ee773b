"""A trained round used: from its folder or an exported file to masks of scans, inside a project or without one."""

from gbaseg.inference.api import predict
from gbaseg.inference.model import Model
from gbaseg.inference.segment import Segmentation

__all__ = ["Model", "Segmentation", "predict"]
