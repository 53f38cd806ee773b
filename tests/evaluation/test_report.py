"""The page needs nothing but itself, and what is data stays data."""

import io
import re
from importlib.resources import files

import numpy as np
import pytest
from PIL import Image

from gbaseg.evaluation.drawing import save_to
from gbaseg.evaluation.figures import dice_assd_by_round
from gbaseg.evaluation.image_figures import OverlayRow, segmentation_overlays
from gbaseg.evaluation.overlays import PanelImage, case_panel
from gbaseg.evaluation.report import Section, Viewer, as_image, as_vector, in_few_colours, render
from gbaseg.evaluation.report_readings import APPEARANCE, Reading
from gbaseg.evaluation.report_tables import Column, Table
from gbaseg.evaluation.report_views import View, cut_out, room_for
from gbaseg.volume import Grid, Volume


@pytest.fixture(scope="module")
def page() -> str:
    plots = [as_vector(dice_assd_by_round([("0", [])]), f"plot {number}") for number in (1, 2)]
    image = as_image(case_panel([PanelImage("a", np.zeros((8, 8)))]), 'case "1" <b>')
    table = Table("cases", [Column("case", "case"), Column("dice", "Dice")], [["<script>", 0.5]])
    sections = [
        Section("Every case", "a note", [table], [*plots, image], reading=Reading("good", "bad", "mend <it>")),
        Section("Parameters", text="a: 1 # <comment>"),
    ]
    return render("title & more", "subtitle", sections)


def test_nothing_is_loaded_from_outside(page):
    assert not re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', page)
    assert not re.findall(r"url\((?!#)", page)
    assert "<script" not in page and "@import" not in page


def test_how_it_is_read_stands_with_what_is_read(page):
    assert "<dd>good</dd>" in page and "<dd>bad</dd>" in page and "<dd>mend &lt;it&gt;</dd>" in page


def test_a_gap_of_volumes_is_said_to_be_closed_by_what_changes_them():
    assert "adaptive_size" in APPEARANCE.do and "alterations.diameter" in APPEARANCE.do


def test_text_is_escaped(page):
    assert "&lt;script&gt;" in page and "a: 1 # &lt;comment&gt;" in page and "title &amp; more" in page
    assert 'alt="case &#34;1&#34; &lt;b&gt;"' in page


def test_names_inside_vector_figures_are_used_once_in_the_page(page):
    names = re.findall(r'\bid="([^"]+)"', page)
    assert len(names) == len(set(names)) > 10
    referred = set(re.findall(r'(?:xlink:)?href="#([^"]+)"|url\(#([^)]+)\)', page))
    assert {name for pair in referred for name in pair if name} <= set(names)


def test_a_picture_in_few_colours_is_what_was_drawn():
    ramp = np.linspace(0, 1, 128 * 128).reshape(128, 128)
    mask = np.zeros(ramp.shape, bool)
    mask[40:80, 40:80] = True
    whole = io.BytesIO()
    rows = [OverlayRow("a", ramp, mask, {"round_1": np.roll(mask, 9)}, {}, (0.5, 0.5))]
    save_to(segmentation_overlays(rows, 45.0), whole, "png", 110)
    few = in_few_colours(whole.getvalue())
    before, after = (np.asarray(Image.open(file).convert("RGB")).astype(int) for file in (whole, io.BytesIO(few)))
    coloured = np.abs(before[..., 0] - before[..., 2]) > 100  # outlines
    assert coloured.sum() > 100 and np.abs(before - after).max() <= 10
    assert len(few) < len(whole.getvalue()) / 2


def test_equal_contents_give_equal_pages(page):
    figure = dice_assd_by_round([("0", [])])
    assert as_vector(figure, "a") == as_vector(figure, "a")
    assert 'id="every-case"' in page


VIEWER = Viewer("export const Niivue = 1;", 'import { Niivue } from "./niivue.js"; const a = "<b>";')


def page_of(views, names):
    table = Table("cases", [Column("case", "case")], [[name] for name in names], [view.name for view in views], 2)
    return render("title", "", [Section("Every case", tables=[table])], views, VIEWER)


def test_what_opens_behind_a_row_is_in_the_page_and_scripts_as_they_are():
    page = page_of([View("view-0", {"image": b"scan", "prediction": b"mask"}, "cut out")], ["<a>"])
    assert '<tr data-view="view-0" data-value="2"><td><button aria-expanded="false">&lt;a&gt;</button>' in page
    assert '<script type="application/octet-stream" id="view-0-image">c2Nhbg==</script>' in page
    assert VIEWER.script in page and "export const" not in page
    assert not re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', page)


def test_a_script_that_would_end_its_element_is_refused():
    with pytest.raises(ValueError, match="</script"):
        render("", "", [], [View("view-0", {}, "")], Viewer("", "a </script> b"))
    with pytest.raises(ValueError, match="viewer"):
        render("", "", [], [View("view-0", {}, "")])


def test_64_cases_of_noise_in_large_scans_are_a_page_under_30_mb():
    """Noise is what is hardest to pack: of the scans as of the pictures."""
    rng = np.random.default_rng(1)
    scan = Volume(rng.random((60, 200, 200), np.float32), Grid((60, 200, 200), (1.0, 0.5, 0.5)))
    mask = np.zeros(scan.grid.shape, np.uint8)
    mask[20:40, 80:130, 80:130] = 1
    found = cut_out("", scan, mask, np.roll(mask, 5, axis=2), room_for(64))
    names = [f"case {number}" for number in range(64)]
    views = [View(f"view-{number}", found.parts, found.words) for number in range(64)]
    drawn = mask[30] > 0
    rows = [OverlayRow(name, scan.array[30], drawn, {"round_1": drawn}, {}, (0.5, 0.5)) for name in ("a", "b")]
    noise = as_image(segmentation_overlays(rows, 45.0), "a")  # as `gbaseg report` has one a case
    niivue = (files("gbaseg.review") / "static/niivue.js").read_text()
    table = Table("cases", [Column("case", "case")], [[name] for name in names], [view.name for view in views])
    page = render("", "", [Section("", tables=[table], pictures=[noise] * 64)], views, Viewer(niivue, ""))
    assert 15e6 < len(page) < 30e6
