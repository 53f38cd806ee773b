"""Python, packages, device, memory and disks."""

from __future__ import annotations

import os
import shutil
import sys
from importlib import metadata
from pathlib import Path

from gbaseg.doctor.findings import Finding
from gbaseg.errors import UserError

_GIB = 2**30
# What the demonstration on the phantom needs; real data sets need more of both.
_MEMORY_GIB = 6
_DISK_GIB = 5
# Of a fold of nnU-Net's own plan on a GPU: patches on their way from twelve augmenters (cost.room).
_SHARED_MIB = 600
# As in pyproject.toml, which pip goes by: this is for a package that is used from its source.
PYTHONS = ("3.11", "3.12", "3.13")


def python_version(version: tuple[int, ...] = tuple(sys.version_info[:3])) -> Finding:
    """Is it one that the tests are run with?"""
    found = ".".join(map(str, version))
    if "{}.{}".format(*version) in PYTHONS:
        return Finding("Python", "ok", found)
    allowed = f"{', '.join(PYTHONS[:-1])} or {PYTHONS[-1]}"
    advice = (
        f"Python {allowed} is needed: make an environment with it (rm -r .venv; make run PYTHON=/path/to/python3.13)"
    )
    return Finding("Python", "fail", found, advice)


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
    from gbaseg.workflow.saved import cache_folder

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
