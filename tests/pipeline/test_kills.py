"""Every stage killed twice at a random moment, then run to its end: nothing lost, nothing stale, the same to the bit.

`tests/faults/kills.py` does it under `dvc repro`, as often as it is told.
"""

import random
import shutil
import signal
import time
import uuid
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from gbaseg.runtime.ledger import read_ledger
from gbaseg.runtime.locks import holder_of
from gbaseg.runtime.scratch import digest_of

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


def _has_begun(folder, process):
    """What comes before is Python's start. A lock may be there of the run that was killed before."""
    holders = [holder_of(lock) for lock in folder.glob(".scratch/*.lock")]
    return process.pid in [holder.pid for holder in holders if holder] or process.poll() is not None


@pytest.mark.unusual(
    "Interruptions",
    "kill -9 of a stage's whole tree at a random moment, twice, then the same again",
    "equal to the bit",
)
@pytest.mark.parametrize("command", STAGES)
def test_a_killed_stage_ends_as_if_it_had_not_been_killed(done, command):
    paths = outputs(done, STAGES[command])
    before = digest_of(paths)
    draw = random.Random(time.time_ns())
    shutil.rmtree(done.folder / ".scratch", ignore_errors=True)
    seconds = done.seconds[command.replace("-", "_").replace(" ", "/")]
    for _ in range(2):
        mark = uuid.uuid4().hex
        process = processes.start(["gbaseg", *command.split()], done.folder, mark)
        processes.wait_for(lambda process=process: _has_begun(done.folder, process), "started")
        time.sleep(draw.uniform(0.0, 1.2 * seconds))
        processes.kill_all(mark)
        assert process.wait() in (0, -signal.SIGKILL), process.stderr.read()
    done.call(*command.split())
    assert digest_of(paths) == before
    assert {path.name for path in (done.folder / ".scratch").iterdir()} <= {"store"}
