"""Two cases with tumours that are copied, and one of the target."""

from pathlib import Path

import numpy as np
import pytest

from gbaseg import volume
from gbaseg.cases import Case, write_table
from gbaseg.volume import Grid, Volume
from gbaseg.workflow import appearances, copies, layout, singans

ROOT = Path(__file__).parents[3]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Two pseudo-target cases with tumours of 64 and 8 mm3, one target case."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GBASEG_DEVICE", "cpu")
    # Here, and not in a worker, which would import torch for seconds.
    for module in (appearances, copies, singans):
        monkeypatch.setattr(module, "run_tasks", lambda tasks, **_: [task.function(**task.arguments) for task in tasks])
    rng = np.random.default_rng(0)
    for folder, domain, sizes in (
        (layout.TRANSLATED, "source", {"s1": 4, "s2": 2}),
        (layout.STANDARD, "target", {"t1": 3}),
    ):
        cases = []
        for name, size in sizes.items():
            label = np.zeros((8, 12, 12), np.uint8)
            label[2 : 2 + size, 3 : 3 + size, 3 : 3 + size] = 1
            image = (0.3 + 0.1 * rng.random(label.shape) + 0.3 * label).astype(np.float32)
            one = Case(name, name, "A", domain, "train", "MR", f"images/{name}.nii.gz", f"labels/{name}.nii.gz")
            grid = Grid(label.shape, (1.0, 1.0, 1.0))
            volume.write(Volume(image, grid), folder / one.image)
            volume.write(Volume(label, grid), folder / one.label)
            volume.write(Volume(label, grid), layout.pseudo_labelled("survey") / "standard" / f"{name}.nii.gz")
            cases.append(one)
        write_table(cases, folder)
    layout.SINGAN_MODEL.mkdir(parents=True)
    settings = (ROOT / "presets/default.yaml").read_text()
    return lambda arm: Path("params.yaml").write_text(settings.replace("  arm: gba #", f"  arm: {arm} #"))
