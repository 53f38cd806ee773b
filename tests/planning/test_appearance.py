"""Foreground, range and structures from what was seen."""

from dataclasses import replace

import pytest

from gbaseg.planning.appearance import choose_foreground, choose_range, choose_structures, grey_air, of_one_scan
from gbaseg.planning.facts import PERCENTS

STRUCTURES = {"tumour": 1}


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, "head"),
        ({"zeros": 0.5, "edge_zeros": 1.0}, "nonzero"),
        # a sum of black frames around scans with air is no stripped skull
        ({"zeros": 0.5, "edge_zeros": 0.8}, "head"),
        ({"zeros": 0.05, "edge_zeros": 1.0}, "head"),
        ({"head_share": 0.99}, "all"),
    ],
)
def test_foreground(make, changes, kind):
    data = make.facts()
    assert choose_foreground(replace(data, scans=[replace(scan, **changes) for scan in data.scans])).value == kind


def test_one_domain_with_air_that_is_not_zero_is_enough_for_head(make):
    assert choose_foreground(make.facts(zeros=0.5, edge_zeros=1.0)).value == "head"


@pytest.mark.parametrize(("zero_at", "edge_zeros", "warned"), [(0.4, 1.0, True), (0.05, 1.0, False), (0.4, 0.8, False)])
def test_what_was_cut_out_is_not_to_be_as_grey_as_tissue(make, zero_at, edge_zeros, warned):
    data = make.facts()
    scans = [replace(scan, zeros=0.5, edge_zeros=edge_zeros, zero_at=zero_at) for scan in data.scans]
    said = grey_air(replace(data, scans=scans))
    assert [line[:71] for line in said] == [
        "0 is all around and tissue is darker than it in 11 of 11 scans (s0, s1,"
    ] * warned


def percentiles(**ends):
    base = {**dict.fromkeys(PERCENTS, 100.0), 0.0: 0.0}
    return tuple(
        {**base, **{float(key.removeprefix("p").replace("_", ".")): value for key, value in ends.items()}}.values()
    )


def test_a_few_bright_voxels_do_not_stretch_the_range(make):
    fat = percentiles(p98_0=200.0, p99_0=400.0, p99_5=700.0, p99_9=900.0)
    choice = choose_range(make.facts(percentiles=fat), STRUCTURES)
    assert choice.value == [0, 99.0]
    assert "99.9: 9.0" in choice.reason


@pytest.mark.parametrize("begin", [0.0, -1000.0, 1000.0, -100.0])
def test_the_range_is_the_same_wherever_intensities_begin(make, begin):
    """CT in Hounsfield units, or shifted by 1024; scans of mean 0."""
    data = make.facts(percentiles=percentiles(p98_0=200.0, p99_0=400.0, p99_5=700.0, p99_9=900.0))
    shifted = [
        replace(
            scan,
            percentiles=tuple(value + begin for value in scan.percentiles),
            labels=tuple(replace(label, bright=label.bright + begin) for label in scan.labels),
        )
        for scan in data.scans
    ]
    assert choose_range(replace(data, scans=shifted), STRUCTURES) == choose_range(data, STRUCTURES)
    assert choose_range(data, STRUCTURES).value == [0, 99.0]


def test_but_a_structure_as_bright_as_they_is_not_clipped(make):
    fat = percentiles(p98_0=200.0, p99_0=400.0, p99_5=700.0, p99_9=900.0)
    bright = make.facts([make.label(bright=199.8)], percentiles=fat)  # the source's 99.9th percentile is 199.9
    assert choose_range(bright, STRUCTURES).value == [0, 99.9]


def test_pieces_are_those_of_most_labels_and_other_values_are_known(make):
    data = make.facts([make.label(1), make.label(2, pieces=2), make.label(7)])
    structures, known = choose_structures(data, {"VS": 1, "Cochlea": 2})
    assert structures.value == {"VS": 1, "Cochlea": {"value": 2, "pieces": 2}}
    assert known.value == [1, 2, 7] and "7 left alone" in known.reason


def test_a_domain_of_few_scans_is_not_outvoted(make):
    data = make.facts(source=30, target=2)
    scans = [replace(scan, zeros=0.5, edge_zeros=1.0) if scan.source else scan for scan in data.scans]
    choice = choose_foreground(replace(data, scans=scans))
    assert choice.value == "head" and "2 of 32 scans are not cut out of zeros" in choice.reason


def test_the_reason_of_a_wide_range_is_that_which_holds(make):
    bright = percentiles(p98_0=600.0, p99_0=700.0, p99_5=800.0, p99_9=900.0)
    choice = choose_range(make.facts([make.label(bright=1.0)], percentiles=bright), STRUCTURES)
    assert choice.value == [0, 99.9] and "even 98 is 6.0 times" in choice.reason and "clip" not in choice.reason


def test_a_structure_of_one_scan_is_warned_of_and_counted_as_such(make):
    data = make.facts([make.label(1)])
    first = replace(data.scans[0], labels=(make.label(1), make.label(2), make.label(7)))
    data = replace(data, scans=[first, *data.scans[1:]])
    assert of_one_scan(data, {"VS": 1}) == []
    assert of_one_scan(data, {"VS": 1, "Cochlea": 2})[0].startswith("Cochlea is in one label of 6 alone (s0)")
    structures, known = choose_structures(data, {"VS": 1, "Cochlea": 2})
    assert "Cochlea in 1 piece(s) in 1 of 1 labels that hold it, of 6" in structures.reason
    assert known.reason.endswith("7 left alone (in 1 of 6)")
