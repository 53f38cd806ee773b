"""One case of the phantom: geometry, label, reproducibility, and the contrasts that the method is about."""

from functools import cache

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import ndimage

from gbaseg.raw.phantom import case as phantom_case
from gbaseg.raw.phantom.anatomy import FUNDUS, PORUS, Canvas, Tissue, mirrored
from gbaseg.raw.phantom.case import Centre, centre_settings, make_case
from gbaseg.raw.phantom.imaging import Modality
from gbaseg.raw.phantom.tumour import Traits, paint_tumour, sample_traits
from gbaseg.raw.settings import PhantomSettings
from gbaseg.volume import Volume

DEFAULT = PhantomSettings()
# Coarse, so that a case takes a tenth of a second; tumours of centre A stay above a few dozen voxels.
COARSE = DEFAULT.model_copy(
    update={
        "centre_a": DEFAULT.centre_a.model_copy(update={"spacing_zyx_mm": (2.5, 2.0, 2.0)}),
        "centre_b": DEFAULT.centre_b.model_copy(update={"spacing_zyx_mm": (3.0, 2.2, 2.2)}),
    }
)
NUMBERS = range(1, 9)


@cache
def case(centre: Centre, modality: Modality, number: int) -> tuple[Volume, Volume]:
    return make_case(COARSE, 7, centre, modality, number)


def contrast(image: Volume, label: Volume) -> float:
    """Median of the tumour over the median of what lies 1 to 4 mm around it."""
    tumour = label.array == 1
    distance = ndimage.distance_transform_edt(~tumour, image.grid.spacing_zyx_mm)
    return float(np.median(image.array[tumour]) / np.median(image.array[(distance > 1) & (distance < 4)]))


@pytest.mark.parametrize("centre", ["A", "B"])
@pytest.mark.parametrize("modality", ["ceT1", "hrT2"])
def test_image_and_label_share_a_grid(centre: Centre, modality: Modality) -> None:
    image, label = case(centre, modality, 1)
    assert image.grid == label.grid
    assert image.grid.spacing_zyx_mm == centre_settings(COARSE, centre).spacing_zyx_mm
    extent = np.array(image.grid.shape) * image.grid.spacing_zyx_mm
    assert np.all(np.abs(extent - COARSE.extent_zyx_mm) <= np.array(image.grid.spacing_zyx_mm) / 2)
    assert (image.array.dtype, label.array.dtype) == (np.int16, np.uint8)
    assert set(np.unique(label.array)) == {0, 1, 2}


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_patient() -> None:
    image, label = case("B", "hrT2", 2)
    again, label_again = make_case(COARSE, 7, "B", "hrT2", 2)
    assert image.grid == again.grid
    assert image.array.tobytes() == again.array.tobytes()
    assert label.array.tobytes() == label_again.array.tobytes()
    other, other_label = make_case(COARSE, 8, "B", "hrT2", 2)
    assert not np.array_equal(image.array, other.array)
    assert not np.array_equal(label.array, other_label.array)


def test_the_modality_changes_the_image_and_not_the_patient() -> None:
    (t1, label_t1), (t2, label_t2) = case("A", "ceT1", 3), case("A", "hrT2", 3)
    assert t1.grid == t2.grid
    assert np.array_equal(label_t1.array, label_t2.array)
    assert not np.array_equal(t1.array, t2.array)


def test_some_scans_are_oblique_and_directions_are_rotations() -> None:
    directions = [np.array(case("A", "ceT1", n)[0].grid.direction).reshape(3, 3) for n in NUMBERS]
    oblique = [not np.array_equal(d, np.eye(3)) for d in directions]
    assert any(oblique)
    assert not all(oblique)
    for direction in directions:
        assert np.allclose(direction @ direction.T, np.eye(3))
        assert np.degrees(np.arccos((np.trace(direction) - 1) / 2 - 1e-12)) < 25


@pytest.mark.parametrize("centre", ["A", "B"])
def test_the_tumour_is_one_piece_of_its_drawn_volume(centre: Centre) -> None:
    numbers = centre_settings(COARSE, centre)
    low, high = numbers.tumour_volume_mm3
    for number in NUMBERS:
        _, label = case(centre, "ceT1", number)
        tumour = label.array == 1
        drawn = sample_traits(COARSE, numbers, 7, centre, number).volume_mm3
        assert low <= drawn <= high
        # Voxels that the tumour fills too little of are missing; voxels that it fills equally come together.
        volume_mm3 = tumour.sum() * label.grid.voxel_mm3
        assert 0.85 * drawn <= volume_mm3 <= 1.03 * drawn + 2 * label.grid.voxel_mm3
        pieces, count = ndimage.label(tumour, np.ones((3, 3, 3)))
        assert np.bincount(pieces.ravel())[1:].max() >= 0.95 * tumour.sum(), f"{count} pieces"


