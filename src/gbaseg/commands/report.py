"""report: one HTML page about the run in this folder, with every held-out case, that opens without a network.

Beside it every table as CSV.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote, unquote

from matplotlib.figure import Figure

from gbaseg import params
from gbaseg.commands.report_cases import sections_of_cases, viewer
from gbaseg.commands.report_faults import section_of_faults
from gbaseg.commands.submission import entries
from gbaseg.evaluation import report_readings as readings
from gbaseg.evaluation.figures import dice_assd_by_round
from gbaseg.evaluation.image_figures import intensity_distributions
from gbaseg.evaluation.report import Picture, Section, as_image, as_vector, render
from gbaseg.evaluation.report_tables import Cell, Column, Spread, Table, csv_text
from gbaseg.evaluation.rounds import Rounds, proxies_of
from gbaseg.evaluation.summary import CaseScore
from gbaseg.git import taken_by_git
from gbaseg.params import Params
from gbaseg.planning.page import PAGE
from gbaseg.planning.writing import stamp_of
from gbaseg.runtime.ledger import read_ledger
from gbaseg.runtime.progress import log
from gbaseg.runtime.whole import written_whole
from gbaseg.text_file import read_yaml, text_of
from gbaseg.workflow import layout
from gbaseg.workflow.all_rounds import any_scored, appearance_figures, read_rounds, scores_of
from gbaseg.workflow.choice import chosen
from gbaseg.workflow.context import need, read_json
from gbaseg.workflow.layout import LOCK
from gbaseg.workflow.models import MODE
from gbaseg.workflow.panel import draw_panel
from gbaseg.workflow.pictures import naive_and_gba, overlays, sample_intensities
from gbaseg.workflow.provenance import refuse_strangers

PACKAGES = ("gbaseg", "torch", "nnunetv2", "SimpleITK", "numpy", "scipy", "dvc")


def run(out: Path) -> None:
    """Write the page, and its tables into the folder `STEM_tables` beside it.

    Raises:
        UserError: stages have not run, or what they wrote is another run's.
    """
    settings = params.load()
    last = settings.self_training.last
    need([layout.STANDARD, layout.TRANSLATED, layout.pseudo_labelled(last), chosen(settings.translation).folder / MODE])
    proxies = [layout.proxies(item.id) for item in settings.self_training.rounds]
    more = [*layout.copies_of(last), layout.METRICS / "translation.json", layout.round_metrics(layout.BASELINE)]
    refuse_strangers([layout.STANDARD, layout.TRANSLATED, layout.pseudo_labelled(last), *proxies, *more])
    rounds = read_rounds(settings)
    # What titles and files are called besides, where there are several structures.
    names = {name: f"_{name}" if len(settings.labels) > 1 else "" for name in settings.labels}
    scores = {name: scores_of(name, rounds) for name in settings.labels}
    of_last = {name: dict(found)[last] for name, found in scores.items()}
    cases, views = sections_of_cases(settings, of_last, names)
    appearances = appearance_figures(settings)
    # Part by part, so that what several structures have of one stands together.
    of_each = (
        [*_of_structure(settings, name, names[name], rounds, scores[name], appearances[name]), cases[name]]
        for name in settings.labels
    )
    scored, *others = zip(*of_each, strict=True)
    sections = [
        *scored,
        *([Section("Leaderboard", tables=tables)] if (tables := _leaderboard()) else []),
        section_of_faults(settings, rounds, of_last),
        *(section for part in others for section in part),
        _translation(intensity_distributions(sample_intensities(settings))),
        *_plan(),
        Section("Time", _TIME_NOTE, tables=_times()),
        Section("Data", "Hashes of what each stage wrote (dvc.lock).", tables=_hashes()),
        Section("Versions", tables=[Table("versions", _VERSIONS, [[name, version(name)] for name in PACKAGES])]),
        Section("Parameters", text=text_of(params.PATH)),
    ]
    arm, mode = settings.augmentation.arm, settings.translation.mode
    folder = out.with_name(f"{out.stem}_tables")
    page = render(
        f"gbaseg: {settings.dataset.root}",
        f"Translation {mode}, arm {arm}, seed {settings.seed}, {len(rounds) - 1} rounds after the survey",
        sections,
        views,
        viewer(),
        quote(folder.name),
    )
    tables = [table for section in sections for table in section.tables]
    _write_tables(tables, folder, of_page=out)
    with written_whole(out) as partial:
        partial.write_text(page, encoding="utf-8")
    log(f"{out}: {len(page) / 1e6:.1f} MB; {folder}: {len(tables)} tables")
    if taken_by_git(out):
        log(f"WARNING: {out} holds scans, and git would take it: write it to report/, or name it in .gitignore")


def _write_tables(tables: list[Table], folder: Path, of_page: Path) -> None:
    """The CSV files. Those that the page that is there names, and this one does not, are of another run: they go."""
    written = {table.file: csv_text(table) for table in tables}
    before = of_page.read_text(encoding="utf-8", errors="replace") if of_page.is_file() else ""
    named = {unquote(name) for name in re.findall(r'<p class="file"><a href="[^"/]*/([^"/]+\.csv)"', before)}
    for name in named - written.keys():
        (folder / name).unlink(missing_ok=True)
    for name, text in written.items():
        with written_whole(folder / name) as partial:
            partial.write_text(text, encoding="utf-8")


_ROUNDS_NOTE = """Mean ± SD over held-out target cases (ddof = 1). Threshold: the best one on the source's
(pseudo-)target images. An empty prediction has an ASSD of {empty_mm:g} mm."""
_PROXIES_NOTE = """None of it is the Dice on the target: Dice on pseudo-target images of patients a fold has not seen,
and between the target's pseudo-labels (with the round before: of all structures)."""
_TIME_NOTE = """As this machine's logs/stages.jsonl has them: the last run of each stage here. Joules: the processors',
with all else that ran, where the machine tells. What the demonstration took stage by stage on a machine that is named:
docs/running.md."""
_VERSIONS = (Column("package", "package"), Column("version", "version"))


