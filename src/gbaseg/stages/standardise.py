"""standardise: check every case, then one grid, one crop and one range of intensities for all (METHOD 2).

Writes data/standard, which the training stages read and which holds no label of a target case, and data/scoring, the
target's labels where the data set has some, which only the stages that score read, and the oracle's; and
data/modalities.png, the first picture of a run.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from gbaseg import params, volume
from gbaseg.cases import Case, write_table
from gbaseg.errors import UserError, some_of
from gbaseg.params import Params
from gbaseg.raw.sources import load_cases
from gbaseg.runtime.engine import Task
from gbaseg.runtime.engine import run as run_tasks
from gbaseg.runtime.progress import log
from gbaseg.segmentation.components import pieces as pieces_of
from gbaseg.standardise.case import share_outside, standardise_finely, standardise_image, standardise_label
from gbaseg.workflow import layout
from gbaseg.workflow.context import stage, write_json
from gbaseg.workflow.counted import size_here
from gbaseg.workflow.foresight import check_ahead, fallbacks, not_independent
from gbaseg.workflow.itinerary import itinerary
from gbaseg.workflow.outlook import left
from gbaseg.workflow.preflight import check_room, size_of_scans
from gbaseg.workflow.roots import check_root
from gbaseg.workflow.slices import SlicesFound, slices_of

# A label that loses more than this share of its voxels to the crop is counted and named,
_CUT_SHARE = 0.01
# and more than this one makes the log end with a warning, which names so many.
_WARNING_SHARE, _NAMED = 0.05, 5


def run() -> None:
    """Run the stage."""
    settings = params.load()
    root = Path(settings.dataset.root)
    check_root(root)
    cases, faults = load_cases(settings.dataset, root)
    kept = {case.case for case in cases}
    for fault in faults:
        log(f"{'without its label' if fault.case in kept else 'skipped'}: {fault}")
    check_ahead(settings, cases)
    size, largest = size_of_scans(settings, cases, root)
    check_room("standardise", settings, size, "standardise", largest)
    outputs = [layout.STANDARD, layout.SCORING, layout.METRICS / "data.json", layout.MODALITIES]
    with stage("standardise", {}, [], outputs) as scratch:
        standard, scoring = scratch.output(layout.STANDARD), scratch.output(layout.SCORING)
        standard.mkdir()
        scoring.mkdir()
        reports = run_tasks(
            [
                Task(
                    f"standardise {case.case}",
                    standardise_case,
                    {"case": case, "root": root, "standard": standard, "scoring": scoring, "settings": settings},
                )
                for case in cases
            ],
            name="standardise",
        )
        write_table((report["standard"] for report in reports), standard)
        scored = [report["scoring"] for report in reports if report["scoring"] is not None]
        write_table(scored, scoring)
        for report in reports:
            if report["cut_share"] > _CUT_SHARE:
                log(f"{report['standard'].case}: {report['cut_share']:.0%} of its label lies outside the crop")
            for note in report["notes"]:
                log(f"{report['standard'].case}: {note}")
        mirrored = settings.segmentation.network.mirrored
        slices = slices_of({r["standard"].case: r["grid"] for r in reports}, settings.standardise.slices, mirrored)
        write_json(
            scratch.output(outputs[2]), _summary([r["standard"] for r in reports], scored, reports, faults, slices)
        )
        _draw([report["standard"] for report in reports], settings, standard, scratch.output(layout.MODALITIES))
    log(
        f"to look at: {layout.MODALITIES} ({settings.dataset.tumour} where it is labelled, and where it is to be found)"
    )
    log(slices.words)
    _say_what_is_left(settings)
    # After all else, where it is seen.
    for warning in slices.warnings:
        log(f"WARNING: {warning}")
    _warn_of_cut_labels(reports, settings)
    _warn_of_missed_structures(reports, settings)
    _warn_of_lost_pieces([report["pieces"] for report in reports if report["pieces"]], settings)
    for line in (*fallbacks(settings, cases), *not_independent(cases)):
        log(f"WARNING: {line}")


def _draw(cases: list[Case], settings: Params, standard: Path, to: Path) -> None:
    # matplotlib takes a second to import, which no worker is to pay for.
    from gbaseg.evaluation.drawing import save
    from gbaseg.workflow.first_look import first_look

    save(first_look(settings, cases, standard), to)


def _say_what_is_left(settings: Params) -> None:
    """What the run will take, now that the size of the data is known."""
    size = size_here(settings)
    if size is None:
        return
    try:
        # Copies that lie here are of the data before.
        for line in left(settings, replace(size, copies=0.0), itinerary()):
            log(line)
    except UserError as error:
        log(f"how long the next stages take is not known: {error}")


def standardise_case(case: Case, root: Path, standard: Path, scoring: Path, settings: Params) -> dict[str, Any]:
    """Standardise one case and write it; runs in a worker."""
    name = case.case
    scan = volume.read(root / case.image)
    image, record = standardise_image(scan, settings.standardise)
    volume.write(image, standard / "images" / f"{name}.nii.gz")
    (standard / "records").mkdir(exist_ok=True)
    (standard / "records" / f"{name}.json").write_text(json.dumps(record.to_dict()))
    fine = settings.standardise.fine_spacing_xyz_mm
    if fine is not None and case.domain == "target":
        fine_image, fine_record = standardise_finely(scan, record, fine, settings.standardise.smooth_shrinking)
        volume.write(fine_image, standard / "fine" / f"{name}.nii.gz")
        (standard / "records" / f"{name}.fine.json").write_text(json.dumps(fine_record.to_dict()))
    notes = record.notes
    row = replace(case, image=f"images/{name}.nii.gz", label="")
    scored, cut_share, missed, pieces = None, 0.0, [], {}
    if case.label:
        label = volume.read_label(root / case.label)
        notes += label.notes
        values = settings.dataset.label_values
        on_grid = standardise_label(label, record, keep=values.values())
        cut_share = share_outside(label, record, values.values())
        missed = [
            structure
            for structure, value in values.items()
            if not (on_grid.array == value).any()
            and (label.array == value).any()
            and share_outside(label, record, [value]) < 1
        ]
        if case.domain == "source":
            row = replace(row, label=f"labels/{name}.nii.gz")
            renamed = renumbered(on_grid, settings)
            pieces = {structure: pieces_of(renamed.array == value) for structure, value in settings.labels.items()}
            volume.write(renamed, standard / row.label)
        else:
            # On the scan's own grid, so that scoring sees what a clinician would.
            scored = replace(case, image="", label=f"labels/{name}.nii.gz")
            volume.write(label, scoring / scored.label)
    found = {"standard": row, "scoring": scored, "cut_share": cut_share, "missed": missed, "pieces": pieces}
    return {**found, "notes": notes, "grid": record.raw}


def renumbered(label: volume.Volume, settings: Params) -> volume.Volume:
    """The data set's label values as 1, 2, ... in the order of `dataset.structures`: nnU-Net wants no gaps."""
    out = np.zeros(label.array.shape, np.uint8)
    for name, value in settings.dataset.label_values.items():
        out[label.array == value] = settings.labels[name]
    return label.with_array(out)


