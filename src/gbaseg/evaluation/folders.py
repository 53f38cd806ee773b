"""Any two folders of masks: which files belong together, and the scores of one pair (METHOD 7)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gbaseg.evaluation.summary import CaseScore, score_case
from gbaseg.integrity import read_checked
from gbaseg.volume import FORMATS, resample

SUFFIXES = tuple(FORMATS)
# What names of mask files add to the case's: CrossMoDA's labels, its images, and habits of others.
_ENDINGS = ("_label", "_seg", "_mask", "_pred", "_prediction", "_hrt2", "_cet1")


@dataclass(frozen=True)
class Pair:
    """Prediction and reference of one case."""

    case: str
    prediction: Path
    reference: Path


def case_name(path: Path) -> str:
    """The case a mask file belongs to: its name without the format's suffix and endings such as `_Label`."""
    name = next((path.name[: -len(end)] for end in SUFFIXES if path.name.lower().endswith(end)), path.name)
    ending = next((end for end in _ENDINGS if name.lower().endswith(end) and len(name) > len(end)), "")
    return name[: len(name) - len(ending)]


def pair_masks(predictions: Path, references: Path) -> tuple[list[Pair], list[str]]:
    """The pairs of two folders by case name, ordered, and every reason why files do not pair.

    Hidden files and files of other formats are passed over, folders below are not entered.
    """
    faults: list[str] = []
    found = []
    for folder in (predictions, references):
        files: dict[str, list[Path]] = defaultdict(list)
        if not folder.is_dir():
            faults.append(f"{folder}: no such folder")
        else:
            for path in sorted(folder.iterdir()):
                if path.name.lower().endswith(SUFFIXES) and not path.name.startswith("."):
                    files[case_name(path)].append(path)
            if not files:
                faults.append(f"{folder}: no mask in it; looked for {', '.join(SUFFIXES)}")
        for case, paths in files.items():
            if len(paths) > 1:
                faults.append(
                    f"{', '.join(str(path) for path in paths)}: {len(paths)} files of case {case}; one allowed"
                )
        found.append(files)
    if all(found):
        mine, theirs = found
        faults += [
            f"{mine[case][0]}: no reference for case {case} in {references}" for case in mine.keys() - theirs.keys()
        ]
        faults += [
            f"{theirs[case][0]}: no prediction for case {case} in {predictions}" for case in theirs.keys() - mine.keys()
        ]
    pairs = [Pair(case, found[0][case][0], found[1][case][0]) for case in sorted(found[0].keys() & found[1].keys())]
    return pairs, sorted(faults)


def score_pair(
    pair: Pair, structures: Mapping[str, int], empty_mm: float, resample_prediction: bool
) -> tuple[list[CaseScore], list[str]]:
    """Scores of every structure of one pair, or else what is wrong with its files; picklable, runs in a worker.

    Args:
        pair: the files.
        structures: name -> value in the masks.
        empty_mm: ASSD of an empty prediction.
        resample_prediction: bring a prediction on another grid to the reference's (nearest neighbour); otherwise
            another grid is a fault.
    """
    prediction, reference = (read_checked(path, label=True) for path in (pair.prediction, pair.reference))
    faults = [
        f"{path}: {flaw.found}; allowed: {flaw.allowed}"
        for path, (_, flaws) in ((pair.prediction, prediction), (pair.reference, reference))
        for flaw in flaws
    ]
    mine, theirs = prediction[0], reference[0]
    if faults or mine is None or theirs is None:
        return [], faults
    if not mine.grid.agrees_with(theirs.grid):
        if resample_prediction:
            mine = resample(mine, theirs.grid, "label")
        else:
            difference = mine.grid.difference_from(theirs.grid)
            faults.append(
                f"{pair.prediction}: not on the grid of {pair.reference}: {difference}; "
                "allowed: the reference's grid (--resample brings it there)"
            )
    if faults:
        return [], faults
    return [
        score_case(
            theirs.array == value,
            mine.array == value,
            theirs.grid.spacing_zyx_mm,
            case=pair.case,
            centre="",
            split="",
            structure=name,
            empty_mm=empty_mm,
        )
        for name, value in structures.items()
    ], []
