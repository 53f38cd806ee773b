"""Which slices of a case the report shows."""

import numpy as np

from gbaseg.commands.report import interesting_slices


def mask(**slices):
    out = np.zeros((9, 4, 4), bool)
    for name, count in slices.items():
        out[int(name[1:])].flat[:count] = True
    return out


def test_the_worst_slice_and_the_tumours_middle():
    reference = mask(z2=4, z3=8, z4=8, z5=2)
    assert interesting_slices(mask(z2=4, z3=2, z4=8, z5=2), reference) == {"worst": 3, "middle": 4}


def test_of_slices_that_are_missed_the_largest_is_shown_also_where_only_the_prediction_is():
    reference = mask(z3=2, z4=8)
    assert interesting_slices(mask(z4=8, z7=6), reference)["worst"] == 7


def test_without_a_reference_the_predictions_middle_and_without_either_the_volumes():
    assert interesting_slices(mask(z1=1, z2=1, z3=1), None) == {"middle": 2}
    assert interesting_slices(mask(), None) == {"middle": 4}
    assert interesting_slices(mask(), mask()) == {"middle": 4}