def _warn_of_lost_pieces(of_labels: list[dict[str, int]], settings: Params) -> None:
    """Structures of which most source labels have more pieces than a mask will keep.

    Args:
        of_labels: structure -> pieces in each label.
    """
    for name, keep in settings.pieces.items():
        more = [pieces[name] for pieces in of_labels if pieces[name] > keep]
        if 2 * len(more) > len(of_labels):
            [(usual, _)] = Counter(more).most_common(1)
            said = f"{name}: {{value: {settings.dataset.label_values[name]}, pieces: {usual}}}"
            log(
                f"WARNING: {name} has more pieces in {len(more)} of {len(of_labels)} source label(s), {usual} in most, "
                f"than masks keep of it ({keep}): the others would be lost. dataset.structures: {said} keeps {usual}"
            )


def _warn_of_cut_labels(reports: list[dict[str, Any]], settings: Params) -> None:
    cut = sorted((r for r in reports if r["cut_share"] > _WARNING_SHARE), key=lambda r: -r["cut_share"])
    if not cut:
        return
    labels = _labels(reports)
    worst = ", ".join(f"{report['standard'].case} ({report['cut_share']:.0%})" for report in cut[:_NAMED])
    sizes = {key: getattr(settings.standardise, key) for key in ("crop_xy_px", "crop_z_px")}
    keys = " or ".join(f"standardise.{key} ({size})" for key, size in sizes.items() if size is not None)
    log(
        f"WARNING: {len(cut)} of {labels} label(s) lose more than {_WARNING_SHARE:.0%} of their volume to the crop; "
        f"worst: {worst}; enlarge {keys}"
    )


def _labels(reports: list[dict[str, Any]]) -> int:
    """How many there are, of the source or for scoring."""
    return sum(bool(report["standard"].label or report["scoring"]) for report in reports)


def _warn_of_missed_structures(reports: list[dict[str, Any]], settings: Params) -> None:
    labels = _labels(reports)
    voxel = " x ".join(f"{side:g}" for side in settings.standardise.spacing_xyz_mm)
    for name in settings.dataset.label_values:
        if cases := [report["standard"].case for report in reports if name in report["missed"]]:
            log(
                f"WARNING: {name}: nothing of it is left on the grid in {len(cases)} of {labels} label(s) "
                f"({some_of(cases, _NAMED)}): it lies between voxels of {voxel} mm (standardise.spacing_xyz_mm)"
            )


def _summary(
    standard: list[Case], scored: list[Case], reports: list[dict[str, Any]], faults: list[Any], slices: SlicesFound
) -> dict[str, Any]:
    def count(**wanted: str) -> int:
        return sum(all(asdict(case)[key] == value for key, value in wanted.items()) for case in standard)

    centres = sorted({case.centre for case in standard})
    return {
        "source_cases": {centre: count(domain="source", centre=centre) for centre in centres},
        "target_train_cases": {centre: count(domain="target", split="train", centre=centre) for centre in centres},
        "target_held_out_cases": sum(case.domain == "target" and case.split != "train" for case in standard),
        "target_cases_with_scoring_labels": len(scored),
        "labels_cut_by_the_crop": sum(report["cut_share"] > _CUT_SHARE for report in reports),
        "skipped_cases": len({fault.case for fault in faults} - {case.case for case in standard}),
        "faults": len(faults),
        **slices.summary(),
    }
