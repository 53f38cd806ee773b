"""What the page can ask for, without HTTP: the cases of one round, what is decided of them, and their files."""

from __future__ import annotations

import platform
import re
import shutil
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gbaseg.errors import UserError
from gbaseg.review.corrected import find_edited, keep_mask, mask_path, read_checked
from gbaseg.review.decisions import KINDS, Decision, hash_of
from gbaseg.review.queue import Item, by_doubt
from gbaseg.review.register import Register
from gbaseg.volume import read_grid

# Of files in DVC's cache, which lie anywhere where `cache.type` makes links: .../files/md5/ab/cdef...
_CACHED = re.compile(r".*/files/md5/[0-9a-f]{2}/[0-9a-f]{30}")

# Beside a copy that is to be edited: its hash when it was put there.
_UNTOUCHED = ".untouched"


@dataclass(frozen=True)
class Place:
    """Where a round's files are.

    Args:
        round_id: of the round.
        next_round: that learns from it; empty: none does.
        roots: folders that a file may be served from.
        masks: corrected ones are kept here, for git.
        edits: where somebody saves them, a folder a case; for nobody else.
    """

    round_id: str
    next_round: str
    roots: tuple[Path, ...]
    masks: Path
    edits: Path


class Session:
    """A round's pseudo-labels, looked at by somebody.

    Args:
        items: the cases.
        labels: value of each structure on the standard grid.
        place: see `Place`.
        register: the decisions.
    """

    def __init__(self, items: Sequence[Item], labels: Mapping[str, int], place: Place, register: Register) -> None:
        self.items, self.labels, self.place, self.register = by_doubt(items), dict(labels), place, register
        self._index = {item.case: number for number, item in enumerate(self.items)}
        self._hashes = [hash_of(item.mask) for item in self.items]
        self._scans: dict[int, str] = {}
        # (case, what was decided before), the last change last.
        self._undo: list[tuple[str, Decision | None]] = []
        self._lock = threading.Lock()

    def state(self) -> dict[str, Any]:
        """Everything that the page shows."""
        decisions, mark = self.register.read()
        decided = decisions.of(self.place.round_id)
        return {
            "round": self.place.round_id,
            "next": self.place.next_round,
            "host": platform.node(),
            "mark": mark,
            "revision": decisions.revision,
            "labels": self.labels,
            "cases": [self._case(number, item, decided.get(item.case)) for number, item in enumerate(self.items)],
        }

    def _case(self, number: int, item: Item, decision: Decision | None) -> dict[str, Any]:
        return {
            "case": item.case,
            "centre": item.centre,
            "doubt": round(item.doubt, 3),
            "known": [one.as_dict() for one in item.known],
            **self._decided(number, decision),
        }

    def _decided(self, number: int, decision: Decision | None) -> dict[str, Any]:
        holds = decision is not None and self._holds(number, decision)
        return {
            "decision": decision.kind if decision and holds else None,
            # Of another mask than the one that is there now: to be looked at again.
            "was": decision.kind if decision and not holds else None,
            "mask": decision.mask if decision and holds else "",
        }

    def _holds(self, number: int, decision: Decision) -> bool:
        """Whether what it is about is still there."""
        if decision.kind != "corrected":
            return decision.of == self._hashes[number]
        if number not in self._scans:
            self._scans[number] = hash_of(self.items[number].image)
        return decision.of == self._scans[number]

    def decide(self, case: str, kind: str | None, mark: str) -> dict[str, Any]:
        """Accept or reject a case; `None`: neither.

        Returns:
            The case's new state and the file's new mark and revision.

        Raises:
            UserError: no such case or decision.
            Stale, OSError: see `Register.change`.
        """
        number = self._number(case)
        allowed = [one for one in KINDS if one != "corrected"]
        if kind is not None and kind not in allowed:
            raise UserError(f"{kind}: no such decision; allowed: {', '.join(allowed)}")
        decision = None
        if kind == "accepted":
            decision = Decision("accepted", self._looked_at(number), changes=self.items[number].is_doubtful)
        elif kind == "rejected":
            decision = Decision("rejected", self._looked_at(number))
        return self._change(number, decision, mark)

    def undo(self, mark: str) -> dict[str, Any]:
        """Take the last change of this session back.

        Raises:
            UserError: there is none.
            Stale, OSError: see `Register.change`.
        """
        with self._lock:
            if not self._undo:
                raise UserError("nothing to undo since this page was started")
            case, before = self._undo[-1]
            answer = self._written(self._number(case), before, mark)[1]
            self._undo.pop()
            return answer

    def _change(self, number: int, decision: Decision | None, mark: str) -> dict[str, Any]:
        with self._lock:
            before, answer = self._written(number, decision, mark)
            self._undo.append((self.items[number].case, before))
            return answer

    def _written(self, number: int, decision: Decision | None, mark: str) -> tuple[Decision | None, dict[str, Any]]:
        case = self.items[number].case
        before, mark = self.register.change(mark, case, decision)
        return before, {
            "case": case, "mark": mark, "revision": int(mark.partition(".")[0]), **self._decided(number, decision)
        }  # fmt: skip

    def edit(self, case: str) -> dict[str, Any]:
        """Put a copy of a case's mask where it can be edited, if there is none; say where the files are."""
        number, folder = self._number(case), self.place.edits / case
        copy, note = folder / f"{case}.nii.gz", folder / _UNTOUCHED
        shown = self._there(number)
        if not copy.exists() or (note.is_file() and note.read_text() == hash_of(copy)):
            folder.mkdir(parents=True, exist_ok=True)
            partial = folder / f".partial-{case}.nii.gz"
            shutil.copyfile(shown, partial)
            note.write_text(hash_of(partial))
            partial.replace(copy)
        return {
            "case": case,
            "host": platform.node(),
            "image": str(self.items[number].image.absolute()),
            "mask": str(copy.absolute()),
            "folder": str(folder.absolute()),
        }

    def take(self, case: str, mark: str) -> dict[str, Any]:
        """Take over the mask that was saved for a case.

        Raises:
            UserError: there is none, or it is wrong: see `find_edited` and `read_checked`.
            Stale, OSError: see `Register.change`.
        """
        number = self._number(case)
        item, folder = self.items[number], self.place.edits / case
        note = folder / _UNTOUCHED
        as_it_was = {hash_of(item.mask), hash_of(self._there(number))}
        path = find_edited(folder, as_it_was | ({note.read_text()} if note.is_file() else set()))
        grid = read_grid(item.image)
        array = read_checked(path, grid, self.labels)
        mask = keep_mask(array, grid, self.place.masks, case)
        answer = self._change(number, Decision("corrected", hash_of(item.image), mask), mark)
        voxels = {name: int((array == value).sum()) for name, value in self.labels.items()}
        return {**answer, "from": str(path), "ml": {n: round(v * grid.voxel_mm3 / 1000, 3) for n, v in voxels.items()}}

    def _looked_at(self, number: int) -> str:
        item = self.items[number]
        if hash_of(item.mask) != self._hashes[number]:
            raise UserError(f"{item.mask}: changed since this was started (dvc?); end gbaseg review and start it again")
        return self._hashes[number]

    def file(self, kind: str, number: int) -> Path | None:
        """An image or the mask that is shown over it; `None` where there is none, or it lies outside `Place.roots`."""
        if not 0 <= number < len(self.items):
            return None
        path = self.items[number].image if kind == "image" else self._shown_mask(number)
        try:
            real = path.resolve(strict=True)
        except (OSError, RuntimeError):
            return None
        inside = any(real.is_relative_to(root.resolve()) for root in self.place.roots)
        return real if inside or (path.is_symlink() and _CACHED.fullmatch(real.as_posix())) else None

    def _shown_mask(self, number: int) -> Path:
        item = self.items[number]
        decision = self.register.read()[0].of(self.place.round_id).get(item.case)
        if decision is not None and decision.mask and self._holds(number, decision):
            return mask_path(self.place.masks, item.case, decision.mask)
        return item.mask

    def _there(self, number: int) -> Path:
        """The mask that is shown; where a drawn one is missing, the pseudo-label."""
        shown = self._shown_mask(number)
        return shown if shown.is_file() else self.items[number].mask

    def _number(self, case: str) -> int:
        if case not in self._index:
            raise UserError(f"{case}: no such case in {self.place.round_id}")
        return self._index[case]
