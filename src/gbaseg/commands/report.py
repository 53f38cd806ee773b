"""report: one HTML page about the run in this folder, with every held-out case, that opens without a network."""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from gbaseg import params
from gbaseg.cases import read_table, select
from gbaseg.commands.submission import entries
from gbaseg.evaluation.figures import dice_assd_by_round
from gbaseg.evaluation.image_figures import intensity_distributions, segmentation_overlays
from gbaseg.evaluation.report import Picture, Section, Table, as_image, as_vector, render
from gbaseg.evaluation.rounds import Rounds, proxies_of
from gbaseg.evaluation.summary import CaseScore
from gbaseg.evaluation.text import number
from gbaseg.params import Params
from gbaseg.planning.page import PAGE
from gbaseg.planning.writing import stamp_of
from gbaseg.runtime.ledger import read_ledger
from gbaseg.runtime.progress import log, meter
from gbaseg.runtime.scratch import written_whole
from gbaseg.stages.baseline import NAME as BASELINE
from gbaseg.stages.summarise import appearance_figures, read_rounds, scores_of
from gbaseg.text_file import read_yaml, text_of
from gbaseg.workflow import layout
from gbaseg.workflow.context import need, read_json
from gbaseg.workflow.panel import draw_panel
from gbaseg.workflow.pictures import (
    naive_and_gba,
    overlay_row,
    overlays,
    read_held_out,
    sample_intensities,
)
from gbaseg.workflow.provenance import LOCK, refuse_strangers

PACKAGES = ("gbaseg", "torch", "nnunetv2", "SimpleITK", "numpy", "scipy", "dvc")
_CASE_ZOOM_MM = 45.0


def run(out: Path) -> None:
    """Write the page.

    Raises:
        UserError: stages have not run.
    """
    settings = params.load()
    last = settings.self_training.last
    need([layout.STANDARD, layout.TRANSLATED, layout.pseudo_labelled(last)])
    proxies = [layout.proxies(item.id) for item in settings.self_training.rounds]
    more = [*layout.copies_of(last), layout.METRICS / "translation.json", layout.METRICS / f"{BASELINE}.json"]
    refuse_strangers([layout.STANDARD, layout.TRANSLATED, layout.pseudo_labelled(last), *proxies, *more])
    rounds = read_rounds(settings)
    # Part by part, so that what several structures have of one stands together.
    appearances = appearance_figures(settings)
    of_each = (_of_structure(settings, structure, rounds, appearances[structure]) for structure in settings.labels)
    scored, *others = zip(*of_each, strict=True)
    sections = [
        *scored,
        *([Section("Leaderboard", tables=tables)] if (tables := _leaderboard()) else []),
        *(section for part in others for section in part),
        _translation(intensity_distributions(sample_intensities(settings))),
        *_plan(),
        Section("Time", _TIME_NOTE, tables=_times()),
        Section("Data", "Hashes of what each stage wrote (dvc.lock).", tables=_hashes()),
        Section("Versions", tables=[Table(["package", "version"], [[name, version(name)] for name in PACKAGES])]),
        Section("Parameters", text=text_of(params.PATH)),
    ]
    arm, mode = settings.augmentation.arm, settings.translation.mode
    page = render(
        f"gbaseg: {settings.dataset.root}",
        f"Translation {mode}, arm {arm}, seed {settings.seed}, {len(rounds) - 1} rounds after the survey",
        sections,
    )
    with written_whole(out) as partial:
        partial.write_text(page, encoding="utf-8")
    log(f"{out}: {len(page) / 2**20:.1f} MiB")


_ROUNDS_NOTE = """Mean ± SD over held-out target cases (ddof = 1). Threshold: the best one on the source's
(pseudo-)target images. An empty prediction has an ASSD of {empty_mm:g} mm."""
_PROXIES_NOTE = """None of it is the Dice on the target: Dice on pseudo-target images of patients a fold has not seen,
and between the target's pseudo-labels."""
_TIME_NOTE = """As this machine's logs/stages.jsonl has them: the last run of each stage here. Joules: the processors',
with all else that ran, where the machine tells."""


def _plan() -> list[Section]:
    """The page of `gbaseg plan`, where params.yaml is still what was written with it."""
    stamp, page = stamp_of(text_of(params.PATH)), text_of(PAGE) if PAGE.is_file() else ""
    return [Section("Plan", text=page)] if stamp and stamp in page else []


