"""`gbaseg doctor`: is this machine and folder fit to run the pipeline, and what to do where it is not."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from gbaseg.errors import UserError
from gbaseg.git import GitRefuses, check_repository
from gbaseg.git import git as git_says
from gbaseg.stages.roots import check_root

Status = Literal["ok", "warn", "fail"]
_GIB = 2**30
# What the demonstration on the phantom needs; real data sets need more of both.
_MEMORY_GIB = 6
_DISK_GIB = 5
# Of a fold of nnU-Net's own plan on a GPU: patches on their way from twelve augmenters (cost.room).
_SHARED_MIB = 600


@dataclass(frozen=True)
class Finding:
    """One thing looked at. `advice` is empty where there is nothing to do."""

    name: str
    status: Status
    found: str
    advice: str = ""


def diagnose(load_params: Callable[[], Any], project: Path = Path()) -> list[Finding]:
    """Look at Python, packages, device, memory, disk, git, DVC, parameters and data set. Changes nothing.

    Args:
        load_params: reads and checks params.yaml; raises UserError where it is wrong.
        project: folder of the project.
    """
    return [
        python_version(),
        *packages(project / "constraints.txt"),
        device(),
        memory(),
        shared_memory(),
        disk(project),
        git(project),
        dvc(project),
        scratch(project),
        *parameters(load_params, project),
    ]


def report(findings: Sequence[Finding]) -> str:
    """The findings as lines, what to do under each that needs it, and a closing line."""
    width = max(len(finding.name) for finding in findings)
    lines = []
    for finding in findings:
        found = finding.found.replace("\n", f"\n{'':{width + 8}}")
        lines.append(f"{finding.status:4}  {finding.name:{width}}  {found}")
        if finding.advice:
            lines.append(f"{'':{width + 8}}-> {finding.advice}")
    counts = {status: sum(finding.status == status for finding in findings) for status in ("fail", "warn")}
    lines.append(f"{counts['fail']} to mend, {counts['warn']} to know about, {len(findings)} looked at")
    return "\n".join(lines)


def python_version(version: tuple[int, ...] = tuple(sys.version_info[:3])) -> Finding:
    """nnU-Net's preprocessing imports distutils, which Python 3.12 no longer has."""
    found = ".".join(map(str, version))
    if version[:2] == (3, 11):
        return Finding("Python", "ok", found)
    return Finding("Python", "fail", found, "Python 3.11 is needed: make an environment with it (make run does)")


def packages(constraints: Path) -> list[Finding]:
    """Are the packages that gbaseg names there, at the versions of constraints.txt?"""
    from packaging.requirements import Requirement

    try:
        needed = [Requirement(line) for line in metadata.requires("gbaseg") or []]
    except metadata.PackageNotFoundError:
        return [Finding("packages", "fail", "gbaseg is not installed", "pip install -c constraints.txt -e .")]
    needed = [requirement for requirement in needed if not requirement.marker]  # extras have one
    pins = {}
    if constraints.is_file():
        lines = (line.split("#")[0].strip() for line in constraints.read_text(encoding="utf-8").splitlines())
        pins = {_plain(pin.name): pin.specifier for pin in map(Requirement, filter(None, lines))}
    wrong: list[Finding] = []
    for requirement in needed:
        name = requirement.name
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            wrong.append(Finding(name, "fail", "not installed", "pip install -c constraints.txt -e ."))
            continue
        pinned = pins.get(_plain(name))
        if not requirement.specifier.contains(version, prereleases=True):
            advice = f"{requirement.specifier} is needed: pip install -c constraints.txt -e ."
            wrong.append(Finding(name, "fail", version, advice))
        elif pinned is not None and not pinned.contains(version, prereleases=True):
            wrong.append(Finding(name, "warn", version, f"tested with {pinned}; results may differ"))
    if wrong:
        return wrong
    against = "at the tested versions" if pins else "constraints.txt is not here to compare with"
    return [Finding("packages", "ok", f"{len(needed)} found, {against}")]


def _plain(name: str) -> str:
    from packaging.utils import canonicalize_name

    return canonicalize_name(name)


def device() -> Finding:
    """The device that torch will use."""
    try:
        import torch

        from gbaseg.runtime.device import choose_device

        chosen = choose_device()
        if chosen.type == "cuda":
            properties = torch.cuda.get_device_properties(chosen)
            found = f"{properties.name}, {properties.total_memory / _GIB:.0f} GiB, torch {torch.__version__}"
            return Finding("device", "ok", found)
    except UserError as error:
        return Finding("device", "fail", str(error), "leave --device (GBASEG_DEVICE) at auto")
    except (ImportError, OSError) as error:  # OSError: a shared library of torch is missing
        return Finding("device", "fail", f"torch cannot be imported ({error})", "pip install -c constraints.txt -e .")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    found = f"{chosen.type}, {cores} core(s), torch {torch.__version__}"
    if chosen.type != "cpu":
        return Finding("device", "ok", found)
    return Finding("device", "ok", found, "enough for the phantom; presets/crossmoda2022 needs a GPU")


