"""Softmax and masks of scans by the models of all folds, and what is no model."""

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load, save_file

from gbaseg import volume
from gbaseg.errors import UserError
from gbaseg.runtime.threads import torch_threads
from gbaseg.runtime.turns import beside_gpu, in_turns
from gbaseg.segmentation import prediction
from gbaseg.segmentation.decision import decide
from gbaseg.segmentation.ensemble import Ensemble
from gbaseg.segmentation.extents import LEVELS
from gbaseg.segmentation.planning import adapt_plans
from gbaseg.segmentation.prediction import PredictionItem, predict
from gbaseg.segmentation.settings import NetworkSettings, PredictionSettings
from gbaseg.volume import Grid, Volume

ONE = {"VS": 1}
SETTINGS = PredictionSettings(tile_step=1.0, mirroring=False)


def scan(seed: int, grid: Grid) -> Volume:
    return Volume(np.random.default_rng(seed).random(grid.shape, dtype=np.float32), grid)


# Another spacing than the model's, moved, and turned by 30 degrees about z.
TURNED = Grid((10, 20, 22), (1.8, 0.9, 1.1), (-7.0, 4.0, 12.5), (0.75**0.5, -0.5, 0, 0.5, 0.75**0.5, 0, 0, 0, 1))


@pytest.mark.training
def test_every_fold_gives_a_softmax_on_the_scans_own_grid(model, tmp_path):
    image = scan(0, TURNED)
    both = Ensemble(model, SETTINGS).fold_probabilities(image)
    assert both.shape == (2, 2, *TURNED.shape)
    np.testing.assert_allclose(both.sum(axis=1), 1, atol=1e-5)

    alone = tmp_path / "model"
    shutil.copytree(model, alone)
    (alone / "fold_0.safetensors").unlink()
    np.testing.assert_array_equal(Ensemble(alone, SETTINGS).fold_probabilities(image), both[1:])
    assert not np.allclose(both[0], both[1])


@pytest.mark.training
def test_a_model_is_mirrored_along_the_axes_that_it_was_trained_to(model, tmp_path):
    """Averaged over left and right, what it says of a mirrored scan is mirrored; along y, which it never saw, not."""
    folder = copied(model, tmp_path / "model")
    plans = json.loads((folder / "plans.json").read_text())
    adapted = adapt_plans(plans, NetworkSettings(mirrored=["x"]), plans["configurations"]["3d_fullres"]["spacing"])
    (folder / "plans.json").write_text(json.dumps(adapted))
    # The sliding window lies alike from both ends.
    image = scan(0, Grid((8, 16, 16), (1.5, 0.75, 0.75)))
    for mirroring, alike in ((True, True), (False, False)):
        ensemble = Ensemble(folder, PredictionSettings(mirroring=mirroring))
        said = ensemble.fold_probabilities(image)
        for axis, expected in ((2, alike), (1, False)):
            mirrored = ensemble.fold_probabilities(replace(image, array=np.flip(image.array, axis).copy()))
            apart = np.abs(np.flip(mirrored, axis + 2) - said).mean()
            # In bfloat16, on processors that have it, sums in another order differ in their third digit.
            assert (apart < 0.01) == expected
    # Of no axis: as if it were not asked for.
    none = adapt_plans(plans, NetworkSettings(mirrored=[]), plans["configurations"]["3d_fullres"]["spacing"])
    (folder / "plans.json").write_text(json.dumps(none))
    found = Ensemble(folder, PredictionSettings(mirroring=True)).fold_probabilities(image)
    np.testing.assert_array_equal(found, said)


