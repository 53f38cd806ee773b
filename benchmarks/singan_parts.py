"""SinGAN, scale by scale: what an iteration takes in mode fast and mode reference, and in mode fast of another tree.

    python benchmarks/singan_parts.py --size 64
    mkdir -p .gpu/other && git archive BRANCH src | tar -xC .gpu/other
    PYTHONPATH=src python benchmarks/singan_parts.py --baseline .gpu/other/src --models 4 --seconds 40

Each way has a process of its own; all of them go through a scale in turns. It needs neither git nor network. Numbers
are the paper's (K = 16 at 256 x 256, 7 at 64 x 64); scales below a measured one may be untrained, which takes the same
time. On a GPU time is the clock's; a way that cannot be recorded there (`runtime/graphs.py`) says so and is measured
without. On a CPU each process has one thread, and its processor time counts, which neighbours disturb least. Left out
is what comes once a scale: start, recording. Writes benchmarks/results/singan_parts_*.json: the sums.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from harness import Figure, publish

HERE = Path(__file__).parent.parent / "src"
# Of a scale in the paper.
ITERATIONS = 2000


@dataclass
class Way:
    """One way to train, with the process that does."""

    name: str
    source: Path
    mode: str
    models: int = 1
    recorded: bool = True
    process: Any = None
    found: dict[int, list[dict[str, float]]] = field(default_factory=dict)

    def start(self, about: dict[str, Any], scales: list[int]) -> None:
        asked = {"mode": self.mode, "models": self.models, "recorded": self.recorded, "scales": scales, **about}
        path = os.pathsep.join([str(self.source.resolve()), *filter(None, [os.environ.get("PYTHONPATH")])])
        self.process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("singan_scales.py"), json.dumps(asked)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip

    def measure(self) -> dict[str, Any]:
        """The next scale; where the process came to an end, `failed`."""
        with suppress(BrokenPipeError):  # of one that has ended; what it said is read below
            print("go", file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        return json.loads(line) if line else {"failed": f"its process ended with {self.process.wait()}"}

    def milliseconds(self, scale: int) -> float:
        """An iteration of a model, median over turns."""
        return 1e3 * statistics.median(one["seconds"] for one in self.found[scale])


def go_through(ways: list[Way], about: dict[str, Any], scales: list[int]) -> list[dict[str, Any]]:
    """All scales once; what is said of each scale."""
    for way in ways:
        way.start(about, scales)
    said = []
    for place, scale in enumerate(scales):
        # The order changes, so that none is always the first.
        for way in ways[place % len(ways) :] + ways[: place % len(ways)]:
            found = way.measure()
            if "failed" in found and way.recorded and way.mode == "fast":
                click.echo(f"{way.name}: measured without a recording, since {found['failed']}")
                way.recorded, way.name = False, f"{way.name}, not recorded"
                way.start(about, scales[place:])
                found = way.measure()
            if "failed" in found:
                raise click.ClickException(f"{way.name}, scale {scale}: {found['failed']}")
            assert found["scale"] == scale
            way.found.setdefault(scale, []).append(found)
        said.append(found)
        click.echo(
            f"scale {scale:2}: {found['height']} px, {found['channels']} channels: "
            + ", ".join(f"{way.name} {1e3 * way.found[scale][-1]['seconds']:.4g} ms" for way in ways)
        )
    for way in ways:
        way.process.stdin.close()
        way.process.wait()
    return said


def lines(source: Path) -> int:
    """Of the code of SinGAN."""
    return sum(
        len(path.read_text(encoding="utf-8").splitlines()) for path in source.glob("gbaseg/augmentation/singan/*.py")
    )


def table(ways: list[Way], scales: list[dict[str, Any]]) -> str:
    """Per scale, in the first way's terms."""
    first = ways[0]
    rows = [
        f"| scale | px | channels | {' | '.join(f'{way.name}, ms' for way in ways)} |",
        "|---" * (3 + len(ways)) + "|",
    ]
    for one in scales:
        own = first.milliseconds(one["scale"])
        cells = [f"{way.milliseconds(one['scale']):.4g} ({way.milliseconds(one['scale']) / own:.2f})" for way in ways]
        rows.append(f"| {one['scale']} | {one['height']} | {one['channels']} | {' | '.join(cells)} |")
    totals = [sum(way.milliseconds(one["scale"]) for one in scales) for way in ways]
    each = " | ".join(f"{total:.4g} ({total / totals[0]:.2f})" for total in totals)
    minutes = " | ".join(f"{total * ITERATIONS / 60e3:.3g}" for total in totals)
    peaks = " | ".join(f"{max(f['gib'] for found in way.found.values() for f in found):.2f}" for way in ways)
    rows += [
        f"| sum | | | {each} |", f"| minutes for {ITERATIONS} iterations a scale | | | {minutes} |",
        f"| most memory of a process, GiB | | | {peaks} |",
        f"| lines in augmentation/singan | | | {' | '.join(str(lines(way.source)) for way in ways)} |",
    ]  # fmt: skip
    return "\n".join(rows)


