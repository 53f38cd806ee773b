"""`stages/` holds one file a stage; what they share: `workflow/`, which imports none. Rooms import no later step."""

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "gbaseg"


def test_stages_holds_one_file_a_stage_and_nothing_else():
    stages = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"].values()
    commands = {stage["cmd"].split()[1].replace("-", "_") for stage in stages}
    assert {path.stem for path in (PACKAGE / "stages").glob("*.py")} - {"__init__"} == commands


@pytest.mark.parametrize("room", ["workflow", "commands"])
def test_what_stages_share_and_what_reads_their_results_imports_no_stage(room):
    files = sorted((PACKAGE / room).glob("*.py"))
    assert len(files) > 10
    assert not [path.name for path in files if "gbaseg.stages" in path.read_text()]


SHARED = {"volume", "integrity", "cases", "planes", "patches", "settings", "text_file", "errors", "runtime"}
# Room -> the steps before it from which it takes something.
ROOMS = {
    "raw": set(),
    "standardise": set(),
    "translation": set(),
    "augmentation": set(),
    "segmentation": {"standardise"},
    "self_training": set(),
    "review": set(),
    "evaluation": {"augmentation", "translation"},
}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_what_all_share_and_no_step_after_it(room):
    text = "\n".join(path.read_text() for path in (PACKAGE / room).rglob("*.py"))
    imported = set(re.findall(r"^\s*(?:from|import) gbaseg\.(\w+)", text, re.MULTILINE))
    for names in re.findall(r"^\s*from gbaseg import ([\w, ]+)", text, re.MULTILINE):
        imported |= set(names.replace(" ", "").split(","))
    assert imported <= SHARED | ROOMS[room] | {room}
    assert imported
