"""docs/performance.md from benchmarks/results/*.json.

python benchmarks/table.py
"""

import json
from collections.abc import Sequence
from pathlib import Path

from harness import RESULTS, Figure

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
INTRODUCTION = """# Performance

Made of `benchmarks/results/` by `python benchmarks/table.py`; do not edit. `make bench` measures most of it anew, each
heading's command that part alone. Every line is a ratio to a baseline that ran in turns with it (median over turns; a
line against `allowed` or `wall time` has none): above 1 is faster. A bar is the least ratio aimed at. How long a whole
run takes: `gbaseg cost`.

On a GPU these commands measure the networks at the paper's size (below with fewer iterations, mostly start-up):

```
python benchmarks/singan.py --size 256 --iterations 100 --turns 1 --bar 10
python benchmarks/singan.py --size 256 --iterations 2000 --minutes 10 4
python benchmarks/cyclegan.py --size 256 --width 64 --blocks 9 --batch 1 --steps 200
```
"""


def page() -> str:
    """The whole page."""
    parts = [INTRODUCTION]
    for path in sorted(RESULTS.glob("*.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        figures = [Figure(**figure) for figure in result["figures"]]
        parts.append(
            f"## `python benchmarks/{result['script']}`\n\n"
            f"{result['machine']}; torch {result['versions']['torch']}, nnU-Net {result['versions']['nnunetv2']}; "
            f"commit {result['commit']}, {result['finished'][:10]}.\n\n"
            "| what | ours | baseline | ratio | bar | turns |\n|---|---|---|---|---|---|\n"
            + "".join(map(_row, figures))
        )
        if "table" in result:
            parts.append(_table(**result["table"]))
        parts += [f"- {figure.what}: {figure.note}\n" for figure in figures if figure.note]
    return "\n".join(parts)


def _row(figure: Figure) -> str:
    bar = "" if figure.bar is None else f"{figure.bar:g}: {'reached' if figure.reached else '**not reached**'}"
    return (
        f"| {figure.what} | {figure.value:.3g} {figure.unit} | {figure.against}: {figure.baseline:.3g} {figure.unit} "
        f"| **{figure.ratio:.3g}** | {bar} | {figure.turns} |\n"
    )


def _table(columns: list[str], rows: list[list[str | float]]) -> str:
    lines: list[Sequence[object]] = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