def test_bone_stops_the_tumour_away_from_its_canal(monkeypatch: pytest.MonkeyPatch) -> None:
    painted = []

    def watched(canvas: Canvas, cavity: np.ndarray, traits: Traits, rng: np.random.Generator) -> None:
        paint_tumour(canvas, cavity, traits, rng)
        painted.append((canvas, cavity, traits))

    monkeypatch.setattr(phantom_case, "paint_tumour", watched)
    for number in range(1, 13):
        make_case(COARSE, 1, "B", "ceT1", number)
    for canvas, cavity, traits in painted:
        tumour = np.isin(canvas.tissue, (Tissue.TUMOUR, Tissue.CYST))
        porus, fundus = mirrored(PORUS, traits.side), mirrored(FUNDUS, traits.side)
        near_canal = canvas.space.capsule(porus, fundus, 3.3, 2.4) > -2.0
        assert not np.any(tumour & (cavity < -0.7) & ~near_canal)
        assert tumour.sum() * float(np.prod(canvas.space.spacing_zyx_mm)) == pytest.approx(traits.volume_mm3, rel=0.02)


def test_a_few_cases_span_the_volume_range() -> None:
    for centre in ("A", "B"):
        numbers = centre_settings(DEFAULT, centre)
        low, high = np.log(numbers.tumour_volume_mm3)
        for seed in range(20):
            drawn = [sample_traits(DEFAULT, numbers, seed, centre, n).volume_mm3 for n in range(1, 13)]
            thirds = np.floor((np.log(drawn) - low) / (high - low) * 3)
            assert set(thirds) == {0, 1, 2}


def test_the_cochleae_lie_one_on_each_side() -> None:
    for centre in ("A", "B"):
        _, label = case(centre, "hrT2", 4)
        x = np.nonzero(label.array == 2)[2] - (label.grid.shape[2] - 1) / 2
        assert (x < 0).any()
        assert (x > 0).any()
        assert 60 < (label.array == 2).sum() * label.grid.voxel_mm3 < 400


def test_on_cet1_the_tumour_is_brighter_than_what_surrounds_it() -> None:
    bright = [contrast(*case(centre, "ceT1", n)) > 1.3 for centre in ("A", "B") for n in NUMBERS]
    assert np.mean(bright) >= 0.9


def test_on_hrt2_the_cistern_is_brighter_than_the_tumour_in_most_cases() -> None:
    darker = [contrast(*case("A", "hrT2", n)) < 1 for n in NUMBERS]
    assert np.mean(darker) >= 0.8


def stem_ratio(centre: Centre, number: int) -> float:
    """Median of the tumour over the median of the brain stem, found as the middle of the pons."""
    image, label = case(centre, "hrT2", number)
    z, y, x = (n // 2 for n in image.grid.shape)
    dy, dx = (round(6 / s) for s in image.grid.spacing_zyx_mm[1:])
    stem = image.array[z : z + 2, y + dy : y + 2 * dy, x - dx : x + dx]
    return float(np.median(image.array[label.array == 1]) / np.median(stem))


def test_on_hrt2_centre_b_has_tumours_darker_and_brighter_than_the_brain_stem() -> None:
    ratios = {centre: np.array([stem_ratio(centre, n) for n in NUMBERS]) for centre in ("A", "B")}
    assert ratios["B"].min() < 0.85
    assert ratios["B"].max() > 1.5
    assert np.std(np.log(ratios["B"])) > 1.5 * np.std(np.log(ratios["A"]))


def test_hrt2_contrast_follows_the_drawn_trait() -> None:
    numbers = centre_settings(COARSE, "B")
    drawn = [sample_traits(COARSE, numbers, 7, "B", n).t2_contrast for n in NUMBERS]
    seen = [stem_ratio("B", n) for n in NUMBERS]
    assert np.corrcoef(np.log(drawn), np.log(seen))[0, 1] > 0.8


def test_centres_differ_in_grid_and_units() -> None:
    a, b = case("A", "ceT1", 5)[0], case("B", "ceT1", 5)[0]
    assert a.grid.spacing_zyx_mm != b.grid.spacing_zyx_mm
    assert np.percentile(b.array, 99) > 1.5 * np.percentile(a.array, 99)
    assert DEFAULT.centre_a.spacing_zyx_mm != DEFAULT.centre_b.spacing_zyx_mm


def test_a_range_that_descends_is_refused() -> None:
    values = DEFAULT.centre_a.model_dump() | {"noise": (0.05, 0.01)}
    with pytest.raises(ValidationError, match=r"noise: lowest 0\.05 is above highest 0\.01"):
        type(DEFAULT.centre_a)(**values)


def test_the_smallest_extent_holds_tumour_and_both_ears() -> None:
    small = PhantomSettings(**COARSE.model_dump() | {"extent_zyx_mm": (40.0, 100.0, 120.0)})
    for number in NUMBERS:
        for centre in ("A", "B"):
            label = make_case(small, 7, centre, "ceT1", number)[1]
            drawn = sample_traits(small, centre_settings(small, centre), 7, centre, number).volume_mm3
            assert (label.array == 1).sum() * label.grid.voxel_mm3 > 0.8 * drawn
            x = np.nonzero(label.array == 2)[2] - (label.grid.shape[2] - 1) / 2
            assert x.min() < 0 < x.max()


def test_an_extent_that_cuts_off_the_ears_is_refused() -> None:
    with pytest.raises(ValidationError, match="extent_zyx_mm"):
        PhantomSettings(extent_zyx_mm=(30.0, 200.0, 168.0))


def test_every_number_has_a_description() -> None:
    for model in (PhantomSettings, type(DEFAULT.centre_a)):
        assert all(field.description for field in model.model_fields.values())
