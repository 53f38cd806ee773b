"""A study as DVC experiments and its tables, in a project whose one stage makes up the scores."""

import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from gbaseg.cli import main
from gbaseg.commands import study_tables
from gbaseg.commands.experiments import experiments_of_this_commit
from gbaseg.commands.revisions import open_revision
from gbaseg.evaluation.summary import CaseScore, write_scores
from gbaseg.volume import Grid, Volume, write

pytestmark = pytest.mark.processes
ROOT = Path(__file__).parents[2]
SCRIPT = """cp -r made/$1-$2/metrics made/$1-$2/data .
for case in 1 2 3; do sed "s/case/t$case/" made/labels-$1-$2 >> data/pseudo_labelled/round_1/pseudo_labels.csv; done
"""
PIPELINE = """
stages:
  scores:
    cmd: sh scores.sh ${translation.mode} ${augmentation.arm} ${seed}
    params: [seed, augmentation, survey, translation.mode]
    outs: [metrics/cases, data/standard, data/pseudo_labelled/round_1]
    metrics: [metrics/round_0.json: {cache: false}, metrics/round_1.json: {cache: false}]
"""
TARGET = "case,patient,centre,domain,split,modality,image,label\n" + "".join(
    f"t{n},t{n},A,target,train,T2,i,\n" for n in (1, 2, 3)
)
# Translation and arm -> the tumour's Dice, agreement of the folds, and what speaks against its masks. All arms find the
# cochlea alike, with a Dice less by 0.02.
MADE = {
    ("none", "none"): (0.05, 0.95, "volume outside the source's range"),
    ("cyclegan", "naive"): (0.6, 0.7, ""),
    ("auto", "gba"): (0.8, 0.8, ""),
}
GRID = ("--arms", "no-adaptation,naive,auto", "--seeds", "1,2")


def write_project():
    text = (ROOT / "presets/default.yaml").read_text()
    Path("params.yaml").write_text(text.replace("structures: {VS: 1}", "structures: {VS: 1, Cochlea: 2}"))
    Path("scores.sh").write_text(SCRIPT)
    Path("dvc.yaml").write_text(PIPELINE)
    Path(".gitignore").write_text("/metrics/cases/\n/study/\n.scratch/\n/data/\n")
    for (mode, arm), (dice, folds, doubts) in MADE.items():
        folder = Path(f"made/{mode}-{arm}")
        for path in ("metrics/cases", "data/standard", "data/pseudo_labelled/round_1"):
            (folder / path).mkdir(parents=True)
        for name in ("round_0", "round_1"):
            rows = [
                CaseScore(f"c{n}", "A", "test", structure, dice - less + off, 1 - dice, 1.0, 600.0, 600.0)
                for n, off in enumerate((-0.02, 0.0, 0.02))
                for structure, less in (("VS", 0.0), ("Cochlea", 0.02))
            ]
            write_scores(rows, folder / f"metrics/cases/{name}.csv")
            (folder / f"metrics/{name}.json").write_text("{}")
        (folder / "data/standard/cases.csv").write_text(TARGET)
        header = "case,structure,volume_mm3,fold_dice,pieces,largest_share,doubts\n"
        (folder / "data/pseudo_labelled/round_1/pseudo_labels.csv").write_text(header)
        lines = f"case,VS,600,{folds},1,1.0,{doubts}\ncase,Cochlea,32,0.9,1,1.0,\n"
        Path(f"made/labels-{mode}-{arm}").write_text(lines)
        # naive finds two slices of the three that auto finds, no adaptation the other one.
        mask = np.zeros((4, 6, 6), np.uint8)
        mask[{"none": slice(3, 4), "cyclegan": slice(1, 3), "auto": slice(1, 4)}[mode], 2:4, 2:4] = 1
        mask[0, :2, :2] = 2
        (folder / "data/pseudo_labelled/round_1/standard").mkdir()
        for case in ("t1", "t2", "t3"):
            write(
                Volume(mask, Grid(mask.shape, (2.0, 2.0, 2.0))),
                folder / f"data/pseudo_labelled/round_1/standard/{case}.nii.gz",
            )


def gbaseg(*arguments):
    return CliRunner().invoke(main, arguments)


@pytest.fixture(scope="module")
def project(under_git):
    """A git and DVC project, in which a first study of one seed has run."""
    with under_git(write_project):
        yield gbaseg("study", *GRID[:2], "--seeds", "1", "--run")


