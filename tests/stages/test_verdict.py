"""What flows from the scores of a round to the training of the next (METHOD 3 and 6)."""

import pytest

from gbaseg.params import Params
from gbaseg.stages import layout
from gbaseg.stages.context import write_json
from gbaseg.stages.evaluate import decide


def settings(**self_training):
    return Params(self_training=self_training)


def metrics(dice):
    return {"VS": {"dice": {"mean": dice}}}


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("dice", [0.1, 0.9, None])
def test_by_agreement_the_scores_have_no_say(dice):
    scores = {} if dice is None else metrics(dice)
    assert decide(settings(), "round_0", scores, None)["stop"] is False
    assert decide(settings(), "round_1", scores, 0.996)["stop"] is False
    assert decide(settings(), "round_1", scores, 0.998) == {"stop": True, "why": "rule agreement: converged"}


@pytest.mark.parametrize(("dice", "stop"), [(0.4, True), (0.41, False)])
def test_the_papers_failure_rule(dice, stop):
    verdict = decide(settings(stop="validation_dice"), "round_0", metrics(dice), None)
    assert verdict["stop"] is stop
    assert ("translation has failed" in verdict["why"]) is stop


@pytest.mark.parametrize(("before", "now", "stop"), [(0.80, 0.8029, True), (0.80, 0.8031, False), (0.80, 0.79, False)])
def test_the_papers_stop_rule(before, now, stop):
    write_json(layout.round_metrics("round_0"), metrics(before))
    write_json(layout.decision("round_0"), {"stop": False, "why": ""})
    assert decide(settings(stop="validation_dice"), "round_1", metrics(now), 1.0)["stop"] is stop


def test_what_has_stopped_stays_stopped():
    write_json(layout.decision("round_1"), {"stop": True, "why": ""})
    verdict = decide(settings(stop="validation_dice"), "round_2", metrics(0.9), 1.0)
    assert verdict == {"stop": True, "why": "stopped after round_1"}


def test_without_labelled_cases_the_papers_rule_never_stops():
    write_json(layout.decision("round_0"), {"stop": False, "why": ""})
    write_json(layout.round_metrics("round_0"), {})
    assert decide(settings(stop="validation_dice"), "round_0", {}, None)["stop"] is False
    assert decide(settings(stop="validation_dice"), "round_1", {}, 0.999)["stop"] is False
