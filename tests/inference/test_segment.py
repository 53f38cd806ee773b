"""`gbaseg.predict`: scans of every kind, what comes back, and how far folds are apart."""

import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk

import gbaseg
from gbaseg import volume
from gbaseg.errors import UserError
from gbaseg.inference.model import Model
from gbaseg.inference.segment import disagreement
from gbaseg.raw.dataset_settings import Structure
from gbaseg.volume import Grid, Volume
from gbaseg.volume.resampling import to_sitk


def test_paths_images_volumes_and_arrays_have_one_mask(sure, head, tmp_path):
    model = sure(0.0)
    volume.write(head, tmp_path / "head.nii.gz")
    of_path = gbaseg.predict(str(tmp_path / "head.nii.gz"), model)
    assert of_path.mask.array.any() and of_path.mask.array.dtype == np.uint8
    for scan in (tmp_path / "head.nii.gz", to_sitk(head), head):
        assert np.array_equal(gbaseg.predict(scan, model).mask.array, of_path.mask.array)
    # An array has no place: what it shows has.
    of_array = gbaseg.predict(head.array, model, spacing_zyx_mm=head.grid.spacing_zyx_mm)
    assert np.array_equal(of_array.mask.array, of_path.mask.array)
    image = gbaseg.predict(to_sitk(head), model).mask
    assert image.grid.agrees_with(head.grid, 1e-9)


def test_what_is_known_of_a_mask_comes_with_it(sure, head):
    found = gbaseg.predict(head, sure(0.0, 0.1))
    [about] = found.found
    assert about.structure == "VS" and about.warnings == () and about.pieces == 1
    assert about.volume_mm3 == pytest.approx(np.count_nonzero(found.mask.array) * head.grid.voxel_mm3)
    assert 0.8 < about.fold_dice < 1.0
    [sizes] = found.statistics()
    assert sizes.volume_mm3 == about.volume_mm3
    assert sizes.diameter_mm == pytest.approx(16.0, abs=2.0) and sizes.mean_intensity == pytest.approx(380, abs=25)
    assert found.probabilities == {} and found.uncertainty is None


def test_probabilities_are_those_that_the_mask_is_decided_by(sure, head):
    found = gbaseg.predict(head, sure(0.0, 0.2), probabilities=True)
    probability = found.probabilities["VS"]
    assert probability.grid == head.grid and probability.array.dtype == np.float32
    assert np.array_equal(probability.array >= 0.5, found.mask.array == 1)
    assert probability.array.min() >= 0.0 and probability.array.max() <= 1.0


def test_uncertainty_lies_where_folds_are_apart(sure, head):
    found = gbaseg.predict(head, sure(0.0, 0.2), uncertainty=True)
    apart = found.uncertainty.array
    assert found.uncertainty.grid == head.grid and apart.dtype == np.float32
    edge = apart[(found.mask.array == 1)].max()
    assert edge == pytest.approx(0.2, abs=0.02)
    agreed = gbaseg.predict(head, sure(0.1, 0.1), uncertainty=True)
    assert not agreed.uncertainty.array.any()
    with pytest.raises(UserError, match="a single network, which has no other to disagree with"):
        gbaseg.predict(head, sure(0.0), uncertainty=True)


def test_disagreement_by_hand():
    def fold(*foreground):
        one = np.array(foreground, np.float32)[None, None]
        return np.stack([1 - one, one])

    # Pairs: |1 - 0|, |1 - 0.5|, |0 - 0.5| at the first voxel; nothing at the second.
    apart = disagreement(np.stack([fold(1, 0.3), fold(0, 0.3), fold(0.5, 0.3)]))
    assert apart.shape == (1, 1, 2)
    assert apart[0, 0] == pytest.approx([2 / 3, 0.0])
    # Of three classes that rule each other out: 1, not more.
    classes = np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1, 1)
    assert disagreement(classes).item() == pytest.approx(1.0)


class TwoStructures:
    """Sure of a bright ball, and of what is left of it in the brightest tissue."""

    members = 1

    def __init__(self):
        self.structures = {"VS": 1, "Cochlea": 2}

    def fold_probabilities(self, scan):
        vs = (scan.array > 0.7).astype(np.float32)
        cochlea = ((scan.array > 0.15) & (scan.array < 0.35)).astype(np.float32)
        return np.stack([1.0 - vs - cochlea, vs, cochlea])[None]


