"""Random patches, and how far apart two samples of them are."""

import numpy as np
import pytest
from scipy import ndimage

from gbaseg.patches import patch_distance, sample_patches


def smooth(seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).random((4, 24, 24), dtype=np.float32)
    return ndimage.gaussian_filter(noise, (0, 1.5, 1.5)) * 2 - 0.5


def test_patches_are_parts_of_the_image_centred_on_tissue():
    image = np.zeros((2, 16, 16), dtype=np.float32)
    image[1, 6:10, 6:10] = np.arange(1, 17).reshape(4, 4) / 16
    patches = sample_patches(image, 5, 50, np.random.default_rng(0))
    assert patches.shape == (50, 25)
    assert (patches[:, 12] > 0.05).all()
    centre = np.argwhere(image == patches[0, 12])[0]
    expected = image[centre[0], centre[1] - 2 : centre[1] + 3, centre[2] - 2 : centre[2] + 3]
    np.testing.assert_array_equal(patches[0].reshape(5, 5), expected)
    # No tissue at all: anywhere.
    assert not sample_patches(np.zeros_like(image), 5, 3, np.random.default_rng(0)).any()
    with pytest.raises(ValueError, match="patch of 17"):
        sample_patches(image, 17, 1, np.random.default_rng(0))


def test_patch_distance_of_a_shift_is_the_mean_projection_of_it():
    # A shift c of all intensities projects to c sum(axis); E|sum of a unit vector| = sqrt(2 / pi) for large d.
    patches = sample_patches(smooth(0) + 0.5, 7, 300, np.random.default_rng(0))
    distance = patch_distance(patches, patches + 0.1, np.random.default_rng(1), directions=2000)
    assert distance == pytest.approx(0.1 * np.sqrt(49) * np.sqrt(2 / np.pi), rel=0.05)
    # Up to rounding: some processors' product of matrices depends on where a row is.
    assert patch_distance(patches, patches[::-1], np.random.default_rng(1)) == pytest.approx(0.0, abs=1e-6)
    with pytest.raises(ValueError, match="samples"):
        patch_distance(patches, patches[:-1], np.random.default_rng(1))


def test_patch_distance_sees_texture_and_follows_its_seed():
    draw = lambda image, seed: sample_patches(image, 7, 400, np.random.default_rng(seed))  # noqa: E731
    rough = np.random.default_rng(9).random((4, 24, 24), dtype=np.float32)
    reference = draw(smooth(0), 0)
    same, other = draw(smooth(1), 1), draw(rough, 1)
    distances = [patch_distance(reference, sample, np.random.default_rng(4)) for sample in (same, other, other)]
    assert distances[0] < 0.5 * distances[1]
    assert distances[1] == distances[2]
