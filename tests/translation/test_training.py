"""Training of the CycleGAN on toy domains: it learns, resumes to the same weights, and follows the seed."""

import numpy as np
import pytest
import torch

from gbaseg.runtime import precision
from gbaseg.translation.settings import CycleGANSettings
from gbaseg.translation.state import State
from gbaseg.translation.step import Step
from gbaseg.translation.training import CHECKPOINT, train_cyclegan
from gbaseg.translation.translate import translate_volume

CPU = torch.device("cpu")
TINY = CycleGANSettings(
    epochs=2, decay_epochs=1, steps_per_epoch=2, generator_width=4, residual_blocks=1, discriminator_width=4,
    discriminator_layers=1, pool_size=3, crop_yx=(12, 12), random_flip=True,
)  # fmt: skip


def blobs(count: int, seed: int, size: int = 16) -> np.ndarray:
    """Bright blobs (0.9) on grey (0.2): (count, size, size)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    centre = rng.uniform(4, size - 4, (2, count, 1, 1))
    return (0.2 + 0.7 * np.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / 8.0)).astype(np.float32)


def state_of(generators) -> list[torch.Tensor]:
    return [*generators.to_target.state_dict().values(), *generators.to_source.state_dict().values()]


def equal(first, second) -> bool:
    return all(torch.equal(a, b) for a, b in zip(state_of(first), state_of(second), strict=True))


@pytest.mark.parametrize("adversarial", ["least_squares", "log"])
def test_learns_to_invert_a_toy_domain(tmp_path, adversarial):
    source, target = blobs(24, 0), 1.0 - 0.8 * blobs(24, 1)
    settings = CycleGANSettings(
        epochs=6, decay_epochs=2, steps_per_epoch=25, batch_size=2, generator_width=8, residual_blocks=1,
        discriminator_width=8, discriminator_layers=1, learning_rate=2e-3, identity_weight=0.0,
        adversarial=adversarial,
    )  # fmt: skip
    history = []
    trained = train_cyclegan(source, target, settings, 1, CPU, tmp_path, lambda _, means: history.append(means))
    pseudo = translate_volume(trained.to_target, source, CPU)
    back = translate_volume(trained.to_source, pseudo, CPU)

    assert history[-1]["cycle_source"] < 0.5 * history[0]["cycle_source"]
    assert np.abs(back - source).mean() < 0.5 * np.abs(pseudo - source).mean()
    assert abs(pseudo.mean() - target.mean()) < 0.25 * abs(source.mean() - target.mean())


def test_a_resumed_run_gives_the_same_weights(tmp_path):
    source, target = blobs(5, 0), 1.0 - blobs(5, 1)
    epochs: list[int] = []

    class Interrupted(Exception):
        pass

    def interrupt(epoch, means):
        epochs.append(epoch)
        if epoch == 2:
            raise Interrupted

    whole = train_cyclegan(source, target, TINY, 7, CPU, tmp_path / "whole")
    with pytest.raises(Interrupted):
        train_cyclegan(source, target, TINY, 7, CPU, tmp_path / "cut", interrupt)
    assert sorted(path.name for path in (tmp_path / "cut").iterdir()) == ["computed", CHECKPOINT]
    logged: dict[int, dict[str, float]] = {}
    resumed = train_cyclegan(source, target, TINY, 7, CPU, tmp_path / "cut", logged.__setitem__)

    assert epochs == [1, 2]
    assert equal(whole, resumed)
    # The log of a resumed run is whole.
    assert list(logged) == [1, 2, 3]


def test_a_checkpoint_of_another_device_is_gone_on_from(tmp_path):
    """How Adam steps is the device's: a GPU's checkpoint says capturable, with the rate in a tensor."""
    source, target = blobs(5, 0), 1.0 - blobs(5, 1)

    class Interrupted(Exception):
        pass

    def interrupt(epoch, means):
        raise Interrupted

    whole = train_cyclegan(source, target, TINY, 7, CPU, tmp_path / "whole")
    with pytest.raises(Interrupted):
        train_cyclegan(source, target, TINY, 7, CPU, tmp_path / "moved", interrupt)
    saved = torch.load(tmp_path / "moved" / CHECKPOINT, weights_only=True)
    groups = [group for state in saved["states"] if "param_groups" in state for group in state["param_groups"]]
    assert len(groups) == 2
    for group in groups:
        group.update(capturable=True, lr=torch.tensor(1.0))
    torch.save(saved, tmp_path / "moved" / CHECKPOINT)
    assert equal(whole, train_cyclegan(source, target, TINY, 7, CPU, tmp_path / "moved"))


def test_half_width_changes_no_more_than_rounding(tmp_path, monkeypatch):
    """A processor with bfloat16 and one without start on the same way: the first losses agree to its 8 bits."""
    settings = TINY.model_copy(update={"batch_size": 4, "steps_per_epoch": 1, "epochs": 1, "decay_epochs": 0})
    losses = {}
    for has in (False, True):
        monkeypatch.setattr(precision, "has_bfloat16", lambda has=has: has)
        kept = losses[has] = {}
        trained = train_cyclegan(
            blobs(6, 0), 1 - blobs(6, 1), settings, 3, CPU, tmp_path / str(has), lambda _, m, kept=kept: kept.update(m)
        )
        assert all(weights.dtype == torch.float32 for weights in state_of(trained))
    assert losses[True] != losses[False]
    assert losses[True] == pytest.approx(losses[False], rel=0.03, abs=0.01)


def test_mode_reference_is_float32_everywhere(tmp_path, monkeypatch):
    settings = TINY.model_copy(update={"mode": "reference"})
    ended = {}
    for has in (False, True):
        monkeypatch.setattr(precision, "has_bfloat16", lambda has=has: has)
        ended[has] = train_cyclegan(blobs(6, 0), 1 - blobs(6, 1), settings, 3, CPU, tmp_path / str(has))
    assert equal(ended[True], ended[False])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_that_replays_steps_ends_where_one_that_does_not_ends(tmp_path, monkeypatch):
    settings, gpu = TINY.model_copy(update={"steps_per_epoch": 6, "learning_rate": 5e-3}), torch.device("cuda")
    source, target, first = blobs(5, 0), 1.0 - blobs(5, 1), []
    second: list[dict[str, float]] = []
    replays, replay = [], torch.cuda.CUDAGraph.replay
    monkeypatch.setattr(torch.cuda.CUDAGraph, "replay", lambda self: (replays.append(1), replay(self))[1])
    replayed = train_cyclegan(source, target, settings, 7, gpu, tmp_path / "a", lambda _, means: first.append(means))
    assert len(replays) == 2 * (18 - 3)
    monkeypatch.setattr("gbaseg.runtime.graphs._WARM_UP", 10**9)
    plain = train_cyclegan(source, target, settings, 7, gpu, tmp_path / "b", lambda _, means: second.append(means))
    # Weights before a norm have gradients of rounding alone, which Adam makes steps of: what counts is what comes out.
    for ours, theirs in zip(first, second, strict=True):
        assert ours == pytest.approx(theirs, rel=0.02, abs=2e-3)
    np.testing.assert_allclose(
        translate_volume(replayed.to_target, source, gpu), translate_volume(plain.to_target, source, gpu), atol=0.02
    )


def test_a_finished_run_is_not_trained_again(tmp_path):
    source, target = blobs(5, 0), 1.0 - blobs(5, 1)
    first = train_cyclegan(source, target, TINY, 7, CPU, tmp_path)
    written = (tmp_path / CHECKPOINT).read_bytes()
    assert equal(first, train_cyclegan(source, target, TINY, 7, CPU, tmp_path))
    assert (tmp_path / CHECKPOINT).read_bytes() == written


def test_weights_follow_the_seed(tmp_path):
    source, target = blobs(5, 0), 1.0 - blobs(5, 1)
    first, again, other = (
        train_cyclegan(source, target, TINY, seed, CPU, tmp_path / name)
        for name, seed in (("first", 7), ("again", 7), ("other", 8))
    )
    assert equal(first, again)
    assert not equal(first, other)


def test_an_epoch_is_every_source_slice_once_and_the_rate_falls_to_the_end(tmp_path, monkeypatch):
    rates, steps = [], []
    set_rate, one_step = State.set_learning_rate, Step.run
    monkeypatch.setattr(State, "set_learning_rate", lambda self, rate: (rates.append(rate), set_rate(self, rate))[1])
    monkeypatch.setattr(Step, "run", lambda *given: (steps.append(len(given[1])), one_step(*given))[1])
    settings = TINY.model_copy(update={"steps_per_epoch": None, "batch_size": 2, "decay_epochs": 3})
    train_cyclegan(blobs(5, 0), 1.0 - blobs(5, 1), settings, 7, CPU, tmp_path)

    assert steps == [2] * 3 * 5  # 5 slices are 3 batches of 2
    # Constant, then linear: 1 - 1/4, 1 - 2/4, 1 - 3/4 (official code).
    assert rates == pytest.approx([2e-4, 2e-4, 1.5e-4, 1e-4, 0.5e-4])