@pytest.mark.training
def test_masks_are_written_on_the_images_grids(model, tmp_path):
    grids = {f"c{n}": TURNED for n in range(5)} | {"plain": Grid((12, 24, 24), (2.0, 1.0, 1.0))}
    items = []
    for seed, (name, grid) in enumerate(grids.items()):
        volume.write(scan(seed, grid), tmp_path / f"{name}.nii.gz")
        paths = (tmp_path / f"{name}.nii.gz", tmp_path / "masks" / f"{name}.nii.gz")
        items.append(PredictionItem(name, *paths, tmp_path / "probabilities" / f"{name}.npy"))
    agreements, _ = predict(model, items, ONE, SETTINGS, "tiny")

    # More than one task's worth of cases; the order is the items'.
    assert [(item.name, item.structure) for item in agreements] == [(name, "VS") for name in grids]
    ensemble = Ensemble(model, SETTINGS)
    for item, about in zip(items, agreements, strict=True):
        image, mask = volume.read(item.image), volume.read(item.mask)
        assert mask.grid.agrees_with(image.grid, 1e-5)
        assert mask.array.dtype == np.uint8
        assert np.count_nonzero(mask.array) * image.grid.voxel_mm3 == pytest.approx(about.volume_mm3)
    expected = decide(ensemble.fold_probabilities(volume.read(items[-1].image)), ONE, SETTINGS, "plain", 2.0)
    np.testing.assert_array_equal(volume.read(items[-1].mask).array, expected.mask)
    assert agreements[-1] == expected.agreements[0]
    written = np.load(tmp_path / "probabilities" / "plain.npy")
    assert written.dtype == np.float16
    np.testing.assert_array_equal(written, expected.probabilities)


def predicted(model, folder, cases=5):
    """What is written of some scans, and said of them."""
    items = []
    for seed in range(cases):
        volume.write(scan(seed, TURNED), folder / f"{seed}.nii.gz")
        items.append(
            PredictionItem(str(seed), *(folder / f"{part}{seed}.nii.gz" for part in ("", "m")), folder / f"{seed}.npy")
        )
    agreements, _ = predict(model, items, ONE, SETTINGS, "tiny")
    return agreements, [item.mask.read_bytes() for item in items], [np.load(item.probabilities) for item in items]


@pytest.mark.training
def test_settings_that_are_chosen_by_volumes_give_the_masks_that_they_give_at_once(model, tmp_path):
    """The folds are asked once: what is written in between loses nothing."""
    items = []
    for seed in range(5):
        volume.write(scan(seed, TURNED), tmp_path / f"{seed}.nii.gz")
        mask, probabilities, undisputed = (tmp_path / f"{part}{seed}" for part in ("m", "p", "u"))
        suffixed = (mask.with_suffix(".nii.gz"), probabilities.with_suffix(".npy"), undisputed.with_suffix(".nii.gz"))
        items.append(PredictionItem(str(seed), tmp_path / f"{seed}.nii.gz", *suffixed))
    wanted = SETTINGS.model_copy(update={"ends": {"VS": 0.5137}})
    seen = {}

    def choose(volumes):
        seen.update(volumes)
        return wanted

    agreements, used = predict(model, items, ONE, SETTINGS, "tiny", choose)
    chosen = [path.read_bytes() for item in items for path in (item.mask, item.undisputed, item.probabilities)]
    assert used == wanted and not list(tmp_path.glob("*.disputed.npy"))
    assert [(*seen,)] == [tuple(item.name for item in items)]
    again, _ = predict(model, items, ONE, wanted, "tiny")
    at_once = [path.read_bytes() for item in items for path in (item.mask, item.undisputed, item.probabilities)]
    assert str(agreements) == str(again) and chosen == at_once
    predict(model, items, ONE, SETTINGS, "tiny")
    for item in items:
        mask = volume.read(item.mask)
        assert seen[item.name][0, LEVELS.index(0.5)] == np.count_nonzero(mask.array) * mask.grid.voxel_mm3


@pytest.mark.training
def test_cases_side_by_side_come_out_as_one_after_the_other(model, tmp_path, monkeypatch):
    alone = predicted(model, tmp_path / "alone")
    monkeypatch.setattr(prediction, "beside_gpu", lambda *arguments: in_turns(*arguments[:2], 3, arguments[2]))
    monkeypatch.setattr(prediction, "run", lambda tasks, **_: [task.function(**task.arguments) for task in tasks])
    with torch_threads(1):  # as in a worker
        beside = predicted(model, tmp_path / "beside")
    assert str(beside[0]) == str(alone[0]) and beside[1] == alone[1]  # NaN is not itself
    assert all(np.array_equal(one, other) for one, other in zip(alone[2], beside[2], strict=True))


