"""The command line: help at once, mistakes without a traceback."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest
from click.testing import CliRunner, Result
from ruamel.yaml import YAML

from gbaseg.cli import main
from gbaseg.params import load

ROOT = Path(__file__).parents[1]
STAGES = [
    "phantom", "standardise", "train-translation", "choose-translation", "translate", "survey", "train-singan",
    "augment", "adapt", "train-segmentation", "pseudo-label", "evaluate", "train-oracle", "evaluate-oracle", "baseline",
    "summarise",
]  # fmt: skip
OTHERS = [
    "show",
    "report",
    "review",
    "predict",
    "export",
    "submission",
    "leaderboard",
    "rank",
    "tables",
    "figures",
    "ablation",
    "study",
    "plan",
    "run",
    "outlook",
    "preset",
    "cost",
    "doctor",
    "scratch",
]
OF_A_ROUND = ["adapt", "train-segmentation", "pseudo-label", "evaluate"]


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """An empty project with the shipped presets and defaults; what the options leave in the environment is undone."""
    shutil.copytree(ROOT / "presets", tmp_path / "presets")
    shutil.copyfile(ROOT / "presets/default.yaml", tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    with mock.patch.dict(os.environ):
        os.environ.pop("GBASEG_DEVICE", None)
        os.environ.pop("GBASEG_WORKERS", None)
        yield tmp_path


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def mistake(*arguments: str) -> str:
    """What is printed about a user's mistake: exit status 1, on standard error, no traceback."""
    result = call(*arguments)
    assert (result.exit_code, type(result.exception)) == (1, SystemExit)
    assert "Traceback" not in result.output
    assert result.stdout == ""
    return result.stderr


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if "presets" not in path.parts)


def test_help_names_the_stages_in_the_order_of_the_pipeline_and_then_the_rest():
    listing = call("--help").stdout.split("Commands:\n")[1]
    names = re.findall(r"^  (\S+)  +\S", listing, flags=re.MULTILINE)
    assert names == [*STAGES, *OTHERS]


def test_the_pipeline_calls_every_stage_and_nothing_else():
    stages = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]
    assert {stage["cmd"].split()[1] for stage in stages.values()} == set(STAGES)
    assert all(stage["cmd"].startswith("gbaseg ") for stage in stages.values())


@pytest.mark.parametrize("name", [*STAGES, *OTHERS])
def test_every_command_has_help(name):
    for flag in ("--help", "-h"):
        result = call(name, flag)
        assert result.exit_code == 0
        assert re.search(rf"Usage: main {name} .*\n\n  [A-Z].*\.", result.stdout)


def test_help_waits_for_no_library():
    code = (
        "import sys; from gbaseg.cli import main; main(['--help'], standalone_mode=False); "
        "print('loaded:', *{name.split('.')[0] for name in sys.modules})"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    loaded = set(printed.split("loaded: ")[1].split())
    assert {"gbaseg", "click"} <= loaded
    assert not loaded & {"torch", "numpy", "scipy", "SimpleITK", "nnunetv2", "pandas", "pydantic", "matplotlib"}


@pytest.mark.parametrize("command", STAGES)
def test_a_wrong_params_yaml_stops_every_stage_before_it_writes(project, command):
    text = (project / "params.yaml").read_text().replace("folds: 2 ", "folds: 1 ").replace("seed: 1 ", "sed: 1 ")
    (project / "params.yaml").write_text(text)
    message = mistake(command, *(["round_0"] if command in OF_A_ROUND else []))
    assert message.splitlines()[0] == "gbaseg: params.yaml: 2 fault(s)"
    assert "segmentation.folds: found 1; input should be greater than or equal to 2" in message
    assert "sed: no such key; did you mean 'seed'?" in message
    assert files(project) == ["params.yaml"]


def test_outside_of_a_project(project):
    (project / "params.yaml").unlink()
    assert mistake("standardise") == "gbaseg: params.yaml: no such file; run gbaseg in the folder of the project\n"


@pytest.mark.parametrize("command", OF_A_ROUND)
def test_an_unknown_round_is_named_with_those_there_are(project, command):
    assert mistake(command, "round_7") == (
        "gbaseg: round_7: no such round; self_training.rounds of params.yaml has round_0, round_1\n"
    )
    assert files(project) == ["params.yaml"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--workers", "0", "preset"], "Invalid value for '--workers': 0 is not in the range x>=1"),
        (["--workers", "two", "preset"], "Invalid value for '--workers'"),
        (["standardize"], "No such command 'standardize'"),
        (["evaluate"], "say either ROUND, or all of --predictions, --references and --out"),
        (["predict", "--out", "masks"], "Missing argument 'IMAGES...'"),
        (["predict", "a.nii.gz"], "Missing option '-o' / '--out'"),
        (["predict", "a.nii.gz", "--out", "params.yaml"], "Directory 'params.yaml' is a file"),
    ],
)
def test_a_wrong_call_is_refused(project, arguments, says):
    result = call(*arguments)
    assert result.exit_code == 1
    assert says in result.stderr
    assert files(project) == ["params.yaml"]


