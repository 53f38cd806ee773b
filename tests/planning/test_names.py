"""Which scan and label belong together, by their names."""

import pytest

from gbaseg.planning.names import common_ending, pair, plain


@pytest.mark.parametrize(
    ("images", "labels", "pairs"),
    [
        (["a", "b"], ["b", "a"], {"a": "a", "b": "b"}),
        (["p1_ceT1", "q2_ceT1"], ["p1_Label", "q2_Label"], {"p1_ceT1": "p1_Label", "q2_ceT1": "q2_Label"}),
        # nnU-Net's channel; what all labels happen to end in is a part of their names
        (["la_20_0000", "la_30_0000"], ["la_20", "la_30"], {"la_20_0000": "la_20", "la_30_0000": "la_30"}),
        (["img_7", "img_8"], ["seg_8", "seg_7"], {"img_7": "seg_7", "img_8": "seg_8"}),
        # one way for all: the best one, and what is left over is not guessed
        (["a_x", "b_x", "c_x"], ["a_y", "b_y", "d_y"], {"a_x": "a_y", "b_x": "b_y"}),
        (["one", "two"], ["three", "four"], {}),
    ],
)  # fmt: skip
def test_pairs(images, labels, pairs):
    assert pair(images, labels) == pairs


def test_two_scans_that_would_share_a_label_have_none():
    assert pair(["a.x_1", "a-x_1", "b_1"], ["a.x", "b"]) == {"a.x_1": "a.x", "b_1": "b"}
    assert pair(["img1_T1", "img1_T1"], ["img1_L"]) == {}


def test_an_ending_begins_with_a_separator_and_leaves_a_name():
    assert common_ending(["a1_ceT1", "b1_ceT1"]) == "_ceT1"
    assert common_ending(["a1", "b1"]) == ""
    assert common_ending(["_T1", "a_T1"]) == ""
    assert common_ending(["only_T1"]) == ""


def test_names_become_names_of_files():
    assert plain("Müller, 3") == "M-ller-3"
    assert plain("_x") == "case_x"
    assert plain("size") == "case-size"  # DVC would not see what is decided about it