def test_a_study_runs_says_what_is_left_and_goes_on(project):
    assert project.exit_code == 0, project.output
    assert "3 arms, seeds 1" in project.output and "3 runs: about" in project.output
    left = gbaseg("study", *GRID)
    assert left.exit_code == 0 and "for the 3 left" in left.output and "`--run` runs them here" in left.output
    assert len(experiments_of_this_commit()) == 3  # it was said, not done
    again = gbaseg("study", *GRID, "--run", "--at-once", "2")
    assert again.exit_code == 0, again.output
    assert again.stderr.count("done, passed over") == 3
    assert Path("study/study.md").is_file()  # one command
    assert "all is done; `--tables` lays it out" in gbaseg("study", *GRID).output
    assert "structures: {VS: 1, Cochlea: 2}" in Path("params.yaml").read_text()  # as it was
    assert subprocess.run(["git", "diff", "--exit-code", "params.yaml"], check=False).returncode == 0


def test_rules_pass_through_dvc_as_they_were_meant(project):
    files = open_revision(experiments_of_this_commit()["auto-seed-2"])
    content = YAML(typ="safe").load(files.read_text("params.yaml"))
    # The plan's, for two structures.
    of_all = {"centres": "both", "lambdas": [], "adaptive": 2, "adaptive_size": "if_needed", "k_star": [1, 3]}
    assert content["augmentation"]["rules"] == [
        {"name": name, "structure": name, **of_all} for name in ("VS", "Cochlea")
    ]
    assert (content["survey"]["lambdas"], content["survey"]["contrasts"], content["seed"]) == ([], 15, 2)


def test_tables_of_a_study(project):
    result = gbaseg("study", *GRID, "--structure", "VS", "--tables")
    assert result.exit_code == 0, result.output
    arms = pd.read_csv("study/arms.csv").set_index("arm")
    assert list(arms.index)[:3] == ["no-adaptation", "naive", "auto"]
    assert arms.loc["auto", "dice_mean"] == pytest.approx(0.8) and arms.loc["auto", "seeds"] == 2
    runs = pd.read_csv("study/runs.csv").set_index("run")
    assert len(runs) == 6 and runs["collapsed"].sum() == 2
    choice = pd.read_csv("study/choice.csv").set_index("score")
    # By the agreement of its folds alone the collapsed arm would be chosen.
    assert runs["fold_agreement"].idxmax().startswith("no-adaptation")
    assert choice.loc["fold_agreement", "chosen"] == "auto-seed-1 = auto-seed-2"
    # Dice of the masks: 0.8 of naive and auto, 0.5 of auto and no adaptation, 0 of the others, 1 of the same arm.
    assert runs.groupby("arm")["consensus"].mean().idxmax() == "auto"
    assert choice.loc["consensus", "arm_chosen"] == "auto"
    assert choice.loc["rule", "arm_chosen"] == "auto" and choice.loc["rule", "regret"] == 0
    page = Path("study/study.md").read_text()
    assert f"{study_tables.ARMS} (VS alone)" in page
    assert "no-adaptation-seed-2" in page and "NOT TRUSTWORTHY" in page and "Not run yet" not in page
    for name in ("arms.tex", "scores_against_dice.svg", "scores_against_dice.png"):
        assert Path("study", name).stat().st_size > 100
    result = gbaseg("study", "--arms", "naive,histogram-none", "--seeds", "1,3", "--tables")
    assert "Not run yet: histogram-none-seed-1, histogram-none-seed-3, naive-seed-3." in result.stdout


