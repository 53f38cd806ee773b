"""Arm online: cases rescaled as they are drawn, on what nnU-Net has normalised (Eq. 5)."""

import json
from dataclasses import replace

import blosc2
import numpy as np
import pytest

from gbaseg.augmentation.rescale import rescale
from gbaseg.runtime.store import Store
from gbaseg.segmentation.dataset import prepare
from gbaseg.segmentation.preprocessing import RESCALING, _Cases
from gbaseg.segmentation.randomise import air_level, randomised
from gbaseg.segmentation.rescaling import Rescaling, RescalingDataset, read_rescaling
from gbaseg.segmentation.workspace import Workspace
from gbaseg.volume import Grid, Volume, read, write

CHOICES = ((1, 0.5, 0.0), (1, 1.6, 0.0))


@pytest.fixture
def rescaled(prepared, tmp_path):
    """The tiny set at the scans' own spacing, case `a` with two factors."""
    items = [replace(item, rescaled=CHOICES if item.name == "a" else ()) for item in prepared.items]
    workspace = Workspace(tmp_path / "nnunet")
    prepare(
        items, prepared.structures, prepared.settings, 3, workspace, Store(tmp_path / "store"), (2.0, 1.0, 1.0),
        frozen_plans=prepared.plans,
    )  # fmt: skip
    return workspace


def cases_of(workspace, rescaling=None):
    rescaling = read_rescaling(workspace.preprocessed / RESCALING) if rescaling is None else rescaling
    return RescalingDataset(str(workspace.preprocessed / "nnUNetPlans_3d_fullres"), ["a", "b"], rescaling)


def test_what_is_drawn_is_the_rescaled_image_normalised(rescaled, prepared):
    """As often as it comes: the case as it is, and Eq. 5 of the image in [0, 1] with either factor."""
    [item] = [item for item in prepared.items if item.name == "a"]
    image, mask = read(item.image, np.float32).array, read(item.label).array
    cases, rescaling = cases_of(rescaled), read_rescaling(rescaled.preprocessed / RESCALING)["a"]
    expected = [(rescale(image, mask, factor) - image.mean()) / image.std() for factor in (1.0, 0.5, 1.6)]
    assert (rescaling.mean, rescaling.sd) == pytest.approx((image.mean(), image.std()))
    assert (0.5 * 1.6 * image[mask == 1]).max() < 1 < (1.6 * image[mask == 1]).max(), "clipping is not tried"
    np.random.seed(0)  # noqa: NPY002 - what nnU-Net's loaders draw from
    counts = np.zeros(3, int)
    for _ in range(300):
        drawn, label, _, _ = cases.load_case("a")
        assert drawn.dtype == np.float32 and np.array_equal(label[:][0], mask)
        [which] = [n for n, one in enumerate(expected) if np.allclose(drawn[:][0], one, atol=1e-5)]
        counts[which] += 1
    assert counts.min() > 70 and counts.sum() == 300


def test_outside_the_structure_nothing_changes_and_a_case_without_choices_never(rescaled):
    cases = cases_of(rescaled)
    plain = {name: super(RescalingDataset, cases).load_case(name)[0][:] for name in ("a", "b")}
    label = cases.load_case("a")[1][:]
    for _ in range(20):
        assert np.array_equal(cases.load_case("a")[0][:][label != 1], plain["a"][label != 1])
        assert np.array_equal(cases.load_case("b")[0][:], plain["b"])


def test_a_factor_is_for_its_own_structure():
    image = np.full((1, 1, 1, 3), 0.5, np.float32)
    label = np.array([0, 1, 2]).reshape(image.shape)
    one = Rescaling(mean=0.0, sd=1.0, choices=((2, 1.5, 0.0),))
    assert one.apply(image, label, *one.choices[0]).ravel().tolist() == [0.5, 0.5, 0.75]


@pytest.mark.parametrize("over_the_head", [False, True])
def test_mean_and_sd_are_nnunets(prepared, tmp_path, over_the_head):
    """Where its crop to the head is a large one it takes them over the head's voxels."""
    plans = json.loads(json.dumps(prepared.plans))
    plans["configurations"]["3d_fullres"]["use_mask_for_norm"] = [over_the_head]
    image = np.zeros((10, 20, 22), np.float32)
    image[1:9, 2:18, 3:20] = np.random.default_rng(1).uniform(0.2, 1, (8, 16, 17))
    image[:, :4, :4] = image[:, -5:, -5:] = 0
    label = np.zeros(image.shape, np.uint8)
    label[4:6, 8:10, 8:10] = 1
    for array, name in ((image, "image"), (label, "label")):
        write(Volume(array, Grid(array.shape, prepared.spacing_zyx_mm)), tmp_path / f"{name}.nii.gz")
    cases = _Cases(plans, json.loads((prepared.workspace.raw / "dataset.json").read_text()), Store(tmp_path / "store"))
    files = cases.files([tmp_path / "image.nii.gz"], tmp_path / "label.nii.gz")
    mean, sd, masked = cases.normalisation([tmp_path / "image.nii.gz"])
    assert masked == over_the_head
    normalised = blosc2.open(str(files[".b2nd"]), mode="r")[:][0]
    kept = image[1:9, 2:18, 3:20]
    inside = kept > 0
    np.testing.assert_allclose(normalised[inside] * sd + mean, kept[inside], atol=1e-5)
    assert mean == pytest.approx((kept[inside] if over_the_head else kept).mean(), rel=1e-5)


