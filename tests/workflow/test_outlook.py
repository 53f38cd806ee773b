"""What is said before a run, and when its data are known."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from gbaseg import params
from gbaseg.cli import main
from gbaseg.cost.counted import DataSize
from gbaseg.workflow import outlook
from gbaseg.workflow.itinerary import itinerary

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """A fresh clone, in which nothing has run."""
    monkeypatch.chdir(tmp_path)
    for name in ("dvc.yaml", "dvc.lock"):
        shutil.copyfile(ROOT / name, name)
    shutil.copyfile(ROOT / "presets/default.yaml", "params.yaml")
    shutil.copytree(ROOT / "presets", "presets")


def settle(**changes):
    text = Path("params.yaml").read_text()
    for key, (old, new) in changes.items():
        assert text.count(f"{key}: {old}") == 1, key
        text = text.replace(f"{key}: {old}", f"{key}: {new}")
    Path("params.yaml").write_text(text)


def said():
    result = CliRunner().invoke(main, ["outlook"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


def test_the_demonstrations_size_is_known_before_it_is_there():
    lines = said()
    assert lines[0] == "22 stages on data/raw/phantom: 24 source, 16 target, 14 held-out cases of 24 slices"
    assert lines[1].startswith("about ") and "for all of them, by 2-cores, two cores of an AMD EPYC" in lines[1]
    assert lines[2].startswith("the speed of this machine is not known yet")
    assert any("data/modalities.png, after [ 2 of 22] standardise: about" in line for line in lines)


def test_the_phantoms_size_follows_its_parameters():
    settle(crop_z_px=(24, "null"), splits=("[validation, test]", "[test]"))
    assert outlook.phantom_size(params.load()) == DataSize(source=24, target=16, held_out=0, slices=40, copies=0.0)


def test_of_another_data_set_it_is_said_when_it_will_be_known():
    settle(root=("data/raw/phantom", "data/raw/mine"))
    lines = said()
    assert "how long they take is said after [ 2 of 22] standardise" in lines[0]
    assert not any("about" in line for line in lines)


def test_the_papers_data_set_is_of_published_size():
    settle(root=("data/raw/phantom", "data/raw/crossmoda2022"))
    assert "210 source, 210 target, 64 held-out cases of 120 slices" in said()[0]


@pytest.mark.parametrize(("flags", "isa", "slower"), [
    ("avx2 avx512_bf16", "", False), ("avx2", "", True), ("avx2 avx512_bf16", "AVX2", True),
    ("avx2 avx512_bf16 amx_tile", "", True),
])  # fmt: skip
def test_a_processor_without_bfloat16_is_told_so(tmp_path, monkeypatch, flags, isa, slower):
    (tmp_path / "cpuinfo").write_text(f"flags : {flags}\n")
    monkeypatch.setattr(outlook, "_PROCESSOR", tmp_path / "cpuinfo")
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", isa)
    assert ("may take twice as long" in said()[2]) is slower


def test_what_is_left_after_a_stage():
    settings = params.load()
    stages = itinerary()
    size = outlook.phantom_size(settings)
    first, *_ = outlook.left(settings, size, stages)
    assert "for the 20 stages after this one" in first
    assert "for the 0 stages after this one" in outlook.left(settings, size, stages, after="summarise")[0]


def test_the_oracle_is_said_not_to_be_counted():
    settle(oracle=("false", "true"))
    assert "the oracle (evaluation.oracle) is not counted" in said()


def test_in_a_pipeline_that_is_not_understood_nothing_is_foretold():
    Path("dvc.yaml").write_text("stages:\n  a: {foreach: [1], do: {cmd: ls}}\n")
    [line] = said()
    assert line.startswith("how long it takes is not known: dvc.yaml: ")
    settings = params.load()
    assert outlook.left(settings, outlook.phantom_size(settings), ["something"]) == []
