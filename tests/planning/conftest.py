"""Facts of made-up data sets, for decisions that read nothing."""

from dataclasses import replace

import pytest

from gbaseg.planning.facts import PERCENTS, DataFacts, LabelFacts, ScanFacts
from gbaseg.volume import Grid

# Bright end over the 75th percentile: as of a head.
TISSUE = tuple({0.0: 0.0, 50.0: 80.0, 75.0: 100.0}.get(percent, 100.0 + percent) for percent in PERCENTS)


def label(value=1, across_mm=20.0, reach_mm=40.0, pieces=1, bright=150.0, height_mm=40.0):
    """A box around the centre of a scan of 200 mm, `reach_mm` to either side."""
    low, high = (40.0, 100.0 - reach_mm, 100.0 - reach_mm), (40.0 + height_mm, 100.0 + reach_mm, 100.0 + reach_mm)
    return LabelFacts(value, 1e4, pieces, low, high, across_mm, bright)


def scan(case="s0", labels=(), **changes):
    """200 x 200 x 120 mm in voxels of 1 x 1 x 3 mm, a body of 160 mm in its middle."""
    fields = {
        "case": case,
        "source": bool(labels),
        "held_out": False,
        "own": Grid((40, 200, 200), (3.0, 1.0, 1.0)),
        "shape": (40, 200, 200),
        "spacing_mm": (3.0, 1.0, 1.0),
        "centre_mm": (60.0, 100.0, 100.0),
        "body_low_mm": (0.0, 20.0, 20.0),
        "body_high_mm": (120.0, 180.0, 180.0),
        "zeros": 0.0,
        "edge_zeros": 0.0,
        "head_share": 0.4,
        "percentiles": TISSUE,
        "labels": tuple(labels),
    }
    return ScanFacts(**{**fields, **changes})


ONE = (label(),)


def facts(labels=ONE, source=6, target=5, **changes):
    """A set of scans that are alike; `changes` are the target's."""
    scans = [scan(f"s{index}", labels) for index in range(source)]
    scans += [replace(scan(f"t{index}"), source=False, **changes) for index in range(target)]
    return DataFacts(scans, source, {"source": ("A",), "target": ("A",)}, source, target, 0)


@pytest.fixture
def make():
    """The makers above, by their names."""
    return type("Makers", (), {"label": staticmethod(label), "scan": staticmethod(scan), "facts": staticmethod(facts)})
