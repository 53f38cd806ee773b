"""Pseudo-labels that are believed about some structures alone."""

import json

import blosc2
import pytest
import torch
from nnunetv2.training.loss.compound_losses import DC_and_CE_loss
from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss, get_tp_fp_fn_tn
from safetensors.torch import load_file

from gbaseg.segmentation.decision import IGNORED
from gbaseg.segmentation.partial import UNKNOWN, WITH_IGNORED, PartialLoss, ignoring, merge
from gbaseg.segmentation.preprocessed import open_array
from gbaseg.segmentation.training import train_fold

SHAPE = (2, 3, 2, 4, 4)  # two samples, of background, VS and cochlea


def draw():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(SHAPE, generator=generator, dtype=torch.float64)
    return logits, torch.randint(0, 3, (2, 1, *SHAPE[2:]), generator=generator).to(torch.int16)


def test_what_may_be_background_or_the_structure_has_the_probability_of_either():
    logits, target = draw()
    merged, labels = merge(logits, target, [(), (2,)])
    assert torch.equal(merged[0].double(), logits[0].float().double()) and torch.equal(labels[0], target[0])
    before, after = logits[1].softmax(0), merged[1].softmax(0).double()
    known = target[1, 0] == 1
    assert torch.equal(labels[1, 0] == 1, known) and not (labels[1] == 2).any()
    torch.testing.assert_close(after[:, known], before[:, known], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(after[0, ~known], (before[0] + before[2])[~known], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(after[1, ~known], before[1, ~known], rtol=1e-5, atol=1e-6)
    assert (after[2, ~known] == 0).all()


def test_nothing_is_learnt_between_background_and_a_structure_that_is_left_open():
    """Wherever it is or is not labelled; of the structure that is believed everything is."""
    logits, target = draw()
    logits.requires_grad_(True)
    loss = PartialLoss(lambda logits, target: torch.nn.functional.cross_entropy(logits[0], target[0][:, 0].long()))
    loss.unknown = [(2,), (2,)]
    loss([logits], [target]).backward()
    shares = logits.detach().softmax(1)
    background, vs, cochlea = logits.grad.unbind(1)
    elsewhere = target[:, 0] != 1
    # Down or up together, each by its share of their sum: their ratio stays.
    ratio = shares[:, 0] / shares[:, 2]
    torch.testing.assert_close((background / cochlea)[elsewhere], ratio[elsewhere], rtol=1e-3, atol=1e-3)
    assert (vs[elsewhere] > 0).all() and (vs[~elsewhere] < 0).all() and (cochlea[~elsewhere] > 0).all()
    moved = torch.where(target == 2, 0, target)
    assert loss([logits], [moved]) == loss([logits], [target]), "what was found of it does not matter"


@pytest.mark.parametrize("unknown", [(), [(), ()]])
def test_labels_that_are_believed_have_nnunets_loss_to_the_bit(unknown):
    logits, target = draw()
    nnunets = DC_and_CE_loss({"batch_dice": False, "smooth": 1e-5, "do_bg": False}, {})
    loss = PartialLoss(lambda logits, target: nnunets(logits[0], target[0]))
    loss.unknown = unknown
    assert torch.equal(loss([logits], [target]), nnunets(logits, target))


def test_what_a_voxel_that_is_ignored_says_changes_nothing():
    """Loss and gradients are those of the other voxels, and finite."""
    logits, target = draw()
    target[:, :, 0] = IGNORED
    nnunets = DC_and_CE_loss(
        {"batch_dice": False, "smooth": 1e-5, "do_bg": False}, {}, dice_class=MemoryEfficientSoftDiceLoss
    )
    loss = PartialLoss(lambda logits, target: ignoring(nnunets)(logits[0], target[0]))
    logits.requires_grad_(True)
    before = loss([logits], [target])
    before.backward()
    assert torch.isfinite(before) and (logits.grad[:, :, 0] == 0).all() and logits.grad[:, :, 1].any()
    moved = logits.detach().clone()
    moved[:, :, 0] = moved[:, :, 0].flip(1)
    assert torch.equal(loss([moved], [target]), before.detach())
    target[:] = IGNORED
    assert torch.isfinite(loss([moved], [target]))


@pytest.mark.training
def test_a_training_knows_which_cases_leave_what_open(prepared, workspace, tmp_path):
    """All structures of a case: its label teaches nothing, and only then; what is validated on has a loss, too."""

    def trained(name):
        train_fold(workspace, tmp_path / name, tmp_path / "curves", prepared.settings, 0, 1, 7, name)
        weights = load_file(tmp_path / name)
        next(workspace.root.glob("finished_*")).unlink()
        return torch.cat([tensor.flatten() for tensor in weights.values()])

    believed = trained("a.safetensors")
    assert not (workspace.preprocessed / UNKNOWN).exists()
    names = [item.name for item in prepared.items]
    (workspace.preprocessed / UNKNOWN).write_text(json.dumps({name: [1] for name in names}))
    left_open = trained("b.safetensors")
    assert torch.isfinite(left_open).all() and not torch.equal(left_open, believed)
    (workspace.preprocessed / UNKNOWN).write_text(json.dumps({"of another set": [1]}))
    assert torch.equal(trained("c.safetensors"), believed)


@pytest.mark.training
def test_a_training_ignores_voxels_of_its_cases_and_of_those_that_it_is_validated_on(
    prepared, workspace, tmp_path, monkeypatch
):
    counted = []

    def watched(predicted, target, *args, mask, **kwargs):
        counted.append((mask.mean().item(), target.max().item()))
        return get_tp_fp_fn_tn(predicted, target, *args, mask=mask, **kwargs)

    monkeypatch.setattr("nnunetv2.training.nnUNetTrainer.nnUNetTrainer.get_tp_fp_fn_tn", watched)
    [folder] = [path for path in workspace.preprocessed.iterdir() if path.is_dir() and list(path.glob("*_seg.b2nd"))]
    for path in folder.glob("*_seg.b2nd"):
        label = open_array(path)[:]
        label[:, : label.shape[1] // 2] = IGNORED
        path.unlink()
        blosc2.asarray(label, urlpath=str(path))
    (workspace.preprocessed / WITH_IGNORED).write_text("[]")
    train_fold(workspace, tmp_path / "a.safetensors", tmp_path / "curves", prepared.settings, 0, 1, 7, "a")
    assert all(torch.isfinite(tensor).all() for tensor in load_file(tmp_path / "a.safetensors").values())
    assert counted and all(0 < share < 1 and highest <= 1 for share, highest in counted), "no part of the Dice shown"
