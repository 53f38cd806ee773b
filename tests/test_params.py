"""params.yaml and the presets: complete, checked, and the paper's where they say so."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dvc.stage.cache import _get_cache_hash
from pydantic import BaseModel
from ruamel.yaml import YAML

from gbaseg.augmentation.settings import Rule
from gbaseg.augmentation.singan.pyramid import make_pyramid, width_at
from gbaseg.errors import UserError
from gbaseg.params import Params, check, load
from gbaseg.preset_writing import apply_preset
from gbaseg.self_training.settings import Round
from gbaseg.settings import UNSEEN_BY_DVC
from gbaseg.translation.van_cittert import sigma_voxels, without_effect

ROOT = Path(__file__).parents[1]
PRESETS = ROOT / "presets"
NAMES = sorted(path.stem for path in PRESETS.glob("*.yaml"))
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


@pytest.fixture(scope="module")
def crossmoda2022(tmp_path_factory) -> Params:
    """The preset of the paper, to look at."""
    return with_preset("crossmoda2022", tmp_path_factory.mktemp("paper"))


def with_preset(name: str, folder: Path) -> Params:
    apply_preset(name, PRESETS, folder / "params.yaml", validate=check)
    return load(folder / "params.yaml")


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


@pytest.mark.parametrize("name", NAMES)
def test_every_preset_loads_on_the_defaults(name, tmp_path):
    with_preset(name, tmp_path)


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


def test_crossmoda2022_translates_as_the_paper_does(crossmoda2022):
    """METHOD 1 to 4."""
    params = crossmoda2022
    assert (params.dataset.root, params.dataset.layout) == ("data/raw/crossmoda2022", "crossmoda2022")
    assert (params.dataset.label_values, params.pieces) == ({"VS": 1}, {"VS": 1})

    standardise = params.standardise
    assert standardise.spacing_xyz_mm == (0.6, 0.6, 1.0)
    assert (standardise.crop_xy_px, standardise.crop_z_px, standardise.brain_percentile) == (256, None, 75)
    assert standardise.fine_spacing_xyz_mm == (0.4, 0.4, 1.0)
    assert standardise.intensity_percentiles == (0, 99.9)

    assert (params.translation.mode, params.translation.centre, params.translation.failure_dice) == (
        "cyclegan",
        "A",
        0.4,
    )
    cyclegan = params.translation.cyclegan
    assert (cyclegan.mu_cyc, cyclegan.identity_weight, cyclegan.adversarial) == (10, 0.5, "least_squares")
    assert (cyclegan.learning_rate, cyclegan.betas, cyclegan.batch_size) == (2e-4, (0.5, 0.999), 1)
    assert (cyclegan.epochs, cyclegan.decay_epochs, cyclegan.steps_per_epoch) == (100, 100, None)
    assert (cyclegan.pool_size, cyclegan.crop_yx) == (50, None)
    assert (cyclegan.generator_width, cyclegan.residual_blocks) == (64, 9)
    assert (cyclegan.discriminator_width, cyclegan.discriminator_layers) == (64, 3)
    van_cittert = params.translation.van_cittert
    assert (van_cittert.iterations, van_cittert.alpha) == (15, 1)
    assert (van_cittert.psf_mm_xyz, van_cittert.psf_is) == ((1, 1, 2.5), "fwhm")


@pytest.mark.parametrize("name", sorted(path.stem for path in PRESETS.glob("*.yaml")))
def test_every_presets_deconvolution_acts_on_its_grid(name, tmp_path):
    params = with_preset(name, tmp_path)
    deconvolution, spacing_zyx_mm = params.translation.van_cittert, params.standardise.spacing_xyz_mm[::-1]
    assert deconvolution.iterations > 0 and any(sigma_voxels(spacing_zyx_mm, deconvolution))
    assert without_effect(spacing_zyx_mm, deconvolution) == []


def test_crossmoda2022_augments_as_the_paper_does(crossmoda2022):
    """METHOD 5."""
    augmentation = crossmoda2022.augmentation
    assert augmentation.arm == "gba"
    large, small = augmentation.rules
    assert (large.structure, large.centres, large.volume_mm3_above, large.volume_mm3_below, large.std_above) == (
        "VS", ["B"], 2000, None, 0.10,
    )  # fmt: skip
    assert (small.structure, small.centres, small.volume_mm3_above, small.volume_mm3_below, small.std_above) == (
        "VS", "both", None, 300, None,
    )  # fmt: skip
    assert (large.lambdas, small.lambdas) == ([0.7, 1.2, 1.5], [0.6, 0.8, 1.2])
    assert large.k_star == small.k_star == [1, 3]
    singan = augmentation.singan
    assert (singan.image, singan.min_size, singan.scale_factor) == ("target_slice", 25, 0.85)
    assert (singan.iterations, singan.decay_at_fraction * singan.iterations) == (2000, 1600)
    assert (singan.discriminator_steps, singan.generator_steps) == (3, 3)
    assert (singan.width, singan.max_width) == (32, 128)
    assert (singan.gp_weight, singan.reconstruction_weight, singan.noise_factor) == (0.1, 10, 0.1)
    assert (singan.learning_rate, singan.betas, singan.eight_bit) == (5e-4, (0.5, 0.999), False)
    assert (augmentation.harmonise.down_steps, augmentation.harmonise.noise) == ("code", True)
    assert (augmentation.blend.dilation_px, augmentation.blend.sigma_px) == (7, 5)


def test_crossmoda2022_segments_as_the_paper_does(crossmoda2022):
    """METHOD 6 and 7."""
    params = crossmoda2022
    assert params.survey.epochs == 500 and params.survey.lambdas == ()
    segmentation = params.segmentation
    assert (segmentation.folds, segmentation.epochs, segmentation.last_round_epochs) == (5, 500, 1000)
    assert (segmentation.iterations_per_epoch, segmentation.validation_iterations) == (250, 50)
    assert (segmentation.learning_rate, segmentation.oversample_foreground) == (0.01, 0.33)
    assert segmentation.start == "scratch"
    prediction = segmentation.prediction
    assert prediction.threshold == 0.5
    assert (prediction.tile_step, prediction.mirroring) == (0.5, True)
    assert set(segmentation.network.model_dump().values()) == {None}  # as nnU-Net plans

    self_training = params.self_training
    assert [(item.id, item.prev) for item in self_training.rounds] == [
        ("round_0", "survey"), ("round_1", "round_0"), ("round_2", "round_1"), ("round_3", "round_2"),
    ]  # fmt: skip
    assert (self_training.stop, self_training.agreement_above) == ("agreement", 0.997)
    assert self_training.dice_change_below == 0.003
    assert (self_training.last_round_set, self_training.last_round_fine_grid) == ("all", True)
    assert (self_training.confidence.action, self_training.confidence.fold_dice_below) == ("keep", 0.7)
    assert params.evaluation.empty_assd_mm == 350
    assert 0.4 in params.evaluation.low_dice and 0.5 in params.evaluation.low_dice


def test_crossmoda2022_gives_the_papers_pyramid(crossmoda2022):
    """METHOD 5: K = 16, and the sizes of its 17 scales."""
    params = crossmoda2022
    singan, side = params.augmentation.singan, params.standardise.crop_xy_px
    pyramid = make_pyramid((side, side), singan.min_size, singan.scale_factor)
    assert pyramid.last_scale == 16
    assert round(pyramid.ratio, 4) == 0.8647
    sizes = [25, 29, 34, 39, 45, 52, 60, 70, 80, 93, 107, 124, 144, 166, 192, 222, 256]
    assert pyramid.sizes == [(size, size) for size in sizes]
    widths = [width_at(scale, singan.width, singan.max_width) for scale in range(17)]
    assert widths == [32] * 4 + [64] * 4 + [128] * 9


def test_the_defaults_are_the_paper_wherever_a_preset_does_not_say_otherwise(crossmoda2022):
    """The settings' own defaults are the paper's: the preset brings the demonstration back to them."""
    paper = crossmoda2022.model_dump()
    own = Params().model_dump()
    paper["dataset"].pop("root"), own["dataset"].pop("root")
    differing = {section: value for section, value in paper.items() if value != own[section]}
    # The finer grid of the last round and its use are the paper's; off by default, as other data may not need them.
    assert sorted(differing) == ["augmentation", "self_training", "standardise"]
    own["standardise"]["fine_spacing_xyz_mm"] = (0.4, 0.4, 1.0)
    own["self_training"]["last_round_fine_grid"] = True
    # Axial in the paper; by default as acquired, which is the same for axial scans.
    own["standardise"]["slices"] = "axial"
    # By default arms differ in what a copy is, in the paper in their number, too.
    own["augmentation"]["draws"] = "images"
    assert paper == own


def test_the_reports_second_structure_is_all_that_its_preset_adds_to_the_paper(crossmoda2022, tmp_path):
    """Report: lambda 2, 3, 4, one start scale; a patient has two cochleas."""
    both = with_preset("crossmoda2022_cochlea", tmp_path)
    assert both.labels == {"VS": 1, "Cochlea": 2} and both.pieces == {"VS": 1, "Cochlea": 2}
    *large_and_small, cochlea = both.augmentation.rules
    assert large_and_small == list(crossmoda2022.augmentation.rules)
    assert (cochlea.structure, cochlea.lambdas, len(cochlea.k_star)) == ("Cochlea", [2, 3, 4], 1)
    bounds = (cochlea.volume_mm3_above, cochlea.volume_mm3_below, cochlea.std_above)
    assert cochlea.centres == "both" and set(bounds) == {None}
    same = {
        "dataset": both.dataset.model_copy(update={"structures": crossmoda2022.dataset.structures}),
        "augmentation": both.augmentation.model_copy(update={"rules": crossmoda2022.augmentation.rules}),
    }
    assert both.model_copy(update=same) == crossmoda2022


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
