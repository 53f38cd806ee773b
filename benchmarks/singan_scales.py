"""A process of `singan_parts.py`: one way to train a SinGAN, measured at some scales, one whenever it is told to.

It calls what is the same in every tree that it is to measure: the training of a whole model. Iterations are measured
from within; those of other scales, and those that there is no time for, are left out.
"""

import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import torch
from singan import slice_like_a_head

from gbaseg.augmentation.settings import SinGANSettings
from gbaseg.augmentation.singan import iteration, model, scale, training
from gbaseg.runtime import graphs
from gbaseg.runtime.device import choose_device
from gbaseg.runtime.memory import keep_freed


class Stopwatch:
    """Takes the place of `Iteration.run` and `SinGAN.sample`."""

    def __init__(self, asked: dict[str, Any]) -> None:
        self.asked, self.on_gpu = asked, choose_device().type == "cuda"
        self.fast = asked["mode"] == "fast"
        # Iterations before the measuring, three of them and the recording on a GPU, and between two looks at the clock,
        # for which a GPU must come to rest.
        self.before, self.block = (5, 10 if self.fast else 2) if self.on_gpu else (1, 1)
        self.scale, self.done, self.times = -1, 0, list[float]()
        self.started = self.sampled = self.sampling = self.ends = 0.0
        self._run, self._sample = iteration.Iteration.run, model.SinGAN.sample
        watch = self

        def run(self: Any, *given: Any) -> None:
            watch.run(self, *given)

        def sample(self: Any, *given: Any) -> Any:
            return watch.sample(self, *given)

        iteration.Iteration.run = run  # type: ignore[method-assign, assignment]
        model.SinGAN.sample = sample  # type: ignore[method-assign, assignment]

    def run(self, one: Any, *given: Any) -> None:
        """An iteration, or none."""
        if not hasattr(one, "_watched"):
            one._watched = True
            self.scale += 1
            self.done, self.times, self.sampling = 0, [], 0.0
            if self.scale in self.asked["scales"] and not sys.stdin.readline():
                raise SystemExit  # whoever asked is gone
        if self.scale not in self.asked["scales"] or self.done < 0:
            return
        at = (self.done - self.before) % self.block
        if self.done >= self.before and at == 0:
            self.started, self.sampled = self.clock(), 0.0
            if not self.times:
                self.ends = time.monotonic() + self.asked["seconds"]
        self._run(one, *given)
        if self.done >= self.before and at == self.block - 1:
            self.times.append((self.clock() - self.started - self.sampled) / self.block)
            if time.monotonic() > self.ends:
                self.done = -2
        self.done += 1

    def sample(self, one: Any, *given: Any) -> Any:
        """Random images: mode reference has them in each step, mode fast at times, so that their part is counted."""
        if not self.fast:
            return self._sample(one, *given)
        called = self.clock()
        if self.on_gpu:
            self._sample(one, *given)  # libraries choose their kernels
        started = self.clock()
        images = self._sample(one, *given)
        ended = self.clock()
        self.sampled += ended - called
        self.sampling = (ended - started) / given[0]  # an image
        return images

    def clock(self) -> float:
        """Seconds, when all is done."""
        if self.on_gpu:
            torch.cuda.synchronize()
            return time.perf_counter()
        return time.process_time()


def main() -> None:
    asked = json.loads(sys.argv[1])
    device, models = choose_device(), asked["models"]
    keep_freed()  # as in every stage
    torch.set_num_threads(1)
    # Scales that are left out are not trained; that is no fault here.
    scale._WORST_RMSE, scale.is_flattened = float("inf"), lambda *_: False
    if not asked["recorded"]:
        graphs._WARM_UP = 10**9
    watch, image = Stopwatch(asked), slice_like_a_head(asked["size"])
    settings = SinGANSettings(mode=asked["mode"], iterations=asked["iterations"] + watch.before)
    steps = settings.discriminator_steps + settings.generator_steps

    def tell(report: Any) -> None:
        if report.scale not in asked["scales"]:
            return
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 2**10
        most = torch.cuda.max_memory_reserved() if watch.on_gpu else own
        found = {
            "scale": report.scale, "height": report.height, "channels": report.channels, "iterations": len(watch.times),
            "seconds": median(watch.times) / models + watch.sampling * steps / settings.sample_uses,
            "gib": most / 2**30,
        }  # fmt: skip
        print(json.dumps(found), flush=True)

    with tempfile.TemporaryDirectory() as scratch:
        if models == 1:
            training.train_singan(training.Wanted(image, 1, Path(scratch)), settings, device, on_scale=tell)
        else:
            wanted = [training.Wanted(image, seed, Path(scratch) / str(seed)) for seed in range(models)]
            training.train_bank(wanted, settings, device, on_scale=lambda place, one: tell(one) if not place else None)


if __name__ == "__main__":
    try:
        main()
    except Exception as error:  # whatever it is, it is for the process that asked
        said = str(error).strip().splitlines() or [""]
        print(json.dumps({"failed": f"{type(error).__name__}: {said[0]}"}), flush=True)
