"""params.yaml: complete, checked, and every fault said; what the presets say is in test_preset_values.py."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dvc.stage.cache import _get_cache_hash
from pydantic import BaseModel
from ruamel.yaml import YAML

from gbaseg.augmentation.settings import Rule
from gbaseg.errors import UserError
from gbaseg.params import Params, check, load
from gbaseg.self_training.settings import Round
from gbaseg.settings import UNSEEN_BY_DVC

ROOT = Path(__file__).parents[1]
PRESETS = ROOT / "presets"
YAML_FILE = YAML(typ="safe", pure=True)


DEFAULT = YAML_FILE.load((PRESETS / "default.yaml").read_text())


@pytest.fixture
def default() -> dict[str, Any]:
    """Content of the shipped defaults, to change."""
    return copy.deepcopy(DEFAULT)


def keys_of_model(model: type[BaseModel], above: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield above + name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from keys_of_model(field.annotation, f"{above}{name}.")


def keys_of_file(content: dict, above: str = "") -> Iterator[str]:
    for name, value in content.items():
        yield above + name
        # The structures' names are the user's own.
        if isinstance(value, dict) and above + name != "dataset.structures":
            yield from keys_of_file(value, f"{above}{name}.")


def refused(content: object) -> list[str]:
    """The lines of the message."""
    with pytest.raises(UserError) as error:
        check(content)
    return str(error.value).splitlines()


def test_another_value_of_any_key_is_another_run_to_dvc(default):
    """Its cache of runs passes over some names; a stage would be taken from one with another value."""

    def hashes(content: Any) -> Iterator[str]:
        """With each value, in turn, another one."""
        for key, value in content.items() if isinstance(content, dict) else enumerate(content):
            if isinstance(value, dict | list) and value:
                yield from hashes(value)
            else:
                content[key] = "another"
                yield _get_cache_hash({"params": {"params.yaml": default}})
                content[key] = value

    found = list(hashes(default))
    assert len(found) > 200 and len({*found, _get_cache_hash({"params": {"params.yaml": default}})}) == len(found) + 1
    [unseen] = {_get_cache_hash({"params": {name: 1}}) for name in UNSEEN_BY_DVC}
    assert unseen == _get_cache_hash({"params": {}})


@pytest.mark.parametrize("path", [ROOT / "params.yaml", PRESETS / "default.yaml"], ids=lambda path: path.name)
def test_no_number_is_hidden(path):
    """Every key of every section stands in the file, and no other."""
    content = YAML_FILE.load(path.read_text())
    assert sorted(keys_of_file(content)) == sorted(keys_of_model(Params))
    assert "segmentation.network.features" in set(keys_of_model(Params))


def test_no_number_of_a_rule_or_a_round_is_hidden(default):
    """A rule may leave a bound out, which is then none; all else stands there."""
    for rule in default["augmentation"]["rules"]:
        left_out = Rule.model_fields.keys() - rule.keys()
        assert {Rule.model_fields[name].default for name in left_out} <= {None}
    for item in default["self_training"]["rounds"]:
        assert item.keys() == Round.model_fields.keys()


def test_params_yaml_loads():
    assert load(ROOT / "params.yaml").dataset.structures


def test_the_file_is_what_the_settings_become(default):
    """Nothing is rounded, renamed or dropped on the way."""
    dumped = check(default).model_dump(mode="json", exclude_unset=True)
    assert dumped == default


def test_labels_on_the_standard_grid_have_no_gaps():
    params = Params(dataset={"structures": {"VS": 7, "Cochlea": {"value": 2, "pieces": 2}}, "known_labels": [2, 7]})
    assert params.labels == {"VS": 1, "Cochlea": 2}
    assert params.dataset.label_values == {"VS": 7, "Cochlea": 2}
    assert params.pieces == {"VS": 1, "Cochlea": 2}
    assert check(params.model_dump(mode="json")) == params


@pytest.mark.parametrize(
    ("cochlea", "says"),
    [
        ({"value": 2, "piece": 2}, ".piece: no such key; did you mean 'pieces'? (allowed here: value, pieces)"),
        ({"pieces": 2}, ".value: found {'pieces': 2}; field required"),
        ({"value": 2, "pieces": 0}, ".pieces: found 0; input should be greater than or equal to 1"),
        ({"value": 0}, ".value: found 0; input should be greater than or equal to 1"),
        (256, ".value: found 256; input should be less than or equal to 255"),
        ("two", ".value: found 'two'; input should be a valid integer"),
        (None, ".value: found None; input should be a valid integer"),
        ([2, 2], ".value: found [2, 2]; input should be a valid integer"),
    ],
)
def test_what_a_structure_may_be(default, cochlea, says):
    default["dataset"]["structures"] = {"VS": 1, "Cochlea": cochlea}
    [first, fault] = refused(default)
    assert first == "params.yaml: 1 fault(s)"
    assert fault.startswith(f"  - dataset.structures.Cochlea{says}")


@pytest.mark.unusual(
    "git, DVC and settings", "a params.yaml of before structures had their own number of pieces", "where it is said now"
)
def test_a_key_that_is_gone_says_what_is_in_its_place(default):
    default["segmentation"]["prediction"]["components"] = 2
    [_, fault] = refused(default)
    assert fault.startswith("  - segmentation.prediction.components: no longer a key; said of each structure, such as ")
    assert "Cochlea: {value: 2, pieces: 2}" in fault
    del default["segmentation"]["prediction"]["components"]
    default["augmentation"]["alterations"]["size"] = 0.5
    [_, fault] = refused(default)
    assert "augmentation.alterations.size: no longer a key; augmentation.alterations.diameter; what was run" in fault


def test_an_empty_mapping_is_the_papers_setting():
    assert check({}) == Params()


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("sed", 1, "sed: no such key; did you mean 'seed'? (allowed here: seed, dataset, phantom, standardise"),
        ("segmentation.fold", 5, "segmentation.fold: no such key; did you mean 'folds'? (allowed here: folds, members"),
        ("segmentation.network.depth", 3, "network.depth: no such key (allowed here: patch_size_zyx, batch_size"),
        ("segmentation.epochs", "ten", "segmentation.epochs: found 'ten'; input should be a valid integer"),
        ("segmentation.epochs", 0, "segmentation.epochs: found 0; input should be greater than or equal to 1"),
        ("segmentation.epochs", 1.5, "segmentation.epochs: found 1.5; input should be a valid integer"),
        ("translation.van_cittert.alpha", 2.0, "translation.van_cittert.alpha: found 2.0; input should be less than 2"),
        ("augmentation.arm", "gbaa", "augmentation.arm: found 'gbaa'; input should be 'none', 'naive'"),
        ("standardise.spacing_xyz_mm", [1, 1], "standardise.spacing_xyz_mm[2]: found"),
        ("standardise.spacing_xyz_mm", [1, 1, -1], "standardise.spacing_xyz_mm[2]: found -1; input should be greater"),
        ("self_training.stop", "dice", "self_training.stop: found 'dice'; input should be 'agreement', 'validation_d"),
        ("seed", -1, "seed: found -1; input should be greater than or equal to 0"),
        ("evaluation", None, "evaluation: found None; input should be a valid dictionary or instance of Evaluation"),
        (
            "augmentation.rules",
            [{"name": "large", "lambdas": [0.7], "lamdas": [2]}],
            "augmentation.rules[0].lamdas: no such key; did you mean 'lambdas'? (allowed here: name, structure",
        ),
        (
            "augmentation.rules",
            [{"name": "large", "lambdas": [0.7, 0]}],
            "augmentation.rules[0].lambdas[1]: found 0; input should be greater than 0",
        ),
        (
            "augmentation.rules",
            [{"name": "large", "lambdas": [0.7]}, {"name": "inner", "structure": "Cochlea", "lambdas": [2]}],
            "augmentation.rules[1].structure: found 'Cochlea'; allowed: VS (dataset.structures)",
        ),
        (
            "self_training.rounds",
            [{"id": "a", "prev": "b", "last": True}],
            "; round a: prev is 'b', allowed here: 'survey'",
        ),
    ],
)  # fmt: skip
def test_a_fault_names_key_value_and_what_is_allowed(default, key, value, says):
    *above, name = key.split(".")
    section = default
    for part in above:
        section = section[part]
    section[name] = value
    first, *faults = refused(default)
    assert first == "params.yaml: 1 fault(s)"
    assert len(faults) == 1 and says in faults[0]


def test_all_faults_come_in_one_message(default):
    default["segmentation"]["folds"] = 1
    default["translation"]["cyclegan"]["epoch"] = 3
    default["standardise"]["crop_xy_px"] = "wide"
    default["dataset"]["structures"] = {"tumour": 1}
    first, *faults = refused(default)
    assert first == "params.yaml: 4 fault(s)"
    assert [line.removeprefix("  - ").split(":")[0] for line in faults] == [
        "standardise.crop_xy_px",
        "translation.cyclegan.epoch",
        "segmentation.folds",
        "augmentation.rules[0].structure",
    ]


def test_rules_that_are_not_given_are_checked_too():
    with pytest.raises(UserError) as error:
        check({"dataset": {"structures": {"tumour": 1}}})
    assert str(error.value).count("found 'VS'; allowed: tumour (dataset.structures)") == 2


@pytest.mark.parametrize("structures", [{1: 1}, {"background": 1}, {"size": 1}, [1]])
def test_structures_that_cannot_be_are_faults_and_no_tracebacks(structures):
    with pytest.raises(UserError, match=r"1 fault\(s\)\n  - dataset"):
        check({"dataset": {"structures": structures}})


@pytest.mark.parametrize(("key", "value"), [("structure", ["VS"]), ("centres", "A")])
def test_a_wrong_value_in_a_rule_is_one_fault(key, value):
    with pytest.raises(UserError, match=rf"1 fault\(s\)\n  - augmentation\.rules\[0\]\.{key}: found .*{value[0]}"):
        check({"augmentation": {"rules": [{"name": "one", "lambdas": [2], key: value}]}})


def test_the_finer_grid_needs_a_spacing():
    with pytest.raises(UserError, match=r"standardise\.fine_spacing_xyz_mm: found None"):
        check({"self_training": {"last_round_fine_grid": True}})


@pytest.mark.parametrize(
    ("self_training", "segmentation", "differs"),
    [
        ({}, {}, False),
        ({"stop": "never"}, {"epochs": 7, "last_round_epochs": 7}, False),
        ({"last_round_fine_grid": True}, {}, True),
        ({"last_round_set": "target_only"}, {}, True),
        ({}, {"last_round_epochs": 1000}, True),  # the paper's last pass, on any grid and set
        ({}, {"last_round_epochs": 250}, True),
    ],
)
def test_a_last_round_of_other_epochs_grid_or_set_differs(self_training, segmentation, differs):
    trained = {"epochs": 500, "last_round_epochs": 500, **segmentation}
    assert Params(self_training=self_training, segmentation=trained).last_round_differs is differs


def test_a_rule_may_name_any_structure_of_the_data_set(default):
    default["dataset"]["structures"] = {"VS": 1, "Cochlea": 2}
    default["augmentation"]["rules"].append({"name": "inner", "structure": "Cochlea", "lambdas": [2, 3, 4]})
    assert [rule.structure for rule in check(default).augmentation.rules] == ["VS", "Cochlea"]


def test_checking_leaves_the_content_alone(default):
    before = copy.deepcopy(default)
    check(default)
    assert default == before


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, r"no such file; run gbaseg in the folder of the project"),
        ("seed: [1", "is not valid YAML"),
        ("", "expected sections such as 'dataset:', found nothing"),
        ("- seed\n", "expected sections such as 'dataset:', found (CommentedSeq|list)"),
        ("seed: 1\nseed: 2\n", "is not valid YAML"),
        ("seed: one\n", r"params\.yaml: 1 fault\(s\)\n  - seed: found 'one'; input should be a valid integer"),
    ],
)
def test_a_file_that_is_no_params_yaml(tmp_path, text, says):
    path = tmp_path / "params.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError, match=says) as error:
        load(path)
    assert str(path) in str(error.value)
