"""`gbaseg report` of a finished project: its tables, and the page in a browser without a network, by file://."""

import base64
import csv
import importlib.util
import json
import re
import shutil
from html import unescape
from pathlib import Path

import numpy as np
import pytest

from gbaseg.cases import read_table, select

pytestmark = [pytest.mark.pipeline, pytest.mark.processes]
_spec = importlib.util.spec_from_file_location("browser", Path(__file__).parents[1] / "review/browser.py")
browsers = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(browsers)
# A proxy that nobody is, and no name has an address.
NO_NETWORK = ("--proxy-server=127.0.0.1:9", "--host-resolver-rules=MAP * ~NOTFOUND")


@pytest.fixture(scope="module")
def page(tiny):
    tiny.call("report")
    return tiny.folder / "report/index.html"


def tables_of(text):
    """Name -> rows of cells, headings first, of the page's tables."""
    found = re.findall(r'<table id="table-(.+?)">(.*?)</table>', text, re.DOTALL)
    return {
        unescape(name): [
            [unescape(re.sub("<[^>]+>", "", cell)) for cell in re.findall(r"<t[hd]>(.*?)</t[hd]>", row)]
            for row in re.findall(r"<tr.*?</tr>", table, re.DOTALL)
        ]
        for name, table in found
    }


def held_out(tiny):
    return select(read_table(tiny.folder / "data/standard"), domain="target", splits=["validation"])


def test_every_held_out_case_has_a_row_and_a_picture_and_nothing_is_named_from_elsewhere(tiny, page):
    text = page.read_text()
    names = [case.case for case in held_out(tiny)]
    assert sorted(row[0] for row in tables_of(text)["cases"][1:]) == sorted(names)
    assert all(f"<figcaption>{name} (" in text for name in names)
    assert 'src="http' not in text and "params.yaml" not in text.split("<h2")[0]
    for stage in ("train_translation", "pseudo_label/round_1"):
        assert stage in text  # what it took


def test_every_table_is_a_csv_with_the_same_in_it(page):
    """To the digits that the page has; a mean with its SD is two columns there."""
    tables = tables_of(page.read_text())
    files = {path.stem: path for path in page.with_name("index_tables").iterdir()}
    assert files.keys() == tables.keys() >= {"rounds", "cases", "warnings", "without_labels", "times", "outputs"}
    for name, (headings, *rows) in tables.items():
        with files[name].open(newline="") as stream:
            first, *lines = csv.reader(stream)
        assert len(lines) == len(rows) and len(first) >= len(headings)
        for row, line in zip(rows, lines, strict=True):
            numbers = [number for cell in row for number in re.findall(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w.])", cell)]
            for number in numbers:
                decimals = len(number.partition(".")[2])
                assert any(_rounded(cell, decimals) == number for cell in line) or number in " ".join(line), (
                    name,
                    number,
                )
            words = [cell for cell in row if not re.search(r"\d", cell) and cell != "–"]
            assert set(words) <= set(line)
    dice = json.loads((page.parents[1] / "metrics/round_1.json").read_text())["VS"]["dice"]
    with files["rounds"].open(newline="") as stream:
        found = next(line for line in csv.DictReader(stream) if line["round"] == "round_1")
    assert (float(found["dice"]), float(found["dice_sd"])) == (dice["mean"], dice["sd"])


def _rounded(cell, decimals):
    try:
        return f"{float(cell):.{decimals}f}"
    except ValueError:
        return None


def test_what_is_doubtful_stands_among_the_warnings(tiny, page):
    _, *lines = tables_of(page.read_text())["warnings"]
    with (tiny.folder / "data/pseudo_labelled/round_1/pseudo_labels.csv").open() as stream:
        doubts = [
            (row["case"], doubt) for row in csv.DictReader(stream) for doubt in row["doubts"].split("; ") if doubt
        ]
    assert len(doubts) > 3
    assert all(any(line[0] == case and doubt in line[2] for line in lines) for case, doubt in doubts)
    low = [case.case for case in held_out(tiny)]  # a network of four steps
    assert all(any(line[0] == case and "under 0.4" in line[2] for line in lines) for case in low)


def test_tables_of_a_run_before_go_and_files_of_others_stay(tiny, page):
    folder = page.with_name("index_tables")
    (folder / "mine.csv").write_text("a\n")
    (folder / "old.csv").write_text("b\n")
    page.write_text(page.read_text() + '<p class="file"><a href="index_tables/old.csv">old.csv</a></p>')
    tiny.call("report")
    assert (folder / "mine.csv").is_file() and not (folder / "old.csv").exists()
    (folder / "mine.csv").unlink()


