"""What flows from the scores of a round to the training of the next (METHOD 3 and 6)."""

import pytest

from gbaseg.errors import UserError
from gbaseg.params import Params, check
from gbaseg.self_training.settings import SurveySettings
from gbaseg.workflow import layout
from gbaseg.workflow.context import read_json, write_json
from gbaseg.workflow.verdict import Verdict, decide, judge_translation, read_verdict, rule

GO_ON, CONVERGED, FAILED = Verdict(), Verdict(stop=True), Verdict(stop=True, failed=True)


def settings(arm="none", lambdas=(), checks=None, **self_training):
    return Params(
        self_training=self_training,
        augmentation={"arm": arm},
        survey={"lambdas": lambdas},
        translation={"failure_checks": checks or {}},
    )


def metrics(dice, test=None):
    """As `summarise` writes them; `test`: mean Dice of the test cases, where there are some."""
    of = {"validation": dice} | ({} if test is None else {"test": test})
    mean = sum(of.values()) / len(of)
    return {"VS": {"dice": {"mean": mean}, "per_split": {split: {"dice": value} for split, value in of.items()}}}


def left(round_id, verdict, scores=None):
    verdict.write(layout.decision(round_id))
    write_json(layout.round_metrics(round_id), scores or {})


GOOD = {"edge_agreement": 0.3, "cycle_error": 0.04, "patch_distance": 0.1, "source_patch_distance": 0.7}


def checked(contrast=0.03, **values):
    """What `translate` and `augment` say of the translation."""
    write_json(layout.METRICS / "translation.json", {**GOOD, **values})
    write_json(layout.METRICS / "appearance.json", {"contrast_distance_to_survey": {"before": contrast, "after": 0.1}})


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    checked()


@pytest.mark.parametrize("dice", [0.1, 0.9, None])
def test_by_agreement_the_scores_have_no_say(dice):
    scores = {} if dice is None else metrics(dice)
    assert decide(settings(), "round_0", scores, None) == GO_ON
    left("round_0", GO_ON, scores)
    assert decide(settings(), "round_1", scores, 0.996) == GO_ON
    assert decide(settings(), "round_1", scores, 0.998) == CONVERGED


@pytest.mark.parametrize(("dice", "verdict"), [(0.4, FAILED), (0.41, GO_ON)])
def test_the_papers_failure_rule(dice, verdict):
    assert decide(settings(stop="validation_dice"), "round_0", metrics(dice), None) == verdict


@pytest.mark.parametrize(
    ("before", "now", "verdict"), [(0.80, 0.8029, CONVERGED), (0.80, 0.8031, GO_ON), (0.80, 0.79, GO_ON)]
)
def test_the_papers_stop_rule(before, now, verdict):
    left("round_0", GO_ON, metrics(before))
    assert decide(settings(stop="validation_dice"), "round_1", metrics(now), 1.0) == verdict


def test_test_cases_never_steer():
    """They are scored beside the validation cases, and say the opposite here."""
    by_dice = settings(stop="validation_dice")
    assert decide(by_dice, "round_0", metrics(0.9, test=0.0), None) == GO_ON
    assert decide(by_dice, "round_0", metrics(0.3, test=1.0), None) == FAILED
    left("round_0", GO_ON, metrics(0.8, test=0.9))
    assert decide(by_dice, "round_1", metrics(0.801, test=0.1), 1.0) == CONVERGED
    only_test = {"VS": {"dice": {"mean": 0.1}, "per_split": {"test": {"dice": 0.1}}}}
    assert decide(by_dice, "round_0", only_test, None) == GO_ON


@pytest.mark.parametrize("verdict", [CONVERGED, FAILED])
def test_what_has_stopped_stays_stopped_for_the_reason_it_had(verdict):
    left("round_1", verdict)
    by_agreement = decide(settings(), "round_2", metrics(0.9), 1.0)
    assert by_agreement.failed == verdict.failed
    assert decide(settings(stop="validation_dice"), "round_2", metrics(0.9), 1.0) == verdict


@pytest.mark.parametrize("scores", [{}, {"VS": {"per_split": {"test": {"dice": 0.8}}}}])
def test_without_labelled_validation_cases_agreement_takes_the_place_of_the_papers_rule(scores):
    by_dice = settings(stop="validation_dice")
    assert (rule(by_dice, scores), rule(by_dice, metrics(0.8))) == ("agreement", "validation_dice")
    left("round_0", GO_ON, scores)
    assert decide(by_dice, "round_0", scores, None) == GO_ON
    assert decide(by_dice, "round_1", scores, 0.996) == GO_ON
    assert decide(by_dice, "round_1", scores, 0.998) == CONVERGED


def test_the_file_holds_what_steers_and_nothing_else():
    """The next round depends on its bytes: the rule's name in it would train everything anew when it changes."""
    left("round_0", GO_ON)
    decide(settings(stop="never"), "round_1", metrics(0.9), 0.5).write(layout.decision("round_1"))
    assert read_json(layout.decision("round_1")) == {"stop": False, "failed": False}
    assert read_verdict("round_1") == decide(settings(), "round_1", metrics(0.9), 0.5)


def test_the_papers_rule_needs_validation_cases_among_those_that_are_scored():
    content = {"self_training": {"stop": "validation_dice"}, "evaluation": {"splits": ["test"]}}
    with pytest.raises(UserError, match=r"evaluation\.splits: found \['test'\]; .*validation_dice needs validation"):
        check(content)


