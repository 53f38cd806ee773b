"""The page in a browser, with keys and clicks as a person's. Phantom scans alone: the picture goes into the docs."""

import base64
import importlib.util
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from gbaseg import volume
from gbaseg.commands.review import make_session
from gbaseg.params import load
from gbaseg.review.decisions import read_decisions
from gbaseg.volume import write
from gbaseg.workflow import layout


def module_of(name):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


browsers, helpers = module_of("browser"), module_of("conftest")
MISSING = browsers.missing()
pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(bool(MISSING), reason=f"the page is not tested in a browser: no {MISSING}"),
]
PICTURE = Path(__file__).parents[2] / "docs/images/review.png"
SAVED = "document.body.dataset.waiting === '0'"
SHOWN = "document.body.dataset.shown === document.querySelector('#case').textContent"


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    """The folder of a round with twelve cases; tests change nothing but decisions, each from none."""
    folder = tmp_path_factory.mktemp("phantom")
    before = os.getcwd()
    os.chdir(folder)
    try:
        helpers.write_phantom_round(12)
    finally:
        os.chdir(before)
    return folder


@pytest.fixture(scope="module")
def window(tmp_path_factory):
    # Small: the processor draws.
    with browsers.browser(tmp_path_factory.mktemp("browser"), 900, 600, noted=False) as found:
        yield found


@pytest.fixture
def page(phantom, window, monkeypatch):
    """The page, with the first case shown."""
    monkeypatch.chdir(phantom)
    layout.REVIEW.unlink(missing_ok=True)
    with helpers.serving(make_session(load(), "round_0")) as asked:
        window.asked = asked
        window.open(asked.server.url)
        window.wait(f"document.body && {SHOWN}", "the first case is shown")
        yield window
        window.open("about:blank")


def decided():
    return {case: one.kind for case, one in read_decisions(layout.REVIEW).of("round_0").items()}


def names(page):
    return page.run("return [...document.querySelectorAll('.case b')].map((one) => one.textContent)")


def current(page):
    return page.text("[aria-current=true] b")


def pixels(page):
    """The canvas (Y, X, RGBA) as it is drawn."""
    width, height, content = page.run(
        "const c = document.querySelector('#view'), d = document.createElement('canvas');"
        "[d.width, d.height] = [c.width, c.height]; const g = d.getContext('2d');"
        "c.viewer.draw(); g.drawImage(c, 0, 0);"
        "const all = g.getImageData(0, 0, d.width, d.height).data; let s = '';"
        "for (let i = 0; i < all.length; i += 8192) s += String.fromCharCode(...all.subarray(i, i + 8192));"
        "return [d.width, d.height, btoa(s)]"
    )
    return np.frombuffer(base64.b64decode(content), np.uint8).reshape(height, width, 4).astype(int)


def coloured(page):
    """How many pixels of the canvas are no grey: the mask's."""
    drawn = pixels(page)
    return int((drawn[..., 0] - drawn[..., 2] > 40).sum())


def test_the_address_loses_its_key_and_the_cases_are_there_the_most_doubtful_first(page):
    assert page.run("return location.search") == ""
    assert names(page) == [item.case for item in page.asked.server.session.items]
    assert page.text("#round") == "round_0" and page.text("#learns") == "round_1 learns from it"
    assert page.text("#count") == "0 of 12"
    assert "folds disagree" in page.text("#facts")


