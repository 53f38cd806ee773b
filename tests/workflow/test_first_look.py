"""The first picture of a run."""

import numpy as np
import pytest

from gbaseg import volume
from gbaseg.cases import Case
from gbaseg.params import Params
from gbaseg.volume import Grid, Volume
from gbaseg.workflow.first_look import first_look

GRID = Grid((4, 12, 10), (2.0, 1.0, 1.0))


def case(tmp_path, name, domain="source", split="train", tumour=0, patient=None):
    """A case whose slice z is of intensity z / 10, with a tumour of so many voxels in slice 2."""
    image = np.broadcast_to(np.arange(4).reshape(4, 1, 1) / 10, GRID.shape).astype(np.float32)
    volume.write(Volume(image.copy(), GRID), tmp_path / f"images/{name}.nii.gz")
    label = np.zeros(GRID.shape, np.uint8)
    label[2, 3:6, 3:6].flat[:tumour] = 1
    label[2].flat[:tumour] = 1
    if domain == "source":
        volume.write(Volume(label, GRID), tmp_path / f"labels/{name}.nii.gz")
    modality, labelled = ("ceT1", f"labels/{name}.nii.gz") if domain == "source" else ("hrT2", "")
    return Case(name, patient or name, "A", domain, split, modality, f"images/{name}.nii.gz", labelled)


def look(tmp_path, *cases, settings=Params()):  # noqa: B008 - frozen
    return first_look(settings, cases, tmp_path)


def test_the_largest_tumour_and_another_patient_without_a_label(tmp_path):
    cases = [case(tmp_path, "s1", tumour=2), case(tmp_path, "s2", tumour=5)]
    cases += [case(tmp_path, "t1", "target", patient="s2"), case(tmp_path, "t2", "target")]
    known, sought = look(tmp_path, *cases).axes
    assert known.get_title() == "ceT1: VS is labelled" and sought.get_title() == "hrT2: no label; VS is to be found"
    assert [len(axes.collections) for axes in (known, sought)] == [1, 0]
    # About the same height of both heads.
    assert [axes.images[0].get_array().max() for axes in (known, sought)] == pytest.approx([0.2, 0.2])


def test_every_structure_is_outlined(tmp_path):
    one = case(tmp_path, "s", tumour=4)
    label = volume.read(tmp_path / one.label)
    label.array[2, 9:11, 6:9] = 2
    volume.write(label, tmp_path / one.label)
    both = Params(dataset={"structures": {"VS": 1, "Cochlea": {"value": 2, "pieces": 2}}})
    [known] = look(tmp_path, one, settings=both).axes
    assert known.get_title() == "ceT1:\nVS, Cochlea are labelled"
    [contour] = known.collections
    alone = look(tmp_path, case(tmp_path, "s", tumour=4), settings=both).axes[0].collections[0]
    assert len(contour.get_paths()[0].to_polygons()) == len(alone.get_paths()[0].to_polygons()) + 1


def test_held_out_scans_are_not_shown(tmp_path):
    cases = [case(tmp_path, "s", tumour=1), case(tmp_path, "t", "target", split="test")]
    assert len(look(tmp_path, *cases).axes) == 1


def test_without_a_tumour_the_middle(tmp_path):
    cases = [case(tmp_path, "s"), case(tmp_path, "t", "target")]
    known, _ = look(tmp_path, *cases).axes
    assert known.images[0].get_array().max() == pytest.approx(0.2)