def _plan() -> list[Section]:
    """The page of `gbaseg plan`, where params.yaml is still what was written with it."""
    stamp, page = stamp_of(text_of(params.PATH)), text_of(PAGE) if PAGE.is_file() else ""
    return [Section("Plan", text=page)] if stamp and stamp in page else []


def _of_structure(
    settings: Params,
    structure: str,
    suffix: str,
    rounds: Rounds,
    scores: list[tuple[str, list[CaseScore]]],
    appearances: Mapping[str, Figure],
) -> list[Section]:
    """What the page says of one structure, which titles and captions name where there are several."""
    name = f": {structure}" if suffix else ""
    drawn = overlays(settings, structure, scores[1:])
    by_round = as_image(drawn, f"Worst to best (Fig. 9){name}", 150, readings.BY_ROUND)
    return [
        Section(
            f"Rounds{name}",
            _ROUNDS_NOTE.format(empty_mm=settings.evaluation.empty_assd_mm),
            tables=[_rounds(settings, structure, suffix, rounds)],
            pictures=_curves(structure, name, scores),
        ),
        Section(
            f"Known without the target's labels{name}", _PROXIES_NOTE, tables=_proxies(settings, structure, suffix)
        ),
        Section(f"Augmentation{name}", pictures=_steps(settings, structure, name, appearances)),
        Section(f"Cases by round{name}", pictures=[by_round]),
    ]


def _rounds(settings: Params, structure: str, suffix: str, rounds: Rounds) -> Table:
    threshold = layout.round_metrics(layout.BASELINE)
    named = [*rounds, ("threshold", read_json(threshold))] if threshold.is_file() else rounds
    rows: list[list[Cell]] = []
    for name, metrics in named:
        found = metrics.get(structure)
        if not found or found["dice"]["mean"] is None:
            rows.append([name, *[None] * 5])
            continue
        dice, assd = (Spread(found[key]["mean"], found[key]["sd"]) for key in ("dice", "assd_mm"))
        centres = {centre: means["dice"] for centre, means in found["per_centre"].items()}
        low = next((count for key, count in found.items() if key.startswith("cases_under")), None)
        rows.append([name, found["cases"], dice, assd, centres, low])
    lowest = f"Dice < {settings.evaluation.low_dice[0]:g}" if settings.evaluation.low_dice else "failures"
    columns = [
        Column("round", "round"),
        Column("cases", "cases"),
        Column("dice", "Dice"),
        Column("assd_mm", "ASSD (mm)", 2),
        Column("dice_centre", "Dice by centre"),
        Column("low_dice", lowest),
    ]
    return Table(f"rounds{suffix}", columns, rows)


