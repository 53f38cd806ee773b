"""A scan: its voxels and where they lie in the patient. The one door through which image files come and go."""

from gbaseg.volume.files import read, read_grid, write
from gbaseg.volume.formats import FORMATS, split_suffix
from gbaseg.volume.grid import Grid, Volume, numbers_as_text
from gbaseg.volume.resampling import Kind, crop_or_pad, resample

__all__ = [
    "FORMATS",
    "Grid",
    "Kind",
    "Volume",
    "crop_or_pad",
    "numbers_as_text",
    "read",
    "read_grid",
    "resample",
    "split_suffix",
    "write",
]
