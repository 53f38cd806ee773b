"""The tutorials' blocks, run in their order as they stand, on the tiny project and its phantom.

Of what is marked, `long` (a run) is made where all is done already, `server` is asked over HTTP as its page would, and
`docker` is left to the workflow, which has it.
"""

import csv
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from gbaseg.review.decisions import read_decisions
from gbaseg.text_file import read_yaml
from gbaseg.volume import read, same_voxels

pytestmark = [pytest.mark.pipeline, pytest.mark.processes]
ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs/tutorials").glob("*.md"))
IDENTITY = {f"GIT_{who}_{what}": "test" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def blocks(page):
    """(language, mark, text) of a page's fenced blocks."""
    return re.findall(r"^```(\w+)(?: (\w+))?\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


class Reader:
    """Somebody who types what stands there, in one terminal a page."""

    def __init__(self, base):
        self.base, self.folder = base, base / "gbaseg"
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self.environment = {
            **os.environ, **IDENTITY, "PATH": path, "DVC_NO_ANALYTICS": "1", "GBASEG_WORKERS": "1",
            "OMP_NUM_THREADS": "1", "COLUMNS": "100",
        }  # fmt: skip

    def types(self, text, folder=None):
        """What a block prints; it has to succeed, line by line. The next one begins in the folder where it ended."""
        script = f'set -euo pipefail\n{text}\npwd > "{self.base}/folder"\n'
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=folder or self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        if folder is None:
            self.folder = Path((self.base / "folder").read_text().strip())
        return done.stdout + done.stderr

    def reads(self, number, **marked):
        """What the blocks of a page print together, from the clone on; `marked`: what is done with a marked one."""
        self.folder = self.base / "gbaseg"
        said = []
        for language, mark, text in blocks(PAGES[number - 1]):
            if mark in marked:
                said.append(marked[mark](text))
            elif language == "python":
                said.append(self.types(f"python - <<'END'\n{text}END"))
            else:
                assert (language, mark) == ("sh", ""), f"{PAGES[number - 1].name}: ```{language} {mark}"
                said.append(self.types(text))
        return "\n".join(said)


@pytest.fixture(scope="module")
def reader(tiny, tmp_path_factory):
    """In a clone with the finished tiny project, its results committed, and an environment to switch on."""
    found = Reader(tmp_path_factory.mktemp("tutorials"))
    project = type(tiny)(shutil.copytree(tiny.folder, found.folder, symlinks=True))
    (found.folder / ".venv/bin").mkdir(parents=True)
    (found.folder / ".venv/bin/activate").touch()
    project.run("git", "add", "-A")
    project.run("git", "-c", "user.name=test", "-c", "user.email=test@localhost", "commit", "-qm", "results")
    shutil.copytree(found.folder, found.base / "finished", symlinks=True)
    return found


def test_they_are_numbered_and_only_what_is_known_is_marked():
    assert [page.name[:2] for page in PAGES] == [f"{number}_" for number in range(1, len(PAGES) + 1)]
    marked = [(page.name[0], mark, text) for page in PAGES for _, mark, text in blocks(page) if mark]
    assert [(number, mark) for number, mark, _ in marked] == [("1", "long"), ("3", "server"), ("4", "docker")]
    assert marked[0][2] == "gbaseg run\n"
    readme = (ROOT / "README.md").read_text()
    assert all(f"(docs/tutorials/{page.name})" in readme for page in PAGES)


def test_1_own_data(reader):
    """What is planned is standardised; the run, and what is looked at after it, are the finished project's."""

    def run(text):
        planned = read_yaml(reader.folder / "params.yaml")
        assert planned["dataset"]["root"].endswith("data/raw/planned") and planned["dataset"]["structures"] == {"VS": 1}
        assert (reader.folder / "data/modalities.png").is_file()
        shutil.rmtree(reader.folder)
        shutil.copytree(reader.base / "finished", reader.folder, symlinks=True)
        said = reader.types(text)
        assert "nothing to do" in said
        return said

    said = reader.reads(1, long=run)
    assert "Plan " in said and "round_1" in said
    assert (reader.base / "gbaseg/report/index.html").is_file()


def test_2_a_model_to_a_colleague(reader):
    reader.reads(2)
    scans = {path.name: path for path in (reader.base / "scans/held_out").iterdir()}
    folders = [reader.base / "colleague" / name for name in ("masks", "from_python", "clone/masks")]
    for name, scan in scans.items():
        first, *others = [read(folder / name) for folder in folders]
        assert same_voxels(first.grid, read(scan).grid)
        assert all((first.array == other.array).all() for other in others)
    with (reader.base / "colleague/masks/statistics.csv").open() as stream:
        assert {Path(row["scan"]).name for row in csv.DictReader(stream)} == scans.keys()


def test_3_reviewing(reader):
    def review(text):
        """The command as it stands, but for a browser; the first case is rejected, the second accepted."""
        [command] = text.splitlines()
        server = subprocess.Popen(
            [*command.split(), "--no-browser"],
            cwd=reader.folder,
            env=reader.environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            address = urlsplit(next(line.split()[1] for line in server.stdout if line.startswith("open ")))
            asked = http.client.HTTPConnection("127.0.0.1", address.port, timeout=60)
            asked.request("GET", f"/?{address.query}")
            answer = asked.getresponse()
            answer.read()
            headers = {"Cookie": answer.headers["Set-Cookie"].partition(";")[0], "Origin": f"http://{address.netloc}"}
            assert parse_qs(address.query)["token"]
            asked.request("GET", "/api/state", headers=headers)
            state = json.loads(asked.getresponse().read())
            mark = state["mark"]
            for one, decision in zip(state["cases"][:2], ("rejected", "accepted"), strict=True):
                body = json.dumps({"case": one["case"], "decision": decision, "mark": mark})
                asked.request("POST", "/api/decide", body, {**headers, "Content-Type": "application/json"})
                mark = json.loads(asked.getresponse().read())["mark"]
        finally:
            server.send_signal(signal.SIGINT)
            server.communicate(timeout=60)
        return state["cases"][0]["case"]

    said = reader.reads(3, server=review)
    rejected = said.splitlines()[0]
    decided = read_decisions(reader.folder / "review.yaml").of("round_0")
    assert decided[rejected].kind == "rejected" and len(decided) == 2 and rejected in said.partition("changes:")[2]
    due = re.findall(r"^(\w+@?\w*):$", said, re.MULTILINE)
    assert "train_segmentation@round1" in due and not {name for name in due if name.endswith("round0")}
    assert reader.types("git log -1 --format=%s").strip() == "Pseudo-labels of round_0, reviewed"
    reader.types("git revert --no-edit HEAD")  # the next page is about the run as it was


def test_4_a_challenge(reader):
    said = reader.reads(4, docker=lambda _: "")
    assert "validation phase, first try, round_1, VS: Dice 0.810" in said
    scans = sorted(path.name.replace("_hrT2", "_Label") for path in (reader.base / "scans/held_out").iterdir())
    assert sorted(path.name for path in (reader.base / "submission").iterdir()) == scans
    with (reader.base / "ours.csv").open() as ours, (reader.base / "gbaseg/metrics/cases/round_1.csv").open() as theirs:
        mine, runs = (sorted(float(row["dice"]) for row in csv.DictReader(stream)) for stream in (ours, theirs))
    assert mine == pytest.approx(runs, abs=1e-6)
