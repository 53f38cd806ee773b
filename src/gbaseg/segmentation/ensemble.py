"""The networks of a model, loaded: what each of them says of a scan."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gbaseg import volume
from gbaseg.errors import UserError
from gbaseg.runtime.device import choose_device
from gbaseg.runtime.turns import on_gpu
from gbaseg.segmentation.planning import CONFIGURATION, mirrored_axes, read_plans
from gbaseg.segmentation.settings import PredictionSettings

if TYPE_CHECKING:
    import torch

# What a worker that predicts imports: seconds.
IMPORTED = (
    "gbaseg.segmentation.nnunet",
    "gbaseg.segmentation.weights",
)


def fold_file(fold: int, member: int = 0) -> str:
    """Name of a network's weights in a model folder; the first member of a fold has the fold's name alone."""
    return f"fold_{fold}.safetensors" if not member else f"fold_{fold}_member_{member}.safetensors"


def files_of_fold(model: Path, fold: int) -> list[Path]:
    """Weights of a fold's members, as far as they are there."""
    return sorted([model / fold_file(fold), *model.glob(f"fold_{fold}_member_*.safetensors")])


class Ensemble:
    """The networks of a model, all members of all folds, loaded once, ready to segment scans of the standard grid.

    `folds`: which of them; default: all. A model that is damaged, or not finite, is a UserError.
    """

    def __init__(self, model: Path, settings: PredictionSettings, folds: Sequence[int] | None = None) -> None:
        from contextlib import redirect_stdout
        from io import StringIO

        import torch
        from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

        from gbaseg.runtime.precision import suit
        from gbaseg.segmentation.nnunet import nnUNetPredictor, nnUNetTrainer
        from gbaseg.segmentation.weights import load_network

        device = choose_device()
        dataset = json.loads((model / "dataset.json").read_text())
        self.structures: dict[str, int] = {key: value for key, value in dataset["labels"].items() if value > 0}
        self._plans = PlansManager(read_plans(model / "plans.json"))
        self._configuration = self._plans.get_configuration(CONFIGURATION)
        self._dataset = dataset
        files = (
            sorted(model.glob("fold_*.safetensors"))
            if folds is None
            else [path for fold in folds for path in files_of_fold(model, fold)]
        )
        if not files:
            raise UserError(f"{model}: no fold_*.safetensors; `dvc repro` trains them, `dvc checkout` brings them back")
        network = nnUNetTrainer.build_network_architecture(
            self._plans, self._configuration, 1, len(self.structures) + 1, enable_deep_supervision=False
        )
        suit(network, device)
        self._networks = []
        for path in files:
            load_network(network, path)
            self._networks.append((path, {key: value.clone() for key, value in network.state_dict().items()}))
        axes = mirrored_axes(self._plans.plans)
        with redirect_stdout(StringIO()):
            self._predictor = nnUNetPredictor(
                tile_step_size=settings.tile_step,
                use_mirroring=settings.mirroring and bool(axes),  # of no axes it makes a ValueError
                device=device,
                allow_tqdm=False,
            )
            self._predictor.manual_initialization(
                network, self._plans, self._configuration, None, dataset, "Trainer", axes
            )
        # nnU-Net's predictor has cuDNN race its algorithms on a GPU: which one wins would be part of the result.
        torch.backends.cudnn.benchmark = False

    @property
    def files(self) -> tuple[Path, ...]:
        """Weights of each network, in the order of `fold_probabilities`."""
        return tuple(path for path, _ in self._networks)

    @property
    def members(self) -> int:
        """How many networks there are."""
        return len(self._networks)

    def fold_probabilities(self, scan: volume.Volume) -> np.ndarray:
        """Softmax of every network, (network, class, Z, Y, X), on the scan's own grid.

        Raises:
            UserError: it is not finite.
        """
        import torch
        from nnunetv2.inference.export_prediction import convert_predicted_logits_to_segmentation_with_correct_shape
        from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor

        data, _, properties = DefaultPreprocessor(verbose=False).run_case_npy(
            scan.array[None],
            None,
            {"spacing": list(scan.grid.spacing_zyx_mm)},
            self._plans,
            self._configuration,
            self._dataset,
        )
        tensor = torch.from_numpy(data).to(torch.float32)
        out = []
        for path, weights in self._networks:
            unfit = UserError(
                f"{path}: what it says of a scan is not finite (NaN or infinite): the model is unfit for use. Train it "
                "again with a lower segmentation.learning_rate"
            )
            try:
                logits = on_gpu(self._logits, weights, tensor)
            except RuntimeError as error:
                if "Encountered inf" not in str(error):  # nnU-Net's words
                    raise
                raise unfit from error
            _, probabilities = convert_predicted_logits_to_segmentation_with_correct_shape(
                logits,
                self._plans,
                self._configuration,
                self._predictor.label_manager,
                dict(properties),
                return_probabilities=True,
                num_threads_torch=torch.get_num_threads(),
            )
            # A sum is finite where all of them are: one pass, and no copy.
            if not np.isfinite(probabilities.sum()):
                raise unfit
            out.append(probabilities)
        return np.stack(out)

    def _logits(self, weights: dict[str, torch.Tensor], tensor: torch.Tensor) -> torch.Tensor:
        """What one fold says of a preprocessed scan, (class, Z, Y, X), in the processor's memory."""
        self._predictor.list_of_parameters = [weights]
        logits: torch.Tensor = self._predictor.predict_logits_from_preprocessed_data(tensor).cpu()
        return logits
