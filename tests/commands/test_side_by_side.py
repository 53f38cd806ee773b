"""Experiments side by side: what they share is made once, they end as DVC's experiments, and a broken run goes on."""

import json
import os
import signal
import subprocess
import sys
import time
from itertools import product
from pathlib import Path

import pytest

from gbaseg.commands.experiments import experiments_of_this_commit
from gbaseg.commands.planned import Experiment
from gbaseg.commands.revisions import open_revision
from gbaseg.commands.side_by_side import FOLDER, run_side_by_side
from gbaseg.errors import UserError
from gbaseg.git import git

pytestmark = pytest.mark.processes
ROOT = Path(__file__).parents[2]

# Stages in the place of gbaseg's: one that all share, one that those of a seed share, one of each experiment.
PIPELINE = """
stages:
  data: {{cmd: "{note} data; echo data > data.txt", params: [common], outs: [data.txt]}}
  translation:
    cmd: "{note} translation; cat data.txt params.yaml | grep -e data -e seed > translation.txt"
    deps: [data.txt]
    params: [seed]
    outs: [translation.txt]
  arm:
    cmd: "{note} arm; test -e .scratch/store/kept && cat translation.txt params.yaml > arm.txt; {then}"
    deps: [translation.txt]
    params: [arm, seed]
    metrics: [arm.txt: {{cache: false}}]
"""
PARAMS = "seed: 1\narm: a\ncommon: 1\n"
FOUR = [Experiment(f"{arm}-{seed}", {"seed": str(seed), "arm": arm}) for seed, arm in product((1, 2), ("a", "b"))]

TWO = [one for one in FOUR if one.name in ("a-1", "b-1")]


class Project:
    """A project under git and DVC in the present folder; its stages note in `made` that they ran."""

    def __init__(self, beside: Path) -> None:
        self.made = beside / "made"
        self.made.touch()
        Path("params.yaml").write_text(PARAMS)
        git("init", "-q", ".")
        git("config", "user.name", "somebody")
        git("config", "user.email", "somebody@here")
        subprocess.run([sys.executable, "-m", "dvc", "init", "-q"], check=True)
        Path(".gitignore").write_text(".scratch\n")
        Path(".scratch/store").mkdir(parents=True)
        Path(".scratch/store/kept").write_text("of the store\n")
        self.write("true")

    def write(self, then: str) -> None:
        """Commit the pipeline; `then`: what the stage of each experiment does last."""
        Path("dvc.yaml").write_text(PIPELINE.format(note=f"echo >> {self.made}", then=then))
        git("add", "-A")
        git("commit", "-qm", "pipeline")

    def runs(self) -> dict[str, int]:
        """How often each stage ran."""
        names = [line.strip() for line in self.made.read_text().splitlines()]
        return {name: names.count(name) for name in sorted(set(names))}

    def run(self, wanted: list[Experiment]) -> None:
        values = {one.name: {**one.settings, "seed": int(one.settings["seed"]), "common": 1} for one in wanted}
        done = experiments_of_this_commit()
        run_side_by_side([one for one in wanted if one.name not in done], values, at_once=2)

    def results(self) -> dict[str, str]:
        return {
            name: open_revision(revision).read_text("arm.txt")
            for name, revision in experiments_of_this_commit().items()
        }


@pytest.fixture
def project(tmp_path, monkeypatch):
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    return Project(tmp_path)


def expected(wanted):
    lines = "data\nseed: {seed}\nseed: {seed}\narm: {arm}\ncommon: 1\n"
    return {one.name: lines.format(**one.settings) for one in wanted}


def test_experiments_make_what_they_share_once_and_end_as_experiments_of_this_folder(project):
    before = git("status", "--porcelain")
    project.run(FOUR)
    assert project.runs() == {"arm": 4, "data": 1, "translation": 2}
    assert project.results() == expected(FOUR)
    assert git("status", "--porcelain") == before and not list(FOLDER.iterdir())
    assert Path("params.yaml").read_text() == PARAMS


def test_what_fails_is_said_the_others_are_done_and_the_same_command_goes_on(project):
    broken = project.made.with_name("broken")
    broken.touch()
    project.write(f"test ! -e {broken} || grep -q 'arm. a' params.yaml")
    # Not committed: it comes along.
    Path("params.yaml").write_text(f"{PARAMS}more: 7\n")
    with pytest.raises(UserError, match=r"(?s)b-1 failed \(.*failed to reproduce.*say this command again") as refused:
        project.run(TWO)
    # What the other one has made is not brought stage by stage from the cache of runs.
    assert "'translation' didn't change" in str(refused.value)
    assert project.results().keys() == {"a-1"}
    broken.unlink()
    project.run(TWO)
    assert project.results() == {name: f"{text}more: 7\n" for name, text in expected(TWO).items()}
    assert project.runs() == {"arm": 3, "data": 1, "translation": 1}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_ended_leaves_no_dvc_and_the_next_one_goes_on(project, number):
    waits = project.made.with_name("waits")
    waits.touch()
    project.write(f"while test -e {waits}; do sleep 0.1; done")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from test_side_by_side import *; "
        "from gbaseg.runtime.ending import on_signals; project = Project.__new__(Project)\n"
        "with on_signals(): project.run(TWO)"
    )
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}"}
    process = subprocess.Popen([sys.executable, "-c", code, str(Path(__file__).parent)], env=environment)
    until(lambda: project.runs().get("arm", 0) == 2)
    process.send_signal(number)
    assert process.wait(40) == (-number if number == signal.SIGKILL else 128 + number)
    until(lambda: not dvc_below(Path.cwd()))
    waits.unlink()
    # In a container whose first process reaps nobody, a killed dvc stays a zombie; DVC takes it for one at work.
    zombie = subprocess.Popen(["true"])
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    for clone in FOLDER.glob("*/.dvc"):
        note = {"write": {f"{clone.parent.absolute()}/arm.txt": {"pid": zombie.pid, "cmd": "dvc exp run"}}}
        (clone / "tmp/rwlock").write_text(json.dumps(note))
    project.run(TWO)
    assert project.results() == expected(TWO)
    assert project.runs() == {"arm": 4, "data": 1, "translation": 1}
    zombie.wait()


def until(is_so):
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def dvc_below(folder):
    """Processes of dvc that work below a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            place, command = Path(os.readlink(path / "cwd")), (path / "cmdline").read_bytes()
        except OSError:
            continue
        if folder in place.parents and b"dvc" in command:
            found.append(command)
    return found
