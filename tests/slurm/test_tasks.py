"""Tasks as jobs of a real SLURM: where they run, what they are given, and what is said where they fail."""

import os
from pathlib import Path

import pytest

from gbaseg.errors import UserError
from gbaseg.runtime.device import is_gpu
from gbaseg.runtime.engine import Task, TaskFailed, cores_for, run, workers_for

pytestmark = pytest.mark.processes


def where(count, seconds=0.0):
    import stubs

    return [Task(f"where {number}", stubs.where, {"value": number, "seconds": seconds}) for number in range(count)]


def test_results_come_in_order_from_two_nodes_at_once(site):
    with site.stage():
        seen = run(where(4, seconds=0.5), name="where")
    assert [one["value"] for one in seen] == [0, 1, 2, 3]
    assert {one["node"] for one in seen} == {"n1", "n2"} and len({one["process"] for one in seen}) == 4
    assert {one["threads"] for one in seen} == {"1"}
    assert not list(site.jobs.iterdir())  # nothing stays of a call that is over


def test_tasks_smaller_than_a_job_is_worth_share_one(site):
    with site.stage(worth_min=3):
        seen = run(where(5))  # of a minute each, as nothing is known of them
    assert [one["value"] for one in seen] == [0, 1, 2, 3, 4]
    assert len({one["process"] for one in seen}) == 2 and site.submissions() == 1


def test_no_more_jobs_run_at_once_than_asked_for(site):
    with site.stage(at_once=1):
        assert {one["node"] for one in run(where(2, seconds=0.5))} == {"n1"} and workers_for(5) == 1


def test_each_task_sees_the_gpu_that_slurm_dealt_it(site, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    with site.stage(networks={"partition": "gpu", "gres": "gpu:1", "cpus": 2}):
        assert is_gpu() and cores_for(2, exclusive=True) == 2
        seen = run(where(2, seconds=2.0), exclusive=True)
        assert {one["gpu"] for one in seen} == {"0", "1"} and {one["node"] for one in seen} == {"n3"}
        assert {(one["threads"], one["cores"]) for one in seen} == {("2", "2")}
        [case] = run(where(1))
        assert case["gpu"] is None and case["node"] != "n3"  # cases take no GPU from a training
        monkeypatch.setenv("GBASEG_DEVICE", "cpu")
        assert not is_gpu()


def test_a_driver_that_is_a_job_itself_hands_nothing_of_it_on(site, monkeypatch):
    for name, value in {"SLURM_JOB_ID": "1", "SLURM_CPUS_PER_TASK": "7", "SLURM_MEM_PER_CPU": "1"}.items():
        monkeypatch.setenv(name, value)
    with site.stage():
        [seen] = run(where(1))
    assert seen["job"] != "1" and os.environ["SLURM_CPUS_PER_TASK"] == "7"


def test_a_failure_says_its_own_traceback_node_and_log_and_others_finish(site, capfd):
    import stubs

    (site.folder / "other").mkdir()
    other = Task("other", stubs.count, {"folder": site.folder / "other", "steps": 25})
    with site.stage(at_once=2), pytest.raises(TaskFailed) as caught:
        run([other, Task("fold 3", stubs.fail), *where(3)], lasting=True)
    said = str(caught.value)
    assert said.startswith("fold 3 failed on n") and said.rstrip().endswith("ValueError: the seventh seal")
    log = Path(said.split("log ", 1)[1].split(":\n", maxsplit=1)[0])
    assert "the seventh seal" in log.read_text()
    assert (site.folder / "other" / "checkpoint").read_text() == "25"
    error = capfd.readouterr().err
    assert error.index("the seventh seal") and "where 2: done" not in error


@pytest.mark.parametrize(
    ("task", "kind", "words"),
    [
        ("mistake", UserError, "^params.yaml: no$"),
        ("unpicklable", TaskFailed, "its result cannot be handed back"),
        ("die", UserError, r"(?s)die on n\d, job \d+, log .*: its job is over \(FAILED\) without a word"),
    ],
)
def test_what_a_task_does_wrong_is_said(site, task, kind, words):
    import stubs

    with site.stage(), pytest.raises(kind, match=words):
        run([Task(task, getattr(stubs, task))])


def test_jobs_that_never_begin_are_given_up(site):
    with site.stage(setup=["echo no such module; exit 3"]), pytest.raises(UserError) as caught:
        run(where(1), lasting=True)  # of two, either may be seen over first, and submitted again by itself
    said = str(caught.value)
    assert "where 0 on n" in said and "over (FAILED) without a word" in said and "no such module" in said
    assert "none of its jobs began: is this folder" in said
    assert site.submissions() == 3


def test_a_full_disk_on_a_node_is_said_in_one_line(site):
    import stubs

    with site.stage(), pytest.raises(UserError, match=r"^/a/checkpoint: no space left on the disk; .* free some"):
        run([Task("fold 0", stubs.full_disk, {"path": "/a/checkpoint"})])


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"partition": "nowhere"}, "invalid partition specified: nowhere"),
        ({"partition": "closed", "account": "nobody"}, "account"),
        ({"constraint": "a100"}, "feature"),
        ({"gres": "tpu:1"}, "gres"),
        ({"options": {"no-such-option": 1}}, "no-such-option"),
        ({"memory_gib": 900}, "(memory|node configuration)"),
    ],
)
def test_what_slurm_does_not_take_is_said_in_its_own_words(site, asked, words):
    with site.stage(**asked), pytest.raises(UserError, match=f"(?i)SLURM does not take the jobs: sbatch: .*{words}"):
        run(where(2), deal_cores=True)
    assert not list(site.jobs.iterdir())


def test_without_slurm_there_is_a_word(site, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with (
        site.stage(),
        pytest.raises(UserError, match=r"no sbatch, squeue, scancel and srun on the PATH of .*GBASEG_ENGINE"),
    ):
        run(where(2))
    assert not site.jobs.exists()
