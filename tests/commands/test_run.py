"""gbaseg run: DVC without its chatter, and without losing what it has to say."""

import json
import logging
import os
import subprocess
from pathlib import Path

import pytest
from dvc.repo import Repo

from gbaseg.commands import run as command
from gbaseg.errors import UserError
from gbaseg.workflow.saved import KEPT_LOCK

pytestmark = pytest.mark.processes
PIPELINE = """
stages:
  one:
    cmd: echo said by one; echo 1 > one
    outs: [one]
  two:
    cmd: cat one > two; echo said by two
    deps: [one]
    params: [number]
    outs: [two]
"""


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Repo.init(no_scm=True).close()
    Path("dvc.yaml").write_text(PIPELINE)
    Path("params.yaml").write_text("number: 1\n")


def reproduce(capfd):
    count = command._reproduce()
    captured = capfd.readouterr()
    return count, captured.out, captured.err


def test_stages_are_heard_and_dvc_is_not(capfd):
    count, out, err = reproduce(capfd)
    assert (count, out, err) == (2, "said by one\nsaid by two\n", "")


def test_what_is_not_run_is_named_on_one_line(capfd):
    reproduce(capfd)
    count, out, err = reproduce(capfd)
    assert (count, out) == (0, "") and err.endswith(" unchanged: one, two\n") and err.count("\n") == 1
    Path("params.yaml").write_text("number: 2\n")
    count, out, err = reproduce(capfd)
    assert (count, out) == (1, "said by two\n") and err.endswith(" unchanged: one\n")
    Path("params.yaml").write_text("number: 1\n")
    count, out, err = reproduce(capfd)
    assert (count, out) == (1, "")
    assert [line.split(" ", 1)[1] for line in err.splitlines()] == [
        "unchanged: one", "two: made before of the same; from DVC's cache",
    ]  # fmt: skip


@pytest.mark.parametrize("code", [1, 143])
def test_the_last_word_is_the_stages(capfd, code):
    Path("dvc.yaml").write_text(f"stages:\n  one: {{cmd: echo why it failed >&2; exit {code}}}\n")
    with pytest.raises(SystemExit) as ended:
        command._reproduce()
    assert ended.value.code == code
    assert capfd.readouterr().err == "why it failed\n"


@pytest.mark.parametrize(
    ("stage", "said"),
    [
        ("{cmd: 'kill -9 $$'}", "failed to reproduce 'one': failed to run: kill -9"),
        ("{cmd: 'no-such-command'}", "failed to reproduce 'one': failed to run: no-such-command, exited with 127"),
        ("{cmd: 'true', outs: [missing]}", "output 'missing' does not exist"),
        ("{cmd: 'true', deps: [missing]}", "failed to reproduce 'one'"),
        ("{}", "dvc.yaml"),
    ],
)
def test_where_no_stage_says_why_dvc_does(capfd, stage, said):
    Path("dvc.yaml").write_text(f"stages:\n  one: {stage}\n")
    with pytest.raises(UserError) as raised:
        command._reproduce()
    assert said in str(raised.value)


@pytest.mark.parametrize("level", [logging.INFO, logging.WARNING])
def test_dvcs_log_is_as_it_was_afterwards(capfd, monkeypatch, level):
    reproduce(capfd)
    logger = logging.getLogger("dvc")
    monkeypatch.setattr(logger, "level", level)
    logger.setLevel(level)  # forgets what it knows of its children, too
    before = [list(handler.filters) for handler in logger.handlers]
    assert reproduce(capfd)[2].endswith(" unchanged: one, two\n")
    assert [handler.filters for handler in logger.handlers] == before and logger.level == level
    logger.setLevel(logging.INFO)


def test_dvcs_warnings_pass_but_that_of_folders_which_are_empty_on_purpose(capfd):
    Path("dvc.yaml").write_text("stages:\n  one: {cmd: mkdir one, outs: [one]}\n")
    _, out, err = reproduce(capfd)
    assert (out, err) == ("", "")
    record = logging.LogRecord("dvc.x", logging.WARNING, "", 0, "no room for %s", ("data",), None)
    assert command._Chatter().filter(record)


def test_what_comes_before_and_after(monkeypatch, capfd):
    said = []
    monkeypatch.setattr(command.outlook, "run", lambda: said.append("outlook"))
    monkeypatch.setattr("gbaseg.commands.show.run", lambda: said.append("show"))
    command.run()
    assert said == ["outlook", "show"] and "2 stage(s) made in " in capfd.readouterr().err
    command.run()
    assert "nothing to do" in capfd.readouterr().err
    Path("dvc.yaml").write_text("stages:\n  one: {cmd: exit 1}\n")
    said.clear()
    with pytest.raises(SystemExit):
        command.run()
    assert said == ["outlook"]


@pytest.mark.parametrize("torn", ["", '{"write": {"data'])
def test_notes_that_dvc_was_killed_over_are_mended(capfd, torn):
    reproduce(capfd)
    Path(".dvc/tmp/rwlock").write_text(torn)
    Path("params.yaml").write_text("number: 2\n")
    count, _, err = reproduce(capfd)
    assert count == 1 and ".dvc/tmp/rwlock: torn, as of a killed DVC command; removed" in err
    count, _, err = reproduce(capfd)
    assert count == 0 and "torn" not in err


def test_a_zombies_note_holds_nothing_up(capfd):
    reproduce(capfd)
    zombie = subprocess.Popen(["true"])
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    note = {"write": {str(Path("two").absolute()): {"pid": zombie.pid, "cmd": "dvc repro"}}}
    Path(".dvc/tmp/rwlock").write_text(json.dumps(note))
    Path("params.yaml").write_text("number: 2\n")
    assert reproduce(capfd)[0] == 1
    zombie.wait()


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.6, 0.97])
def test_a_lock_file_that_dvc_was_killed_over_is_mended(capfd, kept):
    reproduce(capfd)
    lock = Path("dvc.lock")
    whole = lock.read_text()
    KEPT_LOCK.parent.mkdir(exist_ok=True)
    KEPT_LOCK.write_text(whole)
    lock.write_text(whole[: int(kept * len(whole))])
    count, _, err = reproduce(capfd)
    assert lock.read_text() == whole and count == 0
    assert "dvc.lock: torn, as of a killed DVC command; put back as it was when the last stage began" in err


def test_a_lock_file_that_is_whole_or_of_a_merge_stays(capfd):
    reproduce(capfd)
    lock = Path("dvc.lock")
    whole = lock.read_text()
    KEPT_LOCK.parent.mkdir(exist_ok=True)
    KEPT_LOCK.write_text(whole)
    Path("params.yaml").write_text("number: 2\n")
    assert reproduce(capfd)[0] == 1
    assert lock.read_text() != whole
    conflict = f"<<<<<<< HEAD\n{whole}=======\n>>>>>>> other\n"
    lock.write_text(conflict)
    with pytest.raises(UserError, match=r"dvc\.lock"):
        reproduce(capfd)
    assert lock.read_text() == conflict
