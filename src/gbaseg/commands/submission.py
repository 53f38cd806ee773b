"""submission: a round's masks of the held-out scans under a challenge's names, and its answer entered back."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar, Literal, get_args

import numpy as np
from pydantic import ConfigDict, TypeAdapter, ValidationError

from gbaseg import params
from gbaseg.cases import read_table, select
from gbaseg.commands.outputs import shared_names
from gbaseg.errors import UserError
from gbaseg.evaluation.score_tables import score_faults
from gbaseg.integrity import off_grid, read_checked
from gbaseg.runtime.progress import log
from gbaseg.runtime.scratch import atomic_outputs
from gbaseg.volume import file_name_fault, numbers_as_text, split_suffix, write
from gbaseg.workflow import layout
from gbaseg.workflow.context import need, read_json, read_record, write_json
from gbaseg.workflow.provenance import refuse_strangers

Split = Literal["train", "validation", "test"]
# A file of git, not of DVC: nothing computes it.
LEADERBOARD = layout.METRICS / "leaderboard.json"
# Leaderboards round to three decimals or two.
_ROUNDED = 0.01
_CASE = "{case}"
_NAMES = {"crossmoda2022": "crossmoda2022_{case}_Label.nii.gz"}


@dataclass(frozen=True)
class Entry:
    """What a leaderboard said of one structure of one round; read back, it holds these fields of these types alone."""

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    round: str
    structure: str
    dice_mean: float
    dice_sd: float | None
    assd_mm_mean: float | None
    assd_mm_sd: float | None
    cases: int | None
    source: str


def run(out: Path, round_id: str | None, splits: Sequence[str], name: str | None) -> None:
    """Write the masks of `splits` into the new folder `out`, in the scans' own geometry and the name's format.

    Args:
        out: a folder that is not there yet, or empty.
        round_id: default: the last.
        splits: of the target.
        name: of the files, `{case}` in it; default: the challenge's where the data set has its layout.

    Raises:
        UserError: `out` has files, the name has no `{case}` or cannot be kept (`file_name_fault`), no cases; masks of
            another run; or masks that are missing, damaged, no masks, of other values than the structures', or off
            their scan's grid: all of them in one message.
    """
    settings = params.load()
    round_id = settings.self_training.round(round_id).id if round_id else settings.self_training.last
    name = _NAMES.get(settings.dataset.layout, "{case}.nii.gz") if name is None else name
    _check_name(name)
    if out.exists() and any(out.iterdir()):
        raise UserError(f"{out}: has files in it; name a folder that is new or empty")
    masks = layout.pseudo_labelled(round_id) / "scan"
    need([layout.STANDARD, masks])
    refuse_strangers([layout.STANDARD, layout.pseudo_labelled(round_id)])
    target = select(read_table(layout.STANDARD), domain="target")
    unknown = [split for split in splits if split not in get_args(Split)]
    if unknown:
        raise UserError(f"--splits {', '.join(unknown)}: no such split; there are: {', '.join(get_args(Split))}")
    cases = select(target, splits=splits)
    if not cases:
        known = ", ".join(sorted({case.split for case in target}))
        raise UserError(f"no target cases of split {', '.join(splits)}; this data set has: {known}")
    files = {case.case: name.replace(_CASE, case.case) for case in cases}
    faults = [f"{case}: {reason}" for case, file in files.items() if (reason := file_name_fault(file))]
    for file, sharing in shared_names(files.items()):
        faults.append(f"{', '.join(sharing)}: {len(sharing)} cases for the file {file}; allowed: a file for each")
    if faults:
        raise UserError("\n".join(faults))
    place = out.resolve()  # where `out` is a link to a folder, the link stays
    with atomic_outputs("submission", place, keep_work=False) as scratch:
        folder = scratch.output(place)
        folder.mkdir()
        for case, file in files.items():
            faults += _write_mask(masks / f"{case}.nii.gz", case, folder / file, settings.dataset.label_values)
        if faults:
            raise UserError("\n".join(faults))
    log(f"{len(cases)} mask(s) of {round_id} in {out}")


def _check_name(name: str) -> None:
    """Whether `--name` is a file name with `{case}` in it, and nothing else in braces; nothing in it is evaluated."""
    example = f"allowed: a file name with {_CASE} in it and no other braces, such as {_NAMES['crossmoda2022']}"
    rest = name.replace(_CASE, "")
    if rest == name:
        raise UserError(f"--name {name}: no {_CASE}; {example}")
    if "{" in rest or "}" in rest:
        raise UserError(f"--name {name}: other braces than those of {_CASE}; {example}")
    if reason := file_name_fault(name.replace(_CASE, "CASE")):
        raise UserError(f"--name {name}: {reason}")


def _write_mask(mask: Path, case: str, target: Path, values: Mapping[str, int]) -> list[str]:
    """Put one mask at `target`, as it is or in the format of that name; or what is wrong with it.

    Args:
        values: structure -> its value; a mask has these and 0.
    """
    volume, flaws = read_checked(mask, label=True)
    if volume is None or flaws:
        return [f"{mask}: {flaw.found}; allowed: {flaw.allowed}" for flaw in flaws]
    record = read_record(layout.STANDARD / "records" / f"{case}.json")
    if difference := off_grid(volume, record.raw):
        return [f"{mask}: not on its scan's grid: {difference}"]
    if others := sorted({*np.unique(volume.array).tolist()} - {0, *values.values()}):
        allowed = ", ".join(["0", *(f"{value} ({name})" for name, value in values.items())])
        return [f"{mask}: value(s) {numbers_as_text(others[:5])}; allowed: {allowed}"]
    for note in volume.notes:
        log(f"{mask}: {note}")
    if split_suffix(target)[1] == split_suffix(mask)[1]:
        shutil.copyfile(mask, target)
    else:
        write(volume, target)
    return []


def enter(entry: Entry) -> None:
    """Write a leaderboard's answer into metrics/leaderboard.json; an entry of the same round, structure and source
    is replaced.

    Raises:
        UserError: no such round or structure, or numbers that cannot be (`_entry_faults`).
    """
    settings = params.load()
    settings.self_training.round(entry.round)
    if entry.structure not in settings.dataset.structures:
        allowed = ", ".join(settings.dataset.structures)
        raise UserError(f"--structure {entry.structure}: no structure of params.yaml; there are: {allowed}")
    if faults := _entry_faults(entry):
        raise UserError("\n".join(faults))
    key = (entry.round, entry.structure, entry.source)
    kept = [other for other in entries() if (other.round, other.structure, other.source) != key]
    ordered = sorted([*kept, entry], key=lambda one: (one.round, one.structure, one.source))
    write_json(LEADERBOARD, [asdict(one) for one in ordered])
    log(f"{LEADERBOARD}: {len(ordered)} entries; commit it with git")


def entries() -> list[Entry]:
    """What was entered.

    Raises:
        UserError: the file is not as `enter` writes it: edited, or merged by git; all that is wrong with it.
    """
    if not LEADERBOARD.is_file():
        return []
    read_json(LEADERBOARD, kind=list)  # what is no list at all is said in the words of every JSON file
    try:
        found = TypeAdapter(list[Entry]).validate_json(LEADERBOARD.read_bytes())
        faults = [fault for one in found for fault in _entry_faults(one)]
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
    if faults:
        found_wrong = "; ".join(faults)
        raise UserError(f"{LEADERBOARD}: not as `gbaseg leaderboard` writes it ({found_wrong}); mend it by git")
    return found


def _entry_faults(entry: Entry) -> list[str]:
    """What cannot be, of an answer: the scores by themselves, and a spread that its mean leaves no room for."""
    faults = [
        f"{entry.round}, {entry.structure}: {fault}" for fault in score_faults(entry.dice_mean, entry.assd_mm_mean)
    ]
    if entry.dice_sd is not None:
        # Of values in [0, 1] with mean m the variance is m (1 - m) at most (Bhatia and Davis 2000), times n / (n - 1).
        count = max(entry.cases or 2, 2)
        most = math.sqrt(entry.dice_mean * (1 - entry.dice_mean) * count / (count - 1))
        if entry.dice_sd > most + _ROUNDED:
            faults.append(
                f"--dice-sd {entry.dice_sd:g}; allowed: {most:.3f} at most, for a mean of {entry.dice_mean:g}"
            )
    spreads = {"--dice-sd": entry.dice_sd, "--assd-sd": entry.assd_mm_sd}
    if entry.cases == 1 and any(spreads.values()):
        faults.append("--cases 1 with a spread; allowed: two cases or more, or no --dice-sd and --assd-sd")
    if entry.assd_mm_sd is not None and entry.assd_mm_mean is None:
        faults.append("--assd-sd without --assd; allowed: both, or the mean alone")
    return faults
