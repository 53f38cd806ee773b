"""How large structures are in the source's labels, and the masks of the target that are as large on average."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from gbaseg.cases import Case
from gbaseg.params import Params
from gbaseg.runtime.progress import log
from gbaseg.segmentation.extents import FEWEST, LEVELS, Sizes, compare, end_at
from gbaseg.segmentation.prediction import Choose
from gbaseg.segmentation.settings import PredictionSettings
from gbaseg.workflow import layout
from gbaseg.workflow.context import read_json
from gbaseg.workflow.pseudo_labels import source_volumes_mm3, training_cases

# Of a round, in layout.ROUND of its pseudo-labels and in its proxies.
ENDS = "ends"


def choice_of_ends(settings: Params, name: str, voxel_mm3: float) -> Choose | None:
    """What chooses where a round's masks end (`prediction.predict`); None where params.yaml says it.

    Args:
        settings: of the run.
        name: of the round, in messages.
        voxel_mm3: of the grid that is segmented.
    """
    if settings.segmentation.prediction.ends != "source_volumes":
        return None
    return partial(_choose, settings, name, voxel_mm3)


def _choose(settings: Params, name: str, voxel_mm3: float, volumes: Mapping[str, np.ndarray]) -> PredictionSettings:
    prediction = settings.segmentation.prediction
    cases = training_cases()
    expected = mean_volumes_mm3(settings, cases)
    sizes = {
        structure: compare(
            np.array([volumes[case.case][place] for case in cases]).reshape(-1, len(LEVELS)),
            expected[structure],
            voxel_mm3,
        )
        for place, structure in enumerate(settings.labels)
    }
    ends = dict.fromkeys(settings.labels, prediction.threshold)
    if unlike := [_differs(structure, one) for structure, one in sizes.items() if one.unlike]:
        # Of one structure or of all: they are the same patients'.
        log(
            f"WARNING: {name}: {'; '.join(unlike)}: no softmax from {LEVELS[0]:g} to {LEVELS[-1]:g} explains that, the "
            f"patients differ; masks end at {prediction.threshold:g} (segmentation.prediction.ends)"
        )
        return prediction.model_copy(update={"ends": ends})
    for structure, one in sizes.items():
        if not one.known:
            log(
                f"WARNING: {name}: {structure} is found in {one.cases} training case(s) of the target, of {FEWEST} "
                f"that are wanted, or no label of the source has it: its masks end at {prediction.threshold:g}"
            )
            continue
        ends[structure] = end_at(one)
        log(
            f"{name}: {structure} ends at a softmax of {ends[structure]:g}: as large as in the source, "
            f"{one.source:.0f} mm3 (geometric mean), for {_cut_at(prediction, one):.0f} at {prediction.threshold:g}"
        )
    return prediction.model_copy(update={"ends": ends})


def _cut_at(prediction: PredictionSettings, sizes: Sizes) -> float:
    """The target's mean volume at the threshold, mm3."""
    return float(np.exp(np.interp(prediction.threshold, LEVELS, np.log(sizes.target))))


def _differs(structure: str, sizes: Sizes) -> str:
    return (
        f"{structure} has {min(sizes.target):.0f} to {max(sizes.target):.0f} mm3, in the source {sizes.source:.0f} mm3"
    )


def mean_volumes_mm3(settings: Params, cases: Sequence[Case]) -> dict[str, list[float]]:
    """Structure -> for each case the geometric mean of the source's labels: of its centre, or of all where few are.

    nan where the source has none of the structure.
    """
    volumes = source_volumes_mm3(settings.labels.values())
    means: dict[str, list[float]] = {}
    for name, value in settings.labels.items():
        by_centre: dict[str, list[float]] = defaultdict(list)
        for centre, volume_mm3 in volumes[value]:
            by_centre[centre].append(float(np.log(volume_mm3)))
        everywhere = [one for of_centre in by_centre.values() for one in of_centre]
        mine = [of if len(of := by_centre.get(case.centre, [])) >= FEWEST else everywhere for case in cases]
        means[name] = [float(np.exp(np.mean(of))) if of else float("nan") for of in mine]
    return means


def read_ends(round_id: str, project: Path = Path()) -> tuple[dict[str, float] | None, Path]:
    """Where the masks of a round end, by its pseudo-labels, or by its metrics where these are not here; and the file.

    None: of a round that does not say so.
    """
    places = [project / place for place in (layout.pseudo_labelled(round_id) / layout.ROUND, layout.proxies(round_id))]
    path = next((path for path in places if path.is_file()), places[0])
    return (read_json(path).get(ENDS) if path.is_file() else None), path
