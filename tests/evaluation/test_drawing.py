"""How figures are written."""

import matplotlib
import pytest

from gbaseg.evaluation.drawing import new_figure, save, styled


@styled
def line():
    figure = new_figure(2, 1)
    figure.subplots().plot([0, 1], [0, 1], label="a")
    return figure


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_equal_figures_give_equal_bytes(tmp_path, suffix):
    paths = [tmp_path / name / f"line.{suffix}" for name in ("one", "two")]
    for path in paths:
        save(line(), path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert paths[0].stat().st_size > 500


def test_matplotlib_s_own_settings_stay():
    before = dict(matplotlib.rcParams)
    line()
    assert dict(matplotlib.rcParams) == before


def test_names_are_text_with_whatever_dollars(tmp_path):
    @styled
    def named():
        figure = new_figure(2, 1)
        figure.subplots().set_title(r"cost $\frac$ $1")
        return figure

    save(named(), tmp_path / "named.svg")
    assert r"cost $\frac$ $1" in (tmp_path / "named.svg").read_text()
