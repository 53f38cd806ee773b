"""pseudo_label: segment every target scan with a round's ensemble, on the standard grid and on the scan's own.

And say what is known of the round without a label of the target: Dice on held-out pseudo-target folds, and how far the
pseudo-labels agree between the folds and with the round before. None of it is the Dice on the target.
"""

from __future__ import annotations

import csv
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gbaseg import params, volume
from gbaseg.cases import Case, read_table, select
from gbaseg.params import Params
from gbaseg.runtime.engine import Task
from gbaseg.runtime.engine import run as run_tasks
from gbaseg.runtime.progress import log
from gbaseg.segmentation.decision import IGNORED, FoldAgreement, undisputed
from gbaseg.segmentation.prediction import PredictionItem, predict
from gbaseg.self_training.agreement import Agreement, agreement
from gbaseg.self_training.confidence import doubts
from gbaseg.standardise.case import StandardCase
from gbaseg.workflow import layout
from gbaseg.workflow.context import read_json, read_record, stage, write_json
from gbaseg.workflow.held_out import score_folds
from gbaseg.workflow.pseudo_labels import (
    TABLE,
    read_rows,
    source_ranges_mm3,
    training_cases,
    undisputed_of,
    volumes_mm3,
)
from gbaseg.workflow.scan_masks import decided, on_scan
from gbaseg.workflow.sizes import ENDS, choice_of_ends

_COLUMNS = ("case", "structure", "volume_mm3", "fold_dice", "pieces", "largest_share", "doubts")


def run(round_id: str) -> None:
    """Run the stage for the survey or for one round of `self_training.rounds`."""
    settings = params.load()
    previous = None if round_id == layout.SURVEY else settings.self_training.round(round_id).prev
    model = layout.model_of(round_id)
    inputs, outputs = [layout.STANDARD, model], [layout.pseudo_labelled(round_id)]
    if previous is not None:
        inputs += [layout.TRANSLATED, layout.pseudo_labelled(previous)]
        outputs.append(layout.proxies(round_id))
    with stage(f"pseudo_label/{round_id}", {}, inputs, outputs) as scratch:
        about = read_json(model / layout.ROUND, "passed_on", "fine_grid")
        folder = scratch.output(layout.pseudo_labelled(round_id))
        if about["passed_on"]:
            scratch.found_done.append("passed on")
            assert previous is not None, "the survey is trained, never passed on"
            shutil.copytree(layout.pseudo_labelled(previous), folder)
            before = read_json(folder / layout.ROUND)
            nothing = before.get("found_nothing", False)
            # Equal to the bit, which is no agreement where there is nothing to agree on.
            same = None if nothing else 1.0
            ends = {ENDS: before[ENDS]} if ENDS in before else {}
            _write_about(folder, nothing, passed_on=True, agreement=same, **ends)
            write_json(scratch.output(layout.proxies(round_id)), {"passed_on": True, "round_agreement": same, **ends})
            return
        # What the survey finds trains no round.
        followed = previous is not None and settings.self_training.last_round_fine_grid
        ignore = previous is not None and settings.self_training.confidence.disputed == "ignore"
        used = label_target(
            settings, model, folder, fine=about["fine_grid"], name=round_id, fine_too=followed, undisputed_too=ignore
        )
        # As in `_write_about`, only where they were chosen.
        ends = {} if used == settings else {ENDS: used.segmentation.prediction.ends}
        # With the survey's, of a single fold and without GBA, there is no agreement to speak of.
        agrees, both_empty = Agreement(None, 0)
        if previous is not None and previous != layout.SURVEY:
            agrees, both_empty = agreement_with(settings, folder, previous)
        if agrees is not None:
            left_out = f", {both_empty} left out that both find empty" if both_empty else ""
            log(f"{round_id}: pseudo-labels agree with those of {previous} at Dice {agrees:.4f}{left_out}")
        nothing = found_nothing(settings, folder)
        if nothing:
            log(f"WARNING: {round_id}: no {settings.dataset.tumour} in any training case of the target")
        mixed = {key: about[key] for key in ("computed",) if key in about}
        _write_about(folder, nothing, passed_on=False, agreement=agrees, **mixed, **ends)
        if previous is not None:
            found: dict[str, Any] = {"passed_on": False, "round_agreement": agrees, **ends}
            # As in `_write_about`, only where there are some.
            if both_empty:
                found["round_both_empty"] = both_empty
            if "review" in about:
                found["review"] = about["review"]  # of what this round was trained on
            tumour, *others = settings.labels
            found |= _agreement_of_folds(settings, folder, tumour)
            if others:
                found["others"] = {name: _agreement_of_folds(settings, folder, name) for name in others}
            found["pseudo_target"] = score_folds(model, settings, round_id)
            write_json(scratch.output(layout.proxies(round_id)), found)


