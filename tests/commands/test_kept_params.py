"""params.yaml is what it was before an experiment, however that ended."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from dvc.utils.hydra import apply_overrides

from gbaseg.commands.kept_params import KEPT, kept_params, put_back
from gbaseg.commands.overrides import settings_with
from gbaseg.text_file import read_yaml

ROOT = Path(__file__).parents[2]
PARAMS = Path("params.yaml")
SETS = ["seed=3", "survey.contrasts=7", "survey.lambdas=[]", "dataset.root='data/raw/a b'"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
# A command that is killed while DVC runs an experiment, which it says the process of.
KILLED = f"""
import os, signal, subprocess
from dvc.utils.hydra import apply_overrides
from gbaseg.commands.kept_params import kept_params
with kept_params({SETS!r}) as lock:
    apply_overrides("params.yaml", {SETS!r})
    dvc = subprocess.Popen(["sleep", "60"], stdout=subprocess.DEVNULL, pass_fds=[lock.descriptor])
    print(dvc.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(ROOT / "presets/default.yaml", PARAMS)
    PARAMS.write_bytes(PARAMS.read_bytes().replace(b"\n", b"\r\n"))
    return PARAMS.read_bytes()


@pytest.fixture
def outlived():
    """The process of DVC, whose command has been killed."""
    done = subprocess.run([sys.executable, "-c", KILLED], env=ENVIRONMENT, stdout=subprocess.PIPE, check=False)
    process = psutil.Process(int(done.stdout))
    yield process
    end(process)


def end(process):
    if process.is_running():
        process.kill()
        psutil.wait_procs([process], 10)


def contrasts():
    return read_yaml(PARAMS)["survey"]["contrasts"]


def test_an_experiment_that_fails_leaves_params_yaml_as_it_was(project):
    with pytest.raises(ZeroDivisionError), kept_params(SETS):
        apply_overrides(str(PARAMS), SETS)
        assert contrasts() == 7
        raise ZeroDivisionError
    assert PARAMS.read_bytes() == project and not KEPT.exists()


@pytest.mark.processes
@pytest.mark.unusual(
    "Commands", "`gbaseg study --run` killed (no memory, no power) while an experiment runs",
    "the next command puts params.yaml back, and says so",
)  # fmt: skip
def test_what_was_killed_is_put_back_by_the_next_command(project, outlived, capsys):
    put_back()
    assert contrasts() == 7 and KEPT.exists(), "DVC is still at it"
    end(outlived)
    put_back()
    assert PARAMS.read_bytes() == project and not KEPT.exists()
    said = capsys.readouterr().err
    assert "params.yaml: as an experiment had it whose command was killed; put back as it was" in said


@pytest.mark.processes
def test_what_somebody_has_changed_since_stays(outlived, capsys):
    end(outlived)
    PARAMS.write_text(PARAMS.read_text().replace("contrasts: 7", "contrasts: 8"))
    put_back()
    assert settings_with([])["survey"]["contrasts"] == 8
    assert not KEPT.exists() and not capsys.readouterr().err


@pytest.mark.processes
@pytest.mark.parametrize("torn", ["", "seed: 3\ndataset: {root: 'data/r"])
def test_half_of_an_experiments_is_put_back_too(project, outlived, torn):
    end(outlived)
    PARAMS.write_text(torn)
    put_back()
    assert PARAMS.read_bytes() == project


def test_a_scratch_folder_may_be_emptied_meanwhile(project):
    with kept_params(SETS):
        shutil.rmtree(KEPT.parent)
    assert PARAMS.read_bytes() == project


@pytest.mark.processes
def test_while_an_experiment_runs_nothing_is_put_back(project):
    with kept_params(SETS):
        apply_overrides(str(PARAMS), SETS)
        other = "from gbaseg.commands.kept_params import put_back; put_back()"
        subprocess.run([sys.executable, "-c", other], env=ENVIRONMENT, check=True)
        assert contrasts() == 7
    assert PARAMS.read_bytes() == project
