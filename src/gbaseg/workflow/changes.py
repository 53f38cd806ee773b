"""What an adaptive rule drew for each case, from the stage that drew it to the pictures that show it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gbaseg.augmentation.rescale import Change
from gbaseg.augmentation.rules import Copy
from gbaseg.augmentation.settings import Rule
from gbaseg.workflow import layout
from gbaseg.workflow.context import read_json, write_json

_FILE = "changes.json"


def write_changes(copies: Sequence[Copy], folder: Path) -> None:
    """Rule -> case -> [factor, offset] of each change, of rules that draw them; no file where none does."""
    found: dict[str, dict[str, dict[int, Change]]] = {}
    for copy in (part for whole in copies for part in whole.parts):
        if copy.number:
            found.setdefault(copy.rule, {}).setdefault(copy.case, {})[copy.number] = copy.change
    if found:
        listed = {rule: {case: list(of.values()) for case, of in cases.items()} for rule, cases in found.items()}
        write_json(folder / _FILE, listed)


def changed_by(rule: Rule, round_id: str) -> set[str] | None:
    """Cases that a rule drew changes for in a round; `None`, all, of one that names factors, which suit any case."""
    return None if rule.lambdas else set(_drawn(rule, round_id))


def changes_of(rule: Rule, case: str, round_id: str) -> list[tuple[str, Change]]:
    """What a rule does to a case in a round, each with what to call it in a picture."""
    by_hand = [(f"λ = {factor:g}", Change(factor)) for factor in rule.lambdas]
    drawn = _drawn(rule, round_id).get(case, [])
    return by_hand + [(f"{factor:.2f} x {offset:+.2f}", Change(factor, offset)) for factor, offset in drawn]


def _drawn(rule: Rule, round_id: str) -> dict[str, list[tuple[float, float]]]:
    path = layout.adapted(round_id) / _FILE
    found: dict[str, list[tuple[float, float]]] = {}
    if rule.adaptive and path.is_file():
        found = read_json(path).get(rule.name, {})
    return found