def _write_about(folder: Path, nothing: bool, **about: Any) -> None:
    # Only where it is so: a key that is always there would make the pseudo-labels of every run new.
    write_json(folder / layout.ROUND, {**about, "found_nothing": True} if nothing else about)


def label_target(
    settings: Params,
    model: Path,
    folder: Path,
    *,
    fine: bool,
    name: str,
    fine_too: bool = False,
    undisputed_too: bool = False,
    own_labels: bool = False,
) -> Params:
    """Segment all target cases, of every split.

    Writes `standard/CASE.nii.gz` (standard grid, values 1, 2, ... in the order of `dataset.structures`),
    `scan/CASE.nii.gz` (the scan's own grid, the data set's own values) and `pseudo_labels.csv` (volume, how far the
    folds agree, and what speaks against the pseudo-label).

    Args:
        fine: the model segments images of the finer grid.
        fine_too: where it does not, training cases get `fine/CASE.nii.gz` as well, for a round on the finer grid.
        undisputed_too: training cases get `undisputed/standard/CASE.nii.gz` (and `fine`, likewise) as well, with
            `decision.IGNORED` where the folds do not agree.
        own_labels: the model has learnt from the target's own labels, and where its masks end with them.

    Returns:
        The settings, with where the masks end in the place of how that is found.
    """
    cases = select(read_table(layout.STANDARD), domain="target")
    predicted = folder / ("fine" if fine else "standard")
    probabilities = folder / "probabilities"
    images = {case.case: layout.STANDARD / ("fine" if fine else "images") / f"{case.case}.nii.gz" for case in cases}
    items = [
        PredictionItem(
            case.case,
            images[case.case],
            predicted / f"{case.case}.nii.gz",
            probabilities / f"{case.case}.npy",
            undisputed_of(case.case, folder, fine) if undisputed_too and case.split == "train" else None,
        )
        for case in cases
    ]
    choose = None if own_labels else choice_of_ends(settings, name, _voxel_mm3(settings, fine))
    agreements, prediction = predict(
        model, items, settings.pieces, settings.segmentation.prediction, f"{name}: predict", choose
    )
    if choose is not None:
        settings = settings.with_prediction(ends=prediction.ends)
    run_tasks(
        [
            Task(
                f"to scan {case.case}",
                carry_back,
                {"case": case, "folder": folder, "fine": fine, "settings": settings, "fine_too": fine_too},
            )
            for case in cases
        ],
        name=f"{name}: to the scans' grids",
        light=True,
    )
    shutil.rmtree(probabilities)
    if fine:
        shutil.rmtree(predicted)
    _write_table(settings, agreements, folder)
    return settings


def _voxel_mm3(settings: Params, fine: bool) -> float:
    grid = settings.standardise
    spacing = grid.fine_spacing_xyz_mm if fine else grid.spacing_xyz_mm
    assert spacing is not None, "checked with params.yaml"
    return math.prod(spacing)


