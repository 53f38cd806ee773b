"""A scan: its voxels and where they lie in the patient. The one door through which image files come and go."""

from gbaseg.volume.files import nifti_bytes, read, read_grid, read_label, write
from gbaseg.volume.flaws import BadImage, Flaw
from gbaseg.volume.formats import FORMATS, WRITTEN, file_name_fault, split_suffix
from gbaseg.volume.forms import same_voxels
from gbaseg.volume.grid import Grid, NiftiForms, Volume, numbers_as_text
from gbaseg.volume.resampling import Kind, crop_or_pad, resample
from gbaseg.volume.texts import voxels_beside
from gbaseg.volume.turn import Turn, plane_of, thickest_axis, turn_to_axial, turn_to_slices, turned_otherwise

__all__ = [
    "FORMATS",
    "WRITTEN",
    "BadImage",
    "Flaw",
    "Grid",
    "Kind",
    "NiftiForms",
    "Turn",
    "Volume",
    "crop_or_pad",
    "file_name_fault",
    "nifti_bytes",
    "numbers_as_text",
    "plane_of",
    "read",
    "read_grid",
    "read_label",
    "resample",
    "same_voxels",
    "split_suffix",
    "thickest_axis",
    "turn_to_axial",
    "turn_to_slices",
    "turned_otherwise",
    "voxels_beside",
    "write",
]
