"""What a run will take, by this machine's own measure or another's."""

import json
from pathlib import Path

import pytest

from gbaseg.cost.counted import DataSize
from gbaseg.cost.forecast import forecast
from gbaseg.cost.speeds import stage_in_ledger
from gbaseg.cost.work import count_work
from gbaseg.params import load
from gbaseg.runtime.ledger import LEDGER

SETTINGS = load(Path(__file__).parents[2] / "presets/default.yaml")
SIZE = DataSize(source=24, target=16, held_out=14, slices=24, copies=8.0)
STAGES = [
    "phantom",
    *dict.fromkeys(stage_in_ledger(one.stage) for one in count_work(SETTINGS, SIZE)),
    "end",
]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def measured(as_measured):
    """Writes the ledger of a machine that takes so many times as long as `2-cores`; of some stages, or of all."""

    def write(times, stages=None):
        LEDGER.parent.mkdir(exist_ok=True)
        lines = as_measured(SETTINGS, SIZE, times)
        kept = [line for line in lines if stages is None or line["stage"] in stages]
        LEDGER.write_text("".join(json.dumps(line) + "\n" for line in kept))

    return write


def test_before_anything_was_measured_here_another_machine_is_named():
    seen = forecast(SETTINGS, SIZE, STAGES)
    [source] = seen.sources
    assert source.startswith("2-cores, two cores of")
    assert set(seen.seconds) == set(STAGES)
    assert seen.of(STAGES) == pytest.approx(sum(seen.seconds.values()))


def test_this_machines_own_measure_goes_before(measured):
    other = forecast(SETTINGS, SIZE, STAGES)
    measured(times=3.0)
    seen = forecast(SETTINGS, SIZE, STAGES)
    [source] = seen.sources
    assert source.startswith("logs/stages.jsonl")
    assert seen.seconds["train_translation"] / other.seconds["train_translation"] == pytest.approx(3.0, rel=0.05)
    assert seen.times == 1.0


def test_a_source_of_next_to_nothing_is_not_named(measured):
    measured(times=1.0, stages=["standardise"])
    assert [source.split(",")[0] for source in forecast(SETTINGS, SIZE, STAGES).sources] == ["2-cores"]
    measured(times=1.0, stages=["standardise", "train_translation"])
    sources = forecast(SETTINGS, SIZE, STAGES).sources
    assert [source.split(",")[0] for source in sources] == ["2-cores", "logs/stages.jsonl"]


def test_a_stage_whose_work_is_not_counted_takes_what_it_took():
    LEDGER.parent.mkdir()
    LEDGER.write_text(json.dumps({"stage": "end", "seconds": 500.0}) + "\n")
    assert forecast(SETTINGS, SIZE, STAGES).seconds["end"] == pytest.approx(500.0, rel=0.01)


def test_what_these_settings_do_not_ask_for_takes_no_time_whatever_it_took_here(measured):
    """The ledger is of a run with a CycleGAN and a SinGAN; an arm without them has the stages all the same."""
    measured(times=3.0)
    sections = {"translation": {"mode": "none"}, "augmentation": {"arm": "none"}}
    bare = SETTINGS.model_copy(
        update={name: getattr(SETTINGS, name).model_copy(update=change) for name, change in sections.items()}
    )
    seen, whole = (forecast(one, SIZE, STAGES).seconds for one in (bare, SETTINGS))
    for name in ("train_translation", "train_singan"):
        assert seen[name] < 4.0 < whole[name]
    assert seen["train_segmentation/round_0"] == whole["train_segmentation/round_0"]


def test_work_far_from_what_was_measured_is_said_to_be(measured):
    large = DataSize(source=24_000, target=16_000, held_out=14_000, slices=24, copies=8.0)
    assert forecast(SETTINGS, SIZE, STAGES).times == 1.0
    assert forecast(SETTINGS, large, STAGES).times > 8
    measured(times=1.0)
    assert forecast(SETTINGS, DataSize(1, 1, 0, 1, 8.0), STAGES).times < 1 / 8


def test_a_short_run_here_says_nothing_of_a_far_longer_one(as_measured):
    """Its seconds are start-up, mostly: `gbaseg plan` after a run that was to show that all works."""
    short = SETTINGS.model_copy(
        update={"segmentation": SETTINGS.segmentation.model_copy(update={"epochs": 1, "last_round_epochs": 1})}
    )
    long = SETTINGS.model_copy(update={"segmentation": SETTINGS.segmentation.model_copy(update={"epochs": 100})})
    LEDGER.parent.mkdir()
    lines = [line for line in as_measured(short, SIZE, 10.0) if line["stage"].startswith("train_segmentation")]
    LEDGER.write_text("".join(json.dumps(line) + "\n" for line in lines))

    def seconds(settings, **how):
        return forecast(settings, SIZE, STAGES, **how).seconds["train_segmentation/round_0"]

    known = forecast(long, SIZE, STAGES, gpu="2-cores").seconds["train_segmentation/round_0"]
    assert seconds(long) == pytest.approx(known)
    # The same again takes what it took; where costs are compared, both go by one measure.
    own, other = seconds(short), seconds(short, long=True)
    assert own > 3 * other
    assert seconds(long, long=True) == pytest.approx(known)
