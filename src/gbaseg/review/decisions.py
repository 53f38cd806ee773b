"""What somebody decided about pseudo-labels, as one small text: `review.yaml`, which git tracks and DVC reads.

    revision: 3
    changes:
      round_0:
        "etz_33": {decision: "rejected", of: "5f2c0e..."}
    accepted:
      round_0:
        "etz_34": {decision: "accepted", of: "91ab77..."}

DVC compares `changes.ROUND`: what the next round learns from. What is accepted and needed no word stands apart, so that
looking at masks trains nothing anew. Every round has its line there, if an empty one: DVC wants what it compares to be.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from gbaseg.errors import UserError
from gbaseg.settings import UNSEEN_BY_DVC
from gbaseg.text_file import parse_yaml, text_of

Kind = Literal["accepted", "rejected", "corrected"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_HASH = re.compile(r"[0-9a-f]{16}")
_KEYS = ("revision", "changes", "accepted")
_HEAD = """\
# What a person decided about pseudo-labels: written by `gbaseg review` (docs/review.md), given to git with the folder
# review/. `of`: hash of the pseudo-label (corrected: of the scan) that was looked at; `mask`: hash of the drawn mask.
"""
_CHANGES = " # what the next round learns from; DVC trains it anew when its round's lines change"
_ACCEPTED = " # as they are"


@dataclass(frozen=True)
class Decision:
    """About the pseudo-label of one case.

    Args:
        kind: accepted: trained on as it is, whatever speaks against it; rejected: left out; corrected: another mask
            is trained on.
        of: `hash_of` what it is about: the pseudo-label that was looked at, of a corrected one the scan. Who has drawn
            a mask need not draw it again because the pseudo-label is another one.
        mask: `hash_of` the mask that replaces it; empty where none does.
        changes: the next round's set is another one by it. Not where what is accepted was not doubtful.
    """

    kind: Kind
    of: str
    mask: str = ""
    changes: bool = True


@dataclass(frozen=True)
class Decisions:
    """Of all rounds.

    Args:
        revision: raised by every change.
        rounds: round -> case -> decision; a round about which nothing is decided has an empty one.
    """

    revision: int = 0
    rounds: Mapping[str, Mapping[str, Decision]] = field(default_factory=dict)

    def of(self, round_id: str) -> Mapping[str, Decision]:
        """About the cases of a round."""
        return self.rounds.get(round_id, {})

    def of_none(self, rounds: Collection[str]) -> list[str]:
        """Rounds that something is decided about, and that are none of these: of before, or mistyped."""
        return [name for name, cases in self.rounds.items() if cases and name not in rounds]

    def with_one(self, round_id: str, case: str, decision: Decision | None) -> Decisions:
        """The next revision, with another decision about one case; `None`: there is none.

        Raises:
            UserError: no decision can be about a case of that name.
        """
        if decision is not None and (reason := _unfit(case)):
            raise UserError(f"{case}: {reason}")
        cases = {name: one for name, one in self.of(round_id).items() if name != case}
        if decision is not None:
            cases[case] = decision
        return Decisions(self.revision + 1, {**self.rounds, round_id: cases})


def hash_of(path: Path) -> str:
    """Of a mask's file: tells whether it is still the one that was looked at."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=8)).hexdigest()


def read_decisions(path: Path) -> Decisions:
    """What the file says; nothing where there is none.

    Raises:
        UserError: it is no YAML, or says something else than what is written there. All faults at once.
    """
    return parse_decisions(text_of(path), path) if path.exists() else Decisions()


