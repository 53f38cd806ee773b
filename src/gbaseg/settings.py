"""Base of every room's settings: frozen, no unknown keys, values checked against their ranges."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
Count = Annotated[int, Field(ge=1)]


class Settings(BaseModel):
    """One section of params.yaml. Each room defines its own in its `settings.py`; `params.py` joins them."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
