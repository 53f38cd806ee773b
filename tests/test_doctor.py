"""`gbaseg doctor`: every finding, on machines and folders that lack something."""

import errno
import fcntl
import json
import os
import platform
import shutil
import subprocess
from dataclasses import replace
from importlib import metadata
from types import SimpleNamespace

import numpy as np
import pytest

from gbaseg import doctor
from gbaseg.cases import Case, write_table
from gbaseg.doctor import Finding
from gbaseg.doctor import project as project_findings
from gbaseg.errors import UserError
from gbaseg.params import Params
from gbaseg.raw.dataset_settings import DatasetSettings
from gbaseg.runtime.leftovers import lock_of
from gbaseg.runtime.locks import locked
from gbaseg.self_training.settings import SelfTrainingSettings
from gbaseg.volume import Grid, Volume, write


def params(**dataset):
    return lambda: SimpleNamespace(dataset=DatasetSettings(**dataset), self_training=SelfTrainingSettings())


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with a commit, DVC's files, and both commands on the PATH."""
    commands = tmp_path / "bin"
    commands.mkdir()
    for name in ("dvc", "gbaseg"):
        (commands / name).write_text("#!/bin/sh\n")
        (commands / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(commands), prepend=os.pathsep)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    folder = tmp_path / "project"
    (folder / ".dvc/tmp").mkdir(parents=True)
    (folder / "dvc.yaml").write_text("stages: {}\n")
    for arguments in (
        ["init"],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-m", "first"],
    ):
        subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)
    return folder


def test_everything_is_looked_at_once_and_nothing_raises(project):
    findings = doctor.diagnose(params(), project)
    names = [finding.name for finding in findings]
    assert len(set(names)) == len(names)
    assert {"Python", "device", "memory", "disk", "git", "DVC", "params.yaml", "data set"} <= set(names)


def test_report_says_what_to_do():
    lines = doctor.report([Finding("git", "ok", "clean"), Finding("DVC", "fail", "locked", "wait")]).splitlines()
    assert lines == [
        "ok    git  clean",
        "fail  DVC  locked",
        "           -> wait",
        "1 to mend, 0 to know about, 2 looked at",
    ]


def test_all_faults_of_a_finding_stand_under_it():
    lines = doctor.report([Finding("params.yaml", "fail", "2 fault(s)\n  - a\n  - b", "mend")]).splitlines()
    assert lines[:4] == [
        "fail  params.yaml  2 fault(s)",
        "                     - a",
        "                     - b",
        "                   -> mend",
    ]


@pytest.mark.parametrize(
    ("version", "status"), [((3, 11, 4), "ok"), ((3, 13, 0), "ok"), ((3, 10, 9), "fail"), ((3, 14, 0), "fail")]
)
def test_python(version, status):
    finding = doctor.python_version(version)
    assert finding.status == status
    assert ("3.11, 3.12 or 3.13" in finding.advice) == (status == "fail")


def pinned(monkeypatch, tmp_path, pins, installed, requires):
    def version(name):
        if name not in installed:
            raise metadata.PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setattr(metadata, "requires", lambda _: requires)
    (tmp_path / "constraints.txt").write_text(pins)
    return doctor.packages(tmp_path / "constraints.txt")


def test_packages_at_the_tested_versions(monkeypatch, tmp_path):
    findings = pinned(
        monkeypatch, tmp_path, "# all\nA_b==1.0 # why\n", {"a-b": "1.0"}, ["a-b>=1", 'x>=1; extra == "dev"']
    )
    assert [(finding.status, finding.found) for finding in findings] == [("ok", "1 found, at the tested versions")]


def test_packages_that_are_missing_old_or_other(monkeypatch, tmp_path):
    installed = {"old": "0.9", "other": "1.1", "good": "1.0"}
    requires = ["gone>=1", "old>=1", "other>=1", "good>=1"]
    findings = pinned(monkeypatch, tmp_path, "other==1.0\ngood==1.0\n", installed, requires)
    assert [(finding.name, finding.status) for finding in findings] == [
        ("gone", "fail"),
        ("old", "fail"),
        ("other", "warn"),
    ]


def test_a_local_build_of_a_pinned_version_is_that_version(monkeypatch, tmp_path):
    findings = pinned(monkeypatch, tmp_path, "torch==2.13.0\n", {"torch": "2.13.0+cpu"}, ["torch>=2.5"])
    assert findings[0].status == "ok"


def test_device(monkeypatch):
    monkeypatch.setenv("GBASEG_DEVICE", "cpu")
    assert doctor.device().found.startswith("cpu, ")
    monkeypatch.setenv("GBASEG_DEVICE", "abacus")
    finding = doctor.device()
    assert finding.status == "fail" and "abacus" in finding.found


