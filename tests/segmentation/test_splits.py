"""Folds split by patient."""

import pytest

from gbaseg.errors import UserError
from gbaseg.segmentation.splits import split_by_patient

# Every third patient has two augmented copies.
PATIENT_OF = {f"case{n:02d}": f"p{n:02d}" for n in range(11)} | {
    f"case{n:02d}_large_l{factor}_k1": f"p{n:02d}" for n in range(0, 11, 3) for factor in (0.7, 1.2)
}


def test_a_patient_and_its_copies_stand_on_one_side():
    for fold in split_by_patient(PATIENT_OF, 5, seed=1):
        train, held_out = ({PATIENT_OF[name] for name in fold[side]} for side in ("train", "val"))
        assert not train & held_out
        assert len(train | held_out) == 11


def test_every_item_is_held_out_once_and_trained_on_in_all_other_folds():
    folds = split_by_patient(PATIENT_OF, 5, seed=1)
    assert sorted(name for fold in folds for name in fold["val"]) == sorted(PATIENT_OF)
    assert all(sorted(fold["train"] + fold["val"]) == sorted(PATIENT_OF) for fold in folds)


def test_folds_hold_out_as_many_patients_as_each_other_or_one_more():
    held_out = [len({PATIENT_OF[name] for name in fold["val"]}) for fold in split_by_patient(PATIENT_OF, 4, seed=1)]
    assert held_out == [3, 3, 3, 2]


def test_the_split_follows_the_seed_and_not_the_order_of_the_items():
    split = split_by_patient(PATIENT_OF, 5, seed=1)
    assert split_by_patient(dict(reversed(PATIENT_OF.items())), 5, seed=1) == split
    assert split_by_patient(PATIENT_OF, 5, seed=2) != split


def test_a_copy_more_moves_no_other_item():
    before = split_by_patient(PATIENT_OF, 5, seed=1)
    after = split_by_patient({**PATIENT_OF, "case01_small_l0.6": "p01"}, 5, seed=1)
    assert [[name for name in fold["val"] if name != "case01_small_l0.6"] for fold in after] == [
        fold["val"] for fold in before
    ]


def test_a_patient_keeps_its_fold_from_round_to_round():
    """Round 0 has the source alone, later ones the target too, less those whose pseudo-labels are doubtful."""
    source, target = sorted(set(PATIENT_OF.values())), [f"t{n}" for n in range(7)]
    pools = [source, target]

    def fold_of(patient_of):
        folds = split_by_patient(patient_of, 3, seed=1, pools=pools)
        return {patient_of[name]: number for number, fold in enumerate(folds) for name in fold["val"]}

    first = fold_of(PATIENT_OF)
    later = fold_of({**PATIENT_OF, **{name: name for name in target}})
    dropped = fold_of({**PATIENT_OF, **{name: name for name in target if name != "t3"}})
    assert {patient: later[patient] for patient in source} == first
    assert {patient: fold for patient, fold in later.items() if patient != "t3"} == dropped
    assert sorted(list(later.values()).count(fold) for fold in range(3)) == [6, 6, 6]


def test_there_must_be_a_patient_a_fold():
    assert sorted(fold["val"] for fold in split_by_patient({"a": "p", "b": "q"}, 2, seed=1)) == [["a"], ["b"]]
    with pytest.raises(UserError, match=r"segmentation\.folds: 3 folds need as many patients; the training set has 2"):
        split_by_patient({"a": "p", "a2": "p", "b": "q"}, 3, seed=1)


def test_a_fold_whose_patients_were_all_left_out_is_named():
    """The last round on the target alone, less what is doubtful: nnU-Net would draw from an empty list."""
    target = [f"t{n}" for n in range(7)]
    everyone = split_by_patient({name: name for name in target}, 3, seed=1, pools=[target])
    kept = {name: name for name in target if name not in everyone[1]["val"]}
    with pytest.raises(UserError, match=r"segmentation\.folds: of 5 patients .* fold 1 of 3 holds out none"):
        split_by_patient(kept, 3, seed=1, pools=[target])