@click.command(help=__doc__)
@click.option("--size", default=256, show_default=True, help="Pixels a side.")
@click.option("--scales", "wanted", default="", help="Measured ones, such as 0,4,8; all by default.")
@click.option("--baseline", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Another tree's src.")
@click.option("--models", default=1, show_default=True, help="Also a bank of so many; its time is for one of them.")
@click.option("--iterations", default=200, show_default=True, type=click.IntRange(min=10), help="Most a scale.")
@click.option("--seconds", default=60.0, show_default=True, help="Of measuring; a scale gets its part of it.")
@click.option("--turns", default=1, show_default=True, type=click.IntRange(min=1))
@click.option("--no-reference", is_flag=True, help="Without mode reference.")
def main(
    size: int, wanted: str, baseline: Path | None, models: int, iterations: int, seconds: float, turns: int,
    no_reference: bool,
) -> None:  # fmt: skip
    from gbaseg.augmentation.singan.pyramid import make_pyramid
    from gbaseg.runtime.device import choose_device, has_bfloat16

    started, device = time.monotonic(), choose_device().type
    last = make_pyramid((size, size)).last_scale
    scales = sorted(int(part) for part in wanted.split(",")) if wanted else list(range(last + 1))
    if not set(scales) <= set(range(last + 1)):
        raise click.BadParameter(f"{wanted}: the scales are 0 to {last}", param_hint="--scales")
    ways = [Way("fast", HERE, "fast")]
    if baseline is not None:
        ways.append(Way(f"fast of {baseline}", baseline, "fast"))
    if models > 1:
        ways.append(Way(f"fast, one of {models} in a bank", HERE, "fast", models))
    if not no_reference:
        ways.append(Way("reference", HERE, "reference"))
    part = seconds / (turns * len(scales) * len(ways))
    about = {"size": size, "iterations": iterations, "seconds": part}
    for _ in range(turns):
        said = go_through(ways, about, scales)
    click.echo(f"\n{table(ways, said)}\n\n{time.monotonic() - started:.0f} s in all, {turns} turns")
    totals = [sum(way.milliseconds(scale) for scale in scales) / 1e3 for way in ways]
    which = "all scales" if len(scales) == last + 1 else f"scales {wanted}"
    what = f"SinGAN, mode fast, {size} x {size}, an iteration of {which}, {device}"
    figures = [
        Figure(what, totals[0], total, "s", way.name, total / totals[0], turns)
        for way, total in zip(ways[1:], totals[1:], strict=True)
    ]
    if figures:
        kind = device if device != "cpu" else "bfloat16" if has_bfloat16() else "float32"
        publish(f"singan_parts_{kind}_{size}", figures)


if __name__ == "__main__":
    main()
