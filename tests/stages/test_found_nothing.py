"""A model that finds nothing on any target case: what the stages after it write and say."""

import io
import math

import numpy as np
import pytest
from rich.console import Console

from gbaseg.cases import Case, write_table
from gbaseg.evaluation.rounds import _state, print_rounds_table
from gbaseg.params import Params
from gbaseg.segmentation.decision import FoldAgreement
from gbaseg.self_training.agreement import Agreement
from gbaseg.stages import evaluate, pseudo_label
from gbaseg.volume import Grid, Volume, write
from gbaseg.workflow import layout
from gbaseg.workflow.context import read_json, write_json

GRID = Grid((2, 2, 2), (1.0, 1.0, 1.0))
TARGETS = {"t0": "train", "t1": "train", "v0": "validation"}
SETTINGS = Params()
AGREES = Agreement(0.5, 0)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """One source case, three of the target; round_0's model finds a tumour where `found` says so."""
    monkeypatch.chdir(tmp_path)
    for module in (pseudo_label, evaluate):
        monkeypatch.setattr(module.params, "load", lambda: SETTINGS)
    cases = [Case("s0", "s0", "A", "source", "train", "ceT1", "s0.nii.gz", "s0_label.nii.gz")]
    cases += [Case(name, name, "A", "target", split, "hrT2", f"{name}.nii.gz") for name, split in TARGETS.items()]
    write_table(cases, layout.STANDARD)
    write_table([], layout.SCORING)
    for name in ("s0", "s0_label", *TARGETS):  # counted for the ledger
        write(Volume(np.ones(GRID.shape, np.uint8), GRID), layout.STANDARD / f"{name}.nii.gz")
    found: dict[str, float] = {}

    def label_target(settings, model, folder, **_):
        write_agreements = [
            FoldAgreement(case, "VS", 1.0, 1, 1.0, found[case])
            if case in found
            else FoldAgreement(case, "VS", math.nan, 0, 0.0, 0.0, both_empty=1)
            for case in TARGETS
        ]
        folder.mkdir()
        pseudo_label._write_table(settings, write_agreements, folder)
        return settings

    monkeypatch.setattr(pseudo_label, "label_target", label_target)
    monkeypatch.setattr(pseudo_label, "agreement_with", lambda *_: AGREES)
    monkeypatch.setattr(pseudo_label, "score_folds", lambda *_: {})
    write_table([], layout.TRANSLATED)

    def run(round_id, passed_on=False):
        write_json(layout.model_of(round_id) / layout.ROUND, {"passed_on": passed_on, "fine_grid": False})
        pseudo_label.run(round_id)
        evaluate.run(round_id)
        return read_json(layout.round_metrics(round_id)), read_json(layout.decision(round_id))

    (layout.pseudo_labelled("survey")).mkdir(parents=True)
    write_json(layout.round_metrics(layout.SURVEY), {})
    write_json(layout.METRICS / "translation.json", {})
    write_json(layout.METRICS / "appearance.json", {"contrast_distance_to_survey": {"before": None}})
    return found, run


@pytest.mark.unusual(
    "Commands",
    "a model that finds a tumour in no training case of the target",
    "self-training ends, with a warning, a last round of another kind too; the metrics say found_nothing",
)
def test_self_training_ends_and_says_so(project, capsys):
    found, run = project
    found["v0"] = 8.0  # a held-out case trains no round
    metrics, decision = run("round_0")
    assert metrics["found_nothing"] is True and metrics["converged"] is False
    assert decision == {"stop": True, "failed": True}
    said = capsys.readouterr().err
    assert "self-training stops here: WARNING: its model finds no VS in any training case of the target" in said
    assert _state(metrics) == "finds nothing"

    metrics, decision = run("round_1", passed_on=True)
    assert decision == {"stop": True, "failed": True}
    assert metrics["found_nothing"] is True and _state(metrics) == "passed on"


@pytest.mark.unusual(
    "Data sets and folders",
    "`self_training.stop: validation_dice`, and no validation case has a label",
    "a warning, of standardise already; the agreement of the pseudo-labels stops in its place",
)
def test_the_papers_rule_without_labels_says_what_decides_in_its_place(project, monkeypatch, capsys):
    found, run = project
    found["t1"] = 8.0
    by_dice = Params(self_training={"stop": "validation_dice", "agreement_above": 0.4})  # 0.5 in `project`
    monkeypatch.setattr(evaluate.params, "load", lambda: by_dice)
    assert run("round_0")[1] == {"stop": False, "failed": False}
    capsys.readouterr()
    assert run("round_1")[1] == {"stop": True, "failed": False}
    said = capsys.readouterr().err
    assert "WARNING: round_1: self_training.stop: validation_dice; no validation case has a label with a VS" in said
    assert "self-training stops here: rule agreement" in said


