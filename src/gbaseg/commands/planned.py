"""Experiments that are wanted: their names, and what each sets in params.yaml."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from gbaseg.errors import UserError


@dataclass(frozen=True)
class Experiment:
    """One experiment: its name, and what it sets in params.yaml."""

    name: str
    settings: Mapping[str, str]

    @property
    def overrides(self) -> list[str]:
        """`KEY=VALUE` of each setting."""
        return [f"{key}={value}" for key, value in self.settings.items()]


def plan_arms(arms: Sequence[str], seeds: Sequence[int], translation: str) -> list[Experiment]:
    """Table II: every arm with every seed, and `no-adaptation`, which trains on the source images as they are."""
    before = {"cyclegan": "", "none": "untranslated-"}.get(translation, f"{translation}-")
    chosen = [(arm, "none", "none") if arm == "no-adaptation" else (f"{before}{arm}", arm, translation) for arm in arms]
    return [
        Experiment(f"{name}-seed-{seed}", {"seed": str(seed), "translation.mode": mode, "augmentation.arm": arm})
        for seed, (name, arm, mode) in product(seeds, chosen)
    ]


def plan_translations(
    centres: Sequence[str], retrainings: Sequence[int], arms: Sequence[str], seeds: Sequence[int]
) -> list[Experiment]:
    """Table I: CycleGANs of every centre, retrained, each with every arm and seed."""
    return [
        Experiment(
            f"centre-{centre}-run-{retraining}-{arm}-seed-{seed}",
            {
                "seed": str(seed),
                "translation.mode": "cyclegan",
                "translation.centre": centre,
                "translation.run": str(retraining),
                "augmentation.arm": arm,
            },
        )
        for seed, centre, retraining, arm in product(seeds, centres, retrainings, arms)
    ]


def with_extra(planned: Sequence[Experiment], extra: Sequence[str]) -> list[Experiment]:
    """The experiments with further settings (`KEY=VALUE`); other settings give other names.

    Raises:
        UserError: a setting is no `KEY=VALUE`.
    """
    if not extra:
        return list(planned)
    pairs = [setting.partition("=") for setting in extra]
    wrong = [setting for setting, (key, equals, _) in zip(extra, pairs, strict=True) if not (key and equals)]
    if wrong:
        raise UserError(f"--set {', '.join(wrong)}: expected KEY=VALUE, such as evaluation.oracle=true")
    mark = f"{zlib.crc32(' '.join(sorted(extra)).encode()):08x}"[:6]
    more = {key: value for key, _, value in pairs}
    return [Experiment(f"{one.name}-{mark}", {**one.settings, **more}) for one in planned]
