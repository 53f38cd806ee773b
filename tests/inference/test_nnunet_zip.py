"""nnU-Net's own commands, without our trainer, on what `export --nnunet` writes."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from gbaseg import volume
from gbaseg.cli import main
from gbaseg.commands.export_nnunet import DATASET
from gbaseg.inference.scans import standardised
from gbaseg.runtime import precision
from gbaseg.segmentation.decision import to_mask
from gbaseg.segmentation.ensemble import Ensemble
from gbaseg.workflow import layout

MODEL = layout.model_of("round_1")


# Importing takes longer than what the commands do.
ONE_AFTER_THE_OTHER = """
import json, sys
from importlib.metadata import entry_points
for sys.argv in json.loads(sys.argv[1]):
    entry_points(group="console_scripts")[sys.argv[0]].load()()
"""


def nnunet(*commands):
    """Commands of nnU-Net's in a process of their own, as somebody would call them who has nnU-Net alone."""
    folders = {name: str(Path(name).absolute()) for name in ("nnUNet_results", "nnUNet_raw", "nnUNet_preprocessed")}
    said = json.dumps([list(map(str, command)) for command in commands])
    done = subprocess.run(
        [sys.executable, "-c", ONE_AFTER_THE_OTHER, said],
        env={**os.environ, **folders, "OMP_NUM_THREADS": "1", "nnUNet_compile": "f"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{said}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"


@pytest.fixture
def exported(project):
    result = CliRunner().invoke(main, ["export", "--nnunet", "-o", "nnunet.zip"])
    assert result.exit_code == 0, result.output
    return project / "nnunet.zip"


@pytest.mark.processes
def test_stock_nnunet_gives_our_masks(exported, head, drawn, settings, monkeypatch):
    scans = {"head": head, "other": drawn(head.grid, (-5.0, 6.0, 0.0), radius=11.0)}
    images = {name: standardised(scan, settings, False).image for name, scan in scans.items()}
    for name, image in images.items():
        volume.write(image, f"standardised/{name}_0000.nii.gz")
    prediction = settings.segmentation.prediction
    options = ["-step_size", prediction.tile_step, "-device", "cpu", "-npp", 0, "-nps", 0, "--save_probabilities"]
    options += [] if prediction.mirroring else ["--disable_tta"]
    given = ["-d", DATASET, "-c", "3d_fullres", "-i", "standardised", *options]
    nnunet(
        ["nnUNetv2_install_pretrained_model_from_zip", exported],
        *(["nnUNetv2_predict", *given, "-o", f"fold_{fold}", "-f", fold] for fold in range(2)),
        ["nnUNetv2_ensemble", "-i", "fold_0", "fold_1", "-o", "masks", "-np", 1],
    )

    # nnU-Net computes in float32 on every processor.
    monkeypatch.setattr(precision, "has_bfloat16", lambda: False)
    ensemble = Ensemble(MODEL, prediction)
    for name, image in images.items():
        theirs = volume.read(f"masks/{name}.nii.gz")
        # Before components are chosen.
        mean = ensemble.fold_probabilities(image).mean(axis=0)[1:]
        ours = to_mask(mean, [prediction.end_of(name) for name in settings.labels])
        assert 0 < np.count_nonzero(ours) < ours.size
        # What is as likely as not to the last digit (of logits in half precision) is ours, and nnU-Net's background.
        even = np.abs(mean[0] - 0.5) < 1e-6
        assert np.array_equal(theirs.array[~even], ours[~even]) and even.mean() < 1e-3
        assert theirs.grid.agrees_with(image.grid, 1e-5)


def test_the_zip_holds_nothing_but_tensors_and_plain_values(exported):
    root = f"{DATASET}/nnUNetTrainer__nnUNetPlans__3d_fullres"
    with zipfile.ZipFile(exported) as archive:
        names = [f"{root}/{name}" for name in ("README.md", "dataset.json", "plans.json")]
        assert archive.namelist() == [*names, *(f"{root}/fold_{fold}/checkpoint_final.pth" for fold in range(2))]
        with archive.open(f"{root}/fold_1/checkpoint_final.pth") as stream:
            content = torch.load(stream, weights_only=True)
        words = archive.read(names[0]).decode()
    assert content["trainer_name"] == "nnUNetTrainer" and content["inference_allowed_mirroring_axes"] == (2,)
    assert content["init_args"]["configuration"] == "3d_fullres"
    assert "mirrored_axes" not in str(content["init_args"]["plans"])
    assert f"nnUNetv2_predict -d {DATASET} -c 3d_fullres -i STANDARDISED -o fold_1 -f 1 -step_size 0.5" in words
    assert "Not in this file: " in words and "largest components (1 of VS)" in words