@pytest.mark.training
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_gives_what_the_processor_gives_also_in_turns(model, monkeypatch):
    scans = [scan(seed, TURNED) for seed in range(6)]
    on_processor = [Ensemble(model, SETTINGS).fold_probabilities(one) for one in scans]
    monkeypatch.setenv("GBASEG_DEVICE", "cuda")
    monkeypatch.setenv("GBASEG_WORKERS", "4")
    ensemble = Ensemble(model, SETTINGS)
    assert torch.backends.cudnn.benchmark is False  # no races of algorithms
    one_by_one = [ensemble.fold_probabilities(one) for one in scans]
    # In half precision, which the norms of a network that has learnt nothing make much of in a few voxels.
    assert np.mean(np.abs(np.subtract(one_by_one, on_processor)) > 0.05) < 1e-3
    np.testing.assert_allclose(beside_gpu(ensemble.fold_probabilities, scans, "scans"), one_by_one, atol=2e-3)


@pytest.mark.training
def test_a_folder_without_weights_is_no_model(model, tmp_path):
    for name in ("plans.json", "dataset.json"):
        shutil.copyfile(model / name, tmp_path / name)
    with pytest.raises(UserError, match=r"no fold_\*\.safetensors"):
        Ensemble(tmp_path, SETTINGS)


def copied(model: Path, folder: Path) -> Path:
    """A copy of a model, to break."""
    shutil.copytree(model, folder)
    return folder


@pytest.mark.unusual(
    "Trust", "a model whose weights hold a NaN", "the file and the layer are named, nothing is predicted"
)
@pytest.mark.training
def test_weights_that_are_not_finite_are_no_model(model, tmp_path):
    path = copied(model, tmp_path / "model") / "fold_1.safetensors"
    weights = load(path.read_bytes())
    name = sorted(weights)[3]
    weights[name].flatten()[0] = math.nan
    save_file(weights, path)
    with pytest.raises(UserError, match=f"fold_1.safetensors: weights that are not finite .* in {name}"):
        Ensemble(path.parent, SETTINGS)


@pytest.mark.unusual("Trust", "a model's weights cut off, or of another network", "the file is named, with what to do")
@pytest.mark.training
def test_weights_that_are_not_whole_or_not_of_the_network_are_no_model(model, tmp_path):
    path = copied(model, tmp_path / "model") / "fold_0.safetensors"
    whole, weights = path.read_bytes(), load(path.read_bytes())
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"fold_0\.safetensors: damaged"):
        Ensemble(path.parent, SETTINGS)
    save_file(dict(list(weights.items())[1:]), path)
    with pytest.raises(UserError, match=r"fold_0\.safetensors: its weights are not those of the network"):
        Ensemble(path.parent, SETTINGS)
    save_file({name: torch.cat([tensor, tensor]) for name, tensor in weights.items()}, path)
    with pytest.raises(UserError, match=r"fold_0\.safetensors: its weights do not have the sizes"):
        Ensemble(path.parent, SETTINGS)


@pytest.mark.parametrize("size", [1e3, 3e38])
@pytest.mark.unusual(
    "Trust", "finite weights whose answer overflows to infinity or NaN", "the fold's file is named, no mask is written"
)
@pytest.mark.training
def test_finite_weights_that_answer_nan_give_no_mask(model, tmp_path, size):
    path = copied(model, tmp_path / "model") / "fold_0.safetensors"
    save_file({name: torch.full_like(tensor, size) for name, tensor in load(path.read_bytes()).items()}, path)
    scan = Volume(np.random.default_rng(0).random((12, 24, 24), np.float32), Grid((12, 24, 24), (1.5, 0.75, 0.75)))
    with pytest.raises(UserError, match=r"fold_0\.safetensors: what it says of a scan is not finite"):
        Ensemble(path.parent, SETTINGS).fold_probabilities(scan)


@pytest.mark.unusual(
    "Trust", "plans.json that names os.system as its network", "a fault; nothing is imported or called"
)
@pytest.mark.training
def test_plans_name_no_code_but_networks_of_nnunet(model, tmp_path):
    folder = copied(model, tmp_path / "model")
    plans = json.loads((folder / "plans.json").read_text())
    architecture = plans["configurations"]["3d_fullres"]["architecture"]
    architecture["network_class_name"] = "os.system"
    architecture["arch_kwargs"]["conv_op"] = "torch.nn.parallel.distributed.os.system"
    (folder / "plans.json").write_text(json.dumps(plans))
    with pytest.raises(UserError) as fault:
        Ensemble(folder, SETTINGS)
    assert "'os.system' is to be imported" in str(fault.value) and "distributed.os.system'" in str(fault.value)