def test_where_nothing_was_translated_nothing_has_failed():
    """The control is trained to its last round, however bad it is."""
    checked(edge_agreement=0.0)
    for stop in ("validation_dice", "agreement"):
        untranslated = Params(translation={"mode": "none"}, self_training={"stop": stop}, augmentation={"arm": "none"})
        assert decide(untranslated, "round_0", metrics(0.03), None) == GO_ON
        assert judge_translation(untranslated, metrics(0.03)) is None


def judged(settings, metrics, **how):
    found = judge_translation(settings, metrics, **how)
    return found.failed, found.by


def test_the_tables_say_that_it_has_failed_by_what_the_rule_goes_by():
    scores = metrics(0.35, test=0.6)
    assert judged(settings(stop="validation_dice"), scores) == (True, "none")
    assert judged(settings(), scores) == (False, "none")


@pytest.mark.parametrize("arm", ["naive", "online", "gba"])
def test_an_arm_with_copies_says_nothing_of_its_translation(arm):
    """The paper's CycleGANs of 0.243 and 0.474 without copies: of the first no other arm is run."""
    left("survey", GO_ON, metrics(0.6))
    by_dice = settings(arm, stop="validation_dice")
    assert judged(by_dice, metrics(0.2)) == (False, "survey")
    assert decide(by_dice, "round_0", metrics(0.2), None) == GO_ON
    left("survey", GO_ON, metrics(0.4))
    assert judged(by_dice, metrics(0.9)) == (True, "survey")
    assert decide(by_dice, "round_0", metrics(0.9), None) == FAILED


@pytest.mark.parametrize("altered", [{"lambdas": (0.5,)}, {"contrasts": 8}])
def test_a_survey_with_copies_is_no_arm_without(altered):
    left("survey", GO_ON, metrics(0.1))
    with_copies = settings("gba", stop="validation_dice").model_copy(update={"survey": SurveySettings(**altered)})
    assert judged(with_copies, metrics(0.1)) == (False, "checks")
    checked(edge_agreement=0.05)
    assert judged(with_copies, metrics(0.9)) == (True, "checks")


@pytest.mark.parametrize(
    ("key", "limit", "says"),
    [
        ({"edge_agreement": 0.09}, {"edge_agreement_below": 0.1}, "edge agreement 0.09, below 0.1"),
        ({"cycle_error": 0.13}, {"cycle_error_above": 0.12}, "cycle error 0.13, above 0.12"),
        ({"patch_distance": 0.77}, {"patch_ratio_above": 1.0}, "patch ratio 1.1, above 1"),
        ({"contrast": 0.35}, {"contrast_distance_above": 0.3}, "contrast distance 0.35, above 0.3"),
    ],
)
def test_without_labels_the_checks_stand_in_with_limits_that_are_parameters(key, limit, says):
    [name] = limit
    for stop in ("agreement", "validation_dice", "never"):
        unlabelled = settings(stop=stop, checks=limit)
        checked()
        assert judged(unlabelled, {}) == (False, "checks")
        assert decide(unlabelled, "round_0", {}, None) == GO_ON
        checked(**key)
        found = judge_translation(unlabelled, {})
        assert (found.failed, found.by) == (True, "checks")
        assert found.why == f"{says} (translation.failure_checks.{name})"
        assert decide(unlabelled, "round_0", {}, None) == (GO_ON if stop == "never" else FAILED)
        assert judged(settings(stop=stop, checks={name: None}), {}) == (False, "checks")


def test_what_steers_without_labels_is_blind_to_those_that_there_are():
    """Rule agreement: the scores are reported, and the checks steer."""
    assert judged(settings(), metrics(0.1)) == (True, "none")
    assert decide(settings(), "round_0", metrics(0.1), None) == GO_ON
    checked(cycle_error=0.5)
    assert judged(settings(), metrics(0.9)) == (False, "none")
    assert decide(settings(), "round_0", metrics(0.9), None) == FAILED


@pytest.mark.parametrize("check", ["edge_agreement", "cycle_error", "patch_distance", "contrast"])
def test_a_check_that_is_not_defined_fails_nothing(check):
    checked(**{check: None})
    assert judged(settings(checks={"contrast_distance_above": 0.1}), {}) == (False, "checks")


def test_a_last_round_of_another_kind_runs_after_convergence_and_not_after_a_failed_translation():
    assert [verdict.ends(differs=False) for verdict in (GO_ON, CONVERGED, FAILED)] == [False, True, True]
    assert [verdict.ends(differs=True) for verdict in (GO_ON, CONVERGED, FAILED)] == [False, False, True]


@pytest.mark.parametrize("stop", ["agreement", "validation_dice", "never"])
@pytest.mark.parametrize("round_id", ["round_0", "round_1"])
def test_a_model_that_finds_nothing_ends_self_training_whatever_the_rule(stop, round_id):
    left("round_0", GO_ON, metrics(0.9))
    verdict = decide(settings(stop=stop), round_id, metrics(0.9), 0.5, found_nothing=True)
    assert verdict == FAILED and verdict.ends(differs=True)


@pytest.mark.parametrize("stop", ["agreement", "validation_dice"])
def test_a_round_that_such_a_model_is_passed_on_to_ends_it_too(stop):
    """Its pseudo-labels agree with themselves, which alone would let a last round of another kind run."""
    left("round_0", FAILED)
    assert decide(settings(stop=stop), "round_1", {}, 1.0, found_nothing=True) == FAILED
