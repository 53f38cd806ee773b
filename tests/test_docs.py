"""What the docs tell people to write is what the code takes."""

import json
import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from gbaseg import params
from gbaseg.cases import read_table
from gbaseg.presets import preset_content
from gbaseg.runtime import device, engine
from gbaseg.runtime.engine.settings import Engine
from gbaseg.runtime.place import ENGINE

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "data/README.md", "models/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]


def blocks(page, language):
    """Fenced blocks of a page, those of list items too."""
    text = (ROOT / page).read_text()
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indent}", "", block, flags=re.MULTILINE) for indent, block in found]


def over(settings, changes):
    merged = {key: over(settings[key], value) if isinstance(value, dict) and key != "structures" else value
              for key, value in changes.items()}  # fmt: skip
    return {**settings, **merged}


@pytest.mark.parametrize("preset", ["default", "lgg", "crossmoda2022"])
def test_settings_for_own_data_are_allowed_over_every_preset(preset):
    [changes] = blocks("docs/own_data.md", "yaml")
    checked = params.check(over(preset_content(preset, ROOT / "presets"), YAML(typ="safe").load(changes)))
    assert checked.dataset.layout == "table" and checked.labels == {"tumour": 1}
    # No grid of the preset's is left, of which the finer one would be 12 times this one's voxels.
    assert checked.standardise.spacing_xyz_mm == (1.0, 1.0, 2.0) and checked.standardise.fine_spacing_xyz_mm is None


def test_the_table_of_own_data_is_one(tmp_path):
    [table] = blocks("docs/own_data.md", "csv")
    (tmp_path / "cases.csv").write_text(table)
    assert {(case.domain, case.split) for case in read_table(tmp_path)} == {
        ("source", "train"), ("target", "train"), ("target", "test"),
    }  # fmt: skip


@pytest.mark.parametrize("room", ["data", "models"])
def test_a_folder_of_outputs_says_what_will_be_in_it(room):
    said = re.findall(r"`(\S+)`", (ROOT / room / "README.md").read_text())
    stages = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"].values()
    outputs = [str(output).replace("${item.round.id}", "ROUND") for stage in stages for output in stage.get("outs", [])]
    of_room = [output.removeprefix(f"{room}/") for output in outputs if output.startswith(f"{room}/")]
    assert len(of_room) > 3
    for output in of_room:
        assert {output, f"{output}/", output.replace("survey", "ROUND"), f"{output.replace('survey', 'ROUND')}/"} & {
            *said
        }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page):
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_pages_name_are_there(page):
    named = re.findall(r"`((?:src/gbaseg|stages|benchmarks|docs|presets|tests)/[\w./]+\.\w+)`", page.read_text())
    missing = [name for name in named if not any((folder / name).is_file() for folder in (ROOT, ROOT / "src/gbaseg"))]
    assert missing == []


def test_engine_files_are_allowed():
    found = blocks("docs/scaling.md", "yaml")
    engines = [Engine.model_validate(YAML(typ="safe").load(block)) for block in found]
    assert len(engines) == 4 and [one.request("survey", True).has_gpu for one in engines] == [
        True,
        True,
        False,
        True,
    ]
    assert not any(one.request("translate", False).has_gpu for one in engines)


def test_variables_are_named_as_the_code_reads_them():
    text = (ROOT / "docs/running.md").read_text()
    assert {device.VARIABLE, device.VISIBLE, engine.WORKERS, engine.GPU_TASKS, ENGINE} <= set(
        re.findall(r"`([A-Z_]+)`", text)
    )


def test_times_of_stages_are_those_of_the_benchmark():
    [section] = re.findall(r"^## How long stages take$(.*?)^## ", (ROOT / "docs/running.md").read_text(), re.M | re.S)
    rows = json.loads((ROOT / "benchmarks/results/against_run.json").read_text())["table"]["rows"]
    took = {stage: seconds for stage, seconds, _ in rows}
    said = {name: float(seconds) for name, seconds in re.findall(r"^\| `?([^`|]+?)`? \| ([\d.]+) s \|$", section, re.M)}
    assert len(said) > 10 and said == {name: took["all" if name == "all stages" else name] for name in said}
    assert all(seconds <= 0.5 for name, seconds in took.items() if seconds and name not in {*said, "all", "baseline"})
