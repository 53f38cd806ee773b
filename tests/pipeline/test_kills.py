"""Every stage killed twice at a random moment, then run to its end: nothing lost, nothing stale, the same to the bit.

`tests/faults/kills.py` does it under `dvc repro`, as often as it is told.
"""

import json
import os
import random
import shutil
import signal
import socket
import sys
import time
import uuid
from contextlib import contextmanager
from functools import partial
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from select import select

import pytest
from ruamel.yaml import YAML

from gbaseg.runtime.ledger import read_ledger
from gbaseg.runtime.locks import holder_of
from gbaseg.runtime.scratch import digest_of
from gbaseg.runtime.stage_client import SIZE, SOCKET, STARTED, STATUS

pytestmark = pytest.mark.pipeline

_spec = spec_from_file_location("processes", Path(__file__).parents[1] / "faults" / "processes.py")
assert _spec and _spec.loader
processes = module_from_spec(_spec)
_spec.loader.exec_module(processes)

STAGES = {
    "phantom": "phantom",
    "standardise": "standardise",
    "train-translation": "train_translation",
    "translate": "translate",
    "survey": "survey",
    "pseudo-label survey": "pseudo_label_survey",
    "evaluate survey": "evaluate_survey",
    "train-singan": "train_singan",
    "augment": "augment",
    "adapt round_0": "adapt",
    "train-segmentation round_0": "train_segmentation",
    "pseudo-label round_0": "pseudo_label",
    "baseline": "baseline",
    "summarise": "summarise",
}


class Forks:
    """Stages as `dvc repro` has them: forks of one process that imports for all, asked as `stage_client` asks it."""

    def __init__(self, folder):
        self._mark, self._socket, self.said = uuid.uuid4().hex, folder / SOCKET, folder.with_name("said")
        module = [sys.executable, "-P", "-m", "gbaseg.runtime.stage_server", str(folder), str(os.getpid()), "summarise"]
        self._server = processes.start(module, folder.parent, self._mark)
        processes.wait_for(self._socket.exists, "stages can be forked")

    @contextmanager
    def stage(self, command, folder):
        """Begin it. Inside there is the socket that its exit code is sent to, under 0 the signal's that ended it."""
        request = {"arguments": ["gbaseg", *command], "folder": str(folder), "ignored": []}
        request["environment"] = processes.environment(self._mark)
        text = json.dumps(request).encode()
        heard, told = os.pipe()
        with socket.socket(socket.AF_UNIX) as asked, self.said.open("w") as said, open(os.devnull, "r+") as nothing:
            processes.wait_for(lambda: asked.connect_ex(str(self._socket)) == 0, "it listens")
            socket.send_fds(asked, [SIZE.pack(len(text))], [nothing.fileno(), nothing.fileno(), said.fileno(), heard])
            asked.sendall(text)
            assert asked.recv(len(STARTED)) == STARTED
            yield asked
        os.close(heard)
        os.close(told)

    def kill(self):
        """kill -9 of all that was forked."""
        processes.kill_all(self._mark, but=self._server.pid)

    def end(self):
        processes.kill_all(self._mark)
        self._server.wait()


@pytest.fixture(scope="module")
def forks(tmp_path_factory):
    forks = Forks(tmp_path_factory.mktemp("forks") / "server")
    yield forks
    forks.end()


@pytest.fixture(scope="module")
def done(tiny, tmp_path_factory):
    """A project that has run without interruption, and nothing from which a stage could be had without running it."""
    made = shutil.ignore_patterns(".dvc", ".git", ".scratch", "dvc.lock")
    project = type(tiny)(shutil.copytree(tiny.folder, tmp_path_factory.mktemp("killed") / "project", ignore=made))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project.folder)
        project.seconds = {name: line["seconds"] for name, line in read_ledger().items()}
    return project


def outputs(project, stage):
    """Files and folders that DVC has of a stage of the first round."""
    described = YAML(typ="safe").load((project.folder / "dvc.yaml").read_text())["stages"][stage]
    listed = [*described.get("outs", []), *described.get("metrics", []), *described.get("plots", [])]
    paths = [next(iter(one)) if isinstance(one, dict) else one for one in listed]
    return [project.folder / path.replace("${item.round.id}", "round_0") for path in paths]


def _holders(folder):
    """Processes of the locks there."""
    holders = [holder_of(lock) for lock in folder.glob(".scratch/*.lock")]
    return {holder.pid for holder in holders if holder}


def _has_begun(folder, others, status):
    """Or has ended already. A lock may be there of the run that was killed before: one of the others."""
    return _holders(folder) - others or select([status], [], [], 0)[0]


@pytest.mark.unusual(
    "Interruptions",
    "kill -9 of a stage's whole tree at a random moment, twice, then the same again",
    "equal to the bit",
)
@pytest.mark.parametrize("command", STAGES)
def test_a_killed_stage_ends_as_if_it_had_not_been_killed(done, forks, command):
    paths = outputs(done, STAGES[command])
    before = digest_of(paths)
    draw = random.Random(time.time_ns())
    shutil.rmtree(done.folder / ".scratch", ignore_errors=True)
    seconds = done.seconds[command.replace("-", "_").replace(" ", "/")]
    for _ in range(2):
        others = _holders(done.folder)
        with forks.stage(command.split(), done.folder) as status:
            processes.wait_for(partial(_has_begun, done.folder, others, status), "begun")
            time.sleep(draw.uniform(0.0, 1.2 * seconds))
            forks.kill()
            assert STATUS.unpack(status.recv(STATUS.size))[0] in (0, -signal.SIGKILL), forks.said.read_text()
    done.call(*command.split())
    assert digest_of(paths) == before
    assert {path.name for path in (done.folder / ".scratch").iterdir()} <= {"store"}
