"""What experiments share, by their parameters alone, and the order in which they are begun."""

from itertools import product
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from gbaseg.commands.in_turn import in_turn, shared_stages
from gbaseg.commands.planned import Experiment
from gbaseg.presets import preset_content

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def here(monkeypatch):
    monkeypatch.chdir(ROOT)


def test_arms_share_the_stages_before_the_copies_and_seeds_the_data():
    base = preset_content("tiny", Path("presets"))
    settings = {
        f"{arm}-{seed}": {**base, "seed": seed, "augmentation": {**base["augmentation"], "arm": arm}}
        for seed, arm in product((1, 2), ("none", "gba"))
    }
    shared = shared_stages(settings)
    [of_seed] = shared["gba-1"]  # the phantom follows from the seed
    assert of_seed[0] == {"none-1", "gba-1"}
    assert {"standardise", "train_translation", "survey", "pseudo_label_survey"} <= {*of_seed[1]}
    stages = YAML(typ="safe").load(Path("dvc.yaml").read_text())["stages"]
    assert {*of_seed[1]} <= stages.keys() and "train_singan" not in of_seed[1]
    # A round is shared, too, up to its scores where these differ; DVC calls it by number.
    later = {**base, "evaluation": {**base["evaluation"], "low_dice": [0.25]}}
    [(_, named)] = shared_stages({"one": base, "other": later})["one"]
    assert "train_segmentation@round0" in named and "train_segmentation@round1" not in named


def test_those_that_share_stay_together_and_the_longest_of_them_is_begun_first():
    base = preset_content("tiny", Path("presets"))
    todo = [Experiment(f"{arm}-{seed}", {}) for seed, arm in product((2, 1), ("none", "naive", "gba"))]
    settings = {
        one.name: {**base, "seed": int(one.name[-1]), "augmentation": {**base["augmentation"], "arm": one.name[:-2]}}
        for one in todo
    }
    wanted = ["gba-2", "naive-2", "none-2", "gba-1", "naive-1", "none-1"]
    assert [one.name for one in in_turn(todo, settings, shared_stages(settings))] == wanted
    # Of what no forecast is known the order is the caller's.
    assert in_turn(todo, {one.name: {"seed": 1} for one in todo}, {one.name: [] for one in todo}) == todo
