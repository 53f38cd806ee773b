"""What nnU-Net imports and is never called stays out, and comes as ever to whoever asks for it afterwards."""

import json
import subprocess
import sys

import pytest

PROGRAM = """
import json, sys
from gbaseg.segmentation.nnunet import nnUNetPredictor, nnUNetTrainer
left_out = [name for name in ("seaborn", "sklearn", "torch._dynamo") if name not in sys.modules]
import torch._dynamo, seaborn, sklearn.model_selection
import torch
layer = torch.nn.Linear(2, 2)
optimiser = torch.optim.AdamW(layer.parameters())
layer(torch.ones(1, 2)).sum().backward()
optimiser.step()
print(json.dumps([left_out, sklearn.model_selection.KFold(2).n_splits, callable(seaborn.set), callable(torch.compile)]))
"""


@pytest.mark.parametrize(
    ("compiles", "left_out"), [("false", ["seaborn", "sklearn", "torch._dynamo"]), ("1", ["seaborn", "sklearn"])]
)
def test_both_come_back(monkeypatch, compiles, left_out):
    monkeypatch.setenv("nnUNet_compile", compiles)
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [left_out, 2, True, True]
