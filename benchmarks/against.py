"""A whole command of this commit in turns with the same one of another commit: wall time and memory.

    python benchmarks/against.py run --baseline b80d224 --bar 2.5
    python benchmarks/against.py run --baseline b80d224 --bar 2.86 --avx2
    python benchmarks/against.py test --baseline b80d224 --bar 2
    python benchmarks/against.py arm --gliomas FOLDER --baseline b80d224 --bar 2

Each commit has a clone and an environment of its own, which `make` installs beforehand; before every turn all else is
removed from the clone. Nothing else should run on the machine. Memory is the largest sum of what the command's
processes have to themselves and their parts of what they share, asked every two seconds. Writes
benchmarks/results/against_*.json.

`arm` is `dvc repro` of preset lgg, arm naive without translation, on the set of docs/results.md.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import click
import psutil
from harness import Figure, Table, commit, in_turns, publish

ROOT = Path(__file__).parents[1]
# As any machine can be told to be one of the many without bfloat16.
_AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2"}


class Tree:
    """A commit's clone, with its environment."""

    def __init__(
        self, folder: Path, revision: str, target: str, environment: dict[str, str], gliomas: Path | None
    ) -> None:
        self._folder, self._gliomas = folder, gliomas
        self._command = ["dvc", "repro"] if target == "arm" else ["make", target]
        # Its own Python and virtual environment: neither of whoever runs this is in the way.
        kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
        path = f"{folder / '.venv/bin'}{os.pathsep}{os.environ['PATH']}"
        self._environment = {**kept, **environment, "PATH": path}
        self.peak = 0
        self.stages: dict[str, float] = {}  # seconds in the last turn
        _run(["git", "clone", "-q", str(ROOT), str(folder)], ROOT)
        _run(["git", "checkout", "-q", "--detach", revision], folder)
        _run(["make", ".venv/installed", f"PYTHON={sys.executable}"], folder, kept)

    def turn(self) -> None:
        """The command, from nothing."""
        _run(["git", "reset", "-q", "--hard"], self._folder)
        _run(["git", "clean", "-qxfd", "--exclude=/.venv"], self._folder)
        if self._gliomas is not None:
            self._use_gliomas(self._gliomas)
        with (self._folder / "said.log").open("wb") as said:
            process = subprocess.Popen(
                self._command, cwd=self._folder, env=self._environment, stdout=said, stderr=said,
                start_new_session=True,
            )  # fmt: skip
            while process.poll() is None:
                self.peak = max(self.peak, _memory(process.pid))
                with suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=2.0)
        ledger = self._folder / "logs" / "stages.jsonl"
        if ledger.is_file():
            lines = [json.loads(line) for line in ledger.read_text(encoding="utf-8").splitlines()]
            self.stages = {line["stage"]: round(line["seconds"], 1) for line in lines}
        if process.returncode:
            text = (self._folder / "said.log").read_text(encoding="utf-8", errors="replace")
            raise click.ClickException(f"{' '.join(self._command)} in {self._folder} failed:\n{text[-2000:]}")

    def _use_gliomas(self, gliomas: Path) -> None:
        shutil.copytree(gliomas, self._folder / "data" / "raw" / "lgg")
        _run(["gbaseg", "preset", "lgg"], self._folder, self._environment)
        path = self._folder / "params.yaml"
        text = path.read_text(encoding="utf-8")
        for old, new in (("  mode: cyclegan", "  mode: none"), ("  arm: gba", "  arm: naive")):
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        path.write_text(text, encoding="utf-8")


def _memory(session: int) -> int:
    """Bytes of all processes of a session: proportional set sizes.

    Not of the children alone: what stages are forked from is nobody's child any more.
    """
    total = 0
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied, ProcessLookupError):
            if os.getsid(process.pid) == session:
                total += process.memory_full_info().pss
    return total


def _run(command: list[str], folder: Path, environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise click.ClickException(f"{' '.join(command)}: {done.stdout[-1500:]}{done.stderr[-1500:]}")


@click.command(help=__doc__)
@click.argument("target", type=click.Choice(["run", "test", "check", "arm"]))
@click.option("--baseline", required=True, help="A commit.")
@click.option("--turns", default=1, show_default=True, type=click.IntRange(min=1))
@click.option("--bar", type=float, help="The least ratio aimed at.")
@click.option("--avx2", is_flag=True, help="Without AVX512 and bfloat16.")
@click.option("--gliomas", type=click.Path(exists=True, file_okay=False, path_type=Path), help="The set of target arm.")
def main(target: str, baseline: str, turns: int, bar: float | None, avx2: bool, gliomas: Path | None) -> None:
    if (target == "arm") != (gliomas is not None):
        raise click.UsageError("--gliomas FOLDER goes with target arm, and it alone")
    folder = Path(tempfile.mkdtemp(prefix="against-"))
    environment = _AVX2 if avx2 else {}
    command = "an arm of preset lgg" if target == "arm" else f"make {target}"
    what = f"{command} after installation{', ONEDNN_MAX_CPU_ISA=AVX2' if avx2 else ''}"
    try:
        ours = Tree(folder / "ours", commit().rstrip("+"), target, environment, gliomas)
        theirs = Tree(folder / "theirs", baseline, target, environment, gliomas)
        started = time.monotonic()
        figure = in_turns(what, ours.turn, theirs.turn, turns, f"commit {baseline}", bar)
        click.echo(f"all turns: {time.monotonic() - started:.0f} s")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    gib = 2**30
    memory = Figure(
        f"{what}: most memory", ours.peak / gib, theirs.peak / gib, "GiB", f"commit {baseline}",
        theirs.peak / max(ours.peak, 1), turns, bar=1.0 if target == "run" else None,
    )  # fmt: skip
    publish(
        f"against_{target}{'_avx2' if avx2 else ''}", [figure, memory], _where_the_time_goes(ours, theirs, baseline)
    )


def _where_the_time_goes(ours: Tree, theirs: Tree, baseline: str) -> Table | None:
    """Of a run: seconds of each stage by either's own ledger."""
    if not ours.stages:
        return None
    names = [*ours.stages, *(name for name in theirs.stages if name not in ours.stages)]
    rows: list[list[str | float]] = [[name, *(tree.stages.get(name, "") for tree in (ours, theirs))] for name in names]
    rows.append(["all", *(round(sum(tree.stages.values()), 1) for tree in (ours, theirs))])
    return Table(["seconds in stage", "now", baseline], rows)


if __name__ == "__main__":
    main()