def test_memory_and_disk(monkeypatch, tmp_path):
    import psutil

    for free, expected in ((8, "ok"), (3, "warn")):
        state = SimpleNamespace(available=free * 2**30, total=2**34)
        monkeypatch.setattr(psutil, "virtual_memory", lambda state=state: state)
        assert doctor.memory().status == expected
    for free, expected in ((50, "ok"), (3, "warn"), (0.5, "fail")):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: SimpleNamespace(free=free * 2**30))
        assert doctor.disk(tmp_path).status == expected


def test_git(project, monkeypatch):
    assert doctor.git(project).found.endswith(", clean")
    (project / "new").touch()
    assert doctor.git(project).found.endswith("1 file(s) changed since")
    shutil.rmtree(project / ".git")
    assert doctor.git(project).status == "fail"
    subprocess.run(["git", "init"], cwd=project, check=True, capture_output=True)
    assert doctor.git(project).found == "no commit yet"
    monkeypatch.setenv("PATH", "")
    assert doctor.git(project).found == "not installed"


def test_dvc_set_up(project, monkeypatch):
    assert doctor.dvc(project) == Finding("DVC", "ok", "set up, not locked")
    monkeypatch.setenv("PATH", "")
    assert "PATH" in doctor.dvc(project).found
    (project / "dvc.yaml").unlink()
    assert doctor.dvc(project).found == "no dvc.yaml here"


def test_dvc_lock_is_seen_and_left_alone(project):
    lock = project / ".dvc/tmp/lock"
    lock.touch()
    assert doctor.dvc(project).status == "ok"  # DVC leaves the file behind
    with lock.open() as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        assert "holds the lock" in doctor.dvc(project).found
    assert doctor.dvc(project).status == "ok"


def test_dvc_stage_at_work_or_ended(project):
    ended = subprocess.Popen(["true"])
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)  # a zombie: not at work, though there
    rwlock = project / ".dvc/tmp/rwlock"
    here = {"pid": os.getpid(), "cmd": "dvc repro"}
    gone = {"pid": ended.pid, "cmd": "dvc exp run"}
    rwlock.write_text(json.dumps({"write": {"a": here}, "read": {"b": [gone]}}))
    finding = doctor.dvc(project)
    assert finding.status == "warn"
    assert f"dvc repro (process {os.getpid()})" in finding.found and "exp run" not in finding.found
    rwlock.write_text(json.dumps({"write": {}, "read": {"b": [gone]}}))
    assert doctor.dvc(project).status == "ok"
    for damage in ("{", '{"write": []}', '{"read": {"a": [1]}}'):
        rwlock.write_text(damage)
        assert "damaged" in doctor.dvc(project).found
    ended.wait()


@pytest.mark.unusual("Interruptions", "gbaseg doctor while a stage is under way", "names the process and its host")
def test_a_stage_at_work_and_what_killed_ones_left(project):
    assert doctor.scratch(project) == Finding("scratch", "ok", "nothing left by interrupted runs")
    folder = project / ".scratch/survey-ab"
    (folder / "work").mkdir(parents=True)
    with locked(lock_of(folder), "survey"):
        finding = doctor.scratch(project)
        assert finding.status == "warn"
        assert f"survey-ab: process {os.getpid()} on {platform.node()} is at this" in finding.found
    lock_of(folder).write_text("{}")  # of a process that was killed
    finding = doctor.scratch(project)
    assert (finding.status, finding.found) == ("ok", "1 left by interrupted runs, 0.0 GiB")
    assert "gbaseg scratch" in finding.advice


def test_parameters_and_data_set(tmp_path):
    def wrong():
        raise UserError("params.yaml: seed: found -1")

    [missing] = doctor.parameters(wrong, tmp_path)
    assert (missing.status, missing.advice) == (
        "fail",
        "gbaseg preset default writes one, in the folder of the project",
    )
    # A typo is mended, not thrown away with everything else in the file.
    (tmp_path / "params.yaml").touch()
    [faulty] = doctor.parameters(wrong, tmp_path)
    assert (faulty.status, faulty.found) == ("fail", "params.yaml: seed: found -1")
    assert faulty.advice == "mend what is named there"
    assert [finding.status for finding in doctor.parameters(params(), tmp_path)] == ["ok", "ok"]
    assert "dvc repro" in doctor.parameters(params(), tmp_path)[1].found
    missing = doctor.parameters(params(root="data/raw/mine"), tmp_path)[1]
    assert (missing.status, missing.found) == ("fail", "dataset.root data/raw/mine: no such folder")
    (tmp_path / "data/raw/phantom").mkdir(parents=True)
    (tmp_path / "data/raw/phantom/validation").mkdir()
    own = doctor.parameters(params(), tmp_path)[1]
    assert own.status == "fail" and "that gbaseg did not write (validation)" in own.found
    inside = doctor.parameters(params(root="data/standard"), tmp_path)[1]
    assert inside.status == "fail" and "lies in data/standard" in inside.found
    (tmp_path / "data/raw/mine").mkdir(parents=True)
    assert doctor.parameters(params(root="data/raw/mine"), tmp_path)[1].status == "ok"


