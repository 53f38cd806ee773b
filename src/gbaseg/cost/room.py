"""The room that every stage takes, on disk and in memory, counted from params.yaml and the size of the data set.

Without torch, so that every stage can ask before it begins. What compresses is counted as measured on the phantom
(float images in gzip: 3.5 bytes a voxel; 2.2 to 3.5 on glioma scans), so that a run writes at most what is said here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from gbaseg.augmentation.settings import Rule
from gbaseg.cost.counted import DataSize
from gbaseg.cost.networks import (
    PLANNED_BATCH,
    PLANNED_PATCH,
    discriminator_parameters,
    generator_parameters,
    singan_parameters,
    unet_parameters,
)
from gbaseg.cost.work import voxels_of_finer_grid
from gbaseg.params import Params
from gbaseg.runtime.store import LIMIT_GIB
from gbaseg.translation.settings import UNTRANSLATED

# Bytes a voxel: float32 images in gzip of level 1, masks in gzip (0.002 to 0.08), nnU-Net's arrays (image and label).
_IMAGE, _MASK, _PREPROCESSED = 3.5, 0.05, 4.2
_FLOAT, _HALF = 4, 2
_GIB = 2.0**30
# Of the cases, those that a rule with a bound of volume, contrast or centre selects: the paper's two select 0.11 each.
_BOUND_RULE_SELECTS = 0.15
# Memory of a process that has imported what it works with, without and with torch and nnU-Net, and of a CPU training.
_PLAIN, _LOADED, _TRAINING = 0.15 * _GIB, 0.45 * _GIB, 1.0 * _GIB
# nnU-Net's process that prepares patches, on a GPU.
_AUGMENTER = 0.5 * _GIB
# Bytes of memory a voxel, of a scan that is standardised (measured: 0.9 GiB at 512 x 512 x 120) and translated.
_STANDARDISING, _TRANSLATING = 24, 40


@dataclass(frozen=True)
class Machine:
    """What work is dealt out to: processes side by side, networks trained at once, nnU-Net's augmenters of each (GPU),
    cases under way at once in each process (GPU)."""

    processes: int = 1
    networks_at_once: int = 1
    augmenters: int = 0
    cases_a_process: int = 1


@dataclass(frozen=True)
class Room:
    """What one stage takes, in bytes.

    Args:
        stage: its name in the ledger.
        outputs: what it writes into data/ and models/, and DVC into its cache once more.
        scratch: in .scratch while it works, without its outputs.
        store: that it adds to .scratch/store at the most; less where another run has added the same.
        memory: of all its processes.
        shared: of /dev/shm.
    """

    stage: str
    outputs: float = 0.0
    scratch: float = 0.0
    store: float = 0.0
    memory: float = 0.0
    shared: float = 0.0


def count_room(settings: Params, size: DataSize, machine: Machine, raw_voxels: float = 0.0) -> list[Room]:
    """The stages that take room, in the order of the pipeline.

    Args:
        settings: all.
        size: of the data; where no copies have been made, those that the rules can be expected to ask for are counted.
        machine: what works at once.
        raw_voxels: of the largest scan, before it is standardised; 0: not known.
    """
    segmentation, arm = settings.segmentation, settings.augmentation
    voxels = size.slices * settings.standardise.crop_xy_px**2
    finer = voxels_of_finer_grid(settings)
    target = size.target + size.held_out
    image, mask = _IMAGE * voxels, _MASK * voxels
    weights = _FLOAT * unet_parameters(settings)
    found = [
        Room(
            "standardise",
            outputs=(size.source + target) * (image + mask) + target * (finer * image + _MASK * raw_voxels),
            memory=machine.processes * (_PLAIN + _STANDARDISING * max(raw_voxels, finer * voxels, voxels)),
        )
    ]
    if "cyclegan" in settings.translation.modes:
        found.append(_translation(settings, size, voxels))
    if settings.translation.mode == "auto":
        found.append(_choosing(settings, size, machine, weights, voxels))
    found.append(
        Room(
            "translate",
            outputs=size.source * (image + mask),
            memory=machine.processes * (_LOADED + machine.cases_a_process * _TRANSLATING * voxels),
        )
    )
    found.append(_surveying(settings, size, machine, "survey", 1, weights, voxels))
    found.append(_labelling(settings, size, machine, "pseudo_label/survey", voxels, 1, raw_voxels))
    if arm.arm == "gba":
        models = size.source if arm.singan.image == "pseudo_target" else 1
        model = _FLOAT * singan_parameters(settings)
        # Checkpoints have generator, discriminator and both optimisers.
        memory = _LOADED + 0.2 * _GIB
        found.append(Room("train_singan", models * model, models * 4 * model, models * model, memory))
    copies = (size.copies or expected_copies(settings)) * size.source if arm.makes_copies else 0.0
    if copies:
        memory = machine.processes * (_LOADED + machine.cases_a_process * _TRANSLATING * voxels)
        by_hand = 1.0 - arm.drawn_share
        found.append(Room("augment", outputs=by_hand * copies * (image + mask), memory=memory))
    on_finer = finer if settings.self_training.last_round_fine_grid else 0.0
    for place, item in enumerate(settings.self_training.rounds):
        fine = on_finer if item.last else 0.0
        drawn = arm.drawn_share * copies
        if drawn:
            found.append(Room(f"adapt/{item.id}", outputs=drawn * (image + mask), memory=memory))
        # Of images that no round before it had.
        new = (copies if place == 0 else drawn) * _PREPROCESSED * voxels
        if place == 1:
            new += size.target * _PREPROCESSED * voxels
        if fine:
            new = (size.source + copies + size.target) * _PREPROCESSED * fine * voxels
        name = f"train_segmentation/{item.id}"
        grid = max(fine, 1.0)
        found.append(_training(settings, machine, name, segmentation.networks, weights, new, 0.0, grid))
        name = f"pseudo_label/{item.id}"
        labelled = _labelling(settings, size, machine, name, grid * voxels, segmentation.networks, raw_voxels)
        also = 0.0 if item.last else on_finer * size.target * mask  # for the last round
        found.append(replace(labelled, outputs=labelled.outputs + also))
    if settings.evaluation.oracle:
        new, networks = size.target * _PREPROCESSED * voxels, segmentation.networks
        found.append(_training(settings, machine, "train_oracle", networks, weights, new, size.target * mask))
    return found


def whole_run(rooms: list[Room]) -> Room:
    """Of all stages together: what stays of each, and the most that one takes while it works."""
    most = [max(getattr(one, name) for one in rooms) for name in ("scratch", "memory", "shared")]
    # The store is brought back to its limit when a training set is whole, not before.
    store, kept = 0.0, 0.0
    for one in rooms:
        store = max(store, kept + one.store)
        kept = min(kept + one.store, LIMIT_GIB * _GIB)
    return Room("all", sum(one.outputs for one in rooms), most[0], store, most[1], most[2])


def expected_copies(settings: Params) -> float:
    """Copies a source case that the rules can be expected to ask for."""
    arm = settings.augmentation

    def images(rule: Rule, ways: int) -> float:
        starts = len(rule.k_star) if arm.arm == "gba" else 1
        return ways * starts * (_BOUND_RULE_SELECTS if _is_bound(rule) else 1.0)

    drawn = [images(rule, rule.adaptive) for rule in arm.rules]
    by_hand = sum(images(rule, len(rule.lambdas)) for rule in arm.rules)
    return by_hand + (max(drawn, default=0.0) if arm.together else sum(drawn))


def _is_bound(rule: Rule) -> bool:
    limits = (rule.volume_mm3_above, rule.volume_mm3_below, rule.std_above)
    return rule.centres != "both" or any(limit is not None for limit in limits)


def _surveying(
    settings: Params, size: DataSize, machine: Machine, name: str, networks: int, weights: float, voxels: float
) -> Room:
    naive = size.source * len(settings.survey.lambdas) * len(settings.labels)
    new = (size.source + naive) * _PREPROCESSED * voxels
    return _training(settings, machine, name, networks, weights, new, naive * _IMAGE * voxels)


def _choosing(settings: Params, size: DataSize, machine: Machine, weights: float, voxels: float) -> Room:
    """All candidates at once: the images of those that change them, and a training a seed of each."""
    auto = settings.translation.auto
    changed = sum(mode not in UNTRANSLATED for mode in auto.tried)
    networks = auto.seeds * len(auto.tried)
    trained = _surveying(settings, size, machine, "choose_translation", networks, weights, voxels)
    images = changed * size.source * (_IMAGE + _MASK) * voxels
    return replace(
        trained,
        outputs=0.0,
        scratch=trained.scratch + trained.outputs + images,
        # What the others leave as it is lies there once.
        store=trained.store * (changed + (changed < len(auto.tried))),
    )


def _translation(settings: Params, size: DataSize, voxels: float) -> Room:
    one = settings.translation.cyclegan
    generators, discriminators = 2 * generator_parameters(settings), 2 * discriminator_parameters(settings)
    pools = 2 * one.pool_size * _FLOAT * math.prod(one.crop_yx or (settings.standardise.crop_xy_px,) * 2)
    # Weights and Adam's two moments; a checkpoint is written beside the last one.
    checkpoint = 3 * _FLOAT * (generators + discriminators) + pools
    slices = (size.source + size.target) * _FLOAT * voxels * (1.0 if settings.translation.centre == "both" else 0.5)
    memory = _LOADED + 2 * checkpoint
    return Room("train_translation", _FLOAT * generators, slices + 2 * checkpoint, memory=memory)


def _training(
    settings: Params,
    machine: Machine,
    name: str,
    networks: int,
    weights: float,
    new: float,
    images: float,
    grid: float = 1.0,
) -> Room:
    """nnU-Net's: of each network the checkpoint (weights and momentum) and the one written beside it, or its weights.

    `grid`: voxels of a patch for one on the standard grid.
    """
    at_once = min(networks, machine.networks_at_once)
    network = settings.segmentation.network
    batch = grid * (network.batch_size or PLANNED_BATCH) * math.prod(network.patch_size_zyx or PLANNED_PATCH)
    # float32 image, int16 labels, these at every resolution.
    batch_bytes = batch * (_FLOAT + 2 * 1.15)
    workers = machine.augmenters + max(1, machine.augmenters // 2)
    queued = max(6, machine.augmenters // 2) + max(3, machine.augmenters // 4)
    gpu = machine.augmenters > 0
    return Room(
        name,
        outputs=networks * weights,
        scratch=images + networks * (2 + 2 + 1) * weights,
        store=new,
        memory=at_once * (_TRAINING + 3 * weights + (workers * _AUGMENTER if gpu else 0.0)),
        shared=at_once * (workers + queued) * batch_bytes if gpu else 0.0,
    )


def _labelling(
    settings: Params, size: DataSize, machine: Machine, name: str, voxels: float, networks: int, raw_voxels: float
) -> Room:
    """Masks on both grids; while at work the probabilities of all cases."""
    target, structures = size.target + size.held_out, len(settings.dataset.structures)
    # A case's softmax of every network, and the logits of one, twice.
    case = (networks + 4) * (structures + 1) * _FLOAT * voxels
    # Where masks end is found when all cases have been asked, of what is known of them until then.
    kept = _FLOAT if settings.segmentation.prediction.ends == "source_volumes" else _HALF
    return Room(
        name,
        outputs=target * _MASK * (voxels + max(raw_voxels, voxels)),
        scratch=target * structures * kept * voxels,
        memory=machine.processes * (_LOADED + machine.cases_a_process * case),
    )
