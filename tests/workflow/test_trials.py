"""Candidates of a choice: what each one's networks find goes to that one, however the cases are dealt out."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from gbaseg import volume
from gbaseg.cases import Case
from gbaseg.params import Params
from gbaseg.self_training.label_free import Seen
from gbaseg.workflow import layout, trials

NAMES = [f"t{number}" for number in range(9)]


def case(name):
    return Case(name, name, "A", "target", "train", "T2", f"images/{name}.nii.gz", "")


@pytest.fixture(autouse=True)
def dealt(monkeypatch):
    """Tasks are called here, in the order in which they are handed over."""
    monkeypatch.setattr(trials, "training_cases", lambda: [case(name) for name in NAMES])
    monkeypatch.setattr(trials, "source_ranges_mm3", lambda settings: dict.fromkeys(settings.labels, (1.0, 1e6)))
    monkeypatch.setattr(trials, "run_tasks", lambda tasks, **_: [task.function(**task.arguments) for task in tasks])
    monkeypatch.setattr(trials, "import_for_workers", lambda *_: None)


def test_what_is_seen_is_of_the_candidate_and_in_the_order_of_the_cases(monkeypatch):
    def look_at_some(settings, model, cases, ranges_mm3, name):
        return [Seen([[float(NAMES.index(one.case))]], [[], []], [[model.name == name]]) for one in cases]

    monkeypatch.setattr(trials, "look_at_some", look_at_some)
    found = trials.look(Params(), {name: Path(name) for name in ("none", "histogram", "cyclegan_0")})
    assert list(found) == ["none", "histogram", "cyclegan_0"]
    for seen in found.values():
        assert [one.between for one in seen] == [[[float(number)]] for number in range(9)]
        assert all(one.plausible == [[True]] for one in seen)


def test_networks_are_asked_one_by_one_and_a_disturbance_is_undone(monkeypatch, tmp_path):
    """Two networks that find what is bright: the same in the image and in the disturbed one, put back."""
    monkeypatch.setattr(layout, "STANDARD", tmp_path)
    grid = volume.Grid((6, 24, 24), (1.0, 1.0, 1.0))
    array = np.full(grid.shape, 0.2, np.float32)
    array[1:5, 8:14, 8:14] = 0.9
    volume.write(volume.Volume(array, grid), tmp_path / case("t0").image)

    def fold_probabilities(scan):
        assert scan.array.dtype == np.float32
        bright = (scan.array > 0.6).astype(np.float32)
        other = bright.copy()
        other[1] = 0.0  # the second one misses a slice
        return np.stack([np.stack([1.0 - one, one]) for one in (bright, other)])

    monkeypatch.setattr(trials, "Ensemble", lambda *_: SimpleNamespace(fold_probabilities=fold_probabilities))
    monkeypatch.setattr(trials, "training_cases", lambda: [case("t0")])
    [seen] = trials.look(Params(), {"none": tmp_path})["none"]
    assert seen.between == [[pytest.approx(2 * 108 / (144 + 108))]]
    assert seen.within == [[1.0], [1.0]]
    assert seen.plausible == [[True], [True]]
