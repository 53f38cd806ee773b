"""The plan on one page: for the terminal, and for the report, which finds it in a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gbaseg.planning.facts import Choice

PAGE = Path("logs/plan.txt")
# What is on the page, by its part: keys of params.yaml; all others are there alone.
_PARTS = {
    "Data": ("dataset.root", "dataset.structures", "dataset.known_labels"),
    "Grid": (
        "standardise.slices",
        "standardise.spacing_xyz_mm",
        "standardise.crop_xy_px",
        "standardise.smooth_shrinking",
        "standardise.foreground",
        "standardise.intensity_percentiles",
    ),
    "Translation": (
        "translation.mode",
        "translation.auto.epochs",
        "translation.centre",
        "translation.cyclegan.epochs",
        "translation.cyclegan.steps_per_epoch",
        "translation.cyclegan.generator_width",
        "translation.cyclegan.generator_halvings",
        "translation.van_cittert.psf_mm_xyz",
    ),
    "Augmentation": (
        "augmentation.rules",
        "survey.lambdas",
        "survey.contrasts",
        "augmentation.singan.scale_factor",
        "augmentation.singan.iterations",
        "augmentation.blend.dilation_px",
    ),
    "Segmentation": (
        "segmentation.network.patch_size_zyx",
        "segmentation.network.features",
        "segmentation.folds",
        "segmentation.epochs",
        "segmentation.last_round_epochs",
        "segmentation.prediction.ends",
        "survey.epochs",
        "self_training.rounds",
    ),
}
_WIDTH = 28


@dataclass(frozen=True)
class Said:
    """What stands around the choices: each a list of lines, empty where there is nothing to say."""

    title: str
    warnings: Sequence[str]
    time: Sequence[str]
    assumed: Sequence[str]
    differs: Sequence[str]
    machine: Sequence[str]
    next: Sequence[str]


def render(choices: Mapping[str, Choice], said: Said) -> str:
    """The page, ended by a line feed."""
    blocks = [[said.title]]
    if said.warnings:
        blocks.append([f"WARNING: {line}" for line in said.warnings])
    for part, keys in _PARTS.items():
        rows = [choices[key] for key in keys if key in choices]
        blocks.append([part, *(_row(choice) for choice in rows)])
    blocks.append(["Time", *_indented(said.time)])
    for title, lines in (
        ("Taken for granted", said.assumed),
        ("Not as preset crossmoda2022", said.differs),
        ("gbaseg doctor", said.machine),
        ("Next", said.next),
    ):
        if lines:
            blocks.append([title, *_indented(lines)])
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def differences(choices: Mapping[str, Choice], papers: Mapping[str, Any], shipped: Mapping[str, Any]) -> list[str]:
    """`key: paper's -> chosen: reason` of every number that is not the paper's.

    Args:
        choices: by key.
        papers: what preset crossmoda2022 changes of the shipped params.yaml.
        shipped: values there by key, of the keys that were chosen.
    """
    lines = []
    for key, choice in choices.items():
        wanted = papers.get(key, shipped[key])
        if key != "dataset.root" and choice.value != wanted:
            lines.append(f"{key}: {shown(wanted)} -> {shown(choice.value)}: {choice.reason}")
    return lines


def shown(value: Any) -> str:
    """A value in short: rounds by their number, rules by their factors."""
    if isinstance(value, list) and value and isinstance(value[0], Mapping):
        if "prev" in value[0]:
            return f"{len(value)} rounds"
        return "; ".join(f"{rule['structure']} {_changes(rule)}" for rule in value)
    if isinstance(value, list):
        return f"[{', '.join(map(shown, value))}]"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {shown(item)}" for key, item in value.items())
    return (
        {None: "null", True: "true", False: "false"}.get(value, f"{value}") if not _is_number(value) else f"{value:g}"
    )


def _changes(rule: Mapping[str, Any]) -> str:
    by_hand = [f"x {shown(rule['lambdas'])}"] if rule["lambdas"] else []
    drawn = [f"in {rule['adaptive']} drawn contrasts"] if rule.get("adaptive") else []
    return " and ".join(by_hand + drawn)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _row(choice: Choice) -> str:
    _, _, name = choice.key.partition(".")
    name = name.removeprefix("cyclegan.").removeprefix("network.").removeprefix("van_cittert.")
    label = f"{choice.key.partition('.')[0]}.{name}" if choice.key.startswith("survey") else name
    return f"  {label:<{_WIDTH}}{shown(choice.value)}: {choice.reason}"


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"  {line}" for line in lines]
