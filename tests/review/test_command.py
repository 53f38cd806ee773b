"""`gbaseg review` as it is called, and killed."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

import pytest
from click.testing import CliRunner

from gbaseg.cli import main
from gbaseg.commands import review
from gbaseg.commands.review import _has_screen, make_session, reviewed_round
from gbaseg.errors import UserError
from gbaseg.params import load
from gbaseg.review.decisions import read_decisions
from gbaseg.runtime.leftovers import discard
from gbaseg.workflow import layout
from gbaseg.workflow.context import write_json


def mistake(*arguments):
    result = CliRunner().invoke(main, ["review", *arguments])
    assert result.exit_code == 1 and "Traceback" not in result.output
    return result.stderr


def test_the_last_round_that_another_learns_from_is_taken(project):
    assert reviewed_round(load()) == "round_0"
    layout.pseudo_labelled("round_0").rename(layout.pseudo_labelled("round_1"))
    with pytest.raises(UserError, match="not there yet: data/pseudo_labelled/round_0"):
        reviewed_round(load())


def test_the_last_round_can_be_looked_at_and_nobody_learns_from_it(project):
    layout.pseudo_labelled("round_0").rename(layout.pseudo_labelled("round_1"))
    state = make_session(load(), "round_1").state()
    assert (state["next"], len(state["cases"])) == ("", 4)


def test_show_says_which_round_has_learned_from_it(project):
    write_json(layout.round_metrics("round_0"), {})
    write_json(layout.round_metrics("round_1"), {"agreement": 0.9})
    write_json(layout.proxies("round_1"), {"review": {"rejected": 1, "accepted_though_doubtful": 2}})
    said = CliRunner().invoke(main, ["show"], catch_exceptions=False).stdout
    assert "round_1 was trained on pseudo-labels that a person has reviewed: 1 rejected, 2 accepted though" in said
    assert said.count("a person has reviewed") == 1


def test_mistakes_are_said_before_anything_is_served(project):
    assert "round_7: no such round" in mistake("--round", "round_7")
    assert "survey: no such round" in mistake("--round", "survey")
    layout.REVIEW.write_text("changes: 1\n")
    assert "review.yaml: 1 fault(s)" in mistake()
    layout.REVIEW.unlink()
    table = (layout.STANDARD / "cases.csv").read_text()
    (layout.STANDARD / "cases.csv").write_text(table.replace(",train,", ",test,"))
    assert "no target case of the split train" in mistake()
    (layout.STANDARD / "cases.csv").write_text(table)
    (layout.pseudo_labelled("round_0") / "standard/sound.nii.gz").unlink()
    assert "not there yet: data/pseudo_labelled/round_0/standard/sound.nii.gz" in mistake()
    discard(layout.pseudo_labelled("round_0"))
    assert "not there yet: data/pseudo_labelled/round_0" in mistake()
    assert "is not in the range" in mistake("--port", "70000")
    assert not layout.REVIEW.exists()


@pytest.mark.parametrize(
    ("variables", "seen"), [({}, False), ({"DISPLAY": ":0"}, True), ({"DISPLAY": ":0", "SSH_CONNECTION": "x"}, False)]
)
def test_a_browser_is_opened_where_it_is_seen(monkeypatch, variables, seen):
    monkeypatch.setattr(review.sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SSH_CONNECTION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert _has_screen() is seen


def test_the_key_is_in_no_program_s_arguments(monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    review._open_browser("http://127.0.0.1:1/?token=secret")
    [address] = opened
    assert "secret" not in address
    page = review.Path(address.removeprefix("file://"))
    assert "token=secret" in page.read_text() and page.stat().st_mode & 0o077 == 0
    page.unlink()


class Served:
    """`gbaseg review` in a process of its own."""

    def __init__(self, folder, *arguments):
        command = [sys.executable, "-m", "gbaseg.cli", "review", "--no-browser", *arguments]
        self.process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        self.said = ""
        for line in self.process.stdout:
            self.said += line
            if "Ctrl-C" in line:
                break
        found = re.search(r"http://127\.0\.0\.1:(\d+)/\?token=(\S+)", self.said)
        assert found, self.said + self.process.stderr.read()
        self.port, self.token = int(found[1]), found[2]
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def ask(self, path, **body):
        host = f"127.0.0.1:{self.port}"
        headers = {"Host": host, "Origin": f"http://{host}", "X-Review-Token": self.token}
        self.connection.request("POST" if body else "GET", path, json.dumps(body).encode() if body else None, headers)
        answer = self.connection.getresponse()
        return answer.status, json.loads(answer.read())


@pytest.fixture
def served(project):
    started = []

    def start(*arguments):
        started.append(Served(project, *arguments))
        return started[-1]

    yield start
    for one in started:
        one.connection.close()
        one.process.kill()
        one.process.communicate()


@pytest.mark.processes
def test_it_says_where_it_is_and_ends_on_ctrl_c(served):
    one = served()
    assert f"ssh -N -L {one.port}:127.0.0.1:{one.port} " in one.said
    mark = one.ask("/api/state")[1]["mark"]
    assert one.ask("/api/decide", case="sound", decision="rejected", mark=mark)[0] == 200
    one.process.send_signal(signal.SIGINT)
    _, said = one.process.communicate(timeout=30)
    assert one.process.returncode == 130
    assert "1 of 4 decided: 1 rejected; review.yaml" in said and "gbaseg run trains round_1 on it" in said
    assert not review.LOCK.exists()


@pytest.mark.unusual("Review", "a second `gbaseg review` in the same folder", "which process has it")
@pytest.mark.processes
def test_a_second_one_in_the_same_folder_is_refused(served, project):
    one = served()
    done = subprocess.run(
        [sys.executable, "-m", "gbaseg.cli", "review", "--no-browser"],
        cwd=project, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1 and f"process {one.process.pid}" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.processes
def test_a_port_that_is_taken_is_said(served, project):
    one = served()
    one.process.send_signal(signal.SIGSTOP)
    review.LOCK.unlink()  # as on another machine's folder
    done = subprocess.run(
        [sys.executable, "-m", "gbaseg.cli", "review", "--no-browser", "--port", str(one.port)],
        cwd=project, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    one.process.send_signal(signal.SIGCONT)
    assert done.returncode == 1 and f"--port {one.port}: Address already in use" in done.stderr


@pytest.mark.unusual("Review", "kill -9 of the server", "what was shown as saved is in review.yaml")
@pytest.mark.processes
def test_what_was_answered_survives_kill_9(served):
    """Killed at any moment while decisions come in: what was said to be saved is in the file, which is whole."""
    names = ["sound", "changed", "apart", "alone"]
    saved = {}
    for turn in range(3):
        one = served()
        mark = one.ask("/api/state")[1]["mark"]
        killer = threading.Timer(0.05 + 0.1 * turn, one.process.send_signal, [signal.SIGKILL])
        number = 0
        asked = {}
        try:
            while time.monotonic():
                case, kind = names[number % 4], ("accepted", "rejected")[(number // 4 + turn) % 2]
                asked = {case: kind}
                status, found = one.ask("/api/decide", case=case, decision=kind, mark=mark)
                assert status == 200
                saved[case], mark, asked, number = kind, found["mark"], {}, number + 1
                if number == 1:
                    killer.start()  # how long the first answer takes is the machine's
        except (OSError, http.client.HTTPException):
            killer.join()
        one.process.wait(timeout=30)
        found = {case: one.kind for case, one in read_decisions(layout.REVIEW).of("round_0").items()}
        # The last one may be there though its answer did not come.
        assert found in (saved, {**saved, **asked})
        saved = found
        assert number > 0
