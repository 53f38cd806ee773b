"""Segment images with the folds of a model: ensemble softmax, threshold, largest component, its rim."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import binary_propagation

from gbaseg import volume
from gbaseg.errors import UserError
from gbaseg.runtime.device import choose_device, is_gpu
from gbaseg.runtime.engine import Task, run
from gbaseg.runtime.fork_server import import_for_workers
from gbaseg.runtime.turns import beside_gpu, dealt_out, on_gpu
from gbaseg.segmentation.components import components, largest_components
from gbaseg.segmentation.planning import CONFIGURATION, read_plans
from gbaseg.segmentation.settings import PredictionSettings

if TYPE_CHECKING:
    import torch

# What a worker that predicts imports: seconds.
IMPORTED = (
    "nnunetv2.inference.predict_from_raw_data",
    "nnunetv2.training.nnUNetTrainer.nnUNetTrainer",
    "gbaseg.segmentation.weights",
)
# Few enough to share the work out, enough to pay for loading the model.
_CASES_A_TASK = 4


def fold_file(fold: int) -> str:
    """Name of a fold's weights in a model folder."""
    return f"fold_{fold}.safetensors"


@dataclass(frozen=True)
class PredictionItem:
    """One image to segment, and where its mask and its probabilities (`Decision.probabilities`, `.npy`) are written."""

    name: str
    image: Path
    mask: Path
    probabilities: Path


@dataclass(frozen=True)
class FoldAgreement:
    """How far the folds agree on one case and structure.

    Args:
        pairwise_dice: mean Dice over the pairs of folds; 1 where all are empty, NaN for a single fold.
        pieces: connected components of the ensemble's mask before the largest was kept.
        largest_share: share of that mask's voxels which the largest component holds; 0 where empty.
        volume_mm3: of the final mask, its rim included.
    """

    name: str
    structure: str
    pairwise_dice: float
    pieces: int
    largest_share: float
    volume_mm3: float


@dataclass(frozen=True)
class Decision:
    """What an ensemble says of one image.

    Args:
        mask: (Z, Y, X) uint8, the structures' values.
        probabilities: (structure, Z, Y, X) float16, the folds' mean softmax; 0 in the components that were left out,
            so that the same rule gives the same pieces on another grid.
        agreements: one a structure.
    """

    mask: np.ndarray
    probabilities: np.ndarray
    agreements: list[FoldAgreement]


def predict(
    model: Path, items: Sequence[PredictionItem], settings: PredictionSettings, name: str
) -> list[FoldAgreement]:
    """Segment every item, write its mask (uint8, the image's grid), and say how far the folds agreed.

    Args:
        model: folder written by `train_folds`; every fold in it votes.
    """
    import_for_workers(*IMPORTED)
    exclusive = is_gpu()
    chunks = dealt_out(items, _CASES_A_TASK, exclusive)
    results = run(
        [
            Task(
                f"{name} {index + 1}/{len(chunks)}",
                predict_cases,
                {"model": model, "items": chunk, "settings": settings},
            )
            for index, chunk in enumerate(chunks)
        ],
        name="" if exclusive else f"{name} ({_CASES_A_TASK} cases a step)",
        exclusive=exclusive,
    )
    return [agreement for result in results for agreement in result]


def predict_cases(model: Path, items: Sequence[PredictionItem], settings: PredictionSettings) -> list[FoldAgreement]:
    """Segment some items in one process. Runs in a worker."""
    ensemble = Ensemble(model, settings)

    def predict_case(item: PredictionItem) -> list[FoldAgreement]:
        scan = volume.read(item.image, np.float32)
        folds = ensemble.fold_probabilities(scan)
        decision = decide(folds, ensemble.structures, settings, item.name, scan.grid.voxel_mm3)
        volume.write(scan.with_array(decision.mask), item.mask)
        item.probabilities.parent.mkdir(parents=True, exist_ok=True)
        np.save(item.probabilities, decision.probabilities)
        return decision.agreements

    agreements = beside_gpu(predict_case, items, f"predict from {items[0].name}")
    return [agreement for of_case in agreements for agreement in of_case]


def decide(
    folds: np.ndarray, structures: dict[str, int], settings: PredictionSettings, name: str, voxel_mm3: float
) -> Decision:
    """From fold probabilities (fold, class, Z, Y, X) to one mask: the folds' softmax is averaged, then `to_mask`.

    Class 0 is the background, and 1, 2, ... are the structures' values.
    """
    probabilities = folds.mean(axis=0)[1:]
    before = _found(probabilities, settings)
    cores = _largest(before, settings)
    mask = _grown(cores, probabilities, settings)
    for value in structures.values():
        probabilities[value - 1][(before == value) & (mask != value)] = 0.0
    votes = folds.argmax(axis=1)
    agreements = []
    for structure, value in structures.items():
        found = before == value
        agreements.append(
            FoldAgreement(
                name,
                structure,
                _mean_pairwise_dice(votes == value),
                len(components(found)[1]),
                float((cores == value).sum() / found.sum()) if found.any() else 0.0,
                float((mask == value).sum()) * voxel_mm3,
            )
        )
    return Decision(mask, probabilities.astype(np.float16), agreements)


