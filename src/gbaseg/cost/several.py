"""What a run takes on several GPUs, and several experiments on all of them, where every task has a GPU to itself.

By counting alone: tasks of a stage run side by side, stages (and with them the rounds) one after the other. Waiting in
a queue, the start of a job and a file system that is slow for many at once are not in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gbaseg.cost.counted import DataSize
from gbaseg.cost.speeds import Speed
from gbaseg.cost.work import Work
from gbaseg.params import Params

# Stages that experiments of one seed and translation share, whatever their arm.
_SHARED = {"standardise", "train_translation", "choose_translation", "translate", "survey", "pseudo_label survey"}


def tasks_of(stage: str, settings: Params, size: DataSize) -> int:
    """How many tasks a stage of `count_work` has that may run at once."""
    auto = settings.translation.mode == "auto"
    if stage.startswith("train "):
        return settings.segmentation.networks
    if stage == "train_translation":
        return settings.translation.auto.cyclegan_runs if auto else 1
    if stage == "train_singan":
        singan = settings.augmentation.singan
        models = size.source if singan.image == "pseudo_target" else 1
        return max(1, -(-models // singan.models_at_once))
    if stage == "survey":
        return 1
    if stage == "choose_translation":
        return len(settings.translation.auto.tried) * settings.translation.auto.seeds
    return size.source + size.target + size.held_out


def hours_of(work: Work, speeds: Mapping[str, Speed]) -> float:
    """Of a stage on one GPU."""
    return speeds[work.kind].seconds(work) / 3600


def hours_on(
    gpus: int, work: Sequence[Work], speeds: Mapping[str, Speed], settings: Params, size: DataSize
) -> dict[str, float]:
    """Hours of each stage of one run on so many GPUs: as many rounds of tasks as it takes, all tasks alike."""
    found = {}
    for one in work:
        tasks = tasks_of(one.stage, settings, size)
        found[one.stage] = hours_of(one, speeds) / tasks * -(-tasks // gpus)
    return found


def grid_on(
    gpus: int,
    seeds: int,
    arms: int,
    work: Sequence[Work],
    speeds: Mapping[str, Speed],
    settings: Params,
    size: DataSize,
) -> float:
    """Hours of seeds x arms experiments on so many GPUs, at the least: none of them is ever idle, but no experiment is
    over sooner than it would be with all of them for itself."""
    shared = sum(hours_of(one, speeds) for one in work if one.stage in _SHARED)
    own = sum(hours_of(one, speeds) for one in work if one.stage not in _SHARED)
    alone = sum(hours_on(gpus, work, speeds, settings, size).values())
    return max(alone, (seeds * shared + seeds * arms * own) / gpus)
