"""The folder of a call that goes to SLURM: what is noted, what a rerun takes for its own, and what it must not."""

import pickle
from pathlib import Path

import pytest

from gbaseg.errors import UserError
from gbaseg.runtime.engine import Task
from gbaseg.runtime.engine.calls import Call, Done, Record, Submission, call_of, calls_in, new_name
from gbaseg.runtime.engine.sealed import KEY, key
from gbaseg.runtime.engine.slurm import abandon
from gbaseg.runtime.locks import locked
from gbaseg.runtime.progress import Display
from gbaseg.runtime.scratch import atomic_outputs, jobs_of, lock_of


def tasks(count=3, **arguments):
    return [Task(f"task {number}", int, arguments) for number in range(count)]


@pytest.fixture(autouse=True)
def of_a_user(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
    monkeypatch.delenv(KEY, raising=False)


@pytest.fixture
def record():
    return Record("content", True, [[0, 1], [2]], 1, 120, [Submission(new_name("train/round_1"), [0, 1])])


def test_a_call_is_found_again_by_its_tasks_and_their_arguments_are_compared(tmp_path):
    (one, content), (again, same) = (call_of(tmp_path, tasks(x=1)) for _ in range(2))
    assert one.folder == again.folder and content == same
    assert call_of(tmp_path, tasks(2, x=1))[0].folder != one.folder
    other, changed = call_of(tmp_path, tasks(x=2))
    assert other.folder == one.folder and changed != content


def test_what_jobs_hand_back_is_read_once_it_is_whole(tmp_path, record):
    call = Call(tmp_path / "call")
    assert call.read() is None and call.done() == set()
    call.begin(tasks(), record)
    assert call.read() == record and [one.folder for one in calls_in(tmp_path)] == [call.folder]
    assert [task.name for task in Call(call.folder).tasks] == ["task 0", "task 1", "task 2"]
    call.put(1, Done(None, {"dice": 0.5}, " on n1"))
    (call.folder / "outcomes" / ".partial-2").write_bytes(b"half")
    assert call.done() == {1} and call.outcome(1).result == {"dice": 0.5}
    call.close()
    assert call.read() is None and calls_in(tmp_path) == [] and call.done() == {1}


class Command:
    """Unpickled, it leaves a file behind."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (Path.touch, (self.mark,))


@pytest.mark.parametrize("whose", ["nobody's", "another user's"])
@pytest.mark.unusual("Trust", "a planted result of a SLURM job in `.scratch`", "its seal is another one; it is not run")
def test_what_no_run_of_this_user_has_written_is_not_read(tmp_path, record, monkeypatch, whose):
    call, mark = Call(tmp_path / "call"), tmp_path / "ran"
    call.begin(tasks(), record)
    planted = call.folder / "outcomes" / "0"
    if whose == "nobody's":
        planted.write_bytes(pickle.dumps(Command(mark)))
    else:
        with monkeypatch.context() as other:
            other.setenv("XDG_STATE_HOME", str(tmp_path / "other"))
            call.put(0, Done(None, Command(mark), ""))
        (call.folder / "tasks.pkl").write_bytes(planted.read_bytes())
        with pytest.raises(UserError, match=r"tasks\.pkl: its seal is not that of a run of yours"):
            Call(call.folder).tasks  # noqa: B018
    with pytest.raises(UserError, match=r"outcomes/0: its seal is not that of a run of yours: not read; remove .*call"):
        call.outcome(0)
    assert not mark.exists()


def test_a_user_has_one_key_which_nobody_else_reads_and_jobs_are_handed(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    one = key()
    [path] = (tmp_path / "gbaseg").iterdir()
    assert key() == one == path.read_bytes() and path.stat().st_mode & 0o777 == 0o600
    monkeypatch.setenv(KEY, "00" * 32)
    assert key() == bytes(32)
    monkeypatch.delenv(KEY)
    path.write_bytes(b"short")
    with pytest.raises(UserError, match=r"engine\.key: 5 bytes, expected 32; remove it"):
        key()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"packs": []}'])
def test_a_record_that_is_torn_is_none(tmp_path, content):
    call = Call(tmp_path)
    (tmp_path / "record.json").write_bytes(content)
    assert call.read() is None


def test_starts_are_counted_and_the_last_signal_forgotten(tmp_path, record):
    call = Call(tmp_path / "call")
    call.begin(tasks(), record)
    assert call.begin_pack(0, {"at": [0, 0]}) == [{"at": [0, 0]}] and call.starts(1) == []
    call.end_pack(0, "SIGUSR1")
    assert call.was_asked_to_end(0) and not call.was_asked_to_end(1)
    assert len(call.begin_pack(0, {"at": [0, 7]})) == 2 and not call.was_asked_to_end(0)


def test_names_of_jobs_say_their_stage_and_are_nobody_elses():
    names = {new_name("train_segmentation/round_1") for _ in range(100)}
    assert len(names) == 100 and all(name.startswith("train_segmentation_round_1.") for name in names)


def test_jobs_that_cannot_be_cancelled_from_here_stop_the_stage(tmp_path, record, monkeypatch):
    monkeypatch.chdir(tmp_path)
    call, _ = call_of(jobs_of(Path(".scratch/survey-1")), tasks())
    call.begin(tasks(), record)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UserError, match=r"survey-1/jobs/.*left jobs of SLURM, which cannot be cancelled from here"):
        abandon(call)
    # Whatever is at that folder goes on; nothing of it was touched.
    with pytest.raises(UserError, match="left jobs of SLURM"), atomic_outputs("survey-1", "out"):
        pytest.fail("began")
    assert call.read() == record
    with locked(lock_of(Path(".scratch/survey-1")), "free"):
        pass


def test_a_call_without_submissions_is_forgotten_without_slurm(tmp_path, record, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    call = Call(tmp_path / "call")
    record.submissions.clear()
    call.begin(tasks(), record)
    abandon(call)
    assert not call.folder.exists()


def test_a_display_forgets_what_is_over():
    with Display() as display:
        for number in range(1000):
            display.show(f"task {number}", 1, 10, "")
            display.keep(["all", f"task {number}"])
        assert len(display._started) == len(display._printed) == 1
