"""A stand-in for networks, scans with a known structure, and a model of networks that have learnt nothing."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from gbaseg import params
from gbaseg.inference.model import Model
from gbaseg.volume import Grid, Volume
from gbaseg.workflow import layout

ROOT = Path(__file__).parents[2]
STRUCTURE, TISSUE, AIR = 400.0, 100.0, 5.0
_PLANS = {
    "dataset_name": "Dataset001_gbaseg",
    "plans_name": "nnUNetPlans",
    "original_median_spacing_after_transp": [2.0, 1.5, 1.5],
    "original_median_shape_after_transp": [24, 60, 60],
    "image_reader_writer": "SimpleITKIO",
    "transpose_forward": [0, 1, 2],
    "transpose_backward": [0, 1, 2],
    "experiment_planner_used": "ExperimentPlanner",
    "label_manager": "LabelManager",
    "foreground_intensity_properties_per_channel": {"0": {"mean": 0.5, "std": 0.25}},
    "configurations": {
        "3d_fullres": {
            "data_identifier": "nnUNetPlans_3d_fullres",
            "preprocessor_name": "DefaultPreprocessor",
            "batch_size": 2,
            "patch_size": [16, 32, 32],
            "median_image_size_in_voxels": [24.0, 60.0, 60.0],
            "spacing": [2.0, 1.5, 1.5],
            "normalization_schemes": ["ZScoreNormalization"],
            "use_mask_for_norm": [False],
            "resampling_fn_data": "resample_data_or_seg_to_shape",
            "resampling_fn_seg": "resample_data_or_seg_to_shape",
            "resampling_fn_data_kwargs": {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None},
            "resampling_fn_seg_kwargs": {"is_seg": True, "order": 1, "order_z": 0, "force_separate_z": None},
            "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
            "resampling_fn_probabilities_kwargs": {
                "is_seg": False, "order": 1, "order_z": 0, "force_separate_z": None,
            },
            "architecture": {
                "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
                "arch_kwargs": {
                    "n_stages": 3,
                    "features_per_stage": [4, 8, 8],
                    "conv_op": "torch.nn.modules.conv.Conv3d",
                    "kernel_sizes": [[3, 3, 3]] * 3,
                    "strides": [[1, 1, 1], [2, 2, 2], [2, 2, 2]],
                    "n_conv_per_stage": [1, 1, 1],
                    "n_conv_per_stage_decoder": [1, 1],
                    "conv_bias": True,
                    "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
                    "norm_op_kwargs": {"eps": 1e-05, "affine": True},
                    "dropout_op": None,
                    "dropout_op_kwargs": None,
                    "nonlin": "torch.nn.LeakyReLU",
                    "nonlin_kwargs": {"inplace": True},
                },
                "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
            },
            "batch_dice": False,
            "mirrored_axes": [2],
        }
    },
}  # fmt: skip


class SureOf:
    """In the place of networks: each finds what is brighter than half way between tissue and structure, in its own way.

    `shifts`: one a fold, added to its probability.
    """

    def __init__(self, *shifts):
        self.structures = {"VS": 1}
        self._shifts = shifts or (0.0,)

    @property
    def members(self):
        return len(self._shifts)

    def fold_probabilities(self, scan):
        # Of a standardised scan the structure is 1 and tissue about a quarter.
        found = [np.clip((scan.array - 0.35) / 0.55 + shift, 0.0, 1.0).astype(np.float32) for shift in self._shifts]
        return np.stack([np.stack([1.0 - one, one]) for one in found])


@pytest.fixture(scope="session")
def settings():
    """The demonstration's, without growth into the rim."""
    shipped = params.load(ROOT / "presets/default.yaml")
    prediction = shipped.segmentation.prediction.model_copy(update={"grow_threshold": None})
    segmentation = shipped.segmentation.model_copy(update={"prediction": prediction})
    return shipped.model_copy(update={"segmentation": segmentation})


@pytest.fixture(scope="session")
def sure(settings):
    """Make a loaded model: `sure(shift, ...)`."""

    def make(*shifts, **more):
        return Model("round_1", settings, SureOf(*shifts), False, {}, **more)

    return make


@pytest.fixture(scope="session")
def drawn():
    """Draw a scan: `drawn(grid, centre_xyz_mm, radius_mm)`, a head of tissue around a ball, both with soft edges."""

    def draw(grid, centre, radius=8.0, head=None):
        steps = np.meshgrid(*(np.arange(size) for size in grid.shape), indexing="ij")
        index = np.stack([steps[2], steps[1], steps[0]], axis=-1) * np.array(grid.spacing_zyx_mm[::-1])
        place = index @ np.reshape(grid.direction, (3, 3)).T + np.array(grid.origin_xyz_mm)
        middle = place.reshape(-1, 3).mean(axis=0)
        extent = np.array(grid.shape) * np.array(grid.spacing_zyx_mm)
        head = 0.48 * float(extent.min()) if head is None else head

        def ball(at, reach, soft):
            return 1.0 / (1.0 + np.exp((np.linalg.norm(place - at, axis=-1) - reach) / soft))

        image = AIR + (TISSUE - AIR) * ball(middle, head, 1.0)
        image += (STRUCTURE - TISSUE) * ball(middle + np.array(centre), radius, 0.5)
        noise = np.random.default_rng(0).normal(0, 1, grid.shape)
        return Volume((image + noise).astype(np.float32), grid)

    return draw


@pytest.fixture(scope="session")
def head(drawn):
    """A scan whose ball every model of `sure` finds."""
    return drawn(Grid((40, 72, 72), (2.0, 1.2, 1.2), (-30.0, 12.0, 5.0)), (6.0, -4.0, 3.0))


@pytest.fixture(scope="session")
def untrained(tmp_path_factory):
    """`models/segmentation/round_1` of a project: two folds that have learnt nothing, each of its own seed."""
    import torch
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    from gbaseg.segmentation.nnunet import nnUNetTrainer
    from gbaseg.segmentation.weights import save_network

    folder = tmp_path_factory.mktemp("untrained")
    manager = PlansManager(json.loads(json.dumps(_PLANS)))
    for fold in range(2):
        torch.manual_seed(fold)
        network = nnUNetTrainer.build_network_architecture(
            manager, manager.get_configuration("3d_fullres"), 1, 2, enable_deep_supervision=False
        )
        save_network(network, folder / f"fold_{fold}.safetensors")
    (folder / "plans.json").write_text(json.dumps(_PLANS))
    described = {"channel_names": {"0": "MRI"}, "labels": {"background": 0, "VS": 1}, "numTraining": 4}
    (folder / "dataset.json").write_text(json.dumps({**described, "file_ending": ".nii.gz"}))
    return folder


@pytest.fixture
def project(untrained, settings, tmp_path, monkeypatch):
    """A project with that model, and nothing else of a run; the working folder."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("GBASEG_DEVICE", "cpu")
    text = (ROOT / "presets/default.yaml").read_text()
    Path("params.yaml").write_text(text.replace("grow_threshold: 0.3", "grow_threshold: null"))
    shutil.copytree(untrained, layout.model_of("round_1"))
    about = {
        "trained_in": "round_1",
        "fine_grid": False,
        "passed_on": False,
        "volumes_mm3": {"VS": [364.5, 10741.5]},
        "standardise": settings.standardise.model_dump(mode="json"),
    }
    (layout.model_of("round_1") / layout.ROUND).write_text(json.dumps(about))
    return folder
