"""How figures are written."""

import io

import matplotlib
import pytest

from gbaseg.evaluation.drawing import _STYLE, new_figure, save, save_to, styled


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


@pytest.mark.parametrize("layout", ["constrained", "compressed", "none"])
def test_a_png_is_savefig_s(layout):
    def drawn(write):
        with matplotlib.rc_context(_STYLE):
            figure = new_figure(3, 2)
            figure.set_layout_engine(layout)
            for axes in figure.subplots(1, 2):
                axes.imshow([[0, 1], [1, 0]])
                axes.set(title="a title", ylabel="of rows")
            figure.legend(["a"], loc="outside lower center") if layout != "none" else None
            before = figure.dpi, figure.get_layout_engine()
            write(figure, stream := io.BytesIO())
            assert (figure.dpi, figure.get_layout_engine()) == before
            return stream.getvalue()

    theirs = drawn(lambda figure, stream: figure.savefig(stream, format="png", dpi=200, metadata={"Software": None}))
    assert drawn(lambda figure, stream: save_to(figure, stream, "png")) == theirs


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
