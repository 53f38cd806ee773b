"""Where a data set may lie: nothing that a user put somewhere is removed, by gbaseg or by DVC."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from gbaseg.errors import UserError
from gbaseg.runtime.stage_client import SWITCH
from gbaseg.workflow import layout
from gbaseg.workflow.roots import check_root, is_default

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path, monkeypatch):
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


def own(folder, name="crossmoda2022_ldn_1_ceT1.nii.gz"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("mine")
    return folder / name


def test_every_output_of_the_pipeline_is_a_place_for_no_data_set():
    for stage in YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"].values():
        for entry in stage.get("outs", []) + stage.get("metrics", []):
            path = Path(entry if isinstance(entry, str) else next(iter(entry)))
            assert any(path.is_relative_to(ours) for ours in layout.OURS), path


@pytest.mark.parametrize("root", ["data/raw/mine", "data/raw/phantom/mine", "../mine", "data/raw/phantom", "mine"])
def test_places_for_a_data_set(project, root):
    check_root(Path(root))
    check_root(project / root)


@pytest.mark.parametrize(
    ("root", "says"),
    [
        pytest.param("data/standard", "lies in data/standard", marks=pytest.mark.unusual(
            "Data sets and folders", "dataset.root in an output folder of the pipeline",
            "refused before anything: which folder, and where data may lie",
        )),
        ("models/mine", "lies in models"),
        ("data/raw/phantom/generated/validation", "lies in data/raw/phantom/generated"),
        ("metrics/cases/x", "lies in metrics"),
        (".scratch/x", "lies in .scratch"),
        ("data/raw/../standard/x", "lies in data/standard"),
        pytest.param("data", "holds data/raw/phantom/generated", marks=pytest.mark.unusual(
            "Data sets and folders", "dataset.root above an output folder: `data`, `.`, `..`",
            "refused before anything: which folder, and where data may lie",
        )),
        ("data/raw", "holds data/raw/phantom/generated"),
        (".", "holds data/raw/phantom/generated"),
        ("..", "holds data/raw/phantom/generated"),
        ("/", "holds data/raw/phantom/generated"),
    ],
)  # fmt: skip
def test_places_that_are_made_anew(project, root, says):
    with pytest.raises(UserError) as raised:
        check_root(Path(root))
    assert str(raised.value).startswith(f"dataset.root {root}: {says}, which is removed and made anew; ")


@pytest.mark.unusual(
    "Data sets and folders", "dataset.root is a link into an output folder", "refused as the folder itself is"
)
def test_links_are_followed(project, tmp_path):
    (project / "data/standard/mine").mkdir(parents=True)
    (project / "mine").symlink_to("data/standard/mine")
    with pytest.raises(UserError, match="lies in data/standard"):
        check_root(Path("mine"))
    # An output that is a link to another disk, the data set on that disk.
    (tmp_path / "disk/models/mine").mkdir(parents=True)
    (project / "models").symlink_to(tmp_path / "disk/models")
    with pytest.raises(UserError, match="lies in models"):
        check_root(tmp_path / "disk/models/mine")
    (project / "circle").symlink_to("circle")
    for root in ("circle", "circle/mine"):
        with pytest.raises(UserError, match=r"circle.*allowed: the name of a folder"):
            check_root(Path(root))


@pytest.mark.parametrize("spelled", ["data/raw/phantom", "./data/raw//phantom/", "data/raw/x/../phantom"])
def test_the_default_root_however_it_is_spelled(project, spelled):
    assert is_default(Path(spelled)) and is_default(project / spelled)
    assert not is_default(Path("data/raw/mine"))
    own(project / "data/raw/phantom/training_source")
    with pytest.raises(UserError, match=r"data/raw/phantom: 1 file.* \(training_source\); nothing was touched"):
        check_root(Path(spelled))


def test_what_dvc_and_the_system_leave_there_is_no_data(project):
    own(project / "data/raw/phantom", ".gitignore")
    own(project / "data/raw/phantom/generated")
    check_root(layout.PHANTOM)


@pytest.mark.unusual(
    "Data sets and folders", "the default root, data/raw/phantom, is a link to one's own data",
    "refused; nothing is written there",
)  # fmt: skip
def test_the_default_root_as_a_link(project, tmp_path):
    own(tmp_path / "mine")
    (project / "data/raw").mkdir(parents=True)
    (project / "data/raw/phantom").symlink_to(tmp_path / "mine")
    with pytest.raises(UserError, match="data/raw/phantom: a link"):
        check_root(layout.PHANTOM)


@pytest.mark.unusual(
    "Data sets and folders", "the same in a queued experiment, whose copy of the folder lacks them",
    "refused: they did not come along; the folder they are in",
)  # fmt: skip
def test_own_scans_that_did_not_come_along(project, monkeypatch):
    own(project / "data/raw/phantom/validation")
    copy = project / ".dvc/tmp/exps/tmp1234"
    copy.mkdir(parents=True)
    monkeypatch.chdir(copy)
    with pytest.raises(UserError, match="project/data/raw/phantom: 1 file"):
        check_root(layout.PHANTOM)
    check_root(Path("data/raw/mine"))


@pytest.fixture
def pipeline(project, monkeypatch):
    """The first two stages as DVC runs them, with the smallest phantom."""
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    monkeypatch.setenv("GBASEG_WORKERS", "1")
    monkeypatch.setenv(SWITCH, "0")  # no stage comes after the one that would import for it
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    for name in ("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"):
        monkeypatch.setenv(name, "test")
    shipped = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]
    params = YAML(typ="safe").load((ROOT / "presets/default.yaml").read_text())
    one = {"source_cases": 2, "target_cases": 2, "validation_cases": 1, "spacing_zyx_mm": [6.0, 4.0, 4.0]}
    for centre in ("centre_a", "centre_b"):
        params["phantom"][centre] |= one
    params["standardise"] |= {"spacing_xyz_mm": [4.0, 4.0, 6.0], "crop_xy_px": 30, "crop_z_px": 8}
    params["augmentation"]["arm"] = "none"
    params["segmentation"]["folds"] = 2
    with (project / "dvc.yaml").open("w") as stream:
        YAML().dump({"stages": {name: shipped[name] for name in ("phantom", "standardise")}}, stream)
    with (project / "params.yaml").open("w") as stream:
        YAML().dump(params, stream)
    for name in (".gitignore", ".dvcignore", "recipes.yaml"):
        (project / name).write_bytes((ROOT / name).read_bytes())
    for command in (["git", "init", "-q"], ["dvc", "init", "-q"], ["git", "add", "-A"], ["git", "commit", "-qm", "1"]):
        subprocess.run(command, check=True)
    return project


def dvc(*arguments):
    return subprocess.run(["dvc", *arguments], capture_output=True, text=True, check=False)


@pytest.mark.pipeline
@pytest.mark.unusual(
    "Data sets and folders",
    "one's own CrossMoDA files in data/raw/phantom, the default root; any command of DVC",
    "nothing of them is touched; stopped before anything, with what to do",
)
def test_own_scans_in_the_default_root_outlive_every_command_of_dvc(pipeline):
    done = dvc("repro")
    assert done.returncode == 0, done.stderr
    assert "up to date" in dvc("repro").stdout
    subprocess.run(["git", "add", "-A"], check=True)
    subprocess.run(["git", "commit", "-qm", "2"], check=True)
    files = [own(pipeline / "data/raw/phantom" / folder) for folder in ("training_source", "validation", ".")]
    for command in (
        ["repro"],
        ["repro", "-f", "phantom"],
        ["exp", "run"],
        ["exp", "run", "-S", "seed=2"],
        ["exp", "run", "--temp", "-S", "seed=3"],
    ):
        done = dvc(*command)
        assert "data/raw/phantom: 3 file(s) or folder(s) that gbaseg did not write" in done.stderr, (command, done)
        assert "name their folder in dataset.root" in done.stderr
        assert done.returncode != 0
        assert [path.read_text() for path in files] == ["mine"] * 3, command
    dvc("checkout", "--force")
    assert [path.read_text() for path in files] == ["mine"] * 3