def parse_decisions(text: str, path: Path) -> Decisions:
    """What a text says that came from `path`.

    Raises:
        UserError: as `read_decisions`.
    """
    content = parse_yaml(text, str(path))
    content = {} if content is None else content
    if not isinstance(content, dict):
        raise UserError(f"{path}: found a {type(content).__name__}; allowed: {', '.join(_KEYS)}")
    faults = [f"{key}: no such key; allowed: {', '.join(_KEYS)}" for key in content if key not in _KEYS]
    revision = content.get("revision", 0)
    if type(revision) is not int or revision < 0:
        faults.append(f"revision: found {revision!r}; allowed: a whole number of 0 or more")
    rounds: dict[str, dict[str, Decision]] = {}
    for section in _KEYS[1:]:
        for round_id, cases in _mapping(content.get(section), section, faults).items():
            known = rounds.setdefault(round_id, {})
            for case, one in _mapping(cases, f"{section}.{round_id}", faults).items():
                where = f"{section}.{round_id}.{case}"
                if reason := _unfit(case):
                    faults.append(f"{where}: {reason}")
                elif case in known:
                    faults.append(f"{where}: decided in both sections; allowed: in one")
                elif (decision := _decision(one, where, section == "changes", faults)) is not None:
                    known[case] = decision
    if faults:
        advice = f"mend them there; `git checkout {path}` brings back what was committed, without what came after"
        raise UserError("\n".join([f"{path}: {len(faults)} fault(s)", *(f"  {fault}" for fault in faults), advice]))
    return Decisions(revision, rounds)


def _unfit(case: str) -> str:
    """Why nothing can be decided about a case of a name; empty where it can."""
    if case not in UNSEEN_BY_DVC:
        return ""
    return "DVC passes over keys of that name, so that this would train nothing; allowed: another name of the case"


def _mapping(found: Any, where: str, faults: list[str]) -> Mapping[str, Any]:
    if isinstance(found, dict):
        for name in found:
            if not isinstance(name, str):
                faults.append(f"{where}: a name that YAML reads as {name!r}; allowed: in quotes")
        return {name: one for name, one in found.items() if isinstance(name, str)}
    if found is not None:
        faults.append(f"{where}: found {found!r}; allowed: lines of names")
    return {}


def _decision(found: Any, where: str, changes: bool, faults: list[str]) -> Decision | None:
    kinds = KINDS if changes else ("accepted",)
    wanted = ("decision", "of", "mask") if isinstance(found, dict) and found.get("decision") == "corrected" else (
        "decision", "of",
    )  # fmt: skip
    if not isinstance(found, dict) or set(found) != set(wanted):
        faults.append(
            f"{where}: found {found!r}; allowed: {{decision: ..., of: ...}}, of a corrected one mask: ... too"
        )
        return None
    if found["decision"] not in kinds:
        faults.append(f"{where}.decision: found {found['decision']!r}; allowed: {', '.join(kinds)}")
        return None
    hashes = {key: found[key] for key in wanted[1:]}
    for key, value in hashes.items():
        if not isinstance(value, str) or not _HASH.fullmatch(value):
            faults.append(f"{where}.{key}: found {value!r}; allowed: 16 signs of 0-9 and a-f, in quotes")
            return None
    return Decision(found["decision"], changes=changes, **hashes)


def written(decisions: Decisions) -> str:
    """The text of a file; `parse_decisions` gives the same back."""
    lines = [_HEAD.rstrip("\n"), f"revision: {decisions.revision}", f"changes:{_CHANGES}"]
    for round_id, cases in decisions.rounds.items():
        lines += _lines(round_id, cases, changes=True) or [f"  {_as_text(round_id)}: {{}}"]
    accepted = [line for item in decisions.rounds.items() for line in _lines(*item, changes=False)]
    lines += [f"accepted:{'' if accepted else ' {}'}{_ACCEPTED}", *accepted]
    return "\n".join([*lines, ""])


def _lines(round_id: str, cases: Mapping[str, Decision], changes: bool) -> list[str]:
    chosen = {case: one for case, one in sorted(cases.items()) if one.changes == changes}
    lines = [f"    {_quoted(case)}: {_line(one)}" for case, one in chosen.items()]
    return [f"  {_as_text(round_id)}:", *lines] if lines else []


def _line(decision: Decision) -> str:
    parts = {"decision": decision.kind, "of": decision.of, **({"mask": decision.mask} if decision.mask else {})}
    return f"{{{', '.join(f'{key}: {_quoted(value)}' for key, value in parts.items())}}}"


def _as_text(round_id: str) -> str:
    """In quotes where it has to be, or YAML would take it for a number, say."""
    return round_id if parse_yaml(round_id, round_id) == round_id else _quoted(round_id)


def _quoted(text: str) -> str:
    """In JSON's quotes, which are YAML's, too: a hash of digits alone stays a text."""
    return json.dumps(text, ensure_ascii=False)
