"""plan: look at the scans, choose the numbers, write cases.csv and params.yaml, and say why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import click

from gbaseg import params
from gbaseg.cases import TABLE, Case
from gbaseg.commands.outputs import unwritable
from gbaseg.cost.forecast import Forecast, forecast
from gbaseg.cost.speeds import speeds_of
from gbaseg.doctor import diagnose
from gbaseg.errors import BadCases, UserError
from gbaseg.params import Params
from gbaseg.planning import folders as given
from gbaseg.planning import writing
from gbaseg.planning.appearance import grey_air, of_one_scan
from gbaseg.planning.decide import Asked, Place, decide
from gbaseg.planning.effort import Fit, fit, hours_for, in_hours
from gbaseg.planning.facts import Choice
from gbaseg.planning.folders import Folders, Found
from gbaseg.planning.gather import grids_of, see
from gbaseg.planning.geometry import choose_slices, lost_between
from gbaseg.planning.nnunet_folders import DATASET
from gbaseg.planning.page import PAGE, Said, differences, render
from gbaseg.planning.questions import OPTION, all_at_once, faults_of_structures, known_structures, question
from gbaseg.planning.rungs import least_iterations
from gbaseg.preset_writing import kept_beside
from gbaseg.presets import DEFAULT, list_presets, preset_content
from gbaseg.raw import sources
from gbaseg.raw.dataset_settings import DatasetSettings
from gbaseg.runtime.durations import about
from gbaseg.runtime.progress import log
from gbaseg.workflow.foresight import check_ahead
from gbaseg.workflow.itinerary import PIPELINE, itinerary
from gbaseg.workflow.outlook import by_what, longest, remarks, with_copies
from gbaseg.workflow.roots import check_root

Layout = Literal["crossmoda2022", "table"]
PAPER: Literal["crossmoda2022"] = "crossmoda2022"
# Where scans of folders are linked to; a name that a data set of somebody's own hardly has.
ROOT = Path("data/raw/planned")


@dataclass(frozen=True)
class Wanted:
    """The call.

    Args:
        data: a folder with a cases.csv, or in CrossMoDA's layout; None: `folders`.
        folders: of scans and labels.
        root: of the data set that is made of `folders`.
        structures: label values by name, empty where they are not said.
        centres, patients, modalities: see `planning.folders.find`.
        hours: of a whole run.
        gpu: a machine of `machines.json`; None: this one.
        translate: False: images as they are (--no-translation).
        force: write over what a user has written.
    """

    data: Path | None
    folders: Folders | None
    root: Path
    structures: dict[str, int]
    centres: str | None
    patients: str | None
    modalities: Sequence[str]
    hours: float
    gpu: str | None
    translate: bool
    force: bool


def run(wanted: Wanted, presets: Path, params_path: Path) -> None:
    """Plan, write, print.

    Raises:
        UserError: nothing was written: every fault of the call and of the data, and what is to be said, in one message.
    """
    if not (presets / f"{DEFAULT}.yaml").is_file() or not PIPELINE.is_file():
        raise UserError(
            f"no {PIPELINE} here, or no {presets / DEFAULT}.yaml; run gbaseg in the project's folder, a clone"
        )
    if wanted.gpu is not None:
        speeds_of(wanted.gpu)  # a wrong name is said before all scans are read
    found, root, layout = _find(wanted)
    owned = _not_ours(wanted, root, found, presets, params_path)
    if not found.cases and found.faults:
        raise UserError(all_at_once(found.faults, [], owned))
    cases, place = _as_they_lie(found, root)
    slices, choice, warnings = choose_slices(grids_of(cases, place))
    facts, seen = see(cases, place, slices, DatasetSettings(layout=layout), own_table=wanted.folders is None)
    structures = wanted.structures or found.structures or known_structures(facts, layout)
    named_by = DATASET if found.structures and not wanted.structures else OPTION
    faults = [*found.faults, *seen, *faults_of_structures(facts, structures, named_by)]
    centres = wanted.folders is not None and wanted.centres is None
    questions = question(facts, found.of_structures, centres) if facts.values and not structures else []
    if faults or questions or owned:
        raise UserError(all_at_once(faults, questions, owned))
    papers = next(preset.changes for preset in list_presets(presets) if preset.name == PAPER)
    asked = Asked(facts, structures, str(root.absolute()), layout, choice, wanted.translate, papers, wanted.hours)
    price = Price(asked, presets, wanted.gpu)
    fitted = fit(asked.rungs, wanted.hours, price.hours)
    choices, _ = decide(asked, fitted.place)
    settings = params.check(writing.content_of(choices, presets), "the plan")
    check_ahead(settings, cases)
    text = writing.params_text(choices, presets)
    written = _write(wanted, found, root, params_path, text, presets)
    said = Said(
        f"Plan {writing.stamp_of(text)} for {root}: {facts.source_cases} source, {facts.target_cases} target, "
        f"{facts.held_out} held-out cases",
        [
            *_too_small(asked, fitted),
            *warnings,
            *grey_air(facts),
            *of_one_scan(facts, structures),
            *lost_between(facts, structures, settings.standardise.spacing_xyz_mm),
        ],
        _time(asked, fitted, price, settings),
        [*found.remarks, *_assumed(wanted, found, structures, layout, settings)],
        differences(choices, papers, _shipped(choices, presets))
        if asked.crossmoda and fitted.place.rung.papers
        else [],
        _machine(settings),
        [*written, "gbaseg run: makes everything of it; gbaseg report: this page, and what came of it"],
    )
    page = render(choices, said)
    click.echo(page, nl=False)
    try:
        writing.write_whole(PAGE, page)
    except OSError as error:
        # All that a run needs is there by now.
        log(f"WARNING: {PAGE}: cannot be written ({error.strerror}); gbaseg report will not show this page")


class Price:
    """What a run takes at a place of the ladder, by the cost model; each place is counted once."""

    def __init__(self, asked: Asked, presets: Path, gpu: str | None) -> None:
        self._asked, self._presets, self._gpu = asked, presets, gpu
        self._known: dict[Place, tuple[Forecast, list[str]]] = {}

    def hours(self, place: Place) -> float:
        """Of all stages."""
        seen, stages = self.of(place)
        return seen.of(stages) / 3600

    def of(self, place: Place) -> tuple[Forecast, list[str]]:
        """The forecast, and the stages."""
        if place not in self._known:
            choices, size = decide(self._asked, place)
            content = writing.content_of(choices, self._presets)
            settings, stages = params.check(content, "the plan"), itinerary(content)
            self._known[place] = forecast(settings, with_copies(settings, size), stages, self._gpu, long=True), stages
        return self._known[place]


def _find(wanted: Wanted) -> tuple[Found, Path, Layout]:
    """Cases, the data set's folder, its layout."""
    if wanted.folders is not None:
        return given.find(wanted.folders, wanted.centres, wanted.modalities, wanted.patients), wanted.root, "table"
    root = wanted.data or Path()
    layout: Layout = "table" if (root / TABLE).is_file() else PAPER
    try:
        cases, faults = sources.find_cases(DatasetSettings(layout=layout), root)
    except BadCases:
        raise
    except UserError as error:
        if layout == "table":
            raise
        advice = f"allowed: a folder with {TABLE} or in CrossMoDA 2022's layout; or --source, --labels and --target"
        raise UserError(f"{root}: {_first_line(error)}; {advice}") from error
    return Found(cases, {}, faults), root, layout


