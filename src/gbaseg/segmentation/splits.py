"""Folds split by patient: augmented copies of one patient never stand on both sides (nnU-Net's own split would)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gbaseg.errors import UserError
from gbaseg.runtime.seeds import numpy_generator


def split_by_patient(
    patient_of: Mapping[str, str], folds: int, seed: int, pools: Sequence[Sequence[str]] = ()
) -> list[dict[str, list[str]]]:
    """Split training items into folds.

    Args:
        patient_of: patient of each training item.
        folds: number of folds, at least 2.
        seed: of the shuffle of the patients.
        pools: see `deal_patients`; default: the patients that are present, in one pool.

    Returns:
        nnU-Net's `splits_final.json`: for each fold the names to train on and the names held out.

    Raises:
        UserError: fewer patients than folds, or a fold that holds out none.
    """
    patients = sorted(set(patient_of.values()))
    if len(patients) < folds:
        raise UserError(
            f"segmentation.folds: {folds} folds need as many patients; the training set has {len(patients)}"
        )
    fold_of = deal_patients(pools or [patients], folds, seed)
    if idle := sorted(set(range(folds)) - {fold_of[patient] for patient in patients}):
        raise UserError(
            f"segmentation.folds: of {len(patients)} patients left to train on, fold {', '.join(map(str, idle))} of "
            f"{folds} holds out none; take fewer folds, or leave fewer pseudo-labels out (self_training.confidence)"
        )
    names = sorted(patient_of)
    return [
        {
            "train": [name for name in names if fold_of[patient_of[name]] != fold],
            "val": [name for name in names if fold_of[patient_of[name]] == fold],
        }
        for fold in range(folds)
    ]


def deal_patients(pools: Sequence[Sequence[str]], folds: int, seed: int) -> dict[str, int]:
    """The fold that each patient is held out in.

    Args:
        pools: all patients that may take part in any round, such as those of the source and those of the target. Each
            pool is dealt out on its own, present or not: a patient is in the same fold in every round.
        folds: number of folds.
        seed: of the shuffle.
    """
    dealt: list[str] = []
    for pool in pools:
        rng = numpy_generator(seed, "splits")
        dealt += rng.permutation(sorted(set(pool))).tolist()
    return {patient: position % folds for position, patient in enumerate(dealt)}
