"""submission: a round's masks of the held-out scans under a challenge's names, and its answer entered back."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

from gbaseg import params, volume
from gbaseg.cases import read_table, select
from gbaseg.errors import UserError
from gbaseg.runtime.progress import log
from gbaseg.runtime.scratch import atomic_outputs
from gbaseg.stages import layout
from gbaseg.stages.context import need, read_json, read_record, write_json

Split = Literal["train", "validation", "test"]
# A file of git, not of DVC: nothing computes it.
LEADERBOARD = layout.METRICS / "leaderboard.json"
_NAMES = {"crossmoda2022": "crossmoda2022_{case}_Label.nii.gz"}


@dataclass(frozen=True)
class Entry:
    """What a leaderboard said of one structure of one round."""

    round: str
    structure: str
    dice_mean: float
    dice_sd: float | None
    assd_mm_mean: float | None
    assd_mm_sd: float | None
    cases: int | None
    source: str


def run(out: Path, round_id: str | None, splits: Sequence[str], name: str | None) -> None:
    """Copy the masks of `splits` into the new folder `out`, in the scans' own geometry.

    Args:
        out: a folder that is not there yet, or empty.
        round_id: default: the last.
        splits: of the target.
        name: of the files, `{case}` in it; default: the challenge's where the data set has its layout.

    Raises:
        UserError: `out` has files, the name has no `{case}`, no cases, no masks, or a mask off its scan's grid.
    """
    settings = params.load()
    round_id = settings.self_training.round(round_id).id if round_id else settings.self_training.last
    name = name or _NAMES.get(settings.dataset.layout, "{case}.nii.gz")
    if "{case}" not in name or "/" in name:
        raise UserError(f"--name {name}: expected a file name with {{case}} in it, such as {_NAMES['crossmoda2022']}")
    if out.exists() and any(out.iterdir()):
        raise UserError(f"{out}: has files in it; name a folder that is new or empty")
    masks = layout.pseudo_labelled(round_id) / "scan"
    need([layout.STANDARD, masks])
    target = select(read_table(layout.STANDARD), domain="target")
    unknown = [split for split in splits if split not in get_args(Split)]
    if unknown:
        raise UserError(f"--splits {', '.join(unknown)}: no such split; there are: {', '.join(get_args(Split))}")
    cases = select(target, splits=splits)
    if not cases:
        known = ", ".join(sorted({case.split for case in target}))
        raise UserError(f"no target cases of split {', '.join(splits)}; this data set has: {known}")
    faults = []
    with atomic_outputs("submission", out, keep_work=False) as scratch:
        folder = scratch.output(out)
        folder.mkdir()
        for case in cases:
            mask = masks / f"{case.case}.nii.gz"
            record = read_record(layout.STANDARD / "records" / f"{case.case}.json")
            grid = volume.read(mask).grid
            if not grid.agrees_with(record.raw):
                faults.append(f"{mask}: not on its scan's grid: {grid.difference_from(record.raw)}")
            shutil.copyfile(mask, folder / name.format(case=case.case))
        if faults:
            raise UserError("\n".join(faults))
    log(f"{len(cases)} mask(s) of {round_id} in {out}")


def enter(entry: Entry) -> None:
    """Write a leaderboard's answer into metrics/leaderboard.json; an entry of the same round, structure and source
    is replaced."""
    settings = params.load()
    settings.self_training.round(entry.round)
    if entry.structure not in settings.dataset.structures:
        allowed = ", ".join(settings.dataset.structures)
        raise UserError(f"--structure {entry.structure}: no structure of params.yaml; there are: {allowed}")
    key = (entry.round, entry.structure, entry.source)
    kept = [other for other in entries() if (other.round, other.structure, other.source) != key]
    ordered = sorted([*kept, entry], key=lambda one: (one.round, one.structure, one.source))
    write_json(LEADERBOARD, [asdict(one) for one in ordered])
    log(f"{LEADERBOARD}: {len(ordered)} entries; commit it with git")


def entries() -> list[Entry]:
    """What was entered."""
    found = read_json(LEADERBOARD, kind=list) if LEADERBOARD.is_file() else []
    try:
        return [Entry(**one) for one in found]
    except TypeError as error:
        raise UserError(f"{LEADERBOARD}: not what `gbaseg leaderboard` writes ({error}); `git checkout` it") from error
