"""Training of the CycleGAN on toy domains: it learns, resumes to the same weights, and follows the seed."""

import numpy as np
import pytest
import torch

from gbaseg.errors import UserError
from gbaseg.runtime import precision
from gbaseg.runtime.checkpoint import before, load_checkpoint, save_checkpoint
from gbaseg.runtime.threads import torch_threads
from gbaseg.translation.settings import CycleGANSettings
from gbaseg.translation.state import State
from gbaseg.translation.step import Step
from gbaseg.translation.training import CHECKPOINT, train_cyclegan
from gbaseg.translation.translate import translate_volume

pytestmark = pytest.mark.training

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
    left = sorted(path.name for path in (tmp_path / "cut").iterdir())
    assert left == ["computed", CHECKPOINT, f"{CHECKPOINT}.before"]
    logged: dict[int, dict[str, float]] = {}
    resumed = train_cyclegan(source, target, TINY, 7, CPU, tmp_path / "cut", logged.__setitem__)

    assert epochs == [1, 2]
    assert equal(whole, resumed)
    # The log of a resumed run is whole.
    assert list(logged) == [1, 2, 3]


def test_two_cores_give_what_one_gives(tmp_path):
    """Both directions side by side: each parameter has the sum of two gradients, in either order."""
    source, target = blobs(5, 0), 1.0 - blobs(5, 1)
    settings = TINY.model_copy(update={"identity_weight": 0.5})
    trained = []
    for threads in (1, 2):
        with torch_threads(threads):
            trained.append(train_cyclegan(source, target, settings, 7, CPU, tmp_path / str(threads)))
    assert equal(*trained)


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
    saved = load_checkpoint(tmp_path / "moved" / CHECKPOINT)
    groups = [group for state in saved["states"] if "param_groups" in state for group in state["param_groups"]]
    assert len(groups) == 2
    for group in groups:
        group.update(capturable=True, lr=torch.tensor(1.0))
    save_checkpoint(saved, tmp_path / "moved" / CHECKPOINT)
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
    """At a small rate: some of a GPU's sums have no order, and at a large one two plain trainings part just as much."""
    rate, gpu = 1e-6, torch.device("cuda")
    settings = TINY.model_copy(update={"steps_per_epoch": 6, "learning_rate": rate, "decay_epochs": 0, "epochs": 3})
    source, target = blobs(5, 0), 1.0 - blobs(5, 1)
    start = state_of(train_cyclegan(source, target, settings.model_copy(update={"epochs": 0}), 7, gpu, tmp_path / "0"))
    replays, replay = [], torch.cuda.CUDAGraph.replay
    monkeypatch.setattr(torch.cuda.CUDAGraph, "replay", lambda self: (replays.append(1), replay(self))[1])
    losses, moved = [], []
    for name, warm_up in (("replayed", 3), ("plain", 10**9)):
        monkeypatch.setattr("gbaseg.runtime.graphs._WARM_UP", warm_up)
        epochs = []
        end = train_cyclegan(
            source, target, settings, 7, gpu, tmp_path / name, lambda _, means, epochs=epochs: epochs.append(means)
        )
        losses.append(epochs)
        moved.append([float((now - then).norm()) for now, then in zip(state_of(end), start, strict=True)])
    assert len(replays) == 2 * (18 - 3)
    # Each epoch's slices, and with them its losses, are others: a replay of old inputs would be seen.
    for ours, theirs in zip(*losses, strict=True):
        assert ours == pytest.approx(theirs, rel=5e-3, abs=1e-4)  # bfloat16 has steps of 4e-3
    assert losses[1][0] != pytest.approx(losses[1][1], rel=2e-3, abs=1e-4)
    # Adam moves every weight by about the rate at each of the 18 steps, replayed or not.
    assert sum(moved[0]) == pytest.approx(sum(moved[1]), rel=0.05)
    assert sum(moved[1]) > 0


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


@pytest.mark.parametrize(("source", "target"), [(5, 5), (5, 2), (3, 5)])
def test_an_epoch_is_every_slice_of_the_longer_domain_once_and_the_rate_falls_to_the_end(
    tmp_path, monkeypatch, source, target
):
    rates, steps = [], []
    set_rate, one_step = State.set_learning_rate, Step.run
    monkeypatch.setattr(State, "set_learning_rate", lambda self, rate: (rates.append(rate), set_rate(self, rate))[1])
    monkeypatch.setattr(Step, "run", lambda *given: (steps.append(len(given[1])), one_step(*given))[1])
    settings = TINY.model_copy(update={"steps_per_epoch": None, "batch_size": 2, "decay_epochs": 3})
    train_cyclegan(blobs(source, 0), 1.0 - blobs(target, 1), settings, 7, CPU, tmp_path)

    assert steps == [2] * 3 * 5  # 5 slices are 3 batches of 2 (official code: the longer of the two data sets)
    # Constant, then linear: 1 - 1/4, 1 - 2/4, 1 - 3/4 (official code).
    assert rates == pytest.approx([2e-4, 2e-4, 1.5e-4, 1e-4, 0.5e-4])


