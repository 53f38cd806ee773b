"""The project's folder: git, DVC, .scratch, parameters and data set."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from gbaseg.doctor.findings import Finding
from gbaseg.errors import UserError
from gbaseg.git import GitRefuses, check_repository
from gbaseg.git import git as git_says
from gbaseg.runtime.dvc_notes import at_work
from gbaseg.workflow.roots import check_root

_GIB = 2**30


def git(project: Path) -> Finding:
    """A repository with a commit: DVC's experiments start from one."""
    if shutil.which("git") is None:
        return Finding("git", "fail", "not installed", "install git: DVC needs it")
    try:
        commit = check_repository(project)
        # Of this folder: the repository may be a larger one.
        changed = git_says("status", "--porcelain", "--", ".", folder=project).splitlines()
    except GitRefuses as error:
        found, _, advice = str(error).partition(": ")
        if found == "no commit yet":
            return Finding("git", "warn", found, advice)
        return Finding("git", "fail", str(error), "gbaseg tables, figures and ablation, and dvc exp, need it")
    if changed:
        found = f"{commit}, {len(changed)} file(s) changed since"
        return Finding("git", "ok", found, "dvc exp run takes changes along; commit to tell results apart")
    return Finding("git", "ok", f"{commit}, clean")


def dvc(project: Path) -> Finding:
    """DVC set up here, its command found, and no other DVC command at work or left over."""
    if not (project / ".dvc").is_dir() or not (project / "dvc.yaml").is_file():
        lacking = " and ".join(name for name in (".dvc", "dvc.yaml") if not (project / name).exists())
        return Finding("DVC", "fail", f"no {lacking} here", "run gbaseg in the folder of the project (else: dvc init)")
    if shutil.which("dvc") is None or shutil.which("gbaseg") is None:
        advice = "activate the environment, so that the stages find them: . .venv/bin/activate"
        return Finding("DVC", "fail", "dvc or gbaseg is not on the PATH", advice)
    folder = project / ".dvc" / "tmp"
    if _is_locked(folder / "lock"):
        return Finding("DVC", "warn", "another DVC command holds the lock", "wait for it (dvc --wait-for-lock ...)")
    try:
        alive = at_work(folder / "rwlock")
    except ValueError:
        return Finding(
            "DVC", "warn", ".dvc/tmp/rwlock is damaged", "gbaseg run mends it; or remove it when no DVC command runs"
        )
    if alive:
        running = ", ".join(f"{command} (process {pid})" for pid, command in alive.items())
        return Finding("DVC", "warn", f"at work: {running}", "wait for it before starting another run here")
    return Finding("DVC", "ok", "set up, not locked")


def scratch(project: Path) -> Finding:
    """Stages that are under way here, and what interrupted ones have left."""
    from gbaseg.runtime.leftovers import leftovers
    from gbaseg.runtime.scratch import ROOT

    found = [one for one in leftovers(project / ROOT) if one.path.parent == project / ROOT]
    running = [f"{one.path.name}: {one.holder} is at this" for one in found if one.holder]
    if running:
        return Finding("scratch", "warn", "\n".join(running), "wait for it before starting the same here")
    if found:
        size = sum(one.size for one in found) / _GIB
        advice = "the same commands go on from it; gbaseg scratch lists it, and removes it by age"
        return Finding("scratch", "ok", f"{len(found)} left by interrupted runs, {size:.1f} GiB", advice)
    return Finding("scratch", "ok", "nothing left by interrupted runs")


def _is_locked(path: Path) -> bool:
    """Whether a process holds DVC's lock file (an advisory lock; the file itself stays behind)."""
    try:
        import fcntl
    except ImportError:  # no such locks on Windows
        return False
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        try:
            fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def parameters(load_params: Callable[[], Any], project: Path) -> list[Finding]:
    """params.yaml as it is checked before every stage, its data set's folder, and what was decided about its rounds."""
    try:
        settings = load_params()
    except UserError as error:
        there = (project / "params.yaml").is_file()
        # Never a preset for a typo: it would take everything else in the file back with it.
        advice = (
            "mend what is named there" if there else "gbaseg preset default writes one, in the folder of the project"
        )
        return [Finding("params.yaml", "fail", str(error), advice)]
    valid = Finding("params.yaml", "ok", "valid")
    return [valid, *data_set(settings, project), *review(settings, project)]


def data_set(settings: Any, project: Path) -> list[Finding]:
    """The folder of the data set, and its slices."""
    root = settings.dataset.root
    try:
        check_root(Path(root), project)
    except UserError as error:
        return [Finding("data set", "fail", str(error), "do that first: DVC removes its outputs before it runs")]
    if (project / root).is_dir():
        return [Finding("data set", "ok", f"{root} ({settings.dataset.layout})"), *slices(settings, project)]
    if root == type(settings.dataset)().root:
        return [Finding("data set", "ok", f"{root} is not there yet: dvc repro writes the phantom there")]
    return [Finding("data set", "fail", f"dataset.root {root}: no such folder", "put the data set there")]


def review(settings: Any, project: Path) -> list[Finding]:
    """Decisions about pseudo-labels; nothing where they are as they should be."""
    from gbaseg.workflow.reviewed import of_no_round

    try:
        unused = of_no_round(settings, project)
    except UserError as error:
        return [Finding("review.yaml", "fail", str(error))]
    return [Finding("review.yaml", "warn", unused, "mend the name there, or remove what is left")] if unused else []


def slices(settings: Any, project: Path) -> list[Finding]:
    """Which slices the scans give, from their headers; nothing where there are none to read: standardise says why."""
    from gbaseg.raw.sources import find_cases
    from gbaseg.volume import read_grid
    from gbaseg.workflow.slices import slices_of

    root, grids = project / settings.dataset.root, {}
    try:
        cases, _ = find_cases(settings.dataset, root)
    except UserError:
        return []
    for case in cases:
        with suppress(UserError, OSError):  # the checks of the data set name them
            grids[case.case] = read_grid(root / case.image)
    if not grids:
        return []
    found = slices_of(grids, settings.standardise.slices, settings.segmentation.network.mirrored)
    return [Finding("slices", "warn" if found.warnings else "ok", "\n".join([found.words, *found.warnings]))]