def _first_line(error: UserError) -> str:
    return str(error).splitlines()[0].partition(": ")[2].rstrip("; ").removesuffix("; expected")


def _as_they_lie(found: Found, root: Path) -> tuple[list[Case], Path]:
    """The cases with paths to their files, and where these begin: of folders nothing is linked yet."""
    if not found.files:
        return found.cases, root
    files = {inside: str(file) for inside, file in found.files.items()}
    return [replace(one, image=files[one.image], label=files.get(one.label, "")) for one in found.cases], Path()


def _not_ours(wanted: Wanted, root: Path, found: Found, presets: Path, params_path: Path) -> list[str]:
    """What would be written over and was not written by a plan."""
    lines = []
    if params_path.is_dir():
        lines.append(f"{params_path}: a folder; allowed: a file, or nothing of that name")
    elif writing.owner_of_params(params_path, presets) == "user" and not wanted.force:
        lines.append(
            f"{params_path}: has values of your own; --force writes over it, and keeps it as {params_path}.bak"
        )
    if reason := unwritable(params_path):
        lines.append(f"{params_path}: {reason}")
    try:
        check_root(root)
    except UserError as error:
        lines.append(str(error))
    if not found.files:
        return lines
    if not writing.is_free(root):
        what = "holds files that no plan has written; name a new folder (not even --force does)"
        return [*lines, f"--root {root}: {what}"]
    if writing.owner_of_table(root) == "user" and not wanted.force:
        lines.append(
            f"{root / TABLE}: changed since a plan wrote it; --force writes over it, and keeps it as {TABLE}.bak"
        )
    if reason := unwritable(root):
        lines.append(f"--root {root}: {reason}; name another folder")
    in_the_way = writing.in_the_way(root, found.files)
    return [
        *lines,
        *(f"{path}: a file where a link to a scan is to be; move it, or name another --root" for path in in_the_way),
    ]


