"""What later stages would stop at is named before anything is trained."""

import numpy as np
import pytest
from ruamel.yaml import YAML

from gbaseg.cases import Case, write_table
from gbaseg.errors import UserError
from gbaseg.params import Params
from gbaseg.stages import standardise, train_translation, translate
from gbaseg.volume import Grid, Volume, write
from gbaseg.workflow import layout
from gbaseg.workflow.foresight import check_ahead, fallbacks

CASES = [
    Case("s1", "s1", "A", "source", "train", "ceT1", "s1.nii.gz", "s1_label.nii.gz"),
    Case("s2", "s2", "B", "source", "train", "ceT1", "s2.nii.gz", "s2_label.nii.gz"),
    Case("t1", "t1", "A", "target", "train", "hrT2", "t1.nii.gz"),
    Case("t2", "t2", "C", "target", "train", "hrT2", "t2.nii.gz"),
    Case("v1", "v1", "B", "target", "validation", "hrT2", "v1.nii.gz"),
]
RULE = {"name": "all", "lambdas": [1.4], "k_star": [1]}


def settings(arm="gba", rules=(), **changes):
    """The demonstration's crop; other settings by section."""
    singan = {"scale_factor": 0.8, **changes.pop("singan", {})}
    return Params(
        standardise={"crop_xy_px": 60, **changes.pop("standardise", {})},
        augmentation={"arm": arm, "rules": [RULE, *rules], "singan": singan},
        segmentation={"folds": 2, **changes.pop("segmentation", {})},
        **changes,
    )


WRONG = {
    "translation": {"centre": "Z"},
    "singan": {"slice_centre": "B"},
    "rules": [{**RULE, "name": "c", "centres": ["C", "A"]}, {**RULE, "name": "deep", "k_star": [1, 30]}],
    "segmentation": {"folds": 3},
}


def faults(asked):
    with pytest.raises(UserError) as raised:
        check_ahead(asked, CASES)
    title, *lines = str(raised.value).splitlines()
    assert title == f"params.yaml: {len(lines)} fault(s) with this data set"
    return [line.removeprefix("  - ") for line in lines]


def test_good_settings_pass():
    check_ahead(settings(), CASES)
    check_ahead(settings(translation={"centre": "both"}, rules=[{**RULE, "name": "b", "centres": ["B"]}]), CASES)


def test_every_faulty_key_is_named_with_what_is_allowed():
    assert faults(settings(**WRONG)) == [
        "translation.centre: found 'Z'; no source case and no target case of split train is of this centre; "
        "allowed: A, both",
        "augmentation.singan.slice_centre: found 'B'; no target case of split train is of this centre; "
        "allowed: A, C, both",
        "augmentation.rules[1].centres: found ['C', 'A']; no source case of split train is of C; "
        "allowed: both, or a list of A, B",
        "augmentation.rules[2].k_star: found [1, 30]; rule deep: k_star 30 starts below the coarsest scale; "
        "the SinGAN has K = 5, so k_star is at most 5 (slices of 60 x 60 pixels: standardise.crop_xy_px)",
        "segmentation.folds: found 3; each fold holds out other patients, and the source has 2; so at most 2",
    ]


def test_a_centre_without_cases_of_one_domain():
    [fault] = faults(settings(translation={"centre": "C"}))
    assert "found 'C'; no source case of split train is of this centre; allowed: A, both" in fault
    # Held-out scans are not trained on.
    [fault] = faults(settings(translation={"centre": "B"}))
    assert "found 'B'; no target case of split train" in fault


def test_without_a_translation_the_centre_is_the_targets_alone():
    """It says which real scans the checks of the translation look at."""
    check_ahead(settings(translation={"mode": "none", "centre": "C"}), CASES)
    [fault] = faults(settings(translation={"mode": "none", "centre": "B"}))
    assert fault.startswith("translation.centre: found 'B'; no target case") and fault.endswith("allowed: A, C, both")


