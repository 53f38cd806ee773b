"""dvc.yaml against the code: commands, paths, and every number watched by the stages that it concerns."""

import re
import shutil
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from pydantic import BaseModel
from ruamel.yaml import YAML
from scmrepo.git import Git

from gbaseg.cli import main
from gbaseg.params import Params
from gbaseg.workflow import layout

ROOT = Path(__file__).parents[2]
STAGES = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]
RECIPES = YAML(typ="safe").load((ROOT / "recipes.yaml").read_text())
ROUND = "${item.round.id}"


def outputs(stage):
    listed = STAGES[stage].get("outs", []) + STAGES[stage].get("metrics", [])
    return {entry if isinstance(entry, str) else next(iter(entry)) for entry in listed}


def watched(stage):
    return [key for key in STAGES[stage]["params"] if isinstance(key, str)]


def leaves(model, above=""):
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from leaves(field.annotation, f"{above}{name}.")
        else:
            yield above + name


@pytest.mark.parametrize("stage", STAGES)
def test_each_stage_calls_a_command_that_there_is_and_watches_its_recipe(stage):
    program, command, *_ = STAGES[stage]["cmd"].split()
    assert (program, command in main.commands) == ("gbaseg", True)
    others = [key for key in STAGES[stage]["params"] if isinstance(key, dict)]
    [recipe] = [key["recipes.yaml"] for key in others if "recipes.yaml" in key]
    assert recipe == [command.replace("-", "_")]
    assert set(recipe) <= RECIPES.keys()


def test_outputs_lie_where_the_code_writes_them():
    named = {
        "phantom": {layout.GENERATED},
        "standardise": {layout.STANDARD, layout.SCORING, layout.METRICS / "data.json", layout.MODALITIES},
        "train_translation": {layout.TRANSLATION_MODEL, layout.CURVES / "translation"},
        "choose_translation": {layout.CHOICE, layout.METRICS / "choice.json"},
        "translate": {layout.TRANSLATED, layout.METRICS / "translation.json"},
        "survey": {layout.model_of("survey"), layout.decision("survey"), layout.CURVES / "survey"},
        "pseudo_label_survey": {layout.pseudo_labelled("survey")},
        "evaluate_survey": {layout.case_scores("survey"), layout.round_metrics("survey")},
        "train_singan": {layout.SINGAN_MODEL, layout.CURVES / "singan"},
        "augment": {layout.AUGMENTED, layout.METRICS / "appearance.json"},
        "adapt": {
            layout.adapted(ROUND), layout.singan_of_round(ROUND), layout.CURVES / "singan_of_round" / ROUND,
            layout.coverage(ROUND),
        },
        "train_segmentation": {layout.model_of(ROUND), layout.CURVES / ROUND},
        "pseudo_label": {layout.pseudo_labelled(ROUND), layout.proxies(ROUND)},
        "evaluate": {layout.case_scores(ROUND), layout.round_metrics(ROUND), layout.decision(ROUND)},
        "train_oracle": {layout.model_of("oracle"), layout.CURVES / "oracle"},
        "evaluate_oracle": {layout.METRICS / "oracle.json", layout.case_scores("oracle")},
        "baseline": {layout.METRICS / "baseline.json", layout.case_scores("baseline")},
        "summarise": {layout.PLOTS, layout.METRICS / "summary.json"},
    }  # fmt: skip
    assert {stage: outputs(stage) for stage in STAGES} == {
        stage: {str(path) for path in paths} for stage, paths in named.items()
    }


def test_nothing_persists():
    """An output that outlives a rerun hands a stale model on as new."""
    assert "persist" not in (ROOT / "dvc.yaml").read_text()


def test_every_number_is_watched_by_some_stage_and_no_stage_watches_what_there_is_not():
    known = set(leaves(Params))
    prefixes = {key.rsplit(".", n)[0] for key in known for n in range(key.count(".") + 1)} | known
    keys = {key for stage in STAGES for key in watched(stage)}
    assert keys <= prefixes
    # The list of rounds is what the pipeline is unrolled over; how much is used of it stands in the commands.
    unwatched = {key for key in known if not any(key == seen or key.startswith(f"{seen}.") for seen in keys)}
    assert unwatched == set()


