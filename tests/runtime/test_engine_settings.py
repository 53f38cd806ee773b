"""engine.yaml: what it asks SLURM for, what is wrong in it, and that nobody without one notices anything."""

import subprocess
import sys
from pathlib import Path

import pytest

from gbaseg.errors import UserError
from gbaseg.runtime.engine.settings import Engine, read_engine
from gbaseg.runtime.engine.slurm import packed
from gbaseg.runtime.place import ENGINE, Needs, Place, engine_asked_for

ROUND = "train_segmentation/round_1"


def engine(**settings):
    return Engine(engine="slurm", **settings)


@pytest.mark.parametrize(
    ("written", "minutes"),
    [(90, 90), ("90", 90), ("12:30:00", 750), ("1:01", 2), ("2-00:00:00", 2880), ("1-12", 2160), ("0-0:30", 30)],
)
def test_a_time_is_written_as_slurm_writes_it(written, minutes):
    assert engine(time=written).time == minutes


def test_all_faults_are_said_at_once(tmp_path):
    path = tmp_path / "engine.yaml"
    path.write_text("engine: slum\npartiton: gpu\ntime: soon\nat_once: 0\nnetworks: {gress: 'gpu:1'}\n")
    with pytest.raises(UserError) as caught:
        read_engine(path)
    said = str(caught.value)
    for words in (
        f"{path}: 5 fault(s)",
        "engine: found 'slum'; allowed: slurm, local",
        "partiton: no such key; did you mean 'partition'?",
        "time: found 'soon'; expected minutes, or a time such as 2-00:00:00",
        "at_once: found 0;",
        "networks.gress: no such key; did you mean 'gres'?",
    ):
        assert words in said


@pytest.mark.parametrize("content", ["", "- slurm", "slurm", "partition: gpu"])
def test_a_file_that_names_no_engine_is_a_fault(tmp_path, content):
    (tmp_path / "engine.yaml").write_text(content)
    with pytest.raises(
        UserError, match=r"engine.yaml.*(expected lines such as 'engine: slurm'|(?s:.*)allowed: slurm, local)"
    ):
        read_engine(tmp_path / "engine.yaml")


def test_the_environment_comes_before_the_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert engine_asked_for() is None
    Path("engine.yaml").write_text("engine: slurm\naccount: lab\n")
    Path("other.yaml").write_text("engine: slurm\naccount: other\n")
    assert engine_asked_for().account == "lab"
    monkeypatch.setenv(ENGINE, "other.yaml")
    assert engine_asked_for().account == "other"
    monkeypatch.setenv(ENGINE, "local")
    assert engine_asked_for() is None
    monkeypatch.setenv(ENGINE, "slurm")
    with pytest.raises(UserError, match="slurm: no such file; allowed"):
        engine_asked_for()
    monkeypatch.delenv(ENGINE)
    Path("engine.yaml").write_text("engine: local\n")
    assert engine_asked_for() is None


def test_a_stages_own_line_comes_before_that_of_its_kind_and_the_files():
    found = engine(
        partition="main", time=60, options={"reservation": "a"}, gres="gpu:1",
        networks={"time": 120, "constraint": "a100"},
        stages={"train_segmentation": {"time": 300, "options": {"nice": 5}}, ROUND: {"partition": "long"}},
    )  # fmt: skip
    asked = found.request(ROUND, True)
    assert (asked.partition, asked.time, asked.constraint) == ("long", 300, "a100")
    assert asked.options == {"reservation": "a", "nice": 5}
    assert found.request("train_singan", True).time == 120 and found.request("translate", False).time == 60


def test_the_cost_model_fills_what_the_file_leaves_open_and_cases_take_no_gpu():
    found = engine(gres="gpu:a100:1", options={"gpus-per-task": 1})
    training = found.request(ROUND, True, minutes=100, memory_gib=10)
    assert (training.time, training.memory_gib, training.cpus, training.has_gpu) == (230, 20.0, 12, True)
    case = found.request(ROUND, False, minutes=100, memory_gib=1)
    assert (case.gres, case.options, case.cpus, case.memory_gib, case.has_gpu) == (None, {}, 1, 4.0, False)
    nothing_known = engine().request(ROUND, True)
    assert (nothing_known.time, nothing_known.memory_gib, nothing_known.cpus) == (240, 4.0, 1)


@pytest.mark.parametrize(
    ("tasks", "minutes", "networks", "jobs"),
    [
        (5, None, True, 5),  # folds of which nothing is known are long
        (5, 1000, True, 5),
        (5, 5, True, 1),  # folds of a minute
        (20, None, False, 4),  # cases of a minute, five to a job
        (3000, 30000, False, 1000),  # no array has more
        (1, None, False, 1),
    ],
)
def test_a_job_has_so_many_tasks_that_it_is_worth_its_start(tasks, minutes, networks, jobs):
    place = Place(ROUND, Path("jobs"), engine(), Needs(minutes))
    packs = packed(tasks, place, networks)
    assert len(packs) == jobs and [task for pack in packs for task in pack] == list(range(tasks))
    assert max(map(len, packs)) - min(map(len, packs)) <= 1


def test_without_engine_yaml_neither_submitit_nor_the_settings_are_imported(tmp_path):
    code = (
        "import sys; from gbaseg.runtime.engine import Task, run; from gbaseg.workflow.needs import place_of; "
        "assert place_of('survey', None, None, None) is None; assert run([Task('a', int)], exclusive=True) == [0]; "
        "print([name for name in sys.modules if name == 'submitit' or name.startswith('gbaseg.runtime.engine.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "slurm" not in done.stdout and "settings" not in done.stdout and "submitit" not in done.stdout
