"""Any two folders of masks: which files belong together, and the scores of one pair (METHOD 7)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from gbaseg.errors import UserError, some_of
from gbaseg.evaluation.summary import CaseScore, score_case
from gbaseg.integrity import UNPLACED, off_grid, read_checked
from gbaseg.runtime.progress import log
from gbaseg.volume import FORMATS, Volume, resample, split_suffix

# What names of mask files add to the case's: CrossMoDA's labels, its images, and habits of others.
_ENDINGS = ("_label", "_seg", "_mask", "_pred", "_prediction", "_hrt2", "_cet1")
# A scan has more, a mask of whole anatomies fewer.
_MOST_VALUES = 256


@dataclass(frozen=True)
class Pair:
    """Prediction and reference of one case."""

    case: str
    prediction: Path
    reference: Path


@dataclass(frozen=True)
class Scored:
    """What came of one pair.

    Args:
        scores: of every structure; empty where there are faults.
        faults: what is wrong with its files by themselves.
        predicted, referenced: the values other than 0 in the masks, ordered; empty where there are faults.
        notes: what its files say that was not followed (`Volume.notes`), each with the file's name.
    """

    pair: Pair
    scores: list[CaseScore]
    faults: list[str]
    predicted: tuple[float, ...] = ()
    referenced: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()


def case_name(path: Path) -> str:
    """The case a mask file belongs to: its name without the format's suffix and endings such as `_Label`.

    Raises:
        UserError: not the name of a format that is read.
    """
    name, _ = split_suffix(path)
    ending = next((end for end in _ENDINGS if name.lower().endswith(end) and len(name) > len(end)), "")
    return name[: len(name) - len(ending)]


def pair_masks(predictions: Path, references: Path) -> tuple[list[Pair], list[str]]:
    """The pairs of two folders by case name, ordered, and every reason why files do not pair.

    Files of other formats are passed over with a word, hidden ones without; folders below are not entered.
    """
    faults: list[str] = []
    found = []
    for folder in (predictions, references):
        files: dict[str, list[Path]] = defaultdict(list)
        if not folder.is_dir():
            faults.append(f"{folder}: no such folder")
        else:
            others = []
            for path in sorted(path for path in folder.iterdir() if not path.name.startswith(".")):
                try:
                    files[case_name(path)].append(path)
                except UserError:
                    others.append(path.name)
            if not files:
                faults.append(f"{folder}: no mask in it; looked for {', '.join(FORMATS)}")
            elif others:
                log(f"{folder}: {len(others)} passed over, which are no masks by their names: {some_of(others, 3)}")
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


def score_pair(pair: Pair, structures: Mapping[str, int], empty_mm: float, resample_prediction: bool) -> Scored:
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
    notes = tuple(
        f"{path}: {note}"
        for path, mask in ((pair.prediction, mine), (pair.reference, theirs))
        for note in (mask.notes if mask else ())
    )
    if faults or mine is None or theirs is None:
        return Scored(pair, [], faults, notes=notes)
    predicted, referenced = _values(mine), _values(theirs)
    faults = [*_mask_faults(pair.prediction, predicted), *_mask_faults(pair.reference, referenced)]
    if difference := off_grid(mine, theirs.grid):
        apart = _apart(mine, theirs)
        if resample_prediction and not apart:
            mine = resample(mine, theirs.grid, "label")
        else:
            unplaced = "" if theirs.placed else f" ({UNPLACED})"
            remedy = f"--resample cannot bring it there: {apart}" if apart else "--resample brings it there"
            faults.append(
                f"{pair.prediction}: not on the grid of {pair.reference}{unplaced}: {difference}; "
                f"allowed: the reference's grid ({remedy})"
            )
    if faults:
        return Scored(pair, [], faults, notes=notes)
    scores = [
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
    ]
    return Scored(pair, scores, [], predicted, referenced, notes)


def _apart(one: Volume, other: Volume) -> str:
    """Why a mask cannot be brought to another's grid; empty where it can. Brought there all the same, it is empty."""
    if not (one.placed and other.placed):
        return "it is not said where the voxels of both lie"
    everywhere = one.with_array(np.ones(one.array.shape, np.uint8))
    return "" if resample(everywhere, other.grid, "label").array.any() else "nothing of it lies within the reference"


def value_faults(scored: Sequence[Scored], structures: Mapping[str, int]) -> list[str]:
    """Masks whose values are not those of the structures, so that every score would be that of an empty mask.

    Values that no structure names are another structure's, and right, where they stand beside a named one in some
    mask, or in a reference (a cochlea beside the tumour). So these are faults: a mask that has values, none of them
    named or of another structure; a structure that no reference has while some have values; a structure that no
    prediction has while some have values of no structure and no reference.
    """
    wanted = set(structures.values())
    said = ", ".join(f"{name} = {value}" for name, value in structures.items())
    named = [set(values) for one in scored for values in (one.predicted, one.referenced) if wanted & set(values)]
    others = set().union(*named) - wanted
    in_references = set().union(*(one.referenced for one in scored))
    in_predictions = set().union(*(one.predicted for one in scored))
    advice = _advice(structures, in_references | in_predictions)
    faults = []
    for one in scored:
        for path, values in ((one.pair.prediction, one.predicted), (one.pair.reference, one.referenced)):
            if not wanted & set(values) and set(values) - others:
                faults.append(f"{path}: values {_listed(values)}, none of {said}; {advice}")
    if faults:
        return faults
    for name, value in structures.items():
        if in_references and value not in in_references:
            faults.append(
                f"{name} = {value}: in no reference; values of the references: {_listed(sorted(in_references))}; "
                f"{advice}"
            )
        unknown = in_predictions - in_references - wanted
        if unknown and value not in in_predictions:
            faults.append(
                f"{name} = {value}: in no prediction, and {_listed(sorted(unknown))}, which some have, is no "
                f"structure's and in no reference; {advice}"
            )
    return faults


def _advice(structures: Mapping[str, int], found: set[float]) -> str:
    """What to do; where all masks have one and the same value, that it may be the structure's."""
    advice = "allowed: the structures' values, in predictions and references alike, as --structures says them"
    if len(found) == 1 == len(structures):
        [(name, value)] = [(name, value) for name in structures for value in found]
        return f"{advice} (--structures {name}={value:g}?)"
    return advice


def _listed(values: Sequence[float]) -> str:
    return some_of([f"{value:.6g}" for value in values])


def _values(mask: Volume) -> tuple[float, ...]:
    """The values other than 0, ordered. By hashing: sorting tens of millions of voxels takes seconds."""
    found = pd.unique(mask.array.ravel())
    return tuple(sorted(float(value) for value in found[found != 0]))


def _mask_faults(path: Path, values: Sequence[float]) -> Iterator[str]:
    if len(values) > _MOST_VALUES:
        yield f"{path}: {len(values)} values (a scan?); allowed: a mask of at most {_MOST_VALUES}"
