"""Fig. 7: joint densities of volume and mean intensity."""

import numpy as np
import pytest

from gbaseg.augmentation.appearance import Appearance, density, places
from gbaseg.evaluation.appearance_figure import appearance_density
from gbaseg.evaluation.drawing import save


def tumours(seed, n, middle, volume_mm3=1000.0):
    rng = np.random.default_rng(seed)
    pairs = zip(rng.normal(middle, 0.05, n), volume_mm3 * np.exp(rng.normal(0, 0.5, n)), strict=True)
    return [Appearance(float(volume), float(mean), 0.1, 0.0) for mean, volume in pairs]


def test_each_set_has_its_axes_its_dots_and_its_overlap_with_the_target(tmp_path):
    figure = appearance_density(tumours(0, 20, 0.3), tumours(1, 40, 0.45), tumours(2, 15, 0.5), "cochlea")
    before, after, target = figure.axes
    titles = [axes.get_title("left") for axes in figure.axes]
    named = [title.split(",")[0] for title in titles]
    assert named == ["a  before (n = 20)", "b  after (n = 40)", "c  target (n = 15)"]
    apart, near = (float(title.split("overlap ")[1]) for title in titles[:2])
    assert apart < 0.1 and near > 0.3 and "overlap" not in titles[2]
    assert [len(axes.collections[0].get_offsets()) for axes in figure.axes] == [20, 40, 15]
    assert before.get_xlim() == target.get_xlim() and before.get_ylim() == (0.0, 1.0)
    assert after.get_xlabel() == "Cochlea volume (mm³)" and "inside the cochlea" in before.get_ylabel()
    assert {"1,000"} <= {text.get_text() for text in before.get_xticklabels()}
    save(figure, tmp_path / "appearance.png")


def test_the_targets_contour_holds_the_share_that_it_says():
    group = tumours(3, 400, 0.5)
    figure = appearance_density(list(group), list(group), group)
    outline = figure.axes[0].collections[-1]
    heights = density(places(group))(places(group).T)
    assert np.mean(heights > outline.levels[0]) == pytest.approx(0.7, abs=0.06)


@pytest.mark.parametrize(
    "few",
    [[], tumours(0, 3, 0.5), [Appearance(90.0, 0.5, 0.1, 0.0)] * 9, [Appearance(0.0, float("nan"), 0.0, 0.0)] * 9],
)
def test_too_few_tumours_have_dots_and_no_density(tmp_path, few):
    figure = appearance_density(few, few, few)
    for axes in figure.axes:
        [dots] = axes.collections
        assert len(dots.get_offsets()) == sum(one.volume_mm3 > 0 for one in few)
        assert "overlap" not in axes.get_title("left")
    save(figure, tmp_path / "few.png")
