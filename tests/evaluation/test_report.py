"""The page needs nothing but itself, and what is data stays data."""

import re

import numpy as np
import pytest

from gbaseg.evaluation.figures import dice_assd_by_round
from gbaseg.evaluation.overlays import PanelImage, case_panel
from gbaseg.evaluation.report import Section, Table, as_image, as_vector, render


@pytest.fixture(scope="module")
def page() -> str:
    plots = [as_vector(dice_assd_by_round([("0", [])]), f"plot {number}") for number in (1, 2)]
    image = as_image(case_panel([PanelImage("a", np.zeros((8, 8)))]), 'case "1" <b>')
    sections = [
        Section("Every case", "a note", [Table(["case", "Dice"], [["<script>", 0.5]])], [*plots, image]),
        Section("Parameters", text="a: 1 # <comment>"),
    ]
    return render("title & more", "subtitle", sections)


def test_nothing_is_loaded_from_outside(page):
    assert not re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', page)
    assert not re.findall(r"url\((?!#)", page)
    assert "<script" not in page and "@import" not in page


def test_text_is_escaped(page):
    assert "&lt;script&gt;" in page and "a: 1 # &lt;comment&gt;" in page and "title &amp; more" in page
    assert 'alt="case &#34;1&#34; &lt;b&gt;"' in page


def test_names_inside_vector_figures_are_used_once_in_the_page(page):
    names = re.findall(r'\bid="([^"]+)"', page)
    assert len(names) == len(set(names)) > 10
    referred = set(re.findall(r'(?:xlink:)?href="#([^"]+)"|url\(#([^)]+)\)', page))
    assert {name for pair in referred for name in pair if name} <= set(names)


def test_equal_contents_give_equal_pages(page):
    figure = dice_assd_by_round([("0", [])])
    assert as_vector(figure, "a") == as_vector(figure, "a")
    assert 'id="every-case"' in page