def test_every_structure_has_its_own_proxies(project, monkeypatch):
    """The tumour's at the top, as of a set of one structure; what speaks against one is not counted of another."""
    _, run = project
    two = Params(dataset={"structures": {"VS": 1, "Cochlea": {"value": 2, "pieces": 2}}})
    monkeypatch.setattr(pseudo_label.params, "load", lambda: two)

    def label_target(settings, model, folder, **_):
        found = [FoldAgreement(case, "VS", 0.9, 1, 1.0, 8.0) for case in TARGETS]
        found += [FoldAgreement(case, "Cochlea", 0.5, 3, 0.4, 0.0) for case in TARGETS]
        folder.mkdir()
        pseudo_label._write_table(settings, found, folder)
        return settings

    monkeypatch.setattr(pseudo_label, "label_target", label_target)
    held_out = {"VS": {"dice": {"mean": 0.7}}, "Cochlea": {"dice": {"mean": 0.6}}}
    monkeypatch.setattr(pseudo_label, "score_folds", lambda *_: held_out)
    metrics, _ = run("round_0")
    known = read_json(layout.proxies("round_0"))
    assert (known["fold_agreement"], known["doubtful"], known["pseudo_labelled"]) == (0.9, 0, 2)
    assert known["others"] == {"Cochlea": {"fold_agreement": 0.5, "doubtful": 2, "pseudo_labelled": 2}}
    stream = io.StringIO()
    print_rounds_table([("round_0", {**metrics, "proxies": known})], Console(file=stream, width=80), tumour="VS")
    lines = [line.split() for line in stream.getvalue().splitlines()]
    assert [line for line in lines if line[:1] == ["round_0"]] == [
        ["round_0", "0.700", "0.900", "–", "0", "of", "2", "no"],
        ["round_0", "0.600", "0.500", "–", "2", "of", "2", "no"],
    ]


def test_one_tumour_is_something(project, capsys):
    found, run = project
    found["t1"] = 8.0
    metrics, decision = run("round_0")
    assert "found_nothing" not in metrics and decision == {"stop": False, "failed": False}
    assert read_json(layout.pseudo_labelled("round_0") / layout.ROUND) == {"passed_on": False, "agreement": None}
    assert "WARNING" not in capsys.readouterr().err


def test_what_finds_nothing_agrees_with_nothing(project, monkeypatch):
    """Neither its folds nor its rounds: two empty masks would have a Dice of 1, and look like the best of all."""
    _, run = project
    monkeypatch.setattr(pseudo_label, "agreement_with", lambda *_: Agreement(None, 2))
    run("round_0")
    rounds = []
    for round_id, passed_on in (("round_1", False), ("round_2", True)):
        metrics, decision = run(round_id, passed_on=passed_on)
        known = read_json(layout.proxies(round_id))
        assert decision == {"stop": True, "failed": True} and metrics["agreement"] is known["round_agreement"] is None
        rounds.append((round_id, {**metrics, "proxies": known}))
    known = rounds[0][1]["proxies"]
    assert known["fold_agreement"] is None and known["doubtful"] == known["pseudo_labelled"] == 2
    assert (known["fold_both_empty"], known["round_both_empty"]) == (2, 2)
    stream = io.StringIO()
    print_rounds_table(rounds, Console(file=stream, width=80), tumour="VS")
    assert stream.getvalue().splitlines()[2].split() == ["round_1", "–", "–", "–", "2", "of", "2", "finds", "nothing"]


def test_a_case_on_which_no_fold_finds_anything_is_left_out_and_counted(project):
    found, run = project
    found["t1"] = 8.0
    run("round_0")
    known = read_json(layout.proxies("round_0"))
    assert (known["fold_agreement"], known["fold_both_empty"]) == (1.0, 1)
    assert "round_both_empty" not in known  # there are none: the survey's are not compared with


def test_a_failed_translation_ends_self_training_and_is_no_convergence(project, capsys):
    found, run = project
    found["t1"] = 8.0
    write_json(layout.METRICS / "translation.json", {"edge_agreement": 0.05})
    metrics, decision = run("round_0")
    assert decision == {"stop": True, "failed": True}
    assert (metrics["translation_failed"], metrics["translation_judged_by"]) == (True, "checks")
    assert metrics["converged"] is False and _state(metrics) == "failed"
    said = capsys.readouterr().err
    assert "WARNING: round_0: the translation has failed: edge agreement 0.05, below 0.1" in said
    assert "self-training stops here: the translation has failed" in said
    metrics, decision = run("round_1", passed_on=True)
    assert decision == {"stop": True, "failed": True}
    assert metrics["converged"] is False and _state(metrics) == "passed on"
