"""Scores against Dice: asserted on the drawn objects."""

import math
from dataclasses import replace

import numpy as np

from gbaseg.evaluation.choice_figure import scores_against_dice
from gbaseg.evaluation.drawing import save
from gbaseg.evaluation.run_choice import KnownRun

RUNS = [
    KnownRun("naive-1", "naive", 1, {"a": 0.5, "b": 0.9}, 1.0, 0.6),
    KnownRun("gba-1", "gba", 1, {"a": 0.7, "b": 0.8}, 1.0, 0.8),
    KnownRun("none-1", "none", 1, {"a": 0.95, "b": math.nan}, 0.1, 0.05),
]
WORDS = {"a": "score a", "b": "score b"}


def points(axes, look):
    return sorted(
        tuple(np.round(place, 6))
        for drawn in axes.collections
        if look(drawn)
        for place in np.asarray(drawn.get_offsets())
    )


def is_ring(drawn):
    return len(drawn.get_facecolor()) == 0 and drawn.get_sizes()[0] > 50


def test_every_run_is_a_point_and_a_ring_is_around_the_chosen_one(tmp_path):
    figure = scores_against_dice(RUNS, WORDS)
    first, second, empty = figure.axes
    assert not empty.axison
    assert points(first, lambda drawn: not is_ring(drawn)) == [(0.5, 0.6), (0.7, 0.8), (0.95, 0.05)]
    # The collapsed run has the highest score, and is not chosen.
    assert points(first, is_ring) == [(0.7, 0.8)]
    assert points(second, lambda drawn: not is_ring(drawn)) == [(0.8, 0.8), (0.9, 0.6)]
    assert points(second, is_ring) == [(0.9, 0.6)]
    assert (first.get_xlabel(), first.get_ylabel()) == ("score a", "Dice on the target")
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["naive", "gba", "none", "collapsed: never chosen", "chosen by the score"]
    colours = {line.get_color() for line in figure.legends[0].get_lines()[:3]}
    assert len(colours) == 3
    for suffix in (".svg", ".png"):
        save(figure, tmp_path / f"scores{suffix}", dpi=50)


def test_without_labels_it_says_so():
    figure = scores_against_dice([replace(one, dice=math.nan) for one in RUNS], WORDS)
    assert "no labels to score with" in [text.get_text() for text in figure.axes[0].texts]
