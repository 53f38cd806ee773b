"""Kill stages at random moments, let them go on, and compare with an uninterrupted run. By hand:

    python tests/faults/kills.py --moments 10                       # an hour or two: every stage of a tiny project
    python tests/faults/kills.py --moments 2 --stages survey,augment --project FOLDER

Each time `dvc repro` of one stage is started anew, without what the store keeps; kill -9 of its whole tree at a moment
drawn from the time that the stage takes; the same command again. Lost: it fails then. Stale: DVC takes for done what is
not what an uninterrupted run wrote (`dvc.lock` has the hash of every output, weights and metrics among them). Torn:
a file of DVC's own, dvc.lock or .dvc/tmp/rwlock, was being written; it is mended as `gbaseg run` does it first.
"""

from __future__ import annotations

import argparse
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from ruamel.yaml import YAML

TESTS = Path(__file__).parents[1]


def module_of(path: Path) -> ModuleType:
    """A file of the tests, which are no package."""
    spec = spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


processes = module_of(TESTS / "faults" / "processes.py")


class Trial:
    """A project that has run without interruption, and what its stages wrote."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.reference = self.outputs()
        self.counts = {"kills": 0, "went on": 0, "lost": 0, "stale": 0, "torn": 0, "processes left": 0}
        self.faults: list[str] = []

    def outputs(self) -> dict[str, Any]:
        """Hashes of the outputs of each stage, as DVC notes them."""
        lock = YAML(typ="safe").load((self.folder / "dvc.lock").read_text())["stages"]
        return {name: {out["path"]: out["md5"] for out in stage["outs"]} for name, stage in lock.items()}

    def repro(self, stage: str, *options: str) -> list[str]:
        # Not from DVC's cache of runs: the stage itself shall do it. The option alone leaves a way to it.
        shutil.rmtree(self.folder / ".dvc/cache/runs", ignore_errors=True)
        return ["dvc", "repro", "--no-run-cache", "-s", *options, stage]

    def seconds(self, stage: str) -> float:
        """What an uninterrupted `dvc repro` of this stage takes, the store empty."""
        self.forget()
        started = time.monotonic()
        self.run(self.repro(stage, "-f"))
        return time.monotonic() - started

    def forget(self) -> None:
        """All work of earlier runs; not the copy of dvc.lock, of which a kill before its stage begins has need."""
        for path in (self.folder / ".scratch").glob("*"):
            if path.is_dir():
                shutil.rmtree(path)
            elif path.suffix == ".lock":
                path.unlink()

    def mend(self) -> None:
        """As `gbaseg run` does before it runs DVC."""
        said = "from gbaseg.commands.torn import mend; from dvc.repo import Repo; mend(Repo())"
        self.counts["torn"] += "torn" in self.run([sys.executable, "-c", said])

    def run(self, command: Sequence[str]) -> str:
        """What is said; it must succeed."""
        done = subprocess.run(
            command, cwd=self.folder, env=processes.environment(""), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stdout[-1500:]}{done.stderr[-1500:]}")
        return done.stdout + done.stderr

    def kill(self, stage: str, after_s: float) -> bool:
        """One kill, and what becomes of the stage; false where it had ended before."""
        self.forget()
        mark = uuid.uuid4().hex
        process = processes.start(self.repro(stage, "-f"), self.folder, mark)
        time.sleep(after_s)
        was_done = process.poll() is not None
        processes.kill_all(mark)
        process.communicate()
        self.counts["kills"] += not was_done
        self.counts["processes left"] += len(processes.family_of(mark))
        about = f"{stage} killed after {after_s:.1f} s"
        work = [path.name for path in (self.folder / ".scratch").glob("*/work/*")]
        try:
            self.mend()
            # With -f again: DVC would else put back what its cache has of an earlier run, and the stage do nothing.
            self.run(self.repro(stage, "-f"))
        except RuntimeError as error:
            self.counts["lost"] += 1
            self.faults.append(f"{about}: {error}")
            print(f"LOST {self.faults[-1]}", flush=True)
            return not was_done
        self.counts["went on"] += 1
        changed = {path: md5 for path, md5 in self.outputs()[stage].items() if self.reference[stage].get(path) != md5}
        if changed:
            self.counts["stale"] += 1
            self.faults.append(f"{about}: other outputs: {', '.join(changed)}")
        if left := left_behind(self.folder / ".scratch", stage):
            self.faults.append(f"{about}: left in .scratch: {', '.join(left)}")
        print(f"{about}{' (it was done)' if was_done else ''}, work found: {len(work)}; {self.counts}", flush=True)
        return not was_done


def left_behind(scratch: Path, stage: str) -> list[str]:
    """What lies in a scratch folder and should not, after a stage of this name in dvc.lock has ended.

    Its own finished work stays until a later stage finds it in DVC's cache; of other stages nothing does.
    """
    # DVC calls the first round `train_segmentation@round0`, its folder is that of `train_segmentation/round_0`.
    named = re.sub(r"@round_?(\d+)$", r"_round_\1", stage)
    finished = re.compile(rf"finished-{re.escape(named)}-[0-9a-f]+")
    found = sorted(path.name for path in scratch.glob("*") if path.name not in ("store", "dvc_lock.yaml"))
    return [name for name in found if not finished.fullmatch(name)]


def tiny_project(folder: Path) -> Path:
    """The tiny preset, run from nothing to its end."""
    pipeline = module_of(TESTS / "pipeline" / "conftest.py")
    folder.mkdir(parents=True)
    project = pipeline.write_project(folder, "tiny", {})
    project.commit()
    project.run("dvc", "repro")
    return folder


def main() -> None:
    """Print a line a kill, the counts, and every fault; exit 1 where there is one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--moments", type=int, default=10, help="kills of each stage")
    parser.add_argument("--stages", default="", help="names as in dvc.lock, by commas; default: all")
    parser.add_argument("--project", type=Path, help="one that has run; default: a tiny one is made")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    draw = random.Random(asked.seed)
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(asked.project or tiny_project(Path(folder) / "project"))
        for stage in asked.stages.split(",") if asked.stages else list(trial.reference):
            seconds = trial.seconds(stage)
            print(f"{stage}: {seconds:.1f} s", flush=True)
            kills, tries = 0, 0
            # Not every run takes as long as the first: a moment after its end is drawn again.
            while kills < asked.moments and tries < 3 * asked.moments:
                kills += trial.kill(stage, draw.uniform(0.0, seconds))
                tries += 1
            if kills < asked.moments:
                trial.faults.append(f"{stage}: {kills} kills of {asked.moments} asked for")
        print(trial.counts)
        whole = trial.outputs() == trial.reference
        print("all outputs equal to the uninterrupted run's" if whole else "OUTPUTS DIFFER")
        print("\n".join(trial.faults))
        sys.exit(bool(trial.faults) or not whole)


if __name__ == "__main__":
    main()