def _write(wanted: Wanted, found: Found, root: Path, params_path: Path, text: str, presets: Path) -> list[str]:
    """All files; params.yaml last. What was a user's is kept beside before any of them."""
    lines = []
    if found.files and writing.owner_of_table(root) == "user":
        lines.append(f"{kept_beside(root / TABLE)}: the table as it was")
    if writing.owner_of_params(params_path, presets) == "user":
        lines.append(f"{kept_beside(params_path)}: params.yaml as it was")
    if found.files:
        writing.write_data_set(root, found.cases, found.files)
        lines.append(f"{root / TABLE} written, with links to {len(found.files)} files")
    writing.write_whole(params_path, text)
    return [*lines, f"{params_path} written: every number with its reason"]


def _too_small(asked: Asked, fitted: Fit) -> list[str]:
    if fitted.learns_from is None:
        return []
    spend, count = fitted.place.spend, len(asked.structures)
    return [
        f"--hours {asked.hours:g} is too little for a network to surely learn {count} structure(s) here: "
        f"{spend.epochs * spend.iterations_per_epoch} iterations of nnU-Net of {least_iterations(count)}; such a run "
        f"shows that all works, and its Dice says nothing of the method. Enough are {in_hours(fitted.learns_from)}"
    ]


def _time(asked: Asked, fitted: Fit, price: Price, settings: Params) -> list[str]:
    seen, stages = price.of(fitted.place)
    rungs, place = asked.rungs, fitted.place
    lines = [
        f"{about(seen.of(stages))} of --hours {asked.hours:g}, {by_what(seen)}",
        f"the longest: {longest(seen, stages)}",
        f"budget {place.rung.name!r} ({rungs.index(place.rung) + 1} of {len(rungs)}), {place.share:.0%} of its range",
        *remarks(settings, seen),
    ]
    above = rungs[rungs.index(place.rung) + 1 :]
    if above:
        lines.append(f"budget {above[0].name!r} begins at {in_hours(hours_for(price.hours(Place(above[0], 0.0))))}")
    return lines


def _assumed(
    wanted: Wanted, found: Found, structures: Mapping[str, int], layout: Layout, settings: Params
) -> list[str]:
    lines = []
    if settings.segmentation.prediction.ends is not None:
        lines.append(
            f"{', '.join(structures)}: on average as large in the target's patients as in the source's; else "
            "segmentation.prediction.ends: null"
        )
    if not wanted.structures and found.structures:
        lines.append(
            f"structures, and that {next(iter(found.structures))} steers, by {DATASET}: {OPTION} says otherwise"
        )
    elif not wanted.structures and layout == "table":
        lines.append(f"the labels' only value is the {next(iter(structures))}: --structures NAME=VALUE names it")
    if layout == PAPER and not wanted.structures:
        lines.append("VS alone is segmented; --structures VS=1,Cochlea=2: the cochleas as well")
    return lines


def _shipped(choices: Mapping[str, Choice], presets: Path) -> dict[str, Any]:
    content = preset_content(DEFAULT, presets)
    return {key: writing.value_at(content, writing.key_of(key)) for key in choices}


def _machine(settings: Params) -> list[str]:
    """What `gbaseg doctor` has something against."""
    return [
        f"{one.name}: {' '.join(one.found.split())}{f' -> {one.advice}' if one.advice else ''}"
        for one in diagnose(lambda: settings)
        if one.status != "ok"
    ]
