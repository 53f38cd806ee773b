"""`stages/` holds one file a stage; what they share is in `workflow/`, which imports none of them."""

from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "gbaseg"


def test_stages_holds_one_file_a_stage_and_nothing_else():
    stages = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"].values()
    commands = {stage["cmd"].split()[1].replace("-", "_") for stage in stages}
    assert {path.stem for path in (PACKAGE / "stages").glob("*.py")} - {"__init__"} == commands


def test_workflow_imports_no_stage():
    files = sorted((PACKAGE / "workflow").glob("*.py"))
    assert len(files) > 10
    assert not [path.name for path in files if "gbaseg.stages" in path.read_text()]
