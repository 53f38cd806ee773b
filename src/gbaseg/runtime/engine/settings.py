"""engine.yaml: the SLURM that tasks go to, and what their jobs ask it for. No parameter: it changes no result.

Not imported where there is no such file.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from gbaseg.errors import UserError
from gbaseg.text_file import read_yaml

# Of a job, where neither the file nor the cost model says more: a case on the paper's grid, with all that is imported.
_MEMORY_GIB, _MINUTES = 4.0, 240
# A forecast may be wrong by a factor of two, and says nothing of starting.
_SURELY, _START_MIN = 2.0, 30
# A GPU's task has processes that prepare patches.
_CORES_BESIDE_GPU = 12
# SLURM's ways to write a time: MM, MM:SS, HH:MM:SS, D-HH, D-HH:MM, D-HH:MM:SS.
_TIME = re.compile(r"(?:(?P<days>\d+)-)?(?P<parts>\d+(?::\d+){0,2})")


def _minutes(value: Any) -> Any:
    """Minutes of a time as SLURM writes it, seconds rounded up."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("expected minutes, or a time such as 2-00:00:00 or 12:30:00")
    found = _TIME.fullmatch(str(value).strip())
    if found is None:
        raise ValueError("expected minutes, or a time such as 2-00:00:00 or 12:30:00")
    parts = [int(part) for part in found["parts"].split(":")]
    # After days the first number is hours, else the last one is seconds, unless it stands alone.
    if found["days"]:
        hours, minutes, seconds = (*parts, 0, 0)[:3]
    elif len(parts) == 1:
        hours, minutes, seconds = 0, parts[0], 0
    else:
        hours, minutes, seconds = (0, 0, *parts)[-3:]
    return int(found["days"] or 0) * 1440 + hours * 60 + minutes + (seconds > 0)


Time = Annotated[int, BeforeValidator(_minutes), Field(ge=1)]


class Request(BaseModel):
    """What a job asks SLURM for; what is left out is not asked for, or follows from the cost model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    gres: str | None = None
    cpus: int = Field(0, ge=0)  # 0: 12 beside a GPU, else one
    memory_gib: float | None = Field(None, gt=0)
    time: Time | None = None
    options: dict[str, str | int | bool] = {}  # any other option of sbatch, by its long name
    setup: list[str] = []  # lines of shell before Python

    @property
    def has_gpu(self) -> bool:
        """Whether a job is given GPUs."""
        asked = [self.gres or "", *(name for name, value in self.options.items() if value)]
        return any(re.match(r"(gres/)?gpus?\b", name.replace("_", "-")) for name in asked)


class Engine(Request):
    """The whole file."""

    engine: Literal["slurm"]
    at_once: int = Field(16, ge=1)
    networks: Request = Request()
    cases: Request = Request()
    stages: dict[str, Request] = {}
    worth_min: float = Field(5.0, ge=0)  # minutes that a job is worth: tasks that are over sooner share one
    poll_s: float = Field(10.0, ge=0.5, le=600)  # seconds between questions to SLURM
    ahead_s: int = Field(120, ge=20, le=3600)  # seconds before its time limit that a job is told of it

    def request(
        self, stage: str, networks: bool, minutes: float | None = None, memory_gib: float | None = None
    ) -> Request:
        """What a job of a stage asks for: the file's own, that of the kind of task, that of the stage, in this order.

        Args:
            stage: "train_segmentation/round_1"; `stages` may name it, or "train_segmentation".
            networks: the tasks train, or compute on a GPU where there is one; else they are cases on one core each.
            minutes, memory_gib: of the call's tasks together, and of one; they stand in for what the file leaves open.
        """
        kind = self.networks if networks else self.cases
        names = dict.fromkeys((stage.split("/", maxsplit=1)[0], stage))
        merged = {name: getattr(self, name) for name in Request.model_fields}
        for one in (kind, *(self.stages[name] for name in names if name in self.stages)):
            given = {name: getattr(one, name) for name in one.model_fields_set}
            if "options" in given:
                given["options"] = {**merged["options"], **given["options"]}
            merged |= given
        if not networks and "gres" not in kind.model_fields_set:
            merged["gres"] = None  # cases are worked on by processors alone
            merged["options"] = {name: value for name, value in merged["options"].items() if "gpu" not in name}
        asked = Request(**merged)
        return asked.model_copy(
            update={
                "cpus": asked.cpus or (_CORES_BESIDE_GPU if asked.has_gpu else 1),
                "memory_gib": asked.memory_gib or max(_MEMORY_GIB, _SURELY * (memory_gib or 0.0)),
                "time": asked.time or _time(minutes),
            }
        )


def _time(minutes: float | None) -> int:
    return _MINUTES if minutes is None else _START_MIN + int(_SURELY * minutes)


def read_engine(path: Path) -> Engine | None:
    """The engine that a file asks for; None for `engine: local`.

    Raises:
        UserError: no YAML, or faults in it, all of them.
    """
    content = read_yaml(path)
    if content is None or not isinstance(content, Mapping):
        raise UserError(f"{path}: expected lines such as 'engine: slurm', found {content!r}")
    if content.get("engine") == "local":
        return None
    try:
        return Engine.model_validate(content)
    except ValidationError as error:
        faults = "\n".join(f"  - {_describe(fault)}" for fault in error.errors())
        raise UserError(f"{path}: {error.error_count()} fault(s):\n{faults}") from error


def _describe(fault: Mapping[str, Any]) -> str:
    key = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        inside = len(fault["loc"]) > 1
        known = list((Request if inside else Engine).model_fields)
        close = difflib.get_close_matches(str(fault["loc"][-1]), known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        return f"{key}: no such key{hint} (allowed here: {', '.join(known)})"
    if fault["type"] == "missing":
        return f"{key}: not there; allowed: slurm, local"
    if key == "engine":
        return f"engine: found {fault['input']!r}; allowed: slurm, local"
    message = fault["msg"].removeprefix("Value error, ")
    return f"{key}: found {fault['input']!r}; {message[:1].lower()}{message[1:]}"
