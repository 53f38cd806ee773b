"""Ablations as DVC experiments and the tables read back from them, in a project whose one stage makes up the scores."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from gbaseg.cli import main
from gbaseg.commands.planned import plan_arms, plan_translations, with_extra
from gbaseg.errors import UserError
from gbaseg.evaluation.summary import CaseScore, write_scores

pytestmark = pytest.mark.processes
ROOT = Path(__file__).parents[2]
# Copies what `write_made` has made up: an experiment of a test imports nothing.
SCRIPT = "mkdir -p metrics/cases && cp made/$1-$2/*.csv metrics/cases/ && cp made/$1-$2/*.json metrics/\n"
PIPELINE = """
stages:
  scores:
    cmd: sh scores.sh ${augmentation.arm} ${seed}
    params: [seed, augmentation.arm, translation, self_training]
    outs: [metrics/cases]
    metrics: [metrics/round_0.json: {cache: false}, metrics/round_1.json: {cache: false}]
"""


def write_made(gba: float = 0.7) -> None:
    """Scores by arm and seed, so that the tables can be worked out by hand; seed 2 has a failed translation.

    Args:
        gba: Dice of that arm in round 0, but for 0.02 a seed.
    """
    for arm, dice in (("none", 0.5), ("naive", 0.6), ("gba", gba)):
        for seed in (1, 2, 7, 8, 9, 10):
            base, folder = dice + 0.02 * seed, Path(f"made/{arm}-{seed}")
            folder.mkdir(parents=True, exist_ok=True)
            for index, name in enumerate(("round_0", "round_1")):
                rows = [
                    CaseScore(f"c{n}", "A", "test", "VS", base + 0.1 * index + off, 1 - base, 1.0, 600.0 * n, 600.0)
                    for n, off in enumerate((-0.05, 0.0, 0.05), start=1)
                ]
                write_scores(rows, folder / f"{name}.csv")
                judged = {"translation_failed": seed == 2, "translation_judged_by": "checks"}
                failed = judged if index == 0 else {}
                (folder / f"{name}.json").write_text(json.dumps({"VS": {"dice": {"mean": base}}, **failed}))


def write_project() -> None:
    """The files of a project whose one stage makes up the scores."""
    shutil.copyfile(ROOT / "presets/default.yaml", "params.yaml")
    Path("scores.sh").write_text(SCRIPT)
    Path("dvc.yaml").write_text(PIPELINE)
    Path(".gitignore").write_text("/metrics/cases/\n/tables/\n.scratch/\n")
    write_made()


def gbaseg(*arguments: str):
    return CliRunner().invoke(main, arguments)


@pytest.fixture(scope="module")
def project(under_git):
    """A git and DVC project with four experiments, made by the command."""
    with under_git(write_project):
        yield gbaseg("ablation", "arms", "--seeds", "1,2", "--arms", "naive,gba", "--run")


@pytest.mark.unusual(
    "git, DVC and settings",
    "the project in a folder of a larger git repository",
    "experiments are read as anywhere else",
)
def test_in_a_folder_of_a_larger_repository(tmp_path, monkeypatch):
    (tmp_path / "sub/project").mkdir(parents=True)
    (tmp_path / "params.yaml").write_text("another: 1\n")
    monkeypatch.chdir(tmp_path / "sub/project")
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    for name in ("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"):
        monkeypatch.setenv(name, "test")
    write_project()
    for command in (["git", "init", "-q", str(tmp_path)], ["git", "add", str(tmp_path)]):
        subprocess.run(command, check=True)
    subprocess.run([sys.executable, "-m", "dvc", "init", "--subdir", "-q"], check=True)
    subprocess.run(["git", "commit", "-qam", "start"], check=True)
    assert gbaseg("ablation", "arms", "--seeds", "1", "--arms", "gba", "--run").exit_code == 0
    result = gbaseg("tables")
    assert result.exit_code == 0, result.stderr
    assert set(pd.read_csv("tables/rounds.csv")["arm"]) == {"empty prediction", "gba"}
    # What is done is known by its settings, which are read back too.
    assert "gba-seed-1: done" in gbaseg("ablation", "arms", "--seeds", "1", "--arms", "gba", "--run").stderr


def test_every_arm_with_every_seed():
    planned = plan_arms(["none", "no-adaptation"], [3, 4], "cyclegan")
    assert [one.name for one in planned] == [
        "none-seed-3", "no-adaptation-seed-3", "none-seed-4", "no-adaptation-seed-4",
    ]  # fmt: skip
    assert planned[1].settings == {"seed": "3", "translation.mode": "none", "augmentation.arm": "none"}


def test_every_centre_with_every_retraining_and_arm():
    planned = plan_translations(["A", "both"], [0, 1], ["gba"], [2])
    assert [one.name for one in planned] == [
        "centre-A-run-0-gba-seed-2", "centre-A-run-1-gba-seed-2",
        "centre-both-run-0-gba-seed-2", "centre-both-run-1-gba-seed-2",
    ]  # fmt: skip
    assert planned[3].settings["translation.centre"] == "both"
    assert planned[3].settings["seed"] == "2"


def test_other_settings_have_other_names():
    names = {
        one.name
        for translation in ("cyclegan", "none")
        for extra in ([], ["evaluation.oracle=true"], ["survey.epochs=2"])
        for one in with_extra(plan_arms(["gba"], [1], translation), extra)
    }
    assert len(names) == 6
    with pytest.raises(UserError, match="expected KEY=VALUE"):
        with_extra(plan_arms(["gba"], [1], "none"), ["oracle"])


def test_experiments_of_names_that_their_settings_belie_are_not_begun(project):
    result = gbaseg("ablation", "arms", "-S", "seed=3", "--seeds", "1,2")
    assert (
        result.exit_code == 1
        and "--set seed: set by the experiments themselves (none-seed-1, naive-seed-1" in result.stderr
    )
    result = gbaseg("study", "-S", "augmentation.rules.0.lambdas=[0.5]", "--arms", "naive,auto", "--seeds", "1")
    assert (result.exit_code, result.stderr.count("set by the experiments themselves (auto-seed-1)")) == (1, 1)


def test_what_is_done_is_not_done_again(project):
    assert project.exit_code == 0, project.output
    again = gbaseg("ablation", "arms", "--seeds", "1,2", "--arms", "naive,gba", "--run")
    assert again.exit_code == 0
    assert again.output.count("done, passed over") == 4


def test_tables_of_the_experiments_of_this_commit(project):
    result = gbaseg("tables", "--out", "tables")
    assert result.exit_code == 0, result.output
    rounds = pd.read_csv("tables/rounds.csv").set_index(["arm", "round", "cases_of", "metric"])
    row = rounds.loc[("gba", "round_1", "all", "dice")]
    assert row["mean"] == pytest.approx((0.72 + 0.74) / 2 + 0.1)
    assert (row["cases"], row["seeds"]) == (6, 2)
    translations = pd.read_csv("tables/translations.csv").set_index(["arm", "round", "metric"])
    assert translations.loc[("naive", "round_1", "dice"), "seeds"] == 1  # the failed one was not to be self-trained
    differences = pd.read_csv("tables/differences.csv").set_index(["round", "metric"])
    assert differences.loc[("round_0", "dice"), "difference"] == pytest.approx(-0.1)
    cases = pd.read_csv("tables/cases.csv")
    assert cases.groupby(["arm", "seed", "round"]).size().eq(3).all() and set(cases["seed"]) == {1, 2}
    of_gba = cases[(cases["arm"] == "gba") & (cases["round"] == "round_1")]
    assert of_gba["dice"].mean() == pytest.approx(row["mean"])
    page = Path("tables/tables.md").read_text()
    assert "| paper London" in page and "| paper, gba" in page and 'Rows "paper": Sallé' in page
    assert "Failed translations" in page and "cyclegan A, seed 2 (by checks without labels" in page
    for name in ("tables.md", "rounds.tex", "quantiles.tex"):
        assert Path("tables", name).stat().st_size > 100


def test_params_are_put_back_after_each_run(project):
    assert Path("params.yaml").read_bytes() == (ROOT / "presets/default.yaml").read_bytes()


def test_unknown_experiments_are_named(project):
    result = gbaseg("tables", "gba-seed-1", "gbo-seed-1")
    assert result.exit_code == 1
    assert "no experiment gbo-seed-1; there are: " in result.stderr
    assert "no experiment gbo-seed-1, x; there are: " in gbaseg("tables", "gbo-seed-1", "gba-seed-1", "x").stderr


def test_an_unknown_structure_is_named(project):
    result = gbaseg("tables", "--structure", "VSS", "gba-seed-1")
    assert result.exit_code == 1
    assert "--structure VSS: gba-seed-1 has no such structure; there are: VS" in result.stderr


def test_experiments_that_differ_in_more_than_the_axes_are_no_table(project):
    extra = ["-S", "self_training.agreement_above=0.9"]
    assert gbaseg("ablation", "arms", "--seeds", "7", "--arms", "gba", *extra, "--run").exit_code == 0
    result = gbaseg("tables")
    assert result.exit_code == 1
    assert "self_training.agreement_above: 0.997 in gba-seed-1, 0.9 in gba-seed-7-" in result.stderr
    assert gbaseg("tables", "gba-seed-1", "naive-seed-1").exit_code == 0


def test_settings_that_are_not_allowed_begin_nothing(project):
    result = gbaseg("ablation", "arms", "--seeds", "9", "--arms", "gba,gbaa")
    assert result.exit_code == 1
    assert "augmentation.arm: found 'gbaa'" in result.stderr
    result = gbaseg("ablation", "arms", "--seeds", "9", "--arms", "gba", "-S", "no.such.key=1")
    assert result.exit_code == 1
    assert "no.such.key=1" in result.stderr and "Traceback" not in result.stderr


def test_the_queue_takes_data_that_its_copies_of_the_folder_can_reach(project):
    """They have what stages make, and what is named by its whole path."""
    again = ("ablation", "arms", "--seeds", "10", "--arms", "gba")
    result = gbaseg(*again, "-S", "dataset.root=data/raw/mine")
    assert result.exit_code == 1
    assert "data/raw/mine: queued experiments run in copies of this folder" in result.stderr
    result = gbaseg(*again, "-S", f"dataset.root={Path('data/raw/mine').resolve()}")
    assert result.exit_code == 0, result.output


def test_what_waits_in_the_queue_is_not_queued_again(project):
    assert gbaseg("ablation", "arms", "--seeds", "8", "--arms", "gba").exit_code == 0
    again = gbaseg("ablation", "arms", "--seeds", "8", "--arms", "gba")
    assert "gba-seed-8: queued before, passed over" in again.output


def test_an_experiment_of_the_name_with_other_settings_is_not_the_one_asked_for(project):
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("agreement_above: 0.997", "agreement_above: 0.95"))
    result = gbaseg("ablation", "arms", "--seeds", "1", "--arms", "gba", "--run")
    Path("params.yaml").write_text(text)
    assert result.exit_code == 1
    assert "gba-seed-1: self_training.agreement_above: 0.997 then, 0.95 now" in result.stderr


def test_a_failing_experiment_is_named(project):
    Path("scores.sh").write_text("exit 3")
    result = gbaseg("ablation", "arms", "--seeds", "10", "--arms", "gba", "--run")
    assert result.exit_code == 1
    assert "gba-seed-10 failed" in result.stderr


def test_of_one_name_on_several_commits_the_present_ones_is_meant(project):
    subprocess.run(["git", "commit", "-aqm", "another"], check=True)
    Path("scores.sh").write_text(SCRIPT)
    write_made(gba=0.9)
    subprocess.run(["git", "commit", "-aqm", "more"], check=True)
    assert gbaseg("tables", "gba-seed-1", "--out", "before").exit_code == 0
    Path("params.yaml").write_text(Path("params.yaml").read_text() + "\n# later\n")
    subprocess.run(["git", "commit", "-aqm", "later"], check=True)
    subprocess.run([sys.executable, "-m", "dvc", "exp", "run", "-f", "-n", "gba-seed-1"], check=True)
    assert gbaseg("tables", "gba-seed-1", "--out", "now").exit_code == 0
    before, now = (
        pd.read_csv(f"{folder}/rounds.csv").set_index(["arm", "round", "cases_of", "metric"])
        for folder in ("before", "now")
    )
    key = ("gba", "round_0", "all", "dice")
    assert (before.loc[key, "mean"], now.loc[key, "mean"]) == pytest.approx((0.72, 0.92))
    subprocess.run(["git", "commit", "-qm", "elsewhere", "--allow-empty"], check=True)
    result = gbaseg("tables", "gba-seed-1")
    assert result.exit_code == 1
    assert "2 others have one of that name" in result.stderr