def memory() -> Finding:
    """Memory that is free now, to this job where it has a limit of its own."""
    import psutil

    from gbaseg.runtime.room import free_memory

    free, total = free_memory(), psutil.virtual_memory().total
    found = f"{free / _GIB:.1f} of {total / _GIB:.1f} GiB free"
    if free >= _MEMORY_GIB * _GIB:
        return Finding("memory", "ok", found)
    advice = f"the phantom takes up to {_MEMORY_GIB} GiB: close programs, or --workers 1"
    return Finding("memory", "warn", found, advice)


def shared_memory() -> Finding:
    """What worker processes speak through, and nnU-Net's augmenters hand patches over by where a GPU trains."""
    from gbaseg.runtime.room import SHARED, free_bytes, in_bytes, shared_memory_fault

    fault = shared_memory_fault()
    if fault:
        found, _, advice = fault.removeprefix(f"{SHARED}: ").partition("; ")
        return Finding(str(SHARED), "fail", found, advice)
    if not SHARED.is_dir():
        return Finding(str(SHARED), "ok", "not there, and not needed here")
    free = free_bytes(SHARED)
    if free >= _SHARED_MIB * 2**20:
        return Finding(str(SHARED), "ok", f"{in_bytes(free)} free")
    advice = f"enough without a GPU; with one nnU-Net takes up to {_SHARED_MIB} MiB a fold (docker run --shm-size=2g)"
    return Finding(str(SHARED), "warn", f"{in_bytes(free)} free", advice)


def disk(project: Path) -> Finding:
    """Disks that the project, .scratch and DVC's cache lie on: free, and to be written to."""
    from gbaseg.runtime.room import device_of, nearest
    from gbaseg.stages.saved import cache_folder

    places = {"project": project, ".scratch": project / ".scratch"}
    try:
        places |= {"DVC's cache": cache} if (cache := cache_folder(project)) else {}
    except UserError as error:
        return Finding("disk", "fail", str(error), "mend what is named there")
    locked = [f"{name} ({path})" for name, path in places.items() if not os.access(nearest(path), os.W_OK)]
    if locked:
        return Finding("disk", "fail", f"not to be written to: {', '.join(locked)}", "mount it writable, or ls -ld it")
    disks: dict[int, list[str]] = {}
    for name, path in places.items():
        disks.setdefault(device_of(path), []).append(name)
    frees = [(names, shutil.disk_usage(nearest(places[names[0]])).free / _GIB) for names in disks.values()]
    several = len(frees) > 1
    found = "; ".join(f"{free:.1f} GiB free" + (f" ({', '.join(names)})" if several else "") for names, free in frees)
    least = min(free for _, free in frees)
    if least >= _DISK_GIB:
        return Finding("disk", "ok", found)
    advice = "free some: every experiment keeps its outputs in .dvc/cache (dvc gc -w removes those of old ones)"
    return Finding("disk", "fail" if least < 1 else "warn", found, advice)


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
    import psutil

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
        holders = _stage_holders(folder / "rwlock")
    except ValueError:
        return Finding("DVC", "warn", ".dvc/tmp/rwlock is damaged", "remove it when no DVC command runs")
    alive = {pid: command for pid, command in holders.items() if psutil.pid_exists(pid)}
    if alive:
        running = ", ".join(f"{command} (process {pid})" for pid, command in alive.items())
        return Finding("DVC", "warn", f"at work: {running}", "wait for it before starting another run here")
    left = f", {len(holders)} lock(s) of ended commands, which DVC clears by itself" if holders else ""
    return Finding("DVC", "ok", f"set up, not locked{left}")


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


def _stage_holders(path: Path) -> dict[int, str]:
    """Process -> command of those that DVC notes as reading or writing a stage's files.

    Raises:
        ValueError: the file is not what DVC writes.
    """
    if not path.is_file():
        return {}
    content = json.loads(path.read_text(encoding="utf-8") or "{}")
    try:
        writers: Iterable[dict[str, Any]] = content.get("write", {}).values()
        readers: Iterable[list[dict[str, Any]]] = content.get("read", {}).values()
        infos = [info for info in (*writers, *(info for group in readers for info in group)) if info]
        return {int(info["pid"]): str(info["cmd"]) for info in infos}
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: not in DVC's form") from error


def parameters(load_params: Callable[[], Any], project: Path) -> list[Finding]:
    """params.yaml as it is checked before every stage, and the folder of the data set that it names."""
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
    root = settings.dataset.root
    try:
        check_root(Path(root), project)
    except UserError as error:
        return [valid, Finding("data set", "fail", str(error), "do that first: DVC removes its outputs before it runs")]
    if (project / root).is_dir():
        return [valid, Finding("data set", "ok", f"{root} ({settings.dataset.layout})")]
    if root == type(settings.dataset)().root:
        return [valid, Finding("data set", "ok", f"{root} is not there yet: dvc repro writes the phantom there")]
    return [valid, Finding("data set", "fail", f"dataset.root {root}: no such folder", "put the data set there")]
