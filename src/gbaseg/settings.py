"""Base of every room's settings: frozen, no unknown keys, values checked against their ranges."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
Count = Annotated[int, Field(ge=1)]


# DVC's cache of runs passes over keys of these names, wherever they stand (it means those of files): another value
# would be taken for the one that a stage has run with before.
UNSEEN_BY_DVC = ("size", "nfiles")


class Settings(BaseModel):
    """One section of params.yaml. Each room defines its own in its `settings.py`; `params.py` joins them."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