def test_training_draws_from_them_and_the_held_out_fold_does_not(rescaled, prepared, monkeypatch):
    import torch

    from gbaseg.segmentation.trainer import Trainer

    rescaled.enter()
    monkeypatch.setenv("nnUNet_n_proc_DA", "0")
    plans = {**json.loads((rescaled.preprocessed / "nnUNetPlans.json").read_text()), "continue_training": False}
    description = json.loads((rescaled.preprocessed / "dataset.json").read_text())
    for fold in range(2):
        trainer = Trainer(dict(plans), "3d_fullres", fold, description, torch.device("cpu"))
        trainer.configure(prepared.settings, 1, lambda *_: None, "round_0")
        trainer.initialize()
        train, held_out = trainer.get_tr_and_val_datasets()
        assert isinstance(train, RescalingDataset) and not isinstance(held_out, RescalingDataset)
        assert sorted({*train.identifiers, *held_out.identifiers}) == ["a", "a_copy", "b", "c"]


def test_the_other_arms_draw_as_nnunet_does(prepared):
    assert read_rescaling(prepared.workspace.preprocessed / RESCALING) == {}


def test_an_offset_turns_a_contrast_round():
    image = np.array([0.4, 0.6, 0.7], np.float32).reshape(1, 1, 1, 3)
    label = np.array([0, 1, 1]).reshape(image.shape)
    one = Rescaling(mean=0.5, sd=0.1, choices=((1, -1.0, 0.9),))
    turned = one.apply((image - 0.5) / 0.1, label, *one.choices[0])
    assert turned.ravel() * 0.1 + 0.5 == pytest.approx([0.4, 0.3, 0.2])


def test_contrasts_at_random_are_normalised_as_an_image_that_has_them(prepared, tmp_path):
    """Drawn from what a checkpoint keeps, another one each time; cases that are not to be changed are not."""
    items = [replace(item, randomised="all" if item.name == "a" else None) for item in prepared.items]
    workspace = Workspace(tmp_path / "nnunet")
    prepare(
        items, prepared.structures, prepared.settings, 3, workspace, Store(tmp_path / "store"), (2.0, 1.0, 1.0),
        frozen_plans=prepared.plans,
    )  # fmt: skip
    cases = cases_of(workspace)
    np.random.seed(3)  # noqa: NPY002
    first, second = (cases.load_case("a")[0][:] for _ in range(2))
    np.random.seed(3)  # noqa: NPY002
    assert np.array_equal(cases.load_case("a")[0][:], first) and not np.array_equal(first, second)
    for drawn in (first, second):
        assert drawn.dtype == np.float32 and drawn.mean() == pytest.approx(0, abs=1e-4)
        assert drawn.std() == pytest.approx(1, abs=1e-4)
    assert np.array_equal(cases.load_case("b")[0][:], super(RescalingDataset, cases).load_case("b")[0][:])


def head_in_air() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Image in [0, 1] of a head in noisy air of 0.1, its mask, and the label of a structure in it."""
    rng = np.random.default_rng(0)
    head = np.zeros((1, 10, 24, 24), bool)
    head[:, :, 4:20, 4:20] = True
    image = np.where(head, 0.2 + 0.8 * rng.random(head.shape), 0.1 + 0.02 * rng.standard_normal(head.shape))
    label = np.zeros(head.shape, int)
    label[:, 3:7, 8:12, 8:12] = 1
    return image.clip(0, 1).astype(np.float32), head, label


def test_curves_rise_or_fall_air_stays_dark_and_structures_have_means_of_their_own():
    rng = np.random.RandomState(0)
    image, head, label = head_in_air()
    air = air_level(image, head)
    tissue = head & (label == 0)
    order = np.argsort(image[tissue])
    rising, contrasts = 0, []
    for _ in range(60):
        out = randomised(image, label, air, rng)
        assert out.min() >= 0 and out.max() <= 1
        assert np.array_equal(out[image <= air], image[image <= air]) and (image[~head] <= air).mean() > 0.94
        steps = np.diff(out[tissue][order])
        assert (steps >= -1e-6).all() or (steps <= 1e-6).all()
        rising += bool((steps >= -1e-6).all())
        contrasts.append(out[label == 1].mean() - out[tissue].mean())
    assert 15 < rising < 45 and min(contrasts) < -0.2 and max(contrasts) > 0.2


def test_where_the_head_fills_the_image_nothing_is_air():
    image, head, _ = head_in_air()
    assert air_level(image, np.ones_like(head)) < 0


@pytest.mark.parametrize("masked", [False, True])
def test_what_nnunet_leaves_out_is_normalised_as_it_does_it(masked):
    """Label -1, outside of a skull-stripped head: 0 afterwards where it is not counted, else what its intensity is."""
    image, head, label = head_in_air()
    image[~head] = 0.0
    kept = np.where(head, label, -1)
    values = image[head] if masked else image
    mean, sd = float(values.mean()), float(values.std())
    given = np.where(head, (image - mean) / sd, 0.0) if masked else (image - mean) / sd
    one = Rescaling(mean, sd, (), air=0.0, masked=masked)
    out = one.randomise(given.astype(np.float32), kept, np.random.RandomState(1))
    seen = randomised(np.where(head, image, 0.0), label, 0.0, np.random.RandomState(1))
    values = seen[head] if masked else seen
    expected = (seen - values.mean()) / values.std()
    np.testing.assert_allclose(out, np.where(head, expected, 0.0) if masked else expected, atol=1e-3)
