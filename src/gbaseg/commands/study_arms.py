"""The arms of `gbaseg study`, and what each sets in params.yaml."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gbaseg.commands.overrides import in_hydra
from gbaseg.commands.planned import Experiment
from gbaseg.errors import UserError
from gbaseg.params import Params
from gbaseg.planning.factors import choose_factors

# Where no rule says so (paper).
_K_STAR = (1, 3)


@dataclass(frozen=True)
class Arm:
    """A named set of settings.

    Args:
        name: `NAME-seed-N` are its experiments; of settings that `gbaseg ablation arms` has too the same, so that what
            the one has run the other does not.
        about: what it is, in a few words.
        settings: key -> value.
        by_hand: it rescales by the factors of params.yaml, which somebody has set.
        planned: its copies are those of `gbaseg plan`, which sets no factor.
        asked_for: it is no part of a study that does not name it.
    """

    name: str
    about: str
    settings: Mapping[str, Any]
    by_hand: bool = False
    planned: bool = False
    asked_for: bool = False


# Another arm is another line here.
ARMS = (
    Arm("no-adaptation", "source images as they are", {"translation.mode": "none", "augmentation.arm": "none"}),
    Arm("histogram-none", "histogram matching", {"translation.mode": "histogram", "augmentation.arm": "none"}),
    Arm("randomise-none", "randomised contrasts", {"translation.mode": "randomise", "augmentation.arm": "none"}),
    Arm(
        "none",
        "CycleGAN, no copies",
        {"translation.mode": "cyclegan", "augmentation.arm": "none"},
        asked_for=True,
    ),
    Arm(
        "naive",
        "CycleGAN, copies rescaled by hand-set factors",
        {"translation.mode": "cyclegan", "augmentation.arm": "naive"},
        by_hand=True,
    ),
    Arm(
        "gba",
        "CycleGAN, GBA with hand-set factors",
        {"translation.mode": "cyclegan", "augmentation.arm": "gba"},
        by_hand=True,
    ),
    Arm(
        "auto",
        "translation chosen, GBA that follows the target",
        {"translation.mode": "auto", "augmentation.arm": "gba"},
        planned=True,
    ),
)


def has_factors(settings: Params) -> bool:
    """Whether somebody has set factors by hand; a plan of `gbaseg plan` has none."""
    return any(rule.lambdas for rule in settings.augmentation.rules)


def choose_arms(names: Sequence[str], settings: Params) -> tuple[list[Arm], list[str]]:
    """The arms of a study, and those that are left out because they need factors that nobody has set.

    Args:
        names: arms that are asked for; empty: all of which no study has to ask.
        settings: params.yaml.

    Raises:
        UserError: there is no such arm, or one is asked for that needs such factors.
    """
    known = [arm.name for arm in ARMS]
    faults = [f"{name}: no such arm; there are: {', '.join(known)}" for name in names if name not in known]
    wanted = [arm for arm in ARMS if (arm.name in names if names else not arm.asked_for)]
    needy = [arm.name for arm in wanted if arm.by_hand] if not has_factors(settings) else []
    faults += [
        f"{name}: no factor is set by hand in params.yaml; set augmentation.rules[].lambdas, or leave this arm out"
        for name in needy
        if names
    ]
    if faults:
        raise UserError("\n".join(f"--arms {fault}" for fault in faults))
    return [arm for arm in wanted if arm.name not in needy], needy


def settings_of(arm: Arm, settings: Params) -> dict[str, Any]:
    """What an arm sets: key -> value.

    Where params.yaml is a plan's already, its rules and survey stay as they are.
    """
    rules = settings.augmentation.rules
    is_plans = rules and not has_factors(settings) and not settings.survey.lambdas
    if not arm.planned or is_plans:
        return dict(arm.settings)
    choices = choose_factors(settings.dataset.label_values, rules[0].k_star if rules else _K_STAR)
    return {**arm.settings, **{choice.key: choice.value for choice in choices}}


def plan_study(arms: Sequence[Arm], seeds: Sequence[int], settings: Params) -> list[Experiment]:
    """Every arm with every seed, of one seed after the other, so that arms hand on the stages that they share."""
    return [
        Experiment(
            f"{arm.name}-seed-{seed}",
            {"seed": str(seed), **{key: in_hydra(value) for key, value in settings_of(arm, settings).items()}},
        )
        for seed in seeds
        for arm in arms
    ]
