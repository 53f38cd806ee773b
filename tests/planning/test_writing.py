"""params.yaml as it is written, and whose files are."""

from pathlib import Path

import pytest

from gbaseg import params
from gbaseg.cases import Case
from gbaseg.planning.facts import Choice
from gbaseg.planning.writing import is_free, owner_of_params, owner_of_table, params_text, stamp_of, write_data_set
from gbaseg.presets import preset_content

PRESETS = Path(__file__).parents[2] / "presets"
CHOICES = {
    key: Choice(key, value, f"reason of {key}")
    for key, value in {
        "dataset.root": "/data/no: such # place",
        "dataset.layout": "table",
        "dataset.structures": {"yes": 1, "left lung": {"value": 4, "pieces": 2}},
        "dataset.known_labels": [1, 4],
        "segmentation.network.features": None,
        "augmentation.rules": [{"name": "all", "structure": "yes", "centres": "both", "lambdas": [0.5], "k_star": [1]}],
        "segmentation.folds": 2,  # as it is shipped
    }.items()
}


def test_it_loads_as_it_was_chosen_with_every_reason_in_its_place(tmp_path):
    text = params_text(CHOICES, PRESETS)
    (tmp_path / "params.yaml").write_text(text)
    loaded = params.load(tmp_path / "params.yaml")
    assert loaded.dataset.root == "/data/no: such # place"
    assert loaded.pieces == {"yes": 1, "left lung": 2}
    assert loaded.segmentation.network.features is None
    assert loaded.augmentation.rules[0].lambdas == [0.5]
    lines = text.splitlines()
    assert "  folds: 2 # reason of segmentation.folds" in lines
    assert "  rules: # reason of augmentation.rules" in lines
    assert sum("# reason of" in line for line in lines) == len(CHOICES)
    # what nobody chose says what it said
    assert "  tile_step: 0.5 # step of the sliding window, in patches (nnU-Net)" in text
    assert "demonstration on\n" not in text


def test_a_file_is_a_plans_until_somebody_changes_it(tmp_path):
    path = tmp_path / "params.yaml"
    assert owner_of_params(path, PRESETS) == "nobody"
    text = params_text(CHOICES, PRESETS)
    path.write_text(text)
    assert owner_of_params(path, PRESETS) == "plan" and stamp_of(text) in text
    path.write_text(text.replace("seed: 1 ", "seed: 2 "))
    assert owner_of_params(path, PRESETS) == "user" and stamp_of(path.read_text()) == ""
    path.write_text("not: [yaml")
    assert owner_of_params(path, PRESETS) == "user"


@pytest.mark.parametrize("name", ["default", "lgg"])
def test_a_preset_in_which_nothing_was_changed_is_nobodys_work(tmp_path, name):
    from ruamel.yaml import YAML

    path, content = tmp_path / "params.yaml", preset_content(name, PRESETS)
    with path.open("w") as stream:
        YAML().dump(content, stream)
    assert owner_of_params(path, PRESETS) == "preset"
    path.write_text(path.read_text().replace("seed: 1", "seed: 7"))
    assert owner_of_params(path, PRESETS) == "user"


def test_links_and_table(tmp_path):
    scan, root = tmp_path / "a.nii", tmp_path / "set"
    scan.write_text("voxels")
    case = Case("a", "a", "A", "source", "train", "T1", "source/a.nii")
    write_data_set(root, [case], {"source/a.nii": scan, "source/old.nii": scan})
    assert (root / "source/a.nii").read_text() == "voxels" and owner_of_table(root) == "plan"
    write_data_set(root, [case], {"source/a.nii": scan})
    assert [path.name for path in (root / "source").iterdir()] == ["a.nii"]
    with (root / "cases.csv").open("a") as stream:
        stream.write("b,b,A,source,train,T1,source/b.nii,\n")
    assert owner_of_table(root) == "user"


def test_a_folder_with_scans_of_somebody_is_not_free(tmp_path):
    assert is_free(tmp_path / "new") and is_free(tmp_path)
    (tmp_path / "scan.nii").write_text("")
    assert not is_free(tmp_path) and not is_free(tmp_path / "scan.nii")
