"""What an exported model says of itself: `model.json`, the one file that is read before any other."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from gbaseg import params
from gbaseg.params import Params
from gbaseg.settings import Count, Settings

NAME = "model.json"
FORMAT: Literal["gbaseg model"] = "gbaseg model"
VERSION: Literal[1] = 1
# No other file of an export is read or unpacked.
READ = re.compile(r"plans\.json|dataset\.json|fold_\d+(_member_\d+)?\.safetensors")
# Percentiles of a standardised scan's intensities that a target's scans are compared by.
PERCENTS = (25.0, 50.0, 75.0, 95.0)
# Keys of params.yaml that prediction reads. Of the others none is taken along: names of folders and of patients' data
# are nobody's business.
_SECTIONS: dict[str, Any] = {
    "dataset": {"structures", "known_labels", "spacing_mm_range"},
    "standardise": True,
    "segmentation": {"prediction"},
    "self_training": {"confidence"},
}

Range = tuple[float, float]


class TargetScans(Settings):
    """What the target's training scans look like: of each number the smallest and the largest among them."""

    cases: Count = Field(description="training scans of the target")
    spacing_zyx_mm: tuple[Range, Range, Range] = Field(description="voxel sizes, Z across the slices, mm")
    extent_zyx_mm: tuple[Range, Range, Range] = Field(description="length of the scan along the same axes, mm")
    intensities: tuple[Range, ...] = Field(
        min_length=len(PERCENTS), max_length=len(PERCENTS), description=f"percentiles {PERCENTS} on the standard grid"
    )


class Contents(Settings):
    """All of model.json, format 1."""

    format: Literal["gbaseg model"] = FORMAT
    version: Literal[1] = VERSION
    made_with: dict[str, str] = Field(description="packages that were installed when it was exported")
    round: str = Field(min_length=1, description="the round it was exported as")
    trained_in: str = Field(description="the round it was trained in: an earlier one where it was passed on")
    fine_grid: bool = Field(description="its networks see the finer grid")
    volumes_mm3: dict[str, Range] = Field(description="of each structure in the source's training cases")
    params: dict[str, Any] = Field(description="the keys of params.yaml that prediction reads")
    target: TargetScans | None = None
    files: dict[str, Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]] = Field(description="name: SHA-256")

    @field_validator("files")
    @classmethod
    def _known(cls, files: dict[str, str]) -> dict[str, str]:
        if unknown := [name for name in files if not READ.fullmatch(name)]:
            raise ValueError(f"{', '.join(unknown)}: no file of a model; allowed: {READ.pattern}")
        folds = sum(name.startswith("fold_") for name in files)
        if not folds or not {"plans.json", "dataset.json"} <= files.keys():
            raise ValueError("plans.json, dataset.json and a fold at least are wanted")
        return files


def sections_of(settings: Params) -> dict[str, Any]:
    """`Contents.params` of some settings."""
    kept: dict[str, Any] = settings.model_dump(mode="json", include=_SECTIONS)
    return kept


def settings_of(sections: dict[str, Any], name: str) -> Params:
    """The settings again; keys that were not taken along have their defaults.

    Raises:
        UserError: as `params.check`, about `name`.
    """
    return params.check(sections, name)