@pytest.mark.parametrize("stage", STAGES)
def test_who_tells_structures_apart_watches_their_list(stage):
    module = STAGES[stage]["cmd"].split()[1].replace("-", "_")
    source = (ROOT / "src/gbaseg/stages" / f"{module}.py").read_text()
    if re.search(r"settings\.(labels|pieces|dataset\.(tumour|structures|label_values))\b", source):
        assert {"dataset", "dataset.structures"} & set(watched(stage))


def test_who_learns_from_pseudo_labels_watches_what_was_decided_about_them():
    """SinGAN's slice, too, is one of the survey's labels that are left."""
    watching = {
        stage: key["review.yaml"]
        for stage in STAGES
        for key in STAGES[stage]["params"]
        if isinstance(key, dict) and "review.yaml" in key
    }
    of_survey, of_round = ["changes.survey"], ["changes.${item.round.prev}"]
    assert watching == {
        "train_singan": of_survey, "augment": of_survey, "adapt": of_round, "train_segmentation": of_round,
    }  # fmt: skip


def test_summarise_runs_again_after_every_stage_whose_outputs_it_reads():
    """`metrics` as a whole holds its own: what stands in a round's metrics comes from its scores and its decision."""
    assert {
        "data/pseudo_labelled", "data/adapted", "data/decisions", "metrics/cases", "metrics/survey.json",
        "metrics/baseline.json", "models/singan_of_round",
    } <= set(STAGES["summarise"]["deps"])  # fmt: skip


@pytest.mark.parametrize(
    ("number", "spares"),
    [
        ("segmentation.prediction.threshold", ["survey", "train_segmentation", "train_oracle"]),
        ("evaluation.empty_assd_mm", ["survey", "train_segmentation", "pseudo_label", "train_oracle"]),
        ("augmentation.arm", ["train_translation", "translate", "survey"]),
        ("translation.cyclegan.epochs", ["standardise"]),
        ("self_training.rounds", ["train_segmentation", "pseudo_label"]),
        ("self_training.agreement_above", ["train_segmentation"]),
        ("segmentation.epochs", ["survey"]),
    ],
)
def test_a_changed_number_trains_nothing_that_it_does_not_concern(number, spares):
    for stage in spares:
        assert not [key for key in watched(stage) if number == key or number.startswith(f"{key}.")], stage


def test_a_data_set_put_in_by_dvc_add_is_seen_and_its_scans_are_not(tmp_path):
    """By DVC, which asks its own reading of .gitignore, and so by the copies that queued experiments run in."""
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    shutil.copyfile(ROOT / ".gitignore", tmp_path / ".gitignore")
    with closing(Git(str(tmp_path))) as git:
        ignored = {
            path: git.is_ignored(str(tmp_path / path) + ("/" if path.endswith("/") else ""))
            for path in (
                "data/",
                "data/raw/",
                "data/raw/mine.dvc",
                "data/raw/mine/",
                "data/raw/mine/a.nii.gz",
                "data/standard/",
            )
        }
    assert [path for path, hidden in ignored.items() if not hidden] == ["data/", "data/raw/", "data/raw/mine.dvc"]


@pytest.mark.unusual(
    "git, DVC and settings", "a fresh clone, `dvc exp run -S seed=2 standardise`",
    "runs: no plot is looked for in DVC's cache",
)  # fmt: skip
def test_plots_are_named_without_looking_into_the_cache(tmp_path, monkeypatch):
    """DVC asks for them after every experiment; a file in an output folder that was never here stops it."""
    from dvc.repo import Repo

    monkeypatch.chdir(tmp_path)
    for name in ("dvc.yaml", "dvc.lock", "recipes.yaml", "presets/default.yaml"):
        shutil.copyfile(ROOT / name, tmp_path / name.split("/")[-1].replace("default", "params"))
    Repo.init(no_scm=True).close()
    with closing(Repo()) as repo:
        assert set(repo.index._plot_sources) <= {"plots/rounds.csv"}
