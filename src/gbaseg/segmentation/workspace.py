"""The folders that nnU-Net works in."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

DATASET = "Dataset001_gbaseg"
# nnU-Net's name for how many processes cut patches out of the cases and alter them; 0: the one that trains.
AUGMENTERS = "nnUNet_n_proc_DA"
MOST_AUGMENTERS = 12  # nnU-Net's own bound


@dataclass(frozen=True)
class Workspace:
    """nnU-Net's three folders below one root."""

    root: Path

    @property
    def raw(self) -> Path:
        return self.root / "raw" / DATASET

    @property
    def preprocessed(self) -> Path:
        return self.root / "preprocessed" / DATASET

    def enter(self) -> None:
        """Point nnU-Net, which finds its folders by environment variables, to this workspace."""
        root = self.root.resolve()
        os.environ["nnUNet_raw"] = str(root / "raw")
        os.environ["nnUNet_preprocessed"] = str(root / "preprocessed")
        os.environ["nnUNet_results"] = str(root / "results")
