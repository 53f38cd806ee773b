"""Which slice the SinGAN sees."""

import numpy as np
import pytest

from gbaseg.augmentation.singan.slices import (
    Candidate,
    central_high_variance_slice,
    central_tumour_slice,
    choose_target_slice,
)


def _mask(areas):
    mask = np.zeros((len(areas), 4, 4), np.uint8)
    for z, area in enumerate(areas):
        mask[z].flat[:area] = 1
    return mask


def test_largest_area_then_nearest_to_the_centroid():
    assert central_tumour_slice(_mask([0, 1, 5, 2])) == 2
    assert central_tumour_slice(_mask([4, 1, 1, 4, 3, 3])) == 3  # centroid at 2.6
    assert central_tumour_slice(_mask([2, 2, 2, 2])) == 1
    with pytest.raises(ValueError, match="no tumour"):
        central_tumour_slice(_mask([0, 0]))


def _candidate(name, volume_mm3, mask, read_names):
    def read():
        read_names.append(name)
        return np.arange(mask.size, dtype=np.float32).reshape(mask.shape) / mask.size, mask

    return Candidate(name, volume_mm3, read)


def test_the_plausible_case_nearest_the_median_volume():
    read_names = []
    volumes = {"empty": 0, "tiny": 5, "small": 100, "middle": 260, "large": 900, "huge": 90000}
    masks = {name: _mask([0, 3, 7, 2]) for name in volumes}
    candidates = [_candidate(name, volume, masks[name], read_names) for name, volume in volumes.items()]
    choice = choose_target_slice(candidates, (50, 5000))
    assert (choice.case, choice.z, choice.rule) == ("middle", 2, "tumour")
    assert read_names == ["middle"]  # images of other cases are not even read
    assert np.array_equal(choice.slice_yx, candidates[0].read()[0][2])


def test_without_plausible_labels_variance_decides():
    image = np.zeros((8, 4, 4), np.float32)
    image[0, ::2] = 1.0  # most varied, but not central
    image[5, 0] = 0.5
    assert central_high_variance_slice(image) == 5
    candidates = [Candidate("b", 0.0, lambda: (image * 0, None)), Candidate("a", 0.0, lambda: (image, None))]
    choice = choose_target_slice(candidates, (50, 5000))
    assert (choice.case, choice.z, choice.rule) == ("a", 5, "variance")
    with pytest.raises(ValueError, match="no target case"):
        choose_target_slice([], (50, 5000))
