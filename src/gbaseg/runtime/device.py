"""Which device a step runs on. No parameter: it changes no result that the method defines."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gbaseg.errors import UserError
from gbaseg.runtime.place import elsewhere

if TYPE_CHECKING:
    import torch

# Set by `--device`; read by every worker process.
VARIABLE = "GBASEG_DEVICE"
# NVIDIA's: the GPUs that a process sees.
VISIBLE = "CUDA_VISIBLE_DEVICES"
# What a device without a GPU is called in the ledger.
PROCESSOR = "cpu"
# Where a driver of GPUs shows itself: NVIDIA's, under Windows, AMD's.
_DRIVERS = (Path("/dev/nvidiactl"), Path("/dev/dxg"), Path("/dev/kfd"))
_CARDS, _NVIDIA = Path("/sys/bus/pci/devices"), "0x10de"


def check_name(wanted: str) -> None:
    """Check the name alone, without torch.

    Raises:
        UserError: no such device.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", wanted):
        raise UserError(f"--device {wanted}: no such device; allowed: auto, cpu, cuda, cuda:N")


def choose_device() -> torch.device:
    """The device that `GBASEG_DEVICE` (or `--device`) names, else CUDA where there is one, else the CPU.

    Raises:
        UserError: the device that was asked for is not there.
    """
    import torch

    wanted = os.environ.get(VARIABLE, "auto")
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    check_name(wanted)
    device = torch.device(wanted)
    if device.type == "cuda" and (not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count()):
        found = torch.cuda.device_count() if torch.cuda.is_available() else 0
        raise UserError(f"--device {wanted}: this machine shows {found} CUDA device(s); try --device cpu")
    return device


def gpus_to_share() -> list[str]:
    """The GPUs that tasks are dealt out among, as CUDA_VISIBLE_DEVICES names them; none where one device is named.

    A worker that sees its own GPU alone calls it the first, whatever library it goes through.
    """
    device = choose_device()
    if device.type != "cuda" or device.index is not None:
        return []
    import torch

    count = torch.cuda.device_count()
    visible = os.environ.get(VISIBLE, "")
    names = [name.strip() for name in visible.split(",")] if visible else [str(number) for number in range(count)]
    return names[:count]


def is_gpu() -> bool:
    """Whether tasks compute on a GPU, here or where they go to; without torch, which takes a second, where none is.

    Raises:
        UserError: the device that was asked for is not there.
    """
    wanted = os.environ.get(VARIABLE, "auto")
    check_name(wanted)
    if wanted != PROCESSOR and (place := elsewhere()) is not None:
        return place.request(networks=True).has_gpu
    if wanted == PROCESSOR or (wanted == "auto" and "torch" not in sys.modules and not _may_have_one()):
        return False
    return choose_device().type == "cuda"


def _may_have_one() -> bool:
    """Whether a driver shows itself, or an NVIDIA card, whose driver may come when it is asked for."""
    if any(driver.exists() for driver in _DRIVERS):
        return True
    return any(_content(card) == _NVIDIA for card in _CARDS.glob("*/vendor"))


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return _NVIDIA  # closed to us: torch is asked


def computed_on() -> str:
    """What this process and its workers compute on, for the log: a GPU's name ("2 x ..." where tasks are dealt out
    among two), or "cpu"; also of a process without torch, which has had no use for a GPU."""
    if "torch" not in sys.modules:
        return PROCESSOR
    try:
        device, shared = choose_device(), len(gpus_to_share())
    except UserError:
        return PROCESSOR  # one that is not there has computed nothing
    if device.type != "cuda":
        return PROCESSOR
    import torch

    name = torch.cuda.get_device_name(device)
    return f"{shared} x {name}" if shared > 1 else name


def would_compute_on() -> str:
    """`computed_on` of a stage that would begin now. Takes seconds (torch) where there may be a GPU.

    Raises:
        UserError: the device that was asked for is not there.
    """
    return computed_on() if is_gpu() else PROCESSOR


def has_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 numbers by itself (AVX512-BF16, AMX): elsewhere they are slow."""
    import torch

    # torch has no public question for it; a version without these two computes in float32. The second one heeds
    # ONEDNN_MAX_CPU_ISA, but says yes to instructions that only convert.
    asked = [
        getattr(torch.cpu, "_is_avx512_bf16_supported", None),
        getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None),
    ]
    return all(question is not None and question() for question in asked)


def has_amx() -> bool:
    """Whether this processor multiplies tiles of bfloat16 numbers (Intel's AMX); yes where torch cannot say."""
    import torch

    question = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return question is None or question()
