"""Speeds of machines: measured ones alone."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from gbaseg.cost import speeds
from gbaseg.cost.counted import KINDS, DataSize, kind_of
from gbaseg.cost.speeds import Speed, known_machines, speeds_of, speeds_of_ledger, stage_in_ledger
from gbaseg.cost.work import count_work
from gbaseg.errors import UserError
from gbaseg.params import check
from gbaseg.presets import preset_content

SETTINGS = check(preset_content("tiny", Path(__file__).parents[2] / "presets"))
SIZE = DataSize(source=24, target=16, held_out=14, slices=24, copies=8.0)
WORK = {"params": SETTINGS.model_dump(mode="json"), "size": asdict(SIZE)}


def test_the_ledgers_names():
    assert stage_in_ledger("train round_1") == "train_segmentation/round_1"
    assert stage_in_ledger("pseudo_label survey") == "pseudo_label/survey"
    assert stage_in_ledger("standardise") == "standardise"


def amount(stage):
    return next(one.amount for one in count_work(SETTINGS, SIZE) if stage_in_ledger(one.stage) == stage)


def steps(stage):
    return next(one.steps for one in count_work(SETTINGS, SIZE) if stage_in_ledger(one.stage) == stage)


def line(stage, seconds, **changed):
    return {"stage": stage, "seconds": seconds, "work": WORK} | changed


def test_the_ledgers_stages_are_those_that_are_counted_each_of_its_kind():
    counted = {(stage_in_ledger(one.stage), one.kind) for one in count_work(SETTINGS, SIZE)}
    assert {(stage, kind_of(stage)) for stage, _ in counted} == counted
    assert {kind for _, kind in counted} == set(KINDS.values())
    assert kind_of("evaluate/round_0") is None


def test_a_speed_is_from_the_stage_that_did_most_and_of_equal_ones_the_last():
    """After the demonstration a tiny run says little: most of its seconds are start-up."""
    survey, first, last = (
        line("survey", 10.0), line("train_segmentation/round_0", 50.0), line("train_segmentation/round_1", 70.0),
    )  # fmt: skip
    units = amount("train_segmentation/round_1")
    assert units == amount("train_segmentation/round_0") > amount("survey")
    for lines in ([survey, first, last, line("evaluate/round_1", 3.0)], [first, last, survey]):
        assert speeds_of_ledger(lines) == {"nnunet": Speed(units, 70.0, steps("train_segmentation/round_1"))}


def test_a_speed_is_of_the_work_that_was_done_then_not_of_the_parameters_now():
    more = json.loads(json.dumps(WORK))
    more["params"]["segmentation"]["last_round_epochs"] *= 10
    before, after = (
        speeds_of_ledger([line("train_segmentation/round_1", 70.0, work=work)])["nnunet"] for work in (WORK, more)
    )
    assert after.measured_units == pytest.approx(10 * before.measured_units)


@pytest.mark.parametrize(
    "last",
    [
        {"stage": "pseudo_label/round_1", "seconds": 0.4, "found_done": ["passed on"]},
        {"stage": "pseudo_label/round_1", "seconds": 0.4},  # of a version that noted nothing
        {"stage": "pseudo_label/round_1", "seconds": 0.4, "work": {**WORK, "params": {"learning": {}}}},  # of another
        {"stage": "pseudo_label/round_7", "seconds": 0.4, "work": WORK},  # no round of its own parameters
    ],
)
def test_a_stage_that_did_not_do_all_of_its_work_says_nothing(last):
    whole = line("pseudo_label/survey", 9.0)
    assert speeds_of_ledger([last]) == {}
    assert speeds_of_ledger([whole, last]) == speeds_of_ledger([whole]) != {}


def test_a_stage_that_had_nothing_to_do_says_nothing():
    none = json.loads(json.dumps(WORK))
    none["params"]["augmentation"]["arm"] = "none"
    no_copies = {**WORK, "size": asdict(replace(SIZE, copies=0.0))}
    lines = [line("train_singan", 0.5, work=none), line("augment", 0.5, work=none), line("augment", 5, work=no_copies)]
    assert speeds_of_ledger(lines) == {}


def test_a_speed_is_of_the_device_that_would_be_used():
    units = amount("train_segmentation/round_0")

    def on(device, seconds):
        return line("train_segmentation/round_0", seconds, **({"device": device} if device else {}))

    def seconds(lines, device):
        found = speeds_of_ledger(lines, device)
        return round(found["nnunet"].seconds_per_unit * units) if found else None

    lines = [on("A100", 20.0), on("cpu", 90.0), on("H100", 10.0), on("2 x H100", 5.0)]
    assert [seconds(lines, device) for device in ("A100", "cpu", "H100", "2 x H100", "H200")] == [20, 90, 10, 5, None]
    assert seconds(lines, None) == 5  # the last of all
    # Earlier versions noted what was asked for: better than nothing, where it may be the device.
    assert [seconds([*lines, on("auto", 33.0)], device) for device in ("cpu", "H200")] == [90, 33]
    assert [seconds([on(None, 34.0)], device) for device in ("cpu", "H200")] == [34, 34]
    assert [seconds([on("cuda:1", 35.0)], device) for device in ("cpu", "H200")] == [None, 35]


# What an iteration took on an H200 (an H100 for the last, the paper's), in ms.
@pytest.mark.parametrize(
    ("patch", "features", "convs", "ms"),
    [
        ((12, 88, 88), (8, 16, 32, 64), 1, 14.4),
        ((16, 96, 96), (16, 32, 64, 128), 1, 16.5),
        ((16, 96, 96), (32, 64, 128, 256), 1, 18.0),
        ((32, 128, 128), (32, 64, 128, 256), 1, 21.5),
        ((64, 192, 192), (32, 64, 128, 256, 320, 320), 2, 101.0),
    ],
)
def test_a_small_network_s_steps_take_a_gpu_what_telling_it_takes(patch, features, convs, ms):
    network = {"patch_size_zyx": patch, "features": features, "convs_per_stage": convs, "batch_size": 2}
    content = json.loads(json.dumps(WORK["params"]))
    content["segmentation"]["network"] |= network
    content["segmentation"]["iterations_per_epoch"] = 1
    content["survey"]["epochs"] = 1
    [survey] = [one for one in count_work(check(content), SIZE) if one.stage == "survey"]
    assert survey.steps == 1
    assert 1e3 * speeds_of("h100")["nnunet"].seconds(survey) == pytest.approx(ms, rel=0.12)
    # On a processor nothing but the computing counts.
    assert speeds_of("2-cores")["nnunet"].seconds_per_step == 0.0


def test_steps_that_are_quicker_here_take_what_they_took():
    quick = Speed(measured_units=2.0, measured_seconds=10.0, measured_steps=1000, step=0.0142)
    assert quick.seconds_per_step == pytest.approx(0.009) and quick.seconds_per_unit == pytest.approx(0.5)
    lines = [line("train_segmentation/round_0", 1000.0, device="H200")]
    [speed] = speeds_of_ledger(lines, "H200", {"nnunet": 0.0142}).values()
    assert speed.seconds_per_step == 0.0142 and speed.seconds_per_unit > 0.0


def test_what_no_gpu_does_is_as_fast_beside_any():
    assert speeds_of_ledger([line("standardise", 9.0, device="cpu")], "H100").keys() == {"standardise"}


def test_every_machine_has_every_kind_of_work():
    for name in known_machines():
        assert speeds_of(name).keys() == set(KINDS.values())


def test_what_was_never_done_here_goes_by_a_machine_of_the_same_kind(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for device, name in (("cpu", "2-cores"), ("NVIDIA H200", "h100")):
        monkeypatch.setattr(speeds, "would_compute_on", lambda device=device: device)
        assert speeds.speeds_here()[0] == speeds_of(name)


def test_a_machine_that_nobody_measured():
    with pytest.raises(UserError, match=r"--gpu h900: not measured yet; measured are: 2-cores, h100.*`make run`"):
        speeds_of("h900")
