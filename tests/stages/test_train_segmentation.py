"""What a round trains on."""

from pathlib import Path

import pytest

from gbaseg.params import Params
from gbaseg.runtime.scratch import atomic_outputs
from gbaseg.stages import train_segmentation
from gbaseg.stages.train_segmentation import target_weight


def test_the_papers_share_needs_no_weight_and_a_diluted_target_gets_it_back():
    assert target_weight(498, 210, 0.3) == 1
    weight = target_weight(216, 16, 0.3)
    assert weight == 6
    assert 16 * weight / (216 + 16 * weight) == pytest.approx(0.3, abs=0.02)


@pytest.mark.parametrize(("source", "target", "share"), [(216, 16, None), (216, 0, 0.3), (0, 16, 0.3), (16, 200, 0.3)])
def test_never_less_than_once(source, target, share):
    assert target_weight(source, target, share) == 1


def test_finished_folds_survive_an_interruption(tmp_path, monkeypatch):
    """Days of a fold's training: a rerun of the stage finds its weights and curves, and they reach the outputs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(train_segmentation, "prepare", lambda *_, **__: None)
    trained = []

    def train_folds(workspace, model, curves, settings, *, folds, **_):
        for fold in folds:
            if not (model / f"fold_{fold}").is_file():
                trained.append(fold)
                for folder in (model, curves):
                    folder.mkdir(parents=True, exist_ok=True)
                    (folder / f"fold_{fold}").write_text("done")
                if trained == [0, 1]:
                    raise KeyboardInterrupt

    monkeypatch.setattr(train_segmentation, "train_folds", train_folds)

    def stage():
        with atomic_outputs("train", "model", "curves") as scratch:
            train_segmentation.train(
                Params(), [], scratch.work, scratch.output("model"), scratch.output("curves"), folds=range(3), epochs=1,
                name="round_0", fine=False, previous=None, pools=[],
            )  # fmt: skip

    with pytest.raises(KeyboardInterrupt):
        stage()
    assert not Path("model").exists()
    stage()
    assert trained == [0, 1, 2]
    for folder in ("model", "curves"):
        assert sorted(path.name for path in Path(folder).iterdir()) == ["fold_0", "fold_1", "fold_2"]
