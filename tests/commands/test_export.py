"""What an export says of its run: what the run's files say, and no more."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from gbaseg import params
from gbaseg.commands.methods_text import methods
from gbaseg.commands.model_card import card
from gbaseg.commands.run_facts import read_facts
from gbaseg.errors import UserError
from gbaseg.evaluation.summary import CaseScore, read_scores, write_scores
from gbaseg.inference.contents import Contents, TargetScans
from gbaseg.translation.settings import Mode
from gbaseg.workflow import layout
from gbaseg.workflow.choice import Translation

ROOT = Path(__file__).parents[2]
ABOUT = Contents(
    made_with={"gbaseg": "0.1.0", "torch": "2.13.0"},
    round="round_1",
    trained_in="round_1",
    fine_grid=False,
    volumes_mm3={"VS": (364.5, 10741.5)},
    params={},
    target=TargetScans(
        cases=16, spacing_zyx_mm=((1.8, 2.4), (0.9, 1.0), (0.9, 1.0)), extent_zyx_mm=((80.0, 80.0),) * 3,
        intensities=((0.1, 0.2),) * 4,
    ),
    files={name: "0" * 64 for name in ("plans.json", "dataset.json", "fold_0.safetensors", "fold_1.safetensors")},
)  # fmt: skip


@pytest.fixture
def run(tmp_path, monkeypatch):
    """The run whose parameters, lock and metrics are in git; of its model what is read beside the weights."""
    monkeypatch.chdir(tmp_path)
    for name in ("params.yaml", "dvc.yaml", "dvc.lock", "recipes.yaml"):
        shutil.copyfile(ROOT / name, name)
    shutil.copytree(ROOT / "metrics", "metrics")
    for name in ("survey", "round_0", "round_1"):  # git has their means, DVC has the cases
        found = json.loads(layout.round_metrics(name).read_text())["VS"]
        spread = np.linspace(-1.5, 1.5, found["cases"])
        dice, assd = (found[key]["mean"] + found[key]["sd"] * spread for key in ("dice", "assd_mm"))
        rows = [
            CaseScore(str(number), "A", "validation", "VS", one, mm, mm, 1.0, 1.0)
            for number, (one, mm) in enumerate(zip(dice, assd, strict=True))
        ]
        write_scores(rows, layout.case_scores(name))
    model = layout.model_of("round_1")
    model.mkdir(parents=True)
    configuration = {"patch_size": [16, 48, 48], "batch_size": 2}
    (model / "plans.json").write_text(json.dumps({"configurations": {"3d_fullres": configuration}}))
    (model / "dataset.json").write_text(json.dumps({"labels": {"background": 0, "VS": 1}}))
    (model / layout.ROUND).write_text(json.dumps({"trained_in": "round_1", "fine_grid": False}))


def one_line(text):
    return " ".join(text.split())


def test_the_card_has_the_runs_own_numbers(run):
    facts = read_facts("round_1")
    text = card(facts, ABOUT)
    for name in ("survey", "round_0", "round_1"):
        scores = json.loads(layout.round_metrics(name).read_text())["VS"]
        [row] = [line for line in text.splitlines() if re.match(rf"\| \**{name}\** \| VS \| {scores['cases']} ", line)]
        dice, assd = scores["dice"], scores["assd_mm"]
        assert f"{dice['mean']:.3f} ± {dice['sd']:.3f} [" in row and f"{assd['mean']:.2f} ± {assd['sd']:.2f} [" in row
        [low, high] = map(float, re.search(r"± 0\.\d+ \[(0\.\d+), (0\.\d+)\]", row).groups())
        assert low < dice["mean"] < high
    proxies = json.loads(layout.proxies("round_1").read_text())
    assert f"| round_1 | VS | {proxies['pseudo_target']['VS']['dice']['mean']:.3f} |" in text
    lock = Path("dvc.lock").read_text()
    hashes = re.findall(r"`([0-9a-f]{32}(?:\.dir)?)`", text)
    assert len(hashes) >= 4 and all(one in lock for one in hashes)
    assert "| source cases | 24 (A: 12, B: 12) |" in text and "synthetic phantom" in text
    assert "VS: 364.5 to 10741.5 mm3" in text and "0.9 to 1, 0.9 to 1, 1.8 to 2.4 mm (x, y, z)" in text
    assert "Data, and with them these weights: to be filled in" in text and "data/raw" not in text


def test_methods_have_the_runs_own_numbers(run):
    text = one_line(methods(read_facts("round_1"), ABOUT))
    scores = json.loads(layout.round_metrics("round_1").read_text())["VS"]
    for part in (
        "synthetic phantom", "(n = 24; centre A: 12, centre B: 12)", "(n = 16; centre A: 8, centre B: 8)",
        "No label of the target was read in training.", "resampled to 1.5 x 1.5 x 2 mm", "60 x 60 voxels and to 24",
        "CycleGAN (Zhu et al.) trained on centre A for 52 epochs of 50 steps", "15 iterations of Van Cittert",
        "times 0.5, 0.7, 1.4, 1.7", "start 1, 3 scale(s) below the finest", "patches of 16 x 48 x 48 voxels (z, y, x)",
        "2 folds split by patient, 14 epochs of 60 iterations (adamw",
        "of round_1, number 2 of 2 (weights from the round before)",
        "thresholded at 0.5; the largest connected components were kept (1 of VS) and grown down to 0.3.",
        f"On {scores['cases']} labelled scans", f"{scores['dice']['mean']:.3f} ± {scores['dice']['sd']:.3f} [",
        "seed 1", "gbaseg 0.1.0, torch 2.13.0; whether it was trained with these is not noted.",
    ):  # fmt: skip
        assert part in text, part
    assert {"arXiv:2304.01705", "arXiv:1703.10593", "arXiv:1905.01164"} <= {*re.findall(r"arXiv:[\d.]+\d", text)}


def test_the_card_has_what_a_translation_was_chosen_by(run):
    one = {"agreement": 0.5, "consistency": 0.75, "plausible": 1.0, "seconds": 9.0}
    found = {
        "chosen": "cyclegan_0",
        "why": "not told apart from none",
        "trusted": False,
        "candidates": {"none": {"score": 0.25, **one}, "cyclegan_0": {"score": 0.625, **one}},
    }
    text = card(replace(read_facts("round_1"), choice=found), ABOUT)
    rows = [line for line in text.splitlines() if line.endswith("| 0.500 | 0.750 | 1.000 |")]
    assert [row.split(" | ")[:2] for row in rows] == [["| cyclegan_0", "0.625"], ["| none", "0.250"]]
    assert "cyclegan_0 was chosen: not told apart from none." in text
    assert "translation that was tried" not in card(read_facts("round_1"), ABOUT)


@pytest.mark.parametrize(
    ("used", "said"),
    [
        ("cyclegan", "The translation (cyclegan) was chosen without a label of the target among none,"),
        ("randomise", "without a label of the target, no translation earned its place."),
    ],
)
@pytest.mark.parametrize("trusted", [True, False])
def test_methods_say_whether_a_translation_was_chosen_or_none_needed(run, used, said, trusted):
    facts = replace(
        read_facts("round_1"),
        settings=params.check({"translation": {"mode": "auto"}}),
        translation=Translation(used, used, 0),
        choice={"chosen": used, "trusted": trusted},
    )
    text = one_line(methods(facts, ABOUT))
    assert said in text and "of 3 seeds" in text
    assert ("not told apart" in text) != trusted


def test_intervals_are_of_the_cases_that_the_mean_is_of(run):
    rows = read_scores(layout.case_scores("round_1"))
    write_scores([replace(row, dice=row.dice / 2) for row in rows], layout.case_scores("round_1"))
    score = read_facts("round_1").scores["round_1"]["VS"]
    assert score.dice is None and score.assd_mm is not None


def test_what_is_not_known_is_not_claimed(run):
    shutil.rmtree("metrics")
    Path("dvc.lock").unlink()
    facts = read_facts("round_1")
    text = card(facts, ABOUT.model_copy(update={"target": None, "volumes_mm3": {}}))
    for part in (
        "metrics/data.json is not there", "dvc.lock is not there", "None: no round of this run was scored.",
        "Nothing of the rounds: metrics/proxies is empty.",
        "is not noted: scans are not compared", "those of masks are not judged",
    ):  # fmt: skip
        assert part in text
    said = methods(facts, ABOUT)
    assert "no scores of this model" in said and "n = " not in said and "Dice of" not in said


@pytest.mark.parametrize(
    ("mode", "arm", "has", "has_not"),
    [
        ("none", "none", ["as they were, without a translation", "No copies"], ["CycleGAN", "SinGAN", "Van Cittert"]),
        ("histogram", "naive", ["histogram matching", "were rescaled (times"], ["CycleGAN", "SinGAN"]),
        ("randomise", "online", ["drawn at random in training", "whenever a case was drawn"], ["CycleGAN", "SinGAN"]),
        ("cyclegan", "gba", ["CycleGAN", "SinGAN"], ["No copies"]),
    ],
)
def test_methods_say_what_was_done_and_nothing_else(run, mode, arm, has, has_not):
    facts = read_facts("round_1")
    settings = params.check(
        {"translation": {"mode": mode}, "augmentation": {"arm": arm, "rules": [{"name": "all", "lambdas": [0.5]}]}}
    )
    text = one_line(methods(replace(facts, settings=settings, translation=Translation("", mode, 0)), ABOUT))
    assert all(part in text for part in has) and not any(part in text for part in has_not)
    assert "average symmetric surface distance" in text


def test_methods_have_words_for_every_translation(run):
    facts, silent = read_facts("round_1"), replace(read_facts("round_1"), translation=None)
    said = {mode: methods(replace(facts, translation=Translation("", mode, 0)), ABOUT) for mode in get_args(Mode)}
    assert len({*said.values(), methods(silent, ABOUT)}) == len(said) + 1


def test_methods_say_which_structure_was_rescaled_how_and_what_else_copies_were_given(run):
    names = {"VS": 1, "Cochlea": 2, "Facial": 3, "Brain stem": 4}
    rules = [
        {"name": "vs", "structure": "VS", "lambdas": [0.5, 2]},
        {"name": "c", "structure": "Cochlea", "lambdas": [3], "adaptive": 1},
        {"name": "d", "structure": "Facial", "adaptive": 1, "adaptive_size": True},
        {"name": "e", "structure": "Brain stem", "adaptive": 1, "adaptive_size": "if_needed"},
    ]
    settings = params.check(
        {
            "dataset": {"structures": names, "known_labels": [*names.values()]},
            "segmentation": {"members": 3},
            "augmentation": {"arm": "naive", "rules": rules, "alterations": {"diameter": 0.5, "edges": 0.25}},
        }
    )
    text = one_line(methods(replace(read_facts("round_1"), settings=settings), ABOUT))
    for part in (
        "rescaled (VS: times 0.5, 2; Cochlea: times 3 and by factors drawn from what the target showed; "
        "Facial: by factors and sizes drawn from what the target showed; Brain stem: by factors (and sizes, where "
        "these left too much of the distance) drawn from what the target showed)",
        "Of these copies 50 % were given another size (diameter times 0.8 to 1.25), 25 % sharper or softer edges.",
        "5 folds of 3 networks each split by patient",
    ):
        assert part in text


def test_methods_of_an_arm_without_copies_say_nothing_of_sizes(run):
    rules = [{"name": "vs", "adaptive": 1, "adaptive_size": "if_needed"}]
    settings = params.check({"augmentation": {"arm": "online", "rules": rules}})
    text = one_line(methods(replace(read_facts("round_1"), settings=settings), ABOUT))
    assert "rescaled (by factors drawn from what the target showed) at random" in text


def test_the_first_round_and_the_survey_are_said_to_be_them(run):
    facts = read_facts("round_1")
    first = one_line(methods(replace(facts, round_id="round_0", about_model={"trained_in": "round_0"}), ABOUT))
    assert "of the first round, without pseudo-labels" in first and "round before" not in first
    survey = one_line(methods(replace(facts, round_id="survey", about_model={"trained_in": "survey"}), ABOUT))
    assert "was trained in one fold for 10 epochs" in survey and "SinGAN" not in survey


@pytest.mark.unusual("Commands", "`export` where metrics are of another run", "whose they are; nothing is written")
def test_metrics_of_another_run_are_not_this_models(run):
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("seed: 1 ", "seed: 2 ", 1))
    with pytest.raises(UserError, match=r"of another run: metrics/.*seed was 1, is 2"):
        read_facts("round_1")


@pytest.mark.parametrize(("end", "matched"), [(0.62, True), (0.5, False)])
def test_methods_say_that_volumes_are_the_sources_only_where_masks_were_ended_so(run, end, matched):
    facts = read_facts("round_1")
    settings = facts.settings.with_prediction(grow_threshold=None, ends={"VS": end})
    proxies = {**facts.proxies, "round_1": {**facts.proxies["round_1"], "ends": {"VS": end}}}
    text = one_line(methods(replace(facts, settings=settings, proxies=proxies), ABOUT))
    assert f"which end at a softmax of {end:g} (VS)" in text
    assert ("the mean volume of VS in the target's training scans is that of the source's labels" in text) == matched