def _of_structure(settings: Params, structure: str, rounds: Rounds, appearances: Mapping[str, Figure]) -> list[Section]:
    """What the page says of one structure, which titles and captions name where there are several."""
    scores = scores_of(structure, rounds)
    name = f": {structure}" if len(settings.labels) > 1 else ""
    by_round = as_image(overlays(settings, structure, scores[1:]), f"Worst to best (Fig. 9){name}", 150)
    return [
        Section(
            f"Rounds{name}",
            _ROUNDS_NOTE.format(empty_mm=settings.evaluation.empty_assd_mm),
            tables=[_rounds(settings, structure, rounds)],
            pictures=_curves(structure, name, scores),
        ),
        Section(f"Known without the target's labels{name}", _PROXIES_NOTE, tables=_proxies(settings, structure)),
        Section(f"Augmentation{name}", pictures=_steps(settings, structure, name, appearances)),
        Section(f"Cases by round{name}", pictures=[by_round]),
        _cases(settings, structure, name, scores[1:]),
    ]


def _rounds(settings: Params, structure: str, rounds: Rounds) -> Table:
    threshold = layout.METRICS / f"{BASELINE}.json"
    named = [*rounds, ("threshold", read_json(threshold))] if threshold.is_file() else rounds
    rows = []
    for name, metrics in named:
        found = metrics.get(structure)
        if not found or found["dice"]["mean"] is None:
            rows.append([name, "–", "–", "–", "–", "–"])
            continue
        dice, assd = found["dice"], found["assd_mm"]
        centres = ", ".join(f"{centre} {number(means['dice'])}" for centre, means in found["per_centre"].items())
        low = next((str(count) for key, count in found.items() if key.startswith("cases_under")), "–")
        rows.append(
            [
                name, str(found["cases"]), f"{number(dice['mean'])} ± {number(dice['sd'])}",
                f"{number(assd['mean'], 2)} ± {number(assd['sd'], 2)}", centres, low,
            ]
        )  # fmt: skip
    lowest = f"Dice < {settings.evaluation.low_dice[0]:g}" if settings.evaluation.low_dice else "failures"
    return Table(["round", "cases", "Dice", "ASSD (mm)", "Dice by centre", lowest], rows)


def _leaderboard() -> list[Table]:
    found = entries()
    if not found:
        return []
    headings = ["source", "round", "structure", "Dice", "ASSD (mm)", "cases"]
    rows = [
        [
            one.source, one.round, one.structure, f"{one.dice_mean:.3f} ± {number(one.dice_sd)}",
            f"{number(one.assd_mm_mean)} ± {number(one.assd_mm_sd)}", one.cases or "–",
        ]
        for one in found
    ]  # fmt: skip
    return [Table(headings, rows)]


def _curves(structure: str, name: str, scores: list[tuple[str, list[CaseScore]]]) -> list[Picture]:
    if not any(rows for _, rows in scores):
        return []
    return [as_vector(dice_assd_by_round(scores, structure), f"Dice and ASSD by round{name}")]


def _proxies(settings: Params, structure: str) -> list[Table]:
    rows = []
    for item in settings.self_training.rounds:
        path = layout.proxies(item.id)
        if path.is_file():
            known = proxies_of(structure, read_json(path))
            doubtful = f"{known['doubtful']} of {known['pseudo_labelled']}" if "doubtful" in known else "–"
            agreements = (number(known.get("fold_agreement")), number(known.get("round_agreement")))
            rows.append([item.id, number(known["pseudo_target_dice"]), *agreements, doubtful])
    headings = ["round", "Dice, held-out pseudo-target", "folds agree", "agrees with round before", "doubtful"]
    return [Table(headings, rows)] if rows else []


def _steps(settings: Params, structure: str, name: str, appearances: Mapping[str, Figure]) -> list[Picture]:
    pictures = [
        as_image(draw_panel(settings, structure), f"A case through every step{name}", 150),
        *(
            as_vector(figure, f"Appearance before and after augmentation (Fig. 7), {round_id}{name}")
            for round_id, figure in appearances.items()
        ),
    ]
    blending = naive_and_gba(settings, structure)
    if blending is not None:
        pictures.append(as_image(blending, f"Naive rescaling and GBA (Fig. 8){name}", 150))
    return pictures


