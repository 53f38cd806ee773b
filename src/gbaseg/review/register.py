"""The file of decisions while somebody writes into it: every change is on the disk before it is said to be saved."""

from __future__ import annotations

import os
import threading
import zlib
from pathlib import Path

from gbaseg.review.decisions import Decision, Decisions, parse_decisions, written
from gbaseg.runtime.whole import written_whole
from gbaseg.text_file import text_of


class Stale(Exception):
    """Whoever writes has not seen the last change."""


class Register:
    """One round's decisions in a file that holds those of all.

    The file is read again before every change: git, or an editor, may have changed it.

    Args:
        path: of the file; it need not be there yet.
        round_id: whose decisions are changed.
        rounds: that the file gets a line for, in this order.

    Raises:
        UserError: the file has faults.
    """

    def __init__(self, path: Path, round_id: str, rounds: tuple[str, ...] = ()) -> None:
        self.path, self.round_id = path, round_id
        self._rounds = dict.fromkeys([*rounds, round_id])
        self._lock = threading.Lock()
        # As a file that is empty or missing reads.
        self._text, self._seen = "", Decisions()
        self.read()

    def read(self) -> tuple[Decisions, str]:
        """What the file says now, and its mark: the revision and a sum over the text, for what no revision tells.

        Raises:
            UserError: the file has faults.
        """
        with self._lock:
            return self._read()

    def _read(self) -> tuple[Decisions, str]:
        text = text_of(self.path) if self.path.exists() else ""
        if text != self._text:
            self._seen, self._text = parse_decisions(text, self.path), text
        return self._seen, _mark(self._seen, text)

    def change(self, mark: str, case: str, decision: Decision | None) -> tuple[Decision | None, str]:
        """Write another decision about a case.

        Args:
            mark: of what the writer has seen.
            case: of the round.
            decision: `None`: there is none any more.

        Returns:
            What was decided before, and the new mark. Both are on the disk.

        Raises:
            Stale: the file has another mark by now; nothing is written.
            OSError: it cannot be written; it is as it was.
        """
        with self._lock:
            decisions, now = self._read()
            if mark != now:
                raise Stale
            before = decisions.of(self.round_id).get(case)
            changed = decisions.with_one(self.round_id, case, decision)
            lines = {one: changed.of(one) for one in (*self._rounds, *changed.rounds)}
            changed = Decisions(changed.revision, lines)
            text = written(changed)
            write_durably(self.path, text.encode())
            self._seen, self._text = changed, text
            return before, _mark(changed, text)


def _mark(decisions: Decisions, text: str) -> str:
    return f"{decisions.revision}.{zlib.crc32(text.encode()):08x}"


def write_durably(path: Path, content: bytes) -> None:
    """Write a file that is there whole, even if the machine stops a moment later."""
    with written_whole(path) as partial, partial.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