def test_scan_and_mask_are_drawn_in_three_planes(page):
    drawn = pixels(page)
    _, width, _ = drawn.shape
    left, right = drawn[:, : width // 2, 0], drawn[:, 2 * width // 3 :, 0]
    assert (left > 60).mean() > 0.1 and (right > 60).mean() > 0.05
    with_mask = coloured(page)
    assert with_mask > 100
    page.press("m")
    without = coloured(page)
    assert without < with_mask / 2
    page.press("m")
    assert coloured(page) == with_mask


def test_keys_decide_and_go_to_the_next_case_that_is_not_decided(page):
    order = names(page)
    page.press("a")
    assert current(page) == order[1]
    page.press("r", "a")
    page.wait(SAVED)
    assert decided() == {order[0]: "accepted", order[1]: "rejected", order[2]: "accepted"}
    assert (current(page), page.text("#count")) == (order[3], "3 of 12")
    page.press("p", "p")
    assert (current(page), page.text("#decision")) == (order[1], "rejected")
    page.press("a")
    page.wait(SAVED)
    assert decided()[order[1]] == "accepted" and current(page) == order[3]
    page.press("u")
    page.wait(f"{SAVED} && document.querySelector('#decision').textContent === 'rejected'")
    assert (decided()[order[1]], current(page)) == ("rejected", order[1])
    page.press("ArrowRight", "ArrowRight", "ArrowLeft")
    assert current(page) == order[2]
    assert page.text("#saved").startswith("all saved, revision 5")


def test_buttons_and_the_list_do_what_keys_do(page):
    order = names(page)
    page.click("[data-do=reject]")
    page.click("#cases li:nth-child(5) button")
    page.click("[data-do=accept]")
    page.click("[data-do=next]")
    page.wait(SAVED)
    assert decided() == {order[0]: "rejected", order[4]: "accepted"}
    page.click("[data-do=undo]")
    page.wait(f"{SAVED} && document.querySelector('#count').textContent === '1 of 12'")
    assert decided() == {order[0]: "rejected"}


def test_a_thousand_key_presses_lose_none(page):
    order = names(page)
    page.press(*["a", "r"] * 500)
    page.wait(SAVED, seconds=120)
    # Each of the first goes to the next case; at the last one there is none, and each press changes it.
    found = read_decisions(layout.REVIEW)
    assert found.revision == 1000
    assert {case: one.kind for case, one in found.of("round_0").items()} == {
        case: "rejected" if number % 2 or number == 11 else "accepted" for number, case in enumerate(order)
    }
    assert page.text("#saved") == "all saved, revision 1000"
    assert page.text("#count") == "12 of 12"


def test_slices_window_and_opacity_follow_wheel_keys_and_mouse(page):
    def slice_():
        return page.run("return document.querySelector('#view').viewer.slice")

    z = slice_()
    page.press("ArrowUp", "ArrowUp")
    assert slice_() == z + 2
    page.press("ArrowDown")
    assert slice_() == z + 1
    page.wheel("#view", 100)
    assert slice_() != z + 1
    before = page.text("#window")
    page.press("]", "]")
    brighter = page.text("#window")
    assert brighter != before
    page.press("w")
    assert page.text("#window") == before
    box = page.run("const b = document.querySelector('#view').getBoundingClientRect(); return [b.x, b.y]")
    start = (int(box[0]) + 150, int(box[1]) + 150)
    page.drag(start, (start[0] + 90, start[1] + 40), button=2)
    assert page.text("#window") != before
    strong = coloured(page)
    page.press(*["-"] * 9)
    assert page.run("return document.querySelector('#opacity').value") == "0"
    assert coloured(page) < strong


def test_a_decision_in_another_tab_is_not_overwritten(page):
    order, asked = names(page), page.asked
    mark = asked.ask("/api/state")[1]["mark"]
    asked.ask("/api/decide", case=order[3], decision="rejected", mark=mark)
    page.press("a")
    page.wait("!document.querySelector('#message').hidden")
    assert order[0] in page.text("#message")
    page.wait("document.querySelector('#count').textContent === '1 of 12'")
    assert decided() == {order[3]: "rejected"}
    assert current(page) == order[0]
    page.press("a")
    page.wait(f"{SAVED} && document.querySelector('#count').textContent === '2 of 12'")
    assert decided() == {order[3]: "rejected", order[0]: "accepted"}


def test_a_file_that_git_has_left_with_conflicts_is_said_and_not_written_over(page):
    page.press("a")
    page.wait(SAVED)
    torn = f"<<<<<<< HEAD\n{layout.REVIEW.read_text()}"
    layout.REVIEW.write_text(torn)
    page.press("r")
    page.wait("document.querySelector('#message').textContent.includes('not valid YAML')")
    assert layout.REVIEW.read_text() == torn
    page.open(f"http://127.0.0.1:{page.asked.server.port}/")
    page.wait("document.querySelector('#message')?.textContent.includes('not valid YAML')")


def test_a_mask_comes_back_from_elsewhere_and_is_shown(page):
    name = names(page)[0]
    page.press("e")
    page.wait("document.querySelector('#edit').open")
    copy = Path(page.text("#edit-mask"))
    assert page.text("#edit-command").startswith("itksnap -g ")
    page.press("t")
    page.wait("!document.querySelector('#edit-error').hidden")
    assert "as it was put there" in page.text("#edit-error")
    mask = volume.read(copy)
    write(mask.with_array(np.where(mask.array > 0, 5, 0).astype(np.uint8)), copy)
    page.click("[data-do=take]")
    page.wait("document.querySelector('#edit-error').textContent.includes('value(s) 5')")
    before = coloured(page)
    larger = mask.array | np.roll(mask.array, 12, axis=1) | np.roll(mask.array, -12, axis=2)
    write(mask.with_array(larger), copy)
    page.press("t")
    page.wait("!document.querySelector('#edit').open")
    page.wait(f"{SAVED} && {SHOWN}")
    assert decided() == {name: "corrected"}
    assert page.text("#decision") == "corrected" and current(page) == name
    assert coloured(page) > before
    copy.unlink()


def test_a_server_that_is_gone_is_said_and_nothing_is_shown_as_saved(page):
    page.asked.server.shutdown()
    page.asked.server.socket.close()
    # Connections that are open go with the server's process; here with their threads.
    page.run("window.fetch = () => Promise.reject(new TypeError('gone'))")
    page.press("a", "r")
    page.wait("document.querySelector('#message').textContent.includes('Not saved')")
    first = names(page)[0]
    assert first in page.text("#message")
    assert page.text("#cases li em") == "not saved" and page.text("#count") == "0 of 12"
    # The second case's scan is not there: what is drawn is the first one's, and faint.
    assert page.run("return document.querySelector('#view').className") == "other"
    assert page.text("#saved") == "not connected"
    assert not layout.REVIEW.exists()


def test_the_picture_of_the_docs(page):
    """Written anew with REVIEW_PICTURE=1."""
    page.resize(1440, 900)
    page.press("a", "r", "a")
    page.wait(SAVED)
    page.wait(SHOWN)
    page.wait("document.querySelector('#message').hidden")
    picture = page.picture()
    assert picture.startswith(b"\x89PNG") and struct.unpack(">II", picture[16:24])[0] > 1000
    assert len(zlib.compress(picture)) > 20_000  # no empty page
    if os.environ.get("REVIEW_PICTURE"):
        PICTURE.write_bytes(picture)
    assert PICTURE.is_file()