def _translation(intensities: Figure) -> Section:
    """Its checks, and in mode auto what was tried, the best first."""
    pictures = [as_vector(intensities, "Intensities by modality and centre (Fig. 6)")]
    found = read_json(layout.CHOICE_METRICS) if layout.CHOICE_METRICS.is_file() else {}
    if not found:
        return Section("Translation", pictures=pictures, tables=[_checks()])
    tried = sorted(found["candidates"].items(), key=lambda pair: -pair[1]["score"])
    keys = ("score", "agreement", "consistency", "plausible")
    rows = [[name, *(number(one[key]) for key in keys), number(one["seconds"], 0)] for name, one in tried]
    headings = ["candidate", "score", "seeds agree", "the same when disturbed", "plausible volumes", "seconds"]
    said = f"{found['chosen']} was chosen without a label of the target, {found['why']} ({found['seconds']:.0f} s)."
    return Section("Translation", said, pictures=pictures, tables=[Table(headings, rows), _checks()])


def _checks() -> Table:
    checks = read_json(layout.METRICS / "translation.json")
    return Table(["check of the translation", "value"], [[key, number(value, 4)] for key, value in checks.items()])


def _cases(settings: Params, structure: str, name: str, scores: list[tuple[str, list[CaseScore]]]) -> Section:
    """Every held-out case at its worst and at its median slice, worst case first."""
    last = settings.self_training.last
    of_last = {row.case: row for row in dict(scores).get(last, [])}
    # A case without a label, or with an empty one, comes last: its Dice is undefined.
    dice = {case: row.dice for case, row in of_last.items() if not math.isnan(row.dice)}
    cases = select(read_table(layout.STANDARD), domain="target", splits=settings.evaluation.splits)
    ordered = sorted(cases, key=lambda case: (dice.get(case.case, math.inf), case.case))
    pictures, rows = [], []
    with meter("overlays", len(ordered)) as bar:
        for case in ordered:
            held_out = read_held_out(settings, structure, case, [last])
            slices = interesting_slices(held_out.masks[last], held_out.reference)
            drawn = [overlay_row(which, held_out, {}, z) for which, z in slices.items()]
            score = of_last.get(case.case)
            caption = case.case
            if score is not None:
                caption += f" ({case.centre}): Dice {number(score.dice)}, ASSD {number(score.assd_mm, 2)} mm"
                volumes = (f"{score.reference_mm3:.0f}", f"{score.predicted_mm3:.0f}")
                rows.append([case.case, case.centre, number(score.dice), number(score.assd_mm, 2), *volumes])
            pictures.append(as_image(segmentation_overlays(drawn, _CASE_ZOOM_MM), caption))
            bar.advance()
    headings = ["case", "centre", "Dice", "ASSD (mm)", "label (mm3)", "prediction (mm3)"]
    note = f"Masks of {last}, worst case first; the slice with the lowest Dice, and the middle one."
    tables = [Table(headings, rows)] if rows else []
    return Section(f"Every case{name}", note, tables=tables, pictures=pictures, grid=True)


def interesting_slices(mask: np.ndarray, reference: np.ndarray | None) -> dict[str, int]:
    """The slice (z) with the lowest Dice, and the median of those with tumour.

    Args:
        mask, reference: (Z, Y, X); without a reference only the prediction's middle is shown, and without either the
            volume's.
    """
    shown = mask if reference is None or not reference.any() else reference
    where = np.flatnonzero(shown.any(axis=(1, 2)))
    middle = int(where[len(where) // 2]) if where.size else mask.shape[0] // 2
    if reference is None or not (mask.any() or reference.any()):
        return {"middle": middle}
    sizes = mask.sum(axis=(1, 2)) + reference.sum(axis=(1, 2))
    overlap = (mask & reference).sum(axis=(1, 2))
    dice = np.where(sizes > 0, 2 * overlap / np.maximum(sizes, 1), np.inf)
    # Of equals the one with the most voxels: a slice of one voxel says little.
    worst = min(range(len(dice)), key=lambda z: (dice[z], -sizes[z]))
    return {"worst": int(worst), "middle": middle}


def _times() -> list[Table]:
    lines = read_ledger()
    rows = [
        [
            name, line.get("finished", "–"), number(line["seconds"], 1), number(line.get("joules"), 0),
            line.get("device", "–"), line.get("cpus", "–"),
        ]
        for name, line in lines.items()
    ]  # fmt: skip
    return [Table(["stage", "finished", "seconds", "joules", "device", "processors"], rows)] if rows else []


def _hashes() -> list[Table]:
    if not LOCK.is_file():
        return []
    stages = read_yaml(LOCK)["stages"]
    rows = [
        [name, out["path"], out.get("md5", "–"), out.get("size", "–")]
        for name, stage in stages.items()
        for out in stage.get("outs", [])
    ]
    return [Table(["stage", "output", "hash", "bytes"], rows)]
