"""Patches as nnU-Net draws them: mirrored along the axes that are named, and of few slices."""

import json

import numpy as np
import pytest
import torch

from gbaseg.segmentation.planning import PLANS_NAME, adapt_plans
from gbaseg.segmentation.settings import NetworkSettings
from gbaseg.segmentation.trainer import Trainer

pytestmark = pytest.mark.training


@pytest.mark.parametrize(("named", "axes"), [(None, {0, 1, 2}), ([], set()), (["x"], {2})])
def test_a_training_mirrors_along_the_axes_that_are_named(train, workspace, monkeypatch, named, axes):
    """What nnU-Net draws from: all three, where nothing is named."""
    from batchgeneratorsv2.transforms.spatial.mirroring import MirrorTransform

    seen, apply = set(), MirrorTransform._apply_to_image
    monkeypatch.setattr(
        MirrorTransform,
        "_apply_to_image",
        lambda self, image, **how: (seen.update(how["axes"]), apply(self, image, **how))[1],
    )
    if named is not None:
        path = workspace.preprocessed / f"{PLANS_NAME}.json"
        plans = adapt_plans(json.loads(path.read_text()), NetworkSettings(mirrored=named), (1.5, 0.75, 0.75))
        path.write_text(json.dumps(plans))
    train("fold", iterations_per_epoch=8)
    assert seen == axes


@pytest.mark.parametrize(("named", "degrees"), [(None, 180), (["x"], 30), ([], 30), (["y", "x"], 180)])
def test_flat_patches_are_not_turned_upside_down_where_they_are_not_mirrored_so(workspace, named, degrees):
    """nnU-Net turns patches of few slices by up to 180 degrees in plane."""

    path = workspace.preprocessed / f"{PLANS_NAME}.json"
    network = NetworkSettings(patch_size_zyx=(4, 32, 32), features=(2, 4, 4), mirrored=named)
    plans = adapt_plans(json.loads(path.read_text()), network, (1.5, 0.75, 0.75))
    plans["continue_training"] = False
    workspace.enter()
    dataset = json.loads((workspace.preprocessed / "dataset.json").read_text())
    trainer = Trainer(plans, "3d_fullres", 0, dataset, torch.device("cpu"))
    rotation, in_plane, _, _ = trainer.configure_rotation_dummyDA_mirroring_and_inital_patch_size()
    assert in_plane and np.degrees(rotation) == pytest.approx([-degrees, degrees])


@pytest.mark.parametrize("slices", [1, 2, 3, 4, 6])
def test_nnunets_augmentation_takes_patches_of_few_slices(slices):
    """Its random blur reflects up to 3 voxels at the ends of an axis, and failed where there are not as many."""

    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002 - what nnU-Net draws from
    shape = (slices, 16, 16)
    transforms = Trainer.get_training_transforms(shape, (-3.1, 3.1), None, (0, 1, 2), slices < 6, foreground_labels=[1])
    blurs = [one.transform for one in transforms.transforms if "Blur" in type(getattr(one, "transform", one)).__name__]
    assert len(blurs) == 1
    for _ in range(40):
        image = torch.randn(1, *shape)
        blurred = blurs[0](image=image.clone(), segmentation=torch.zeros(1, *shape, dtype=torch.int16))["image"]
        assert blurred.shape == image.shape and torch.isfinite(blurred).all()
        if not torch.equal(blurred, image):  # half of them
            # Along the slices where they are enough: of one bright slice the others know.
            flat = torch.zeros(1, *shape)
            flat[:, slices // 2] = 1.0
            spread = blurs[0](image=flat.clone(), segmentation=torch.zeros(1, *shape, dtype=torch.int16))["image"]
            assert torch.allclose(spread, flat, atol=1e-5) or slices > 3
        out = transforms(image=torch.randn(1, *shape), segmentation=torch.zeros(1, *shape, dtype=torch.int16))
        assert out["image"].shape == (1, *shape) and torch.isfinite(out["image"]).all()
