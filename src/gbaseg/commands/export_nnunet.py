"""export --nnunet: a round's networks as stock nnU-Net takes them, for images that are standardised already."""

from __future__ import annotations

import copy
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gbaseg.commands.export import check_place, load_round
from gbaseg.inference.exported import as_json, write_zip
from gbaseg.inference.model import Model
from gbaseg.params import Params
from gbaseg.runtime.progress import log
from gbaseg.segmentation.planning import CONFIGURATION, MIRRORED, PLANS_NAME, mirrored_axes, read_plans

if TYPE_CHECKING:
    import torch

# A number that no public data set has taken: nnU-Net knows a data set by it, and by it alone.
DATASET = "Dataset900_gbaseg"
# nnU-Net's own: ours is needed for training alone.
_TRAINER = "nnUNetTrainer"
_CHECKPOINT = "checkpoint_final.pth"

_README = """# {round} of a run of gbaseg, for stock nnU-Net

```
nnUNetv2_install_pretrained_model_from_zip THIS.zip
{each}
nnUNetv2_ensemble -i {folders} -o masks
```

gives the masks of gbaseg on the same images before components are chosen, {alike}.
`-f {folds}` in one call averages the folds before the softmax, gbaseg after it: masks differ at some edges.

Images (`STANDARDISED/NAME_0000.nii.gz`) are those of gbaseg's data/standard: voxels of {spacing} mm, cropped,
intensities in [0, 1]. A scan as it comes from the scanner is none.

Not in this file: how a scan is standardised (turn, grid, crop, intensities), the largest components ({pieces}) and
where these end (at a softmax of {ends}), the way back to the scan's grid, and what is said of a mask (volumes,
agreement, warnings). `gbaseg export` without --nnunet has all of them.

The checkpoints are in nnU-Net's own format, Python pickles: install such a file from people you trust alone.
"""


def run(out: Path, round_id: str | None) -> None:
    """Write the zip for `nnUNetv2_install_pretrained_model_from_zip`.

    nnU-Net's checkpoints are pickles, as stock nnU-Net reads no others; what these hold are tensors and plain values.

    Args:
        out: ends in .zip.
        round_id: default: the last.

    Raises:
        UserError: as `export.run`.
    """
    check_place(out, f"{DATASET}/")
    model, folder = load_round(round_id)
    plans = read_plans(folder / "plans.json")
    dataset = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    axes = mirrored_axes(plans)
    root = f"{DATASET}/{_TRAINER}__{PLANS_NAME}__{CONFIGURATION}"
    files: dict[str, bytes | Path] = {
        f"{root}/README.md": _words(model, model.ensemble.members).encode(),
        f"{root}/dataset.json": as_json(dataset),
        f"{root}/plans.json": as_json(stock_plans(plans)),
    }
    # nnU-Net knows folds alone: each network is one.
    for fold, path in enumerate(model.ensemble.files):
        weights = _weights(path, plans, dataset)
        files[f"{root}/fold_{fold}/{_CHECKPOINT}"] = _checkpoint(weights, plans, dataset, fold, axes)
    write_zip(out, files)
    log(f"{out}: {model.round_id} as {DATASET}; the README.md in it has nnU-Net's commands, and what is not in it")


def stock_plans(plans: Mapping[str, Any]) -> dict[str, Any]:
    """Plans under the name that the model is installed by, without our own word."""
    stock = {**copy.deepcopy(dict(plans)), "dataset_name": DATASET, "plans_name": PLANS_NAME}
    stock["configurations"][CONFIGURATION].pop(MIRRORED, None)
    return stock


def _weights(path: Path, plans: dict, dataset: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """A fold's weights under every name that nnU-Net's network has for them."""
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    from gbaseg.segmentation.nnunet import nnUNetTrainer
    from gbaseg.segmentation.weights import load_network

    manager = PlansManager(plans)
    labels = sum(value > 0 for value in dataset["labels"].values())
    network = nnUNetTrainer.build_network_architecture(
        manager, manager.get_configuration(CONFIGURATION), 1, labels + 1, enable_deep_supervision=False
    )
    load_network(network, path)
    weights: dict[str, torch.Tensor] = network.state_dict()
    return weights


def _checkpoint(
    weights: Mapping[str, torch.Tensor],
    plans: Mapping[str, Any],
    dataset: Mapping[str, Any],
    fold: int,
    axes: tuple[int, ...],
) -> bytes:
    """What nnU-Net's predictor reads of a checkpoint."""
    import torch

    content = {
        "network_weights": dict(weights),
        "trainer_name": _TRAINER,
        "init_args": {
            "plans": stock_plans(plans),
            "configuration": CONFIGURATION,
            "fold": fold,
            "dataset_json": dict(dataset),
        },
        # Of no axes nnU-Net makes an error; None is its word for none.
        "inference_allowed_mirroring_axes": axes or None,
    }
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


def _words(model: Model, folds: int) -> str:
    """README.md of the zip: nnU-Net's commands for the same masks, and what is not in it."""
    settings: Params = model.settings
    prediction, grid = settings.segmentation.prediction, settings.standardise
    options = f"-step_size {prediction.tile_step:g}" + ("" if prediction.mirroring else " --disable_tta")
    command = f"nnUNetv2_predict -d {DATASET} -c {CONFIGURATION} -i STANDARDISED"
    spacing = grid.fine_spacing_xyz_mm if model.fine else grid.spacing_xyz_mm
    assert spacing is not None  # checked when the model was loaded
    return _README.format(
        round=model.round_id,
        each="\n".join(f"{command} -o fold_{fold} -f {fold} {options} --save_probabilities" for fold in range(folds)),
        folders=" ".join(f"fold_{fold}" for fold in range(folds)),
        folds=" ".join(str(fold) for fold in range(folds)),
        alike="where both compute in float32"
        if prediction.threshold == 0.5 and len(settings.labels) == 1
        else f"but for gbaseg's threshold of {prediction.threshold:g}: nnU-Net takes the most probable class",
        spacing=" x ".join(f"{side:g}" for side in spacing),
        pieces=", ".join(f"{count} of {name}" for name, count in settings.pieces.items()),
        ends=", ".join(f"{prediction.end_of(name):g}, {name}" for name in settings.labels),
    )
