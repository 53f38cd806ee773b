"""Labels that leave a structure open: the loss of a case whose pseudo-label is believed about some structures alone.

Wherever such a label has none of the believed structures, the truth is background or the structure that is left open:
their probabilities are added up and count as background's (marginal loss: Shi et al., Medical Image Analysis 70, 2021,
101979). nnU-Net's ignore label would hide what was found of the structure, and teach as background what was missed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from gbaseg.segmentation.decision import IGNORED

# File of the structures that are left open in a case: name -> label values. Only where there is such a case.
UNKNOWN = "unknown.json"
# File of the cases with voxels that no loss is taken of (`prediction.IGNORED`). Only where there is such a case.
WITH_IGNORED = "with_ignored.json"
# A logit of probability 0, which half precision has, too.
_NEVER = -1e4


def ignoring(loss: torch.nn.Module) -> torch.nn.Module:
    """nnU-Net's loss, or one a resolution, as it is with an ignore label.

    Set here and not in dataset.json: there, nnU-Net would draw patches of all cases otherwise, too.
    """
    inner: Any = getattr(loss, "loss", loss)
    inner.ignore_label = inner.ce.ignore_index = IGNORED
    return loss


class PartialLoss(torch.nn.Module):
    """nnU-Net's loss, or one a resolution, with what `unknown` says of the samples of a batch; set it before each."""

    def __init__(self, loss: Callable[[list[torch.Tensor], list[torch.Tensor]], torch.Tensor]) -> None:
        super().__init__()
        self._loss = loss
        self.unknown: Sequence[Sequence[int]] = ()

    def forward(self, logits: list[torch.Tensor], target: list[torch.Tensor]) -> torch.Tensor:
        """Of logits (sample, class, Z, Y, X) and labels (sample, 1, Z, Y, X) at each resolution."""
        if any(self.unknown):
            merged = [merge(*pair, self.unknown) for pair in zip(logits, target, strict=True)]
            logits, target = [one for one, _ in merged], [one for _, one in merged]
        return self._loss(logits, target)


def merge(
    logits: torch.Tensor, target: torch.Tensor, unknown: Sequence[Sequence[int]]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits whose softmax has for background the sum of what a voxel may be, and the labels that go with them.

    Args:
        logits: (sample, class, ...); class 0 is the background.
        target: (sample, 1, ...), label values.
        unknown: for each sample the structures that its label leaves open.
    """
    new_logits, new_target = [], []
    for of_sample, label, values in zip(logits.float(), target, unknown, strict=True):
        left_open = torch.tensor(values, device=label.device, dtype=label.dtype)
        known = torch.where(torch.isin(label, left_open), 0, label)
        classes = list(of_sample)
        either = torch.stack([classes[value] for value in (0, *values)]).logsumexp(0)
        classes[0] = torch.where(known[0] == 0, either, classes[0])
        for value in values:
            classes[value] = torch.where(known[0] == 0, _NEVER, classes[value])
        new_logits.append(torch.stack(classes))
        new_target.append(known)
    return torch.stack(new_logits), torch.stack(new_target)