def _leaderboard() -> list[Table]:
    found = entries()
    if not found:
        return []
    columns = [*map(_same, ("source", "round", "structure")), Column("dice", "Dice"), Column("assd_mm", "ASSD (mm)")]
    rows: list[list[Cell]] = [
        [
            one.source, one.round, one.structure, Spread(one.dice_mean, one.dice_sd),
            Spread(one.assd_mm_mean, one.assd_mm_sd), one.cases,
        ]
        for one in found
    ]  # fmt: skip
    return [Table("leaderboard", [*columns, _same("cases")], rows)]


def _same(name: str) -> Column:
    return Column(name, name)


def _curves(structure: str, name: str, scores: list[tuple[str, list[CaseScore]]]) -> list[Picture]:
    if not any_scored(scores):
        return []
    return [as_vector(dice_assd_by_round(scores, structure), f"Dice and ASSD by round{name}", readings.ROUNDS)]


def _proxies(settings: Params, structure: str, suffix: str) -> list[Table]:
    rows: list[list[Cell]] = []
    for item in settings.self_training.rounds:
        path = layout.proxies(item.id)
        if path.is_file():
            known = proxies_of(structure, read_json(path))
            measured = (known["pseudo_target_dice"], known.get("fold_agreement"), known.get("round_agreement"))
            rows.append([item.id, *measured, known.get("doubtful"), known.get("pseudo_labelled")])
    columns = [
        Column("round", "round"),
        Column("pseudo_target_dice", "Dice, held-out pseudo-target"),
        Column("fold_agreement", "folds agree"),
        Column("round_agreement", "agrees with round before"),
        Column("doubtful", "doubtful"),
        Column("pseudo_labelled", "of"),
    ]
    return [Table(f"without_labels{suffix}", columns, rows)] if rows else []


def _steps(settings: Params, structure: str, name: str, appearances: Mapping[str, Figure]) -> list[Picture]:
    pictures = [
        as_image(draw_panel(settings, structure), f"A case through every step{name}", 150, readings.PANEL),
        *(
            as_vector(
                figure, f"Appearance before and after augmentation (Fig. 7), {round_id}{name}", readings.APPEARANCE
            )
            for round_id, figure in appearances.items()
        ),
    ]
    blending = naive_and_gba(settings, structure)
    if blending is not None:
        pictures.append(as_image(blending, f"Naive rescaling and GBA (Fig. 8){name}", 150, readings.BLENDING))
    return pictures


def _translation(intensities: Figure) -> Section:
    """Its checks, and in mode auto what was tried, the best first."""
    pictures = [as_vector(intensities, "Intensities by modality and centre (Fig. 6)", readings.INTENSITIES)]
    found = read_json(layout.CHOICE_METRICS) if layout.CHOICE_METRICS.is_file() else {}
    if not found:
        return Section("Translation", pictures=pictures, tables=[_checks()])
    tried = sorted(found["candidates"].items(), key=lambda pair: -pair[1]["score"])
    keys = ("score", "agreement", "consistency", "plausible")
    rows: list[list[Cell]] = [[name, *(one[key] for key in keys)] for name, one in tried]
    columns = [
        Column("candidate", "candidate"),
        Column("score", "score"),
        Column("agreement", "seeds agree"),
        Column("consistency", "the same when disturbed"),
        Column("plausible", "plausible volumes"),
    ]
    said = f"{found['chosen']} was chosen without a label of the target, {found['why']} ({found['seconds']:.0f} s)."
    return Section("Translation", said, pictures=pictures, tables=[Table("candidates", columns, rows), _checks()])


def _checks() -> Table:
    checks = read_json(layout.METRICS / "translation.json")
    columns = [Column("check", "check of the translation"), Column("value", "value", 4)]
    return Table("translation_checks", columns, list(checks.items()))


def _times() -> list[Table]:
    keys = ("finished", "seconds", "joules", "device", "cpus")
    rows: list[list[Cell]] = [[name, *(line.get(key) for key in keys)] for name, line in read_ledger().items()]
    columns = [
        Column("stage", "stage"),
        Column("finished", "finished"),
        Column("seconds", "seconds", 1),
        Column("joules", "joules", 0),
        Column("device", "device"),
        Column("processors", "processors"),
    ]
    return [Table("times", columns, rows)] if rows else []


def _hashes() -> list[Table]:
    if not LOCK.is_file():
        return []
    stages = read_yaml(LOCK)["stages"]
    rows: list[list[Cell]] = [
        [name, out["path"], out.get("md5"), out.get("size")]
        for name, stage in stages.items()
        for out in stage.get("outs", [])
    ]
    columns = [Column("stage", "stage"), Column("output", "output"), Column("md5", "hash"), Column("bytes", "bytes")]
    return [Table("outputs", columns, rows)]
