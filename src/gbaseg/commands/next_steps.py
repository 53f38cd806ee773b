"""Three things to do next, by what there is: what `show` ends with."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from gbaseg.git import GitRefuses, check_repository, git
from gbaseg.params import Params
from gbaseg.workflow import layout
from gbaseg.workflow.roots import is_default

REPORT = Path("report/index.html")
_STEPS = 3


def next_steps(settings: Params, complete: bool, scored: bool) -> list[str]:
    """A line each: what can be done, and the command for it.

    Args:
        settings: of this folder.
        complete: all rounds are there, and are of this run.
        scored: there are labels of the target.
    """
    steps = list(islice(_steps(settings, complete, scored), _STEPS))
    width = max(len(what) for what, _ in steps)
    return [f"  {what:<{width}}  {command}" for what, command in steps]


def report_line(settings: Params) -> str:
    """Where the page about this run is, or how it comes to be."""
    newest = layout.round_metrics(settings.self_training.last)
    if not REPORT.is_file():
        return f"report: `gbaseg report` writes {REPORT}, with every held-out case"
    if REPORT.stat().st_mtime < newest.stat().st_mtime:
        return f"report: {REPORT} is older than this run; `gbaseg report` writes it anew"
    return f"report: {REPORT}"


def _steps(settings: Params, complete: bool, scored: bool) -> Iterator[tuple[str, str]]:
    """The most worth first."""
    phantom = is_default(Path(settings.dataset.root))
    if not layout.STANDARD.is_dir():
        yield "make all of it here:", "gbaseg run"
        yield "see whether this machine is fit for it:", "gbaseg doctor"
    elif not complete:
        yield "make what is not there yet:", "gbaseg run"
    else:
        yield from _compare(settings)
        if (layout.model_of(settings.self_training.last) / layout.ROUND).is_file():
            yield "segment scans of the target modality:", f"gbaseg predict {_scan(phantom)} --out masks"
        if not scored:
            yield "masks as a challenge wants them:", "gbaseg submission --out submission"
    if phantom:
        yield "your own scans:", "docs/own_data.md"
        yield "what the paper's run would take here:", "gbaseg cost --preset crossmoda2022"
    else:
        yield "what a run takes here, stage by stage:", "gbaseg cost"
        yield "what to compare before GPU hours go into it:", "docs/own_data.md"


def _compare(settings: Params) -> Iterator[tuple[str, str]]:
    """Experiments are DVC's, which wants a commit to begin from."""
    try:
        check_repository()
        others = git("for-each-ref", "--count=1", "refs/exps")
    except GitRefuses:
        return
    if others:
        yield "this run beside the experiments:", "gbaseg tables"
        return
    arm = settings.augmentation.arm
    other = "naive" if arm == "gba" else "gba"
    yield f"compare {arm} with arm {other}:", f"dvc exp run -S augmentation.arm={other} && dvc exp show --only-changed"


def _scan(phantom: bool) -> str:
    """One to try it with: of the phantom one that the training has not seen."""
    held_out = sorted((layout.GENERATED / "validation").glob("*.nii.gz")) if phantom else []
    return str(held_out[0]) if held_out else "SCAN.nii.gz"
