"""The container's command as where it runs: its own user, scans that are read-only, no network. No engine is needed."""

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from gbaseg import volume
from gbaseg.cli import main
from gbaseg.volume import Grid, read

ROOT = Path(__file__).parents[2]
FILE = ROOT / "container" / "Containerfile"
# In spaces of its own: no network, a folder mounted read-only, then user 1000, who may do nothing more.
OWN = ("unshare", "--mount", "--net") if os.getuid() == 0 else ("unshare", "--map-root-user", "--mount", "--net")
READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
USER = ("unshare", "--user", "--map-user=1000", "--map-group=1000")


def entry_point():
    [found] = re.findall(r"^ENTRYPOINT (\[.*\])$", FILE.read_text(), re.MULTILINE)
    return json.loads(found)


def confined(read_only, *command):
    environment = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": "/tmp", "LANG": "C.UTF-8"}
    environment["PYTHONPATH"] = os.environ.get("PYTHONPATH", "")
    whole = [*OWN, "sh", "-c", READ_ONLY, str(read_only), *USER, *command]
    return subprocess.run(whole, cwd="/tmp", env=environment, capture_output=True, text=True, check=False)


def hashes(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.mark.processes
def test_the_command_writes_masks_and_nothing_else(project, drawn, tmp_path):
    given, out = tmp_path / "input", tmp_path / "output"
    given.mkdir()
    out.mkdir()
    for number in range(2):
        scan = drawn(Grid((24, 48, 48), (2.0, 1.5, 1.5), (0.0, 0.0, float(number))), (6.0, -4.0, 3.0))
        volume.write(scan, given / f"case_{number}_hrT2.nii.gz")
    tried = confined(given, "sh", "-c", f'id -u; touch "{given}/x"; cut -sd: -f1 /proc/net/dev')
    if tried.returncode and "unshare" in tried.stderr:
        pytest.skip(f"no user of its own can be made here: {tried.stderr.strip()}")
    assert tried.stdout.split() == ["1000", "lo"] and "Read-only file system" in tried.stderr
    exported = CliRunner().invoke(main, ["export", "-o", str(tmp_path / "model.zip")])
    assert exported.exit_code == 0, exported.output
    before = hashes(given)
    places = {"/input": str(given), "/output": str(out), "/opt/model.zip": str(tmp_path / "model.zip")}
    command = [places.get(word, word) for word in entry_point()]
    assert {*places} <= {*entry_point()}
    done = confined(given, *command)
    assert done.returncode == 0, done.stderr
    assert hashes(given) == before
    assert {path.name for path in out.iterdir()} == {*before, "predictions.csv"}
    for name in before:
        assert read(out / name).grid.agrees_with(read(given / name).grid)


def test_the_image_takes_sources_and_the_model_and_no_data():
    """What is copied is let through; of a project's other folders nothing is."""
    ignored = (FILE.parent / f"{FILE.name}.dockerignore").read_text().splitlines()
    rules = [line for line in ignored if line and not line.startswith("#")]
    assert rules[0] == "*" and not {rule.strip("!/").split("/")[0] for rule in rules[1:]} & {"data", "models", ".git"}
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", FILE.read_text(), re.MULTILINE)
    names = [name.replace("${MODEL}", "container/model.zip") for line in copied for name in line.split()]
    for name in names:
        if name != "container/model.zip":
            assert (ROOT / name).exists() and f"!{name}" in rules
    assert "!container/*.zip" in rules
