"""`gbaseg review` with 64 cases: until the page shows the first one, and until a key shows the next.

    python benchmarks/review.py

A phantom's round (208 x 208 x 44 voxels a scan), the server in this process, Chromium without a window or GPU on the
same machine, driven as the tests drive it. Until shown: scan and mask are drawn, a pixel was read back. Against bars in
seconds. Processor time is the browser's and the server's together; other work on the machine hardly changes it.
"""

import contextlib
import importlib.util
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click
import psutil
from harness import Figure, publish

from gbaseg.commands.review import make_session
from gbaseg.params import load

TESTS = Path(__file__).parents[1] / "tests" / "review"
CASES, PAGE_BAR_S, NEXT_BAR_S = 64, 3.0, 1.0
SHOWN = "document.body?.dataset.shown === document.querySelector('#case')?.textContent"
# A pixel of what was drawn: it is there when all before it is.
DRAWN = (
    "const nv = document.querySelector('#view').viewer.nv, gl = nv.gl, p = new Uint8Array(4);"
    "gl.readPixels(9, 9, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, p)"
)


def of_tests(name: str) -> ModuleType:
    """A module of the review's tests."""
    spec = importlib.util.spec_from_file_location(name, TESTS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def processor_s() -> float:
    """Of this process and all below it, until now."""
    this = psutil.Process()
    total = 0.0
    for process in (this, *this.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            spent = process.cpu_times()
            total += spent.user + spent.system
    return total


@contextlib.contextmanager
def timed(found: list[tuple[float, float]]) -> Iterator[None]:
    """Append (seconds, processor seconds) of a block."""
    before, started = processor_s(), time.perf_counter()
    yield
    seconds = time.perf_counter() - started
    found.append((seconds, processor_s() - before))


def figure(what: str, found: list[tuple[float, float]], bar_s: float) -> Figure:
    """Median against the bar, the worst and the processor's time beside it."""
    seconds = [one[0] for one in found]
    middle, processor = statistics.median(seconds), statistics.median(one[1] for one in found)
    outcome = "reached" if middle <= bar_s else "**not reached**"
    note = f"bar {bar_s:g} s: {outcome}; the slowest {max(seconds):.2f} s; {processor:.2f} s of a processor"
    return Figure(what, middle, bar_s, "s", "allowed", bar_s / middle, len(found), note=note)


@click.command(help=__doc__)
@click.option("--turns", default=3, show_default=True, type=click.IntRange(min=1), help="Times the page is opened.")
@click.option(
    "--steps", default=20, show_default=True, type=click.IntRange(1, CASES - 1), help="Cases after the first."
)
def main(turns: int, steps: int) -> None:
    browsers, helpers = of_tests("browser"), of_tests("conftest")
    if missing := browsers.missing():
        click.echo(f"no {missing}: the page is not timed")
        return
    pages: list[tuple[float, float]] = []
    nexts: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        helpers.write_phantom_round(CASES)
        for _ in range(turns):
            # A browser of its own each time: nothing is kept from the page before.
            with (
                tempfile.TemporaryDirectory() as profile,
                browsers.browser(Path(profile)) as window,
                helpers.serving(make_session(load(), "round_0")) as asked,
            ):
                with timed(pages):
                    window.open(asked.server.url)
                    window.wait(SHOWN, "the first case is shown")
                    window.run(DRAWN)
                for _ in range(steps):
                    time.sleep(1.0)  # a person looks; the next case is read meanwhile
                    before = json.dumps(window.text("#case"))
                    with timed(nexts):
                        window.press("n")
                        window.wait(f"document.querySelector('#case').textContent !== {before} && {SHOWN}")
                        window.run(DRAWN)
    click.echo(f"load of the machine: {os.getloadavg()[0]:.1f}")
    what = f"gbaseg review, {CASES} cases of 208 x 208 x 44"
    publish(
        "review", [figure(f"{what}: page ready", pages, PAGE_BAR_S), figure(f"{what}: next case", nexts, NEXT_BAR_S)]
    )


if __name__ == "__main__":
    main()