@pytest.mark.parametrize("mode", ["fast", "reference"])
@pytest.mark.parametrize(
    ("rate", "found"),
    [
        pytest.param(
            1e30,
            "loss generator_target is nan",
            marks=pytest.mark.unusual(
                "Interruptions",
                "a learning rate at which a loss of the CycleGAN becomes NaN",
                "the training stops: losses, epoch, rate, the key to lower; no model",
            ),
        ),
        pytest.param(
            1e6,
            "images translated to the target are constant",
            marks=pytest.mark.unusual(
                "Interruptions",
                "a learning rate at which every translated image comes out constant",
                "the training stops, as for NaN",
            ),
        ),
    ],
)
def test_a_training_that_diverges_stops(tmp_path, mode, rate, found):
    settings = TINY.model_copy(update={"mode": mode, "learning_rate": rate, "steps_per_epoch": 6})
    epochs: list[int] = []
    with pytest.raises(UserError) as fault:
        train_cyclegan(
            blobs(5, 0), 1.0 - blobs(5, 1), settings, 7, CPU, tmp_path, lambda epoch, _: epochs.append(epoch)
        )
    said = str(fault.value)
    assert found in said and "in epoch 1 of 3" in said and f"learning rate of {rate:g}" in said
    assert "Lower translation.cyclegan.learning_rate" in said and "nothing good was kept" in said
    assert epochs == [] and [path.name for path in tmp_path.iterdir()] == ["computed"]


def test_the_checkpoint_before_a_nan_stays_and_is_gone_on_from(tmp_path, monkeypatch):
    source, target = blobs(5, 0), 1.0 - blobs(5, 1)
    whole = train_cyclegan(source, target, TINY, 7, CPU, tmp_path / "whole")
    sums, calls = Step.take_sums, []

    def broken_once(self):
        calls.append(1)
        return {**sums(self), **({"cycle_source": float("nan")} if len(calls) == 2 else {})}

    monkeypatch.setattr(Step, "take_sums", broken_once)
    with pytest.raises(
        UserError, match=r"loss cycle_source is nan in epoch 2 of 3.* checkpoint of epoch 1 \(.*cyclegan"
    ):
        train_cyclegan(source, target, TINY, 7, CPU, tmp_path / "cut")
    assert len(load_checkpoint(tmp_path / "cut" / CHECKPOINT)["history"]) == 1
    assert equal(whole, train_cyclegan(source, target, TINY, 7, CPU, tmp_path / "cut"))


def test_weights_that_are_not_finite_are_not_saved_though_all_losses_are(tmp_path, monkeypatch):
    sums = Step.take_sums

    def after_the_last_step(self):
        next(self._state.to_source.parameters()).data.flatten()[0] = float("inf")
        return sums(self)

    monkeypatch.setattr(Step, "take_sums", after_the_last_step)
    with pytest.raises(UserError, match=r"weights generators\.1\.net\.1\.weight are not finite in epoch 1"):
        train_cyclegan(blobs(5, 0), 1.0 - blobs(5, 1), TINY, 7, CPU, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["computed"]


@pytest.mark.unusual(
    "Interruptions",
    "a flipped byte in the CycleGAN's checkpoint",
    "said; the training goes on from the checkpoint before it, to the same weights",
)
def test_a_damaged_checkpoint_is_passed_over(tmp_path, capsys):
    source, target = blobs(5, 0), 1.0 - blobs(5, 1)
    whole = train_cyclegan(source, target, TINY, 7, CPU, tmp_path / "a")
    flip(tmp_path / "a" / CHECKPOINT)
    logged: list[int] = []
    again = train_cyclegan(source, target, TINY, 7, CPU, tmp_path / "a", lambda epoch, _: logged.append(epoch))
    said = capsys.readouterr().err
    assert "damaged checkpoint" in said and f"the one before it ({CHECKPOINT}.before)" in said
    assert equal(whole, again) and logged == [1, 2, 3]

    for path in (tmp_path / "a" / CHECKPOINT, before(tmp_path / "a" / CHECKPOINT)):
        flip(path)
    assert equal(whole, train_cyclegan(source, target, TINY, 7, CPU, tmp_path / "a"))
    assert "beginning anew" in capsys.readouterr().err


def flip(path):
    """Another byte in the midst of a file: in the weights."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x40
    path.write_bytes(content)