def test_git_takes_nothing_of_it_and_a_page_that_it_would_take_is_warned_of(tiny, page):
    listed = tiny.run("git", "status", "--porcelain", "--untracked-files=all")
    assert page.is_file() and "report" not in listed
    assert "git would take it" not in tiny.call("report")
    assert "WARNING: mine.html holds scans, and git would take it" in tiny.call("report", "--out", "mine.html")
    (tiny.folder / "mine.html").unlink()
    shutil.rmtree(tiny.folder / "mine_tables")


@pytest.fixture(scope="module")
def window(page, tmp_path_factory):
    """The page, opened as a file where there is no network."""
    if missing := browsers.missing():
        pytest.skip(f"the page is not tested in a browser: no {missing}")
    with browsers.browser(tmp_path_factory.mktemp("browser"), arguments=NO_NETWORK) as found:
        found.open("about:blank")
        found.requests()  # its own, for the page that it begins with
        found.open(page.as_uri())
        yield found


def opened(window, row):
    """Open a row, 0 the first, and wait until it is drawn."""
    view = window.run(
        f"const row = document.querySelectorAll('tr[data-view]')[{row}]; row.scrollIntoView();"
        "row.querySelector('button').id = 'wanted'; return row.dataset.view"
    )
    window.click("#wanted")
    window.run("document.querySelector('#wanted').id = ''")
    window.wait(f"document.body.dataset.shown === '{view} 1 both'", "the row's scan is drawn")


def pixels(window):
    """The canvas (Y, X, RGB) as it is drawn."""
    width, height, content = window.run(
        "const c = document.querySelector('#view canvas'), d = document.createElement('canvas');"
        "[d.width, d.height] = [c.width, c.height]; const g = d.getContext('2d');"
        "c.viewer.draw(); g.drawImage(c, 0, 0);"
        "const all = g.getImageData(0, 0, d.width, d.height).data; let s = '';"
        "for (let i = 0; i < all.length; i += 8192) s += String.fromCharCode(...all.subarray(i, i + 8192));"
        "return [d.width, d.height, btoa(s)]"
    )
    return np.frombuffer(base64.b64decode(content), np.uint8).reshape(height, width, 4)[..., :3].astype(int)


def blue_and_orange(window):
    """How many pixels are a mask's: of the reference alone, of the prediction alone."""
    red, _, blue = np.moveaxis(pixels(window), -1, 0)
    return int((blue - red > 40).sum()), int((red - blue > 60).sum())


def test_a_row_opens_to_the_scan_with_both_masks_and_nothing_is_asked_of_a_network(window):
    assert window.run("return document.querySelectorAll('canvas').length") == 0  # nothing is unpacked before
    opened(window, 0)
    assert [said for said in window.complaints() if "GL Driver Message" not in said] == []
    drawn = pixels(window)
    assert drawn.shape[0] > 300 and drawn.shape[1] > 600
    left, right = drawn[:, : drawn.shape[1] // 2, 0], drawn[:, 2 * drawn.shape[1] // 3 :, 0]
    assert (left > 60).mean() > 0.2 and (right > 60).mean() > 0.1
    assert min(blue_and_orange(window)) > 30
    assert "voxels of" in window.text("#view [role=status]")
    asked = window.requests()
    assert any(address.startswith("file:") for address in asked)
    assert [address for address in asked if not address.startswith(("file:", "blob:", "data:"))] == []


def test_one_mask_the_other_or_none_and_the_slices(window):
    opened(window, 1)
    both = blue_and_orange(window)
    for mode, wanted in (("reference", (True, False)), ("prediction", (False, True)), ("none", (False, False))):
        window.click(f"#view [data-mode={mode}]")
        window.wait(f"document.body.dataset.shown.endsWith(' {mode}')")
        found = blue_and_orange(window)
        assert tuple(count > 30 for count in found) == wanted, (mode, found, both)
    window.click("#view [data-mode=both]")
    window.wait("document.body.dataset.shown.endsWith(' both')")
    assert blue_and_orange(window) == both
    where = window.run("return document.querySelector('#view canvas').viewer.slice")
    window.run("document.querySelector('#view canvas').focus()")
    window.press("ArrowUp")
    assert window.run("return document.querySelector('#view canvas').viewer.slice") == where + 1


def test_rows_take_turns_and_close(window):
    opened(window, 0)
    opened(window, 1)
    assert window.run("return document.querySelectorAll('tr.open').length") == 1
    assert (
        window.run("return document.querySelector('#below').previousElementSibling.rowIndex") == 2
    )  # below the headings
    window.click("#table-cases tr.open button")
    assert window.run("return document.querySelectorAll('tr.open, #below').length") == 0
    opened(window, 1)
    assert pixels(window).max() > 100
