"""What the long trials take for left behind."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from gbaseg.runtime.leftovers import KEPT_TRIES


def module_of(name):
    spec = spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def made(scratch, *names):
    for name in names:
        (scratch / name).mkdir(parents=True)
    return scratch


def test_a_stage_s_own_finished_work_may_stay_and_nothing_else(tmp_path):
    own = "finished-train_segmentation_round_1-0a1b2c3d4e5f6071"
    others = ["finished-train_segmentation_round_10-0a1b", "finished-survey-0a1b", ".removed-1-2-x", "survey-0a1b"]
    made(tmp_path, "store", own, *others)
    for name in ("train_segmentation@round_1", "train_segmentation@round1"):
        assert module_of("kills").left_behind(tmp_path, name) == sorted(others)
    assert own in module_of("kills").left_behind(tmp_path, "survey")


def test_unfinished_work_is_bounded(tmp_path):
    many_runs = module_of("many_runs")
    assert many_runs.MOST_UNFINISHED == 2 * (1 + KEPT_TRIES)
    assert many_runs.unfinished_in(made(tmp_path, "store", "survey-1", "survey-2", ".removed-1-2-x")) == 2