def test_several_structures_have_the_data_sets_values_also_on_the_finer_grid(settings, head):
    dataset = settings.dataset.model_copy(
        update={"structures": {"VS": Structure(value=7), "Cochlea": Structure(value=2, pieces=2)}}
    )
    grid = settings.standardise.model_copy(update={"fine_spacing_xyz_mm": (0.9, 0.9, 1.5)})
    of_two = settings.model_copy(update={"dataset": dataset, "standardise": grid})
    found = {
        fine: gbaseg.predict(head, Model("round_1", of_two, TwoStructures(), fine, {}), probabilities=True)
        for fine in (False, True)
    }
    for one in found.values():
        assert one.values == {"VS": 7, "Cochlea": 2} and set(np.unique(one.mask.array)) == {0, 2, 7}
        assert [about.structure for about in one.found] == ["VS", "Cochlea"] == list(one.probabilities)
        inside = one.mask.array == 7
        assert inside[head.array > 350].mean() > 0.95
        assert np.array_equal(inside, (one.probabilities["VS"].array >= 0.5) & (one.mask.array != 2))
        assert one.statistics()[0].volume_mm3 == pytest.approx(inside.sum() * head.grid.voxel_mm3)
    # Steps of half the size leave half the error at the edge.
    true = 4 / 3 * np.pi * 8.0**3
    assert found[True].found[0].volume_mm3 == pytest.approx(true, rel=0.15)


@pytest.mark.parametrize(
    ("scan", "more", "says"),
    [
        (np.zeros((8, 8, 8)), {}, "an array without spacing_zyx_mm"),
        (np.zeros((8, 8)), {"spacing_zyx_mm": (1, 1, 1)}, "an array of 2 axes"),
        (np.zeros((8, 8, 8)), {"spacing_zyx_mm": (1, 0, 1)}, "three numbers above 0"),
        (np.zeros((8, 8, 8)), {"spacing_zyx_mm": (1, 1, 1)}, "every voxel is 0"),
        (np.full((8, 8, 8), np.nan), {"spacing_zyx_mm": (1, 1, 1)}, "NaN or infinite"),
        (np.zeros((8, 8, 8), complex), {"spacing_zyx_mm": (1, 1, 1)}, "voxels of type complex128"),
        ("gone.nii.gz", {}, "gone.nii.gz: no such file"),
        ("gone.nii.gz", {"spacing_zyx_mm": (1, 1, 1)}, "spacing_zyx_mm beside a scan that has its own"),
        (sitk.Image([8, 8], sitk.sitkFloat32), {}, "an image of 2 axes"),
        (sitk.Image([8, 8, 8], sitk.sitkVectorUInt8), {}, "channel"),
        (b"bytes", {}, "a scan of type bytes"),
    ],
)
@pytest.mark.unusual("Commands", "`gbaseg.predict` on what is no scan", "what it is, and what is allowed")
def test_what_is_no_scan_is_refused(sure, scan, more, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=says):
        gbaseg.predict(scan, sure(0.0), **more)


def test_a_scan_that_is_cut_off_has_all_its_flaws_in_one_message(sure):
    grid = Grid((6, 6, 6), (200.0, 200.0, 200.0))
    array = np.zeros(grid.shape, np.float32)
    array[2] = 1.0
    with pytest.raises(UserError) as raised:
        gbaseg.predict(Volume(array, grid), sure(0.0))
    assert [line.split(";")[0] for line in str(raised.value).splitlines()] == [
        "the scan: spacing 200, 200, 200 mm (x, y, z)", "the scan: a scan of 1200, 1200, 1200 mm (x, y, z)",
        "the scan: two intensities only, 0 and 1 (a mask?)",
    ]  # fmt: skip


def test_importing_gbaseg_waits_for_no_library():
    code = "import sys, gbaseg; print(*{name.split('.')[0] for name in sys.modules}); gbaseg.predict; gbaseg.Model"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {*loaded} & {"torch", "numpy", "SimpleITK", "pydantic", "nnunetv2"}
    assert {"predict", "Model", "Segmentation"} <= {*dir(gbaseg)}
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = gbaseg.nothing
