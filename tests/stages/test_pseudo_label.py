"""The volumes of the source by which a pseudo-label's is judged."""

import numpy as np

from gbaseg.cases import Case, write_table
from gbaseg.stages import layout
from gbaseg.stages.pseudo_label import source_range_mm3
from gbaseg.volume import Grid, Volume, write


def test_the_sources_volumes_are_those_of_its_training_cases(tmp_path, monkeypatch):
    """Only these need a label; one of a held-out case is not looked at, either."""
    monkeypatch.chdir(tmp_path)
    grid = Grid((4, 4, 4), (2.0, 1.0, 1.0))
    voxels = {"a": ("train", 3), "b": ("train", 5), "held_out": ("test", 60), "unlabelled": ("test", 0)}
    cases = []
    for name, (split, count) in voxels.items():
        case = Case(name, name, "A", "source", split, "ceT1", f"{name}.nii.gz", f"{name}_label.nii.gz" if count else "")
        if count:
            label = np.zeros(grid.shape, np.uint8)
            label.flat[:count] = 1
            write(Volume(label, grid), layout.STANDARD / case.label)
        cases.append(case)
    write_table(cases, layout.STANDARD)
    assert source_range_mm3(1) == (6.0, 10.0)
