"""params.yaml, read and checked: every section is a room's own settings."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, Field, ValidationError

from gbaseg.augmentation.settings import AugmentationSettings
from gbaseg.errors import UserError
from gbaseg.evaluation.settings import EvaluationSettings
from gbaseg.raw.dataset_settings import DatasetSettings
from gbaseg.raw.settings import PhantomSettings
from gbaseg.segmentation.settings import SegmentationSettings
from gbaseg.self_training.settings import SelfTrainingSettings, SurveySettings
from gbaseg.settings import Settings
from gbaseg.standardise.settings import StandardiseSettings
from gbaseg.text_file import read_yaml
from gbaseg.translation.settings import TranslationSettings

PATH = Path("params.yaml")
# Keys that older files have, and where it is said now.
_GONE = {
    "segmentation.prediction.components": "said of each structure, such as dataset.structures: "
    "{VS: 1, Cochlea: {value: 2, pieces: 2}}; a bare number is one of a single piece",
    "augmentation.alterations.size": "augmentation.alterations.diameter; what was run with size above 0 may have been "
    "taken from a run without it: DVC's cache of runs does not see keys of that name",
}


class Params(Settings):
    """All of params.yaml."""

    seed: int = Field(1, ge=0, description="from which every place that draws derives its own")
    dataset: DatasetSettings = DatasetSettings()
    phantom: PhantomSettings = PhantomSettings()
    standardise: StandardiseSettings = StandardiseSettings()
    translation: TranslationSettings = TranslationSettings()
    survey: SurveySettings = SurveySettings()
    augmentation: AugmentationSettings = AugmentationSettings()
    segmentation: SegmentationSettings = SegmentationSettings()
    self_training: SelfTrainingSettings = SelfTrainingSettings()
    evaluation: EvaluationSettings = EvaluationSettings()

    @property
    def labels(self) -> dict[str, int]:
        """Label value of each structure on the standard grid: 1, 2, ... in the order of `dataset.structures`."""
        return {name: value for value, name in enumerate(self.dataset.structures, start=1)}

    @property
    def pieces(self) -> dict[str, int]:
        """Connected components that a mask keeps of each structure, in the order of `labels`."""
        return {name: structure.pieces for name, structure in self.dataset.structures.items()}

    def with_prediction(self, **numbers: Any) -> Params:
        """The same but for some of `segmentation.prediction`."""
        prediction = self.segmentation.prediction.model_copy(update=numbers)
        segmentation = self.segmentation.model_copy(update={"prediction": prediction})
        return self.model_copy(update={"segmentation": segmentation})

    @property
    def last_round_differs(self) -> bool:
        """The last round is more than one more round: it runs even where the rounds before it have converged.

        It has another number of epochs (paper: 1000 in the place of 500), another grid, or another training set.
        """
        self_training, segmentation = self.self_training, self.segmentation
        return (
            segmentation.last_round_epochs != segmentation.epochs
            or self_training.last_round_fine_grid
            or self_training.last_round_set != "all"
        )


def load(path: Path = PATH) -> Params:
    """Read and check params.yaml.

    Raises:
        UserError: the file is missing, no UTF-8 or no YAML, or it holds wrong keys, types or values: all of them are
            named, each with what was found and what is allowed.
    """
    if not path.exists():
        raise UserError(f"{path}: no such file; run gbaseg in the folder of the project")
    return check(read_yaml(path), str(path))


def check(content: object, name: str = "params.yaml") -> Params:
    """Check the content of a params.yaml.

    Raises:
        UserError: with every fault in one message.
    """
    if not isinstance(content, Mapping):
        found = "nothing" if content is None else type(content).__name__
        raise UserError(f"{name}: expected sections such as 'dataset:', found {found}")
    faults = _faults_between_sections(content)
    try:
        params = Params.model_validate(dict(content))
    except ValidationError as error:
        faults = [_describe(fault) for fault in error.errors()] + faults
    if faults:
        raise UserError("\n".join([f"{name}: {len(faults)} fault(s)", *(f"  - {fault}" for fault in faults)]))
    return params


def _faults_between_sections(content: Mapping[str, Any]) -> list[str]:
    """What fits its own section and not another. A section that is faulty by itself is left to its own faults."""

    def section(name: str) -> Any:
        try:
            return getattr(Params.model_validate({name: content.get(name, {})}), name)
        except ValidationError:
            return None

    faults = []
    dataset, augmentation = section("dataset"), section("augmentation")
    if dataset is not None and augmentation is not None and augmentation.arm != "none":
        faults += [
            f"augmentation.rules[{index}].structure: found {rule.structure!r}; "
            f"allowed: {', '.join(dataset.structures)} (dataset.structures)"
            for index, rule in enumerate(augmentation.rules)
            if rule.structure not in dataset.structures
        ]
    standardise, self_training = section("standardise"), section("self_training")
    without_grid = standardise is not None and standardise.fine_spacing_xyz_mm is None
    if without_grid and self_training is not None and self_training.last_round_fine_grid:
        faults.append(
            "standardise.fine_spacing_xyz_mm: found None; self_training.last_round_fine_grid: true needs a spacing "
            "(paper: [0.4, 0.4, 1.0])"
        )
    segmentation = section("segmentation")
    if dataset is not None and segmentation is not None and isinstance(ends := segmentation.prediction.ends, dict):
        faults += [
            f"segmentation.prediction.ends: found {name!r}; allowed: {', '.join(dataset.structures)} "
            "(dataset.structures)"
            for name in ends
            if name not in dataset.structures
        ]
    evaluation = section("evaluation")
    steered = self_training is not None and self_training.stop == "validation_dice"
    if steered and evaluation is not None and "validation" not in evaluation.splits:
        faults.append(
            f"evaluation.splits: found {list(evaluation.splits)!r}; self_training.stop: validation_dice needs "
            "validation among them"
        )
    return faults


def _describe(fault: Mapping[str, Any]) -> str:
    """One fault of pydantic's, in the words of params.yaml."""
    key = ""
    for part in fault["loc"]:
        key += f"[{part}]" if isinstance(part, int) else f"{'.' if key else ''}{part}"
    if key in _GONE:
        return f"{key}: no longer a key; {_GONE[key]}"
    if fault["type"] == "extra_forbidden":
        known = _keys_at(fault["loc"][:-1])
        close = difflib.get_close_matches(str(fault["loc"][-1]), known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        return f"{key}: no such key{hint} (allowed here: {', '.join(known) or 'nothing'})"
    message = fault["msg"].removeprefix("Value error, ")
    return f"{key}: found {fault['input']!r}; {message[:1].lower()}{message[1:]}" if key else message


def _keys_at(location: tuple[str | int, ...]) -> list[str]:
    """The keys that a section knows."""
    model: Any = Params
    for part in location:
        if isinstance(part, int) or not (isinstance(model, type) and issubclass(model, BaseModel)):
            continue
        if (field := model.model_fields.get(part)) is not None:  # else a name that is the user's own
            model = _model_in(field.annotation)
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []


def _model_in(annotation: Any) -> Any:
    """The settings class inside an annotation such as `Rule`, `list[Rule]` or `Rule | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in get_args(annotation):
        found = _model_in(argument)
        if found is not None:
            return found
    return None