@pytest.mark.unusual(
    "Commands", "a wrong call: no such command, option, choice or number", "what is wrong; exit code 1, never 2"
)
@pytest.mark.parametrize(
    "arguments",
    [[], ["nope"], ["--nope"], ["--device"], ["ablation", "nope"], ["predict"], ["rank", "a.csv", "--percents", "nan"]],
)
def test_a_wrong_call_is_a_mistake_and_no_failed_scan(arguments):
    """In a process of its own: 2 is for scans that failed, and click's own code for a wrong call."""
    done = subprocess.run([sys.executable, "-m", "gbaseg.cli", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert ("Error: " in done.stderr or "Usage: " in done.stderr) and "Traceback" not in done.stderr


def test_help_has_the_exit_codes():
    words = " ".join(call("--help").stdout.split())
    assert "Exit codes: 0 all is done; 1 a mistake in the call" in words
    assert "2 some scans could not be segmented, the others are done (predict); 143, 130, 129 ended by" in words


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(
            ["evaluate", "--predictions", ".", "--references", ".", "--out", "s.csv", "--structures", "tumour=²"],
            marks=pytest.mark.unusual("Commands", "`--structures tumour=²`, `--seeds ²`", "what is expected"),
        ),
        ["ablation", "arms", "--seeds", "²"],
    ],
)
def test_signs_that_only_look_like_numbers(arguments):
    assert "²'; expected" in mistake(*arguments)


@pytest.mark.parametrize("number", ["nan", "inf", "-1"])
def test_bounds_hold_for_numbers_that_are_none(number):
    assert call("tables", "--small", number).exit_code == 1
    assert call("cost", "--copies", number).exit_code == 1


@pytest.mark.parametrize("device", ["nonsense", "meta", "cuda:x"])
def test_an_unknown_device_is_refused_by_every_command(device):
    result = call("--device", device, "preset")
    assert result.exit_code == 1
    assert result.stderr == f"gbaseg: --device {device}: no such device; allowed: auto, cpu, cuda, cuda:N\n"


@pytest.mark.parametrize(
    "stage", ["translate", "augment", "adapt round_0", "pseudo-label round_0", "evaluate round_0", "summarise", "show"]
)
def test_a_stage_before_its_turn_names_what_is_missing(project, stage):
    result = call(*stage.split())
    assert result.exit_code == 1
    assert "not there yet: " in result.stderr
    assert "dvc repro" in result.stderr


def test_a_stage_says_at_its_end_which_one_it_was_of_how_many_and_what_it_took(project):
    shutil.copyfile(ROOT / "dvc.yaml", "dvc.yaml")
    # Of another data set the phantom has nothing to do.
    params = (project / "params.yaml").read_text().replace("root: data/raw/phantom ", "root: data/raw/mine ")
    (project / "params.yaml").write_text(params)
    assert re.search(r" \[ 1 of 22\] phantom: \d+ s\n$", call("phantom").stderr)
    (project / "dvc.yaml").write_text("stages: {}\n")
    assert re.search(r" phantom: \d+ s\n$", call("phantom").stderr)


def test_a_stage_that_fails_says_why_last(project):
    shutil.copyfile(ROOT / "dvc.yaml", "dvc.yaml")
    assert call("summarise").stderr.splitlines()[-1].startswith("gbaseg: not there yet: ")


def test_options_reach_the_worker_processes_by_the_environment():
    assert call("--device", "cpu", "--workers", "3", "preset").exit_code == 0
    assert (os.environ["GBASEG_DEVICE"], os.environ["GBASEG_WORKERS"]) == ("cpu", "3")


def test_preset_lists_what_there_is(project):
    before = (project / "params.yaml").read_bytes()
    printed = call("preset").stdout
    names = [block.splitlines()[0] for block in printed.split("\n\n")]
    assert names == ["default", *sorted(set(names) - {"default"})]
    assert {"crossmoda2022", "lgg", "tiny"} <= set(names)
    assert '    dataset.root: "data/raw/lgg"\n' in printed
    assert (project / "params.yaml").read_bytes() == before


def test_preset_writes_one_and_takes_it_back(project):
    shipped = (project / "params.yaml").read_text()
    assert call("preset", "lgg").stdout == "params.yaml: preset lgg written\n"
    params = load()
    assert (params.dataset.root, params.dataset.label_values) == ("data/raw/lgg", {"tumour": 1})
    assert "# every place that draws derives its own seed from this one" in (project / "params.yaml").read_text()
    call("preset", "default")
    assert (project / "params.yaml").read_text() == shipped


def test_preset_says_what_it_overwrites_and_keeps_the_file(project):
    own = (project / "params.yaml").read_text().replace("root: data/raw/phantom ", "root: data/raw/mine ")
    (project / "params.yaml").write_text(own)
    assert call("preset", "lgg").stdout.splitlines() == [
        "params.yaml: preset lgg written",
        "1 value(s) set by hand were overwritten; params.yaml.bak is the file as it was:",
        '  dataset.root: "data/raw/mine" -> "data/raw/lgg"',
    ]
    assert (project / "params.yaml.bak").read_text() == own


def test_an_unknown_preset_is_named_with_its_neighbour(project):
    assert "no preset 'lg'; did you mean 'lgg'? (there are: cochlea, crossmoda2022, " in mistake("preset", "lg")
    assert files(project) == ["params.yaml"]


def test_a_preset_that_breaks_a_rule_is_not_written(project):
    (project / "presets/mine.yaml").write_text("segmentation: {folds: 1}\n")
    before = (project / "params.yaml").read_bytes()
    assert "segmentation.folds: found 1" in mistake("preset", "mine")
    assert (project / "params.yaml").read_bytes() == before
    assert files(project) == ["params.yaml"]


def test_predict_without_a_model_says_which_and_what_to_do(project):
    message = mistake("predict", "scan.nii.gz", "--out", "masks")
    assert message.startswith("gbaseg: models/segmentation/round_1: no model; run `dvc repro train_segmentation`")
    assert "\nscan.nii.gz: no such file; " in message
    assert "models/segmentation/round_0: no model" in mistake(
        "predict", "scan.nii.gz", "--out", "masks", "--round", "round_0"
    )
