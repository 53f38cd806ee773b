"""The process that the stages of one `dvc repro` are forked from: torch and nnU-Net are imported once for all of them.

Of several side by side (`commands.side_by_side`) all stages have one.

Importing takes a core two to four seconds a stage, and a run has nineteen. The first stage starts this process, which
imports beside it and ends with dvc; later stages hand themselves over to it (`stage_client`). A stage's process is a
fork: by itself as any process, but that its parent is this one. Nothing runs here but imports.
"""

from __future__ import annotations

import gc
import json
import os
import random
import selectors
import shutil
import signal
import socket
import struct
import sys
import warnings
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from gbaseg.runtime.ending import ASKING
from gbaseg.runtime.family import end_with_caller, hears_of_parent
from gbaseg.runtime.fork_server import put_aside
from gbaseg.runtime.leaving import run_to_its_end
from gbaseg.runtime.stage_client import SIZE, SOCKET, STARTED, STATUS

# Standard input, output and error of the caller, and the pipe that it tells signals by.
_DESCRIPTORS = 4
# What stages take long to import, in the order in which a run wants it; it begins behind the stage that has started
# this process. None of it may start threads that a fork would miss, nor ask for a GPU
# (`fork_server.import_for_workers`).
_IMPORTED = (
    "gbaseg.cli",
    "gbaseg.stages.standardise",
    "gbaseg.stages.train_translation",
    "gbaseg.translation.training",
    "gbaseg.stages.choose_translation",
    "gbaseg.stages.translate",
    "gbaseg.segmentation.training",
    "gbaseg.stages.survey",
    "gbaseg.stages.pseudo_label",
    "gbaseg.stages.evaluate",
    "gbaseg.stages.train_singan",
    "gbaseg.stages.augment",
    "gbaseg.stages.adapt",
    "gbaseg.stages.train_segmentation",
    "gbaseg.stages.summarise",
)


# Of these it has what the next stage wants: before, a stage is sooner done where it was started than forked.
_BEFORE_IT_LISTENS = 3


def main(folder: Path, dvc: int, command: str) -> None:
    """Import, and fork a stage for everyone who asks, until dvc has ended.

    Args:
        folder: to be made; its socket is where stages ask.
        dvc: process that this one ends with; or the one above several dvc.
        command: of the stage that has started it, as `gbaseg` has it.
    """
    server = os.getpid()
    request = _serve(folder, dvc, _in_order(command))
    if request is not None:
        _become(request, server)
        from gbaseg.cli import main as gbaseg

        run_to_its_end(partial(gbaseg.main, prog_name="gbaseg"))


def _in_order(command: str) -> list[str]:
    """What to import: first what stages after this one want, then the others, which dvc may have done."""
    program, *others = _IMPORTED
    this = f"gbaseg.stages.{command.replace('-', '_')}"
    place = others.index(this) + 1 if this in others else 0
    return [program, *others[place:], *others[:place]]


def _serve(folder: Path, dvc: int, modules: list[str]) -> dict[str, Any] | None:
    """Returns what is to be run in a fork; nothing in the process itself, once all is over."""
    for number in ASKING:
        # A terminal's, and a batch system's, go to all processes at once, and are the stages' to hear.
        signal.signal(number, signal.SIG_IGN)
    with suppress(OSError), socket.socket(socket.AF_UNIX) as listener, selectors.DefaultSelector() as events:
        owner = os.pidfd_open(dvc)
        folder.mkdir(mode=0o700)
        this = os.getpid()
        listener.bind(str(folder / SOCKET))
        events.register(owner, selectors.EVENT_READ)
        try:
            for module in modules[:_BEFORE_IT_LISTENS]:
                import_module(module)
                if events.select(0):
                    return None
            listener.listen()
            events.register(listener, selectors.EVENT_READ)
            return _fork_stages(listener, events, owner, modules[_BEFORE_IT_LISTENS:])
        finally:
            if os.getpid() == this:
                shutil.rmtree(folder, ignore_errors=True)
    return None


def _fork_stages(
    listener: socket.socket, events: selectors.BaseSelector, owner: int, modules: list[str]
) -> dict[str, Any] | None:
    """As `_serve`; while nobody asks, what is left is imported."""
    stages: set[int] = set()
    # Pages that no collection touches stay shared.
    gc.collect()
    gc.freeze()
    while owner in events.get_map() or stages:
        heard = events.select(0 if modules else None)
        if not heard and modules:
            import_module(modules.pop(0))
            gc.freeze()
        for key, _ in heard:
            if key.fd == owner:
                events.unregister(owner)
                events.unregister(listener)
                modules.clear()
                for stage in stages:
                    os.kill(stage, signal.SIGTERM)
            elif key.fileobj is listener:
                caller, _ = listener.accept()
                request = _receive(caller)
                if request is None:
                    caller.close()
                    continue
                stage = _fork()
                if stage == 0:
                    caller.close()
                    return request
                for descriptor in request["descriptors"]:
                    os.close(descriptor)
                stages.add(stage)
                with suppress(OSError):
                    caller.sendall(STARTED)
                events.register(os.pidfd_open(stage), selectors.EVENT_READ, (stage, caller))
            else:
                events.unregister(key.fd)
                os.close(key.fd)
                stage, caller = key.data
                stages.remove(stage)
                with suppress(OSError), caller:
                    caller.sendall(STATUS.pack(os.waitstatus_to_exitcode(os.waitpid(stage, 0)[1])))
    return None


def _receive(caller: socket.socket) -> dict[str, Any] | None:
    """What a stage is to be run with; nothing where the caller has gone, or is another user."""
    credentials = caller.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    if struct.unpack("3i", credentials)[1] != os.getuid():
        return None
    with suppress(OSError, ValueError, struct.error):
        size, descriptors, *_ = socket.recv_fds(caller, SIZE.size, _DESCRIPTORS)
        request: dict[str, Any] = json.loads(caller.recv(SIZE.unpack(size)[0], socket.MSG_WAITALL))
        request["descriptors"] = descriptors
        if len(descriptors) == _DESCRIPTORS:
            return request
    return None


def _fork() -> int:
    with warnings.catch_warnings():
        # Python warns of threads, which numpy's and blosc2's libraries have and start anew in a fork.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _become(request: Mapping[str, Any], server: int) -> None:
    """In the fork: be the process that the caller would have been."""
    *standard, caller = request["descriptors"]
    for number, descriptor in enumerate(standard):
        os.dup2(descriptor, number)
        os.close(descriptor)
    # Whether they are a terminal's is asked when they are opened.
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    for number in ASKING:
        ignored = number in request["ignored"]
        usual = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        signal.signal(number, signal.SIG_IGN if ignored else usual)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = request["arguments"]
    # As in a process of its own, whose libraries draw their first state from the system.
    random.seed()
    import numpy as np

    np.random.seed()  # noqa: NPY002
    Path("/proc/self/comm").write_text("gbaseg stage", encoding="utf-8")
    put_aside()
    end_with_caller(caller)
    # The caller waits for what that process says of this one.
    if not hears_of_parent(server, signal.SIGTERM):
        os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