def test_an_arm_is_asked_for_what_it_uses():
    wrong = {**WRONG, "translation": {}, "segmentation": {}}
    check_ahead(settings(arm="none", **wrong), CASES)
    [fault] = faults(settings(arm="naive", **wrong))
    assert fault.startswith("augmentation.rules[1].centres")
    # One model a case has no slice of the target.
    check_ahead(settings(singan={"image": "pseudo_target", "slice_centre": "Z"}), CASES)
    [fault] = faults(settings(singan={"image": "pseudo_target"}, rules=[{**RULE, "name": "deep", "k_star": [30]}]))
    assert "k_star" in fault


def test_folds_of_a_last_round_on_the_target_alone():
    source = [Case(f"s{n}", f"s{n}", "A", "source", "train", "ceT1", "", "") for n in range(3, 5)]
    asked = settings(segmentation={"folds": 3})
    check_ahead(asked, [*CASES, *source])
    asked = settings(segmentation={"folds": 3}, self_training={"last_round_set": "target_only"})
    with pytest.raises(UserError, match=r"folds: found 3; .* and the target has 2; so at most 2"):
        check_ahead(asked, [*CASES, *source])


def test_a_crop_smaller_than_the_pyramids_coarsest_scale():
    [fault] = faults(settings(standardise={"crop_xy_px": 24}))
    assert fault.startswith("augmentation.singan.min_size is 25, but the slice is 24 x 24 pixels")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with params.yaml as WRONG says, and a small data set."""
    monkeypatch.chdir(tmp_path)
    content = settings(**WRONG, dataset={"root": "raw", "layout": "table"}).model_dump(mode="json")
    with (tmp_path / "params.yaml").open("w") as stream:
        YAML().dump(content, stream)
    grid = Grid((3, 5, 6), (2.0, 1.0, 1.0))
    for seed, case in enumerate(CASES):
        image = Volume(np.random.default_rng(seed).normal(100, 20, grid.shape).astype(np.float32), grid)
        write(image, tmp_path / "raw" / case.image)
        if case.label:
            write(image.with_array((image.array > 100).astype(np.uint8)), tmp_path / "raw" / case.label)
    write_table(CASES, tmp_path / "raw")
    return tmp_path


def test_standardise_stops_before_it_writes(project):
    with pytest.raises(UserError, match="5 fault"):
        standardise.run()
    assert sorted(path.name for path in project.iterdir()) == ["params.yaml", "raw"]


@pytest.mark.parametrize("mode", ["cyclegan", "none"])
def test_so_does_the_first_training(project, mode):
    """params.yaml may have changed since: standardise does not depend on these keys."""
    write_table(CASES, layout.STANDARD)
    text = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(text.replace("mode: cyclegan", f"mode: {mode}"))
    with pytest.raises(UserError, match="5 fault"):
        train_translation.run()
    assert sorted(path.name for path in project.iterdir()) == ["data", "params.yaml", "raw"]


def test_before_its_turn_the_first_training_says_what_is_missing(project):
    with pytest.raises(UserError, match="not there yet: data/standard"):
        train_translation.run()


def test_patches_of_a_centre_without_target_cases(project):
    write_table(CASES, layout.STANDARD)
    with pytest.raises(UserError, match=r"translation\.centre: B; no target case of the split train"):
        translate.real_patches(settings(translation={"mode": "none", "centre": "B"}))


def test_the_papers_stop_rule_without_a_labelled_validation_case_is_said():
    by_dice = settings(self_training={"stop": "validation_dice"})
    [said] = fallbacks(by_dice, CASES)
    assert said == (
        "self_training.stop: validation_dice; none of 1 target case(s) of split validation has a label: the agreement "
        "of the pseudo-labels stops in its place (self_training.agreement_above: 0.997)"
    )
    labelled = Case("v2", "v2", "A", "target", "validation", "hrT2", "v2.nii.gz", "v2_label.nii.gz")
    assert list(fallbacks(by_dice, [*CASES, labelled])) == []
    assert list(fallbacks(settings(), CASES)) == []