def test_decisions_that_nothing_reads(tmp_path):
    assert len(doctor.parameters(params(), tmp_path)) == 2
    decision = "{a: {decision: rejected, of: '0123456789012345'}}"
    (tmp_path / "review.yaml").write_text(f"changes: {{round_0: {decision}, round0: {decision}, round_9: {{}}}}\n")
    found = doctor.parameters(params(), tmp_path)[-1]
    assert (found.name, found.status) == ("review.yaml", "warn") and "about round0 are not used" in found.found
    (tmp_path / "review.yaml").write_text("changes: {round_0: {a: rejected}}\n")
    found = doctor.parameters(params(), tmp_path)[-1]
    assert found.status == "fail" and "1 fault(s)" in found.found


def test_slices_are_said_from_the_headers(tmp_path):
    root = tmp_path / "raw"
    sagittal = (0.0, 0.0, -1.0, 1.0, 0.0, 0.0, 0.0, -1.0, 0.0)
    cases = []
    for name, domain in (("a", "source"), ("b", "target"), ("c", "target")):
        cases.append(Case(name, name, "A", domain, "train", "MR", f"{name}.nii.gz"))
        axial = Grid((3, 8, 8), (4.0, 1.0, 1.0))
        grid = replace(axial, direction=sagittal) if name == "c" else axial
        write(Volume(np.zeros(grid.shape, np.float32), grid), root / f"{name}.nii.gz")
    write_table(cases, root)
    settings = Params(dataset={"root": "raw", "layout": "table"})
    assert project_findings.slices(settings, tmp_path)[0].status == "warn"
    found = project_findings.slices(settings, tmp_path)[0].found.splitlines()
    assert found[0] == "slices of 2 axial, 1 sagittal (standardise.slices: acquired)"
    assert found[1].startswith("slices of 1 of 3 scan(s) lie otherwise in the patient than those of the others: c;")
    (root / "c.nii.gz").write_bytes(b"no image")
    assert project_findings.slices(settings, tmp_path)[0].status == "ok"
    (root / "cases.csv").unlink()
    assert project_findings.slices(settings, tmp_path) == []


@pytest.mark.unusual("Interruptions", "/dev/shm read-only, seen by doctor", "fail, with the command that mends it")
def test_shared_memory(monkeypatch):
    assert doctor.shared_memory().status in ("ok", "warn")
    for free, expected in ((2**30, "ok"), (64 * 2**20, "warn")):
        monkeypatch.setattr("gbaseg.runtime.room.free_bytes", lambda _, free=free: free)
        assert doctor.shared_memory().status == expected
    assert "--shm-size" in doctor.shared_memory().advice

    def none(*_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("multiprocessing.context.BaseContext.Lock", none)
    finding = doctor.shared_memory()
    assert (finding.name, finding.status, finding.found) == ("/dev/shm", "fail", "Read-only file system")
    assert "mount -t tmpfs" in finding.advice


@pytest.mark.unusual("Interruptions", "a project, .scratch or cache that is not writable", "doctor: fail, names it")
def test_a_place_that_may_not_be_written_to(project, monkeypatch):
    assert doctor.disk(project).status in ("ok", "warn")
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).endswith(".dvc"))
    finding = doctor.disk(project)
    assert finding.status == "fail" and "DVC's cache" in finding.found and "project (" not in finding.found


def test_every_disk_of_a_run_is_looked_at(project, monkeypatch, tmp_path):
    (project / ".scratch").symlink_to(tmp_path)
    monkeypatch.setattr("gbaseg.runtime.room.device_of", lambda path: 2 if path.name == ".scratch" else 1)
    monkeypatch.setattr(
        shutil, "disk_usage", lambda path: SimpleNamespace(free=(3 if path == tmp_path else 50) * 2**30)
    )
    finding = doctor.disk(project)
    assert (finding.status, finding.found) == (
        "warn",
        "50.0 GiB free (project, DVC's cache); 3.0 GiB free (.scratch)",
    )
