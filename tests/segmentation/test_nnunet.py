"""What nnU-Net imports and is never called stays out, and comes as ever to whoever asks for it afterwards."""

import json
import subprocess
import sys

import pytest

from gbaseg.segmentation.nnunet import never_called

PROGRAM = """
import importlib.util, json, sys
from gbaseg.segmentation.nnunet import nnUNetPredictor, nnUNetTrainer
left_out = [name for name in ("seaborn", "sklearn", "torch._dynamo") if name not in sys.modules]
import torch
weight = torch.nn.Parameter(torch.ones(1))
weight.square().sum().backward()
torch.optim.AdamW([weight]).step()
print(json.dumps([left_out, "torch._dynamo" in sys.modules, importlib.util.find_spec("sklearn").origin is not None]))
"""


@pytest.mark.processes
def test_they_come_back():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [["seaborn", "sklearn", "torch._dynamo"], True, True]


@pytest.mark.parametrize(("said", "used"), [("true", True), ("1", True), ("false", False), (None, False)])
def test_the_compiler_is_there_where_it_is_to_be_used(said, used):
    names = [module.__name__ for module in never_called({} if said is None else {"nnUNet_compile": said})]
    assert ("torch._dynamo" not in names) is used
