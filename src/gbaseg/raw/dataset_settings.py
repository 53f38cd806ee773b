"""Settings of the data set that goes in: section `dataset` of params.yaml."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_serializer, model_validator

from gbaseg.settings import UNSEEN_BY_DVC, Count, Positive, Settings

LabelValue = Annotated[int, Field(ge=1, le=255)]


class Structure(Settings):
    """A structure to segment; a bare number is the short form of one of a single piece."""

    value: LabelValue = Field(description="in the label files (CrossMoDA: 1 VS, 2 cochlea)")
    pieces: Count = Field(
        default=1,
        description="largest connected components of it that a mask keeps: as many as a patient has (paper: 1; "
        "cochleas: 2)",
    )

    @model_validator(mode="before")
    @classmethod
    def _from_number(cls, given: Any) -> Any:
        return given if isinstance(given, (Mapping, cls)) else {"value": given}

    @model_serializer
    def _to_number(self) -> Any:
        return self.value if self.pieces == 1 else {"value": self.value, "pieces": self.pieces}


class DatasetSettings(Settings):
    """Where the cases lie, what their labels mean, and what happens to a faulty case (METHOD 1)."""

    root: str = Field(
        default="data/raw/phantom",
        min_length=1,
        description="folder of the data set, relative to the project; CrossMoDA 2022 as it is unpacked, or a cases.csv",
    )
    layout: Literal["crossmoda2022", "table"] = Field(
        default="crossmoda2022",
        description="crossmoda2022: folders and file names of the official archives; table: cases.csv in root",
    )
    structures: dict[str, Structure] = Field(
        default={"VS": Structure(value=1)},
        min_length=1,
        description="structures to segment: label value, or value and pieces; the first is the tumour (paper: VS = 1)",
    )
    known_labels: tuple[LabelValue, ...] = Field(
        default=(1, 2),
        min_length=1,
        description="values that a label file may hold besides 0; any other is a fault (CrossMoDA: 1 VS, 2 cochlea)",
    )
    on_bad_case: Literal["stop", "skip"] = Field(
        default="stop",
        description="stop: any fault ends the run; skip: go on without the cases concerned and count them "
        "(of the target's training cases without a label that is faulty)",
    )
    spacing_mm_range: tuple[Positive, Positive] = Field(
        default=(0.1, 10.0), description="smallest and largest voxel side that is believed, mm (ours)"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        values = list(self.label_values.values())
        if "background" in self.structures:
            raise ValueError("a structure called background; that is nnU-Net's name for label 0, which is always there")
        if unseen := [name for name in self.structures if name in UNSEEN_BY_DVC]:
            raise ValueError(f"a structure called {', '.join(unseen)}: DVC does not see changes of keys of that name")
        if len(set(values)) < len(values):
            raise ValueError(f"structures {self.label_values}: two structures share a label value")
        unknown = sorted(set(values) - set(self.known_labels))
        if unknown:
            raise ValueError(f"structures hold {unknown}, which known_labels {list(self.known_labels)} lacks")
        if self.spacing_mm_range[0] >= self.spacing_mm_range[1]:
            raise ValueError(f"spacing_mm_range {list(self.spacing_mm_range)}: the first must be the smaller one")
        return self

    @property
    def label_values(self) -> dict[str, int]:
        """Value of each structure in the label files."""
        return {name: structure.value for name, structure in self.structures.items()}

    @property
    def tumour(self) -> str:
        """Name of the tumour: the first structure."""
        return next(iter(self.structures))

    @property
    def tumour_label(self) -> int:
        """Label value of the tumour."""
        return self.structures[self.tumour].value
