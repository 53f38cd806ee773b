"""The survey's naive copies, and the contrasts that it may draw."""

import numpy as np
import pytest

from gbaseg.cases import Case, write_table
from gbaseg.params import Params
from gbaseg.volume import Grid, Volume, read, write
from gbaseg.workflow import appearances, layout
from gbaseg.workflow.survey_set import survey_items, write_copies

GRID = Grid((3, 6, 6), (1.0, 1.0, 1.0))


def test_each_structure_that_a_case_has_is_rescaled_in_copies_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    image = np.random.default_rng(0).uniform(0.2, 0.5, GRID.shape).astype(np.float32)
    label = np.zeros(GRID.shape, np.uint8)
    label[1, 1:3, 1:3] = 1
    label[1, 3:5, 3:5] = 2
    case = Case("s", "p", "A", "source", "train", "ceT1", "images/s.nii.gz", "labels/s.nii.gz")
    write(Volume(image, GRID), layout.TRANSLATED / case.image)
    write(Volume(label, GRID), layout.TRANSLATED / case.label)
    items = write_copies(case, layout.TRANSLATED, [1, 2, 3], [0.5, 1.5], tmp_path / "copies")
    assert [item.name for item in items] == ["s_survey_1_l0.5", "s_survey_1_l1.5", "s_survey_2_l0.5", "s_survey_2_l1.5"]
    assert {(item.patient, item.label) for item in items} == {("p", layout.TRANSLATED / case.label)}
    for item in items:
        value, factor = int(item.name[9]), float(item.name[12:])
        copy = read(item.image).array
        np.testing.assert_allclose(copy[label == value], factor * image[label == value], rtol=1e-6)
        assert np.array_equal(copy[label != value], image[label != value])


def test_contrasts_of_both_signs_may_be_drawn_of_each_structure(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        appearances, "run_tasks", lambda tasks, **_: [task.function(**task.arguments) for task in tasks]
    )
    image = np.full(GRID.shape, 0.5, np.float32)
    label = np.zeros(GRID.shape, np.uint8)
    label[1, 1:3, 1:3], label[1, 3:5, 3:5] = 1, 2
    image[label == 1], image[label == 2] = 0.6, 0.3
    case = Case("s", "p", "A", "source", "train", "ceT1", "images/s.nii.gz", "labels/s.nii.gz")
    write(Volume(image, GRID), layout.TRANSLATED / case.image)
    write(Volume(label, GRID), layout.TRANSLATED / case.label)
    write_table([case], layout.TRANSLATED)
    settings = Params.model_validate(
        {
            "dataset": {"structures": {"VS": 1, "Cochlea": 2, "Nothing": 3}, "known_labels": [1, 2, 3]},
            "survey": {"contrasts": 4, "contrast_within": 0.4},
        }
    )
    [item] = survey_items(settings, [case], layout.TRANSLATED, tmp_path / "copies", None)
    found = {value: [factor * mean + offset - 0.5 for of, factor, offset in item.rescaled if of == value]
             for value, mean in ((1, 0.6), (2, 0.3), (3, 0.0))}  # fmt: skip
    even = [-0.3075, -0.1225, 0.1225, 0.3075]
    assert found == {1: pytest.approx(even, abs=1e-6), 2: pytest.approx(even, abs=1e-6), 3: []}
