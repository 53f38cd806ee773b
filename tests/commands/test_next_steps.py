"""What `gbaseg show` ends with: pictures, report and three things to do, by what there is."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from gbaseg import params
from gbaseg.cli import main
from gbaseg.commands.next_steps import REPORT, next_steps, report_line
from gbaseg.workflow import layout

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    shutil.copyfile(ROOT / "presets/default.yaml", "params.yaml")


def under_git():
    subprocess.run(["git", "init", "-q"], check=True)
    name = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    subprocess.run(["git", *name, "commit", "-q", "--allow-empty", "-m", "start"], check=True)


def was_run():
    """What a run leaves, as far as `show` looks."""
    layout.STANDARD.mkdir(parents=True)
    layout.METRICS.mkdir()
    for name in ("survey", "round_0", "round_1"):
        layout.round_metrics(name).write_text(json.dumps({"converged": False}))
    model = layout.model_of("round_1")
    model.mkdir(parents=True)
    (model / layout.ROUND).touch()


def commands(complete=True, scored=True, root=None, arm="gba"):
    settings = params.load()
    settings = settings.model_copy(
        update={
            "augmentation": settings.augmentation.model_copy(update={"arm": arm}),
            "dataset": settings.dataset.model_copy(update={"root": root} if root else {}),
        }
    )
    found = next_steps(settings, complete, scored)
    assert len(found) == 3
    return [line.rpartition("  ")[2] for line in found]


def show():
    result = CliRunner().invoke(main, ["show"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_before_anything_was_run_here():
    assert commands() == ["gbaseg run", "gbaseg doctor", "docs/own_data.md"]


def test_a_run_that_is_not_whole_is_gone_on_with():
    was_run()
    assert commands(complete=False)[0] == "gbaseg run"


@pytest.mark.parametrize(("arm", "other"), [("gba", "naive"), ("naive", "gba"), ("none", "gba")])
def test_another_arm_a_scan_ones_own_data(arm, other):
    was_run()
    under_git()
    scan = layout.GENERATED / "validation/b.nii.gz"
    scan.parent.mkdir(parents=True)
    scan.touch()
    assert commands(arm=arm) == [
        f"dvc exp run -S augmentation.arm={other} && dvc exp show --only-changed",
        f"gbaseg predict {scan} --out masks",
        "docs/own_data.md",
    ]


def test_experiments_that_are_there_are_compared():
    was_run()
    under_git()
    subprocess.run(["git", "update-ref", "refs/exps/ab/one", "HEAD"], check=True)
    assert commands()[0] == "gbaseg tables"


def test_without_git_no_experiment_is_proposed():
    was_run()
    assert not any(command.startswith("dvc exp") for command in commands())


def test_ones_own_data_without_labels():
    was_run()
    assert commands(scored=False, root="data/raw/mine")[:2] == [
        "gbaseg predict SCAN.nii.gz --out masks", "gbaseg submission --out submission",
    ]  # fmt: skip


def test_the_report_is_there_or_old_or_how_to_make_it():
    was_run()
    settings = params.load()
    assert report_line(settings).startswith("report: `gbaseg report` writes report/index.html")
    REPORT.parent.mkdir()
    REPORT.touch()
    assert report_line(settings) == "report: report/index.html"
    os.utime(REPORT, (0, 0))
    assert "is older than this run" in report_line(settings)


def test_pictures_are_named_where_there_are_some():
    was_run()
    assert "pictures" not in show()
    layout.MODALITIES.touch()
    layout.PLOTS.mkdir()
    (layout.PLOTS / "panel.png").touch()
    assert "pictures: data/modalities.png, plots/panel.png\n" in show()


def test_show_ends_with_three_things_to_do():
    was_run()
    lines = show().splitlines()
    assert lines[-4] == "next:" and all(line.startswith("  ") for line in lines[-3:])
    assert any(line.startswith("report: ") for line in lines)
    layout.round_metrics("round_1").unlink()
    lines = show().splitlines()
    assert lines[-3].endswith("  gbaseg run") and not any(line.startswith("report: ") for line in lines)