def carry_back(case: Case, folder: Path, fine: bool, settings: Params, fine_too: bool = False) -> None:
    """Segment one case on the scan's own grid, and on the other one of the standard and the finer grid where a mask of
    it is wanted; in a worker. Arguments as of `label_target`."""
    name = f"{case.case}.nii.gz"
    probabilities = np.load(folder / "probabilities" / f"{case.case}.npy")
    record = _record(case, fine)
    volume.write(on_scan(probabilities, record, settings), folder / "scan" / name)
    if fine or (fine_too and case.split == "train"):
        other = _record(case, not fine).grid
        carried = [
            volume.resample(volume.Volume(structure.astype(np.float32), record.grid), other, "probability")
            for structure in probabilities
        ]
        mask = volume.Volume(decided(carried, settings), other)
        volume.write(mask, folder / ("standard" if fine else "fine") / name)
        if (open_voxels := undisputed_of(case.case, folder, fine)).is_file():
            seen = volume.read(open_voxels)
            disputed = volume.resample(seen.with_array((seen.array == IGNORED).astype(np.uint8)), other, "label")
            volume.write(
                mask.with_array(undisputed(mask.array, disputed.array > 0)), undisputed_of(case.case, folder, not fine)
            )


def _record(case: Case, fine: bool) -> StandardCase:
    return read_record(layout.STANDARD / "records" / f"{case.case}{'.fine' if fine else ''}.json")


def agreement_with(settings: Params, folder: Path, previous: str) -> Agreement:
    """Between these pseudo-labels of the target's training cases and those of another round."""
    before = layout.pseudo_labelled(previous) / "standard"
    cases = training_cases()
    pairs = (
        (
            volume.read(before / f"{case.case}.nii.gz").array,
            volume.read(folder / "standard" / f"{case.case}.nii.gz").array,
        )
        for case in cases
    )
    found = agreement(pairs, settings.labels.values())
    return found if found.dice is None else found._replace(dice=round(found.dice, 6))


def _agreement_of_folds(settings: Params, folder: Path, structure: str) -> dict[str, Any]:
    """Of a structure's pseudo-labels on the target's training cases.

    Cases on which no fold finds it have no agreement (`nan` in the table): they are left out, and counted where there
    are some.
    """
    chosen = {case.case for case in training_cases()}
    rows = [row for row in read_rows(folder) if row["structure"] == structure and row["case"] in chosen]
    known = [dice for dice in (float(row["fold_dice"]) for row in rows) if not math.isnan(dice)]
    both_empty = len(rows) - len(known)
    return {
        "fold_agreement": round(float(np.mean(known)), 4) if known else None,
        **({"fold_both_empty": both_empty} if both_empty else {}),
        "doubtful": sum(bool(row["doubts"]) for row in rows),
        "pseudo_labelled": len(rows),
    }


def found_nothing(settings: Params, folder: Path) -> bool:
    """Whether a round's pseudo-labels show the tumour in none of the target's training cases."""
    volumes = volumes_mm3(folder, settings.dataset.tumour)
    cases = training_cases()
    return bool(cases) and not any(volumes[case.case] > 0 for case in cases)


def _write_table(settings: Params, agreements: Sequence[FoldAgreement], folder: Path) -> None:
    ranges = source_ranges_mm3(settings)
    with (folder / TABLE).open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for item in sorted(agreements, key=lambda item: (item.name, item.structure)):
            found = doubts(
                settings.self_training.confidence,
                pairwise_dice=item.pairwise_dice,
                both_empty=item.both_empty,
                largest_share=item.largest_share,
                volume_mm3=item.volume_mm3,
                source_range_mm3=ranges[item.structure],
            )
            writer.writerow(
                [
                    item.name,
                    item.structure,
                    f"{item.volume_mm3:.6g}",
                    f"{item.pairwise_dice:.4f}",
                    item.pieces,
                    f"{item.largest_share:.4f}",
                    "; ".join(found),
                ]
            )