def to_mask(probabilities: np.ndarray, settings: PredictionSettings) -> np.ndarray:
    """From mean probabilities (structure, Z, Y, X) to a mask (Z, Y, X), uint8, with values 1, 2, ... (METHOD 6).

    A voxel belongs to the most probable structure where that reaches `settings.threshold`, under 0.5 also where none
    is more probable; the largest component(s) of each structure are kept, and grow down to `grow_threshold`.
    """
    return _grown(_largest(_found(probabilities, settings), settings), probabilities, settings)


def _found(probabilities: np.ndarray, settings: PredictionSettings) -> np.ndarray:
    best = probabilities.argmax(axis=0)
    highest = probabilities.max(axis=0)
    return np.where(highest >= settings.threshold, best + 1, 0).astype(np.uint8)


def _largest(found: np.ndarray, settings: PredictionSettings) -> np.ndarray:
    mask = np.zeros_like(found)
    for value in np.unique(found[found > 0]):
        mask[largest_components(found == value, settings.components)] = value
    return mask


def _grown(cores: np.ndarray, probabilities: np.ndarray, settings: PredictionSettings) -> np.ndarray:
    """Each structure's mask, grown into the voxels it touches where it is the most probable structure (26 neighbours).

    A network that has seen only translated images is unsure at the rim, where their partial volumes are not the real
    ones: one threshold for all either cuts the rim off or lets other pieces in. A smaller piece that is joined to a
    kept one in this way belongs to it.
    """
    if settings.grow_threshold is None:
        return cores
    best = probabilities.argmax(axis=0) + 1
    mask = cores.copy()
    for value in np.unique(cores[cores > 0]):
        reach = (best == value) & (probabilities[value - 1] >= settings.grow_threshold)
        core = cores == value
        mask[binary_propagation(core, np.ones((3, 3, 3)), mask=core | reach)] = value
    return mask


def _mean_pairwise_dice(votes: np.ndarray) -> float:
    flat = votes.reshape(len(votes), -1).astype(np.float64)
    if len(flat) < 2:
        return float("nan")
    both = flat @ flat.T
    sizes = np.diag(both)
    pairs = [(i, j) for i in range(len(flat)) for j in range(i)]
    return float(
        np.mean([2 * both[i, j] / (sizes[i] + sizes[j]) if sizes[i] + sizes[j] > 0 else 1.0 for i, j in pairs])
    )


class Ensemble:
    """The folds of a model, loaded once, ready to segment scans of the standard grid.

    `folds`: which of them; default: all. A model that is damaged, or not finite, is a UserError.
    """

    def __init__(self, model: Path, settings: PredictionSettings, folds: Sequence[int] | None = None) -> None:
        from contextlib import redirect_stdout
        from io import StringIO

        import torch
        from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
        from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
        from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

        from gbaseg.runtime.precision import use_bfloat16
        from gbaseg.segmentation.weights import load_network

        device = choose_device()
        dataset = json.loads((model / "dataset.json").read_text())
        self.structures: dict[str, int] = {key: value for key, value in dataset["labels"].items() if value > 0}
        self._plans = PlansManager(read_plans(model / "plans.json"))
        self._configuration = self._plans.get_configuration(CONFIGURATION)
        self._dataset = dataset
        files = sorted(model.glob("fold_*.safetensors")) if folds is None else [model / fold_file(f) for f in folds]
        if not files:
            raise UserError(f"{model}: no fold_*.safetensors; `dvc repro` trains them, `dvc checkout` brings them back")
        network = nnUNetTrainer.build_network_architecture(
            self._plans, self._configuration, 1, len(self.structures) + 1, enable_deep_supervision=False
        )
        use_bfloat16(network, device)
        self._folds = []
        for path in files:
            load_network(network, path)
            self._folds.append((path, {key: value.clone() for key, value in network.state_dict().items()}))
        with redirect_stdout(StringIO()):
            self._predictor = nnUNetPredictor(
                tile_step_size=settings.tile_step, use_mirroring=settings.mirroring, device=device, allow_tqdm=False
            )
            self._predictor.manual_initialization(
                network, self._plans, self._configuration, None, dataset, "Trainer", (0, 1, 2)
            )
        # nnU-Net's predictor has cuDNN race its algorithms on a GPU: which one wins would be part of the result.
        torch.backends.cudnn.benchmark = False

    def fold_probabilities(self, scan: volume.Volume) -> np.ndarray:
        """Softmax of every fold, (fold, class, Z, Y, X), on the scan's own grid.

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
        for path, weights in self._folds:
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