def test_tables_of_a_study_are_of_all_structures(project):
    of_tumour = gbaseg("study", *GRID, "--structure", "VS", "--tables", "--out", "of_tumour")
    result = gbaseg("study", *GRID, "--tables", "--out", "of_all")
    assert (result.exit_code, of_tumour.exit_code) == (0, 0), result.output
    page = Path("of_all/study.md").read_text()
    assert f"{study_tables.ARMS} (mean of VS, Cochlea)" in page and f"{study_tables.RUNS} (mean of VS, Cochlea)" in page
    arms = pd.read_csv("of_all/arms.csv").set_index("arm")
    assert arms.loc["auto", "dice_mean"] == pytest.approx(0.8 - 0.01) and arms.loc["auto", "cases"] == 6
    runs, tumour = (pd.read_csv(f"{name}/runs.csv").set_index("run") for name in ("of_all", "of_tumour"))
    assert runs["dice"].values == pytest.approx(tumour["dice"].values - 0.01)
    # The cochlea's folds agree at 0.9 in every run, the runs on its mask entirely.
    assert runs["fold_agreement"].values == pytest.approx((tumour["fold_agreement"].values + 0.9) / 2)
    assert runs["consensus"].values == pytest.approx((tumour["consensus"].values + 1.0) / 2)
    # The cochlea's volumes are all plausible, those of the tumour but for the collapsed arm's.
    assert runs["plausible"].tolist() == [0.5 if one else 1.0 for one in tumour["collapsed"]]
    assert runs["least_plausible"].tolist() == tumour["least_plausible"].tolist() == tumour["plausible"].tolist()
    # Masks of one structure in reason do not make up for those of the other.
    assert runs["collapsed"].to_dict() == tumour["collapsed"].to_dict() and runs["collapsed"].sum() == 2
    result = gbaseg("study", *GRID, "--structure", "nerve", "--tables", "--out", "of_none")
    assert result.exit_code == 1 and not Path("of_none").exists()
    assert "has no such structure; there are: VS, Cochlea" in result.stderr


def test_tables_say_of_which_structure_they_are_and_keep_none_of_another_call(project):
    for structure, named in (("", "VS"), ("Cochlea", "Cochlea")):
        Path("one").mkdir(exist_ok=True)
        Path("one/differences.csv").write_text("of two runs")
        result = gbaseg("tables", "auto-seed-1", "--structure", structure, "--out", "one")
        assert result.exit_code == 0, result.output
        assert f"Table II. Dice and ASSD by round ({named} alone)" in Path("one/tables.md").read_text()
        assert f"by round ({named} alone)" in Path("one/rounds.tex").read_text()
        assert set(pd.read_csv("one/cases.csv")["structure"]) == {named}
        assert not Path("one/differences.csv").exists()


def test_what_is_asked_of_the_tables_is_checked_before_anything_runs(project):
    result = gbaseg("study", "--arms", "naive", "--seeds", "7", "--structure", "nerve", "--run")
    assert result.exit_code == 1 and "--structure nerve: params.yaml has no such structure" in result.stderr
    assert "naive-seed-7" not in experiments_of_this_commit()
    result = gbaseg("study", "--tables", "--arms", "auto", "naive-seed-1")
    assert result.exit_code != 0 and "--arms, --seeds and --set are of the grid's" in result.stderr


@pytest.mark.unusual("Commands", "`study --tables` after params.yaml has changed", "key, then and now; no table")
def test_runs_of_another_params_yaml_are_not_laid_out_as_if_they_were_of_this(project):
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("agreement_above: 0.997", "agreement_above: 0.95"))
    result = gbaseg("study", *GRID, "--tables", "--out", "other")
    Path("params.yaml").write_text(text)
    assert result.exit_code == 1 and not Path("other").exists()
    assert "auto-seed-1: self_training.agreement_above: 0.997 then, 0.95 now" in result.stderr


def test_other_experiments_are_laid_out_by_name(project):
    result = gbaseg("study", "--tables", "--out", "two", "naive-seed-1", "naive-seed-2")
    assert result.exit_code == 0, result.output
    assert "cyclegan A, naive" in Path("two/study.md").read_text()
    assert gbaseg("study", "naive-seed-1").exit_code == 1
    subprocess.run(["git", "commit", "-qm", "later", "--allow-empty"], check=True)
    result = gbaseg("study", *GRID, "--tables")
    subprocess.run(["git", "reset", "-q", "--soft", "HEAD~1"], check=True)
    assert result.exit_code == 1 and "; other commits have auto-seed-1, auto-seed-2, naive-seed-1" in result.stderr
    result = gbaseg("study", "--seeds", "9", "--tables")
    assert "other commits" not in result.stderr
    assert "which has auto-seed-1, auto-seed-2, naive-seed-1" in result.stderr and "give their --arms" in result.stderr
    assert (result.exit_code, "no run of this study on the present commit" in result.stderr) == (1, True)


def test_runs_of_an_arm_that_differ_in_more_than_the_seed_are_no_row(project):
    assert gbaseg("study", "--arms", "naive", "--seeds", "3", "-S", "survey.contrasts=2", "--run").exit_code == 0
    [other] = [name for name in experiments_of_this_commit() if name.startswith("naive-seed-3-")]
    result = gbaseg("study", "--tables", "naive-seed-1", other)
    assert result.exit_code == 1
    assert f"survey.contrasts: 0 in naive-seed-1, 2 in {other}" in result.stderr
