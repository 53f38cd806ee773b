"""nnU-Net's predictor and trainer, imported without what they import and nothing here calls.

Takes seconds: for workers, and for functions that need it. What is left out is most of them: seaborn draws nnU-Net's
own curves, scikit-learn deals out folds where nobody has, and torch's compiler is asked whether a network was compiled.
"""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType


def _stand_in(name: str, **content: object) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(content, __spec__=ModuleSpec(name, None))  # which others ask for
    return module


def never_called(environment: Mapping[str, str]) -> list[ModuleType]:
    """Stand-ins for what nnU-Net imports in vain; for torch's compiler where nnU-Net is not told to use it."""
    found = [_stand_in("seaborn"), _stand_in("sklearn"), _stand_in("sklearn.model_selection", KFold=None)]
    if environment.get("nnUNet_compile", "").lower() not in ("true", "1", "t"):  # as nnU-Net reads it
        found.append(_stand_in("torch._dynamo", OptimizedModule=type("OptimizedModule", (), {})))
    return found


@contextmanager
def _left_out(stand_ins: Sequence[ModuleType]) -> Iterator[None]:
    """Inside, an import of these modules finds a stand-in, unless the module itself is there already."""
    missing = {module.__name__: module for module in stand_ins if module.__name__ not in sys.modules}
    sys.modules.update(missing)
    try:
        yield
    finally:
        for name in missing:
            del sys.modules[name]


with _left_out(never_called(os.environ)):
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

__all__ = ["nnUNetPredictor", "nnUNetTrainer"]
