"""gbaseg cost."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from gbaseg import params
from gbaseg.cases import Case, write_table
from gbaseg.cli import main
from gbaseg.cost.counted import DataSize
from gbaseg.runtime.ledger import LEDGER
from gbaseg.volume import Grid, Volume, write

PROJECT = Path(__file__).parents[2]
DEMONSTRATION = DataSize(source=2, target=1, held_out=1, slices=6, copies=2.0)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A project in which nothing has run yet."""
    shutil.copyfile(PROJECT / "params.yaml", tmp_path / "params.yaml")
    shutil.copytree(PROJECT / "presets", tmp_path / "presets")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def cost(*options):
    result = CliRunner().invoke(main, ["cost", *options], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def hours(output):
    return float(next(line for line in output.splitlines() if line.startswith("all ")).split()[1])


def preset(name):
    assert CliRunner().invoke(main, ["preset", name]).exit_code == 0


@pytest.fixture
def demonstrate(folder, as_measured):
    """Leaves what the demonstration leaves, on a machine that takes so many times as long as `2-cores`."""

    def leave(times, stages=None):
        shutil.copyfile(PROJECT / "dvc.lock", folder / "dvc.lock")
        cases = [
            Case(name, name, "A", domain, split, "", f"images/{name}.nii.gz")
            for name, domain, split in (
                ("s1", "source", "train"), ("s2", "source", "train"),
                ("t1", "target", "train"), ("t2", "target", "test"),
            )
        ]  # fmt: skip
        for case in cases:
            write(
                Volume(np.zeros((6, 4, 4), np.float32), Grid((6, 4, 4), (1.0, 1.0, 1.0))), f"data/standard/{case.image}"
            )
        write_table(cases, "data/standard")
        write_table([cases[0]] * 4, "data/augmented")
        settings = params.load()
        lines = as_measured(settings, DEMONSTRATION, times)
        LEDGER.parent.mkdir()
        LEDGER.write_text(
            "".join(json.dumps(line) + "\n" for line in lines if stages is None or line["stage"] in stages)
        )

    return leave


def test_the_papers_run_after_the_demonstration_in_the_readmes_order(folder, demonstrate):
    known = hours(cost("--preset", "crossmoda2022", "--gpu", "2-cores"))
    assert known > 1e4
    demonstrate(times=3.0)
    assert hours(cost("--preset", "crossmoda2022")) == pytest.approx(3 * known, rel=1e-4)
    preset("crossmoda2022")
    output = cost()
    assert "210 source, 210 target, 64 held-out cases of 120 slices, 1.37 copies a source case (as published)" in output
    assert hours(output) == pytest.approx(3 * known, rel=1e-4)


def test_the_demonstration_again_takes_what_it_took(folder, demonstrate):
    demonstrate(times=3.0)
    output = cost()
    assert "2 source, 1 target, 1 held-out cases of 6 slices, 2 copies a source case (data/standard)" in output
    assert hours(output) == pytest.approx(3 * hours(cost("--gpu", "2-cores")), abs=0.03)
    assert "2-cores" not in output


def test_what_was_not_measured_here_is_taken_from_a_known_machine_and_said_to_be(folder, demonstrate):
    demonstrate(times=1000.0, stages=["standardise"])
    output = cost()
    assert "speeds of standardise: logs/stages.jsonl" in output
    assert "speeds of augment, cyclegan, nnunet, predict, singan, translate: 2-cores, two cores of" in output
    standardise = next(line for line in output.splitlines() if line.startswith("standardise "))
    assert standardise.split()[-2] not in ("0%", "1%")


def test_data_of_other_parameters_say_nothing_of_the_size(folder, demonstrate):
    demonstrate(times=1.0)
    preset("lgg")
    result = CliRunner().invoke(main, ["cost"])
    assert result.exit_code == 1 and "`dvc repro standardise`" in result.output and "--slices" in result.output


def test_before_augment_has_run_its_copies_are_asked_for(folder, demonstrate):
    demonstrate(times=1.0)
    shutil.rmtree("data/augmented")
    assert "--copies says how many" in cost()
    assert "--copies says how many" not in cost("--copies", "2")


def test_the_papers_run_on_a_machine_that_was_measured(folder):
    result = CliRunner().invoke(main, ["cost", "--preset", "crossmoda2022", "--gpu", "2-cores"])
    assert result.exit_code == 0, result.output
    assert "210 source, 210 target, 64 held-out cases of 120 slices" in result.output
    lines = {line.split("  ")[0]: line for line in result.output.splitlines()}
    assert {"train_translation", "train_singan", "train round_3", "all", "twice the folds"} <= lines.keys()


def test_a_size_can_be_said_and_has_to_be_where_none_is_known(folder):
    result = CliRunner().invoke(main, ["cost"])
    assert result.exit_code == 1
    assert "--copies, --held-out, --slices, --source, --target" in result.output
    size = ["--source", "24", "--target", "16", "--held-out", "14", "--slices", "24", "--copies", "8"]
    result = CliRunner().invoke(main, ["cost", *size])
    assert result.exit_code == 0 and "24 source, 16 target, 14 held-out" in result.output
    assert "gba" not in result.output


def test_unknown_names(folder):
    for options, message in ((["--gpu", "h900"], "not measured yet"), (["--preset", "paper"], "no preset 'paper'")):
        result = CliRunner().invoke(main, ["cost", *options])
        assert result.exit_code == 1 and message in result.output and "Traceback" not in result.output


def test_disk_and_memory_stand_beside_the_hours(folder):
    output = cost("--preset", "crossmoda2022", "--gpu", "2-cores")
    room = output[output.index("Room that it takes") :]
    whole = next(line for line in room.splitlines() if line.startswith("all ")).split()
    assert whole[2] == "GiB" and 20 < float(whole[1]) < 100
    assert ".scratch" in room and "memory: " in room and "free here" in room
