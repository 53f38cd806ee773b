"""A stage's process as dvc has started it: it hands its work to a fork of one that has imported all (`stage_server`).

So it is on Linux, without a GPU, in the stages of a `dvc repro` once that process has what they need, a second or two
after the first has begun; else, and with `GBASEG_FORK_STAGES=0`, a stage runs where it was started. Nothing that a
stage computes depends on it.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from gbaseg.errors import UserError
from gbaseg.runtime.ending import ASKING
from gbaseg.runtime.family import is_below, line_to_dvc, takes_orphans

SWITCH = "GBASEG_FORK_STAGES"
# Set by what runs several dvc side by side, above the stages: its process, with which their one server ends.
SHARED_BY = "GBASEG_STAGES_SHARED_BY"
# In the server's folder; and what goes through it: the size of a request, before it, and what is sent back of a stage
# that is there, and of one that has ended (as `os.waitstatus_to_exitcode` has it).
SOCKET = "socket"
SIZE, STARTED, STATUS = struct.Struct("I"), b"+", struct.Struct("i")
_FOLDERS = "gbaseg-stages-"
# What a GPU's driver puts there. Such a library may be asked at import, and no fork outlives that.
_OF_GPUS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
_NEW_S = 60.0
# What it writes into the environment by itself.
_OF_A_SHELL = ("PWD", "OLDPWD", "SHLVL", "_")


def hand_over() -> None:
    """Have the command line of this process run in a fork of the server, and end as that one does.

    For a process that dvc has started. Returns where it has to run by itself: there is no server yet, but from now on.

    Raises:
        UserError: the server was ended meanwhile, and the fork with it.
        SystemExit: the fork's.
    """
    if not _is_possible(os.environ):
        return
    dvc = line_to_dvc()[-1]
    if takes_orphans(dvc):
        return
    shared_by = os.environ.get(SHARED_BY, "")
    shared = shared_by.isdecimal() and is_below(int(shared_by))
    owner = int(shared_by) if shared else dvc
    try:
        folder = _folder(owner, shared, os.environ)
    except OSError:
        return  # a system that does not say all of it
    command = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    with socket.socket(socket.AF_UNIX) as server:
        try:
            if folder.stat().st_uid != os.getuid():
                return
            server.connect(str(folder / SOCKET))
        except OSError:
            _start(folder, owner, command, os.environ)
            return
        code = _run(server)
    if code is None:
        return
    if code < 0:
        with suppress(OSError):  # SIGKILL has no handler to take away
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    raise SystemExit(code)


def start_for_all(command: str, environment: Mapping[str, str]) -> None:
    """Have the server that several dvc below this process are to share import while the first of them starts.

    Args:
        command: of the first stage, as `gbaseg` has it.
        environment: that each of them is to have, with `SHARED_BY`.
    """
    if _is_possible(environment):
        with suppress(OSError):
            _start(_folder(os.getpid(), True, environment), os.getpid(), command, environment)


def _is_possible(environment: Mapping[str, str]) -> bool:
    if sys.platform != "linux" or environment.get(SWITCH) == "0":
        return False
    return not any(map(os.path.exists, _OF_GPUS))


def _folder(owner: int, shared: bool, environment: Mapping[str, str]) -> Path:
    """The server's, for stages of this dvc that would all be started alike and of the same code.

    Args:
        owner: dvc, or what runs several; each of these then has a group of processes of its own, and tells its stages
            what that hears.
    """
    package = Path(__file__).parents[1]
    packages = {os.path.realpath(entry) for entry in sys.path if entry.endswith("-packages")}
    searched = [os.path.realpath(entry) for entry in sys.path[1:]]
    alike = (
        Path(f"/proc/{owner}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19],  # when it was started
        [one for one in sorted(environment.items()) if not one[0].startswith("DVC") and one[0] not in _OF_A_SHELL],
        # An interpreter has several names in its environment, and that may be a link.
        (os.path.realpath(sys.prefix), os.path.realpath(sys.executable), str(sys.flags), sys.warnoptions, searched),
        # Nice, taskset, ulimit, a container and the like, which a fork of another process would not be in.
        (os.nice(0), sorted(os.sched_getaffinity(0)), shared or os.getpgid(0), os.getsid(0), os.getgroups()),
        [resource.getrlimit(getattr(resource, name)) for name in sorted(dir(resource)) if name.startswith("RLIMIT_")],
        [os.readlink(f"/proc/self/ns/{name}") for name in ("mnt", "net", "pid", "user")],
        Path("/proc/self/cgroup").read_text(encoding="utf-8"),
        # Whoever edits the code, or installs another package, while dvc runs gets what is there now.
        sorted((str(file), file.stat().st_mtime_ns) for file in package.rglob("*.py")),
        sorted((path, os.stat(path).st_mtime_ns) for path in packages if os.path.isdir(path)),
    )
    name = hashlib.sha256(repr(alike).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"{_FOLDERS}{owner}-{name}"


def _start(folder: Path, owner: int, command: str, environment: Mapping[str, str]) -> None:
    """Begin to import, beside this process, for the stages after that command."""
    for left in folder.parent.glob(f"{_FOLDERS}*"):
        _clear(left)
    if folder.exists():
        return
    module = ["-m", "gbaseg.runtime.stage_server", str(folder), str(owner), command]
    with suppress(OSError):
        # Whoever reads what dvc says up to its end would wait for this process, too.
        subprocess.Popen(
            [sys.executable, *subprocess._args_from_interpreter_flags(), "-P", *module],  # type: ignore[attr-defined]
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
        )


def _clear(folder: Path) -> None:
    """Remove what a killed server has left."""
    with suppress(OSError), socket.socket(socket.AF_UNIX) as asked:
        state = folder.stat()
        if state.st_uid != os.getuid() or time.time() - state.st_mtime < _NEW_S:
            return
        try:
            asked.connect(str(folder / SOCKET))
        except (ConnectionRefusedError, FileNotFoundError):
            shutil.rmtree(folder, ignore_errors=True)


def _run(server: socket.socket) -> int | None:
    """Wait for the fork, tell it of signals.

    Returns:
        Its exit code, under 0 the signal's that ended it; nothing where there is none, and the server has ended.
    """
    heard, told = os.pipe()
    request = {
        "arguments": sys.argv,
        "folder": os.getcwd(),
        "environment": dict(os.environ),
        "ignored": [number for number in ASKING if signal.getsignal(number) == signal.SIG_IGN],
    }
    said = json.dumps(request).encode()
    try:
        socket.send_fds(server, [SIZE.pack(len(said))], [0, 1, 2, heard])
        server.sendall(said)
        if not server.recv(len(STARTED)):
            return None
    except OSError:
        return None
    finally:
        os.close(heard)
    for number in ASKING:
        if number not in request["ignored"]:
            signal.signal(number, lambda number, _: os.write(told, bytes([number])))
    status = server.recv(STATUS.size, socket.MSG_WAITALL)
    if len(status) < STATUS.size:
        raise UserError(
            f"the process that stages are forked from was ended, and this stage with it; {SWITCH}=0 runs each stage in "
            "a process that imports for itself"
        )
    code: int = STATUS.unpack(status)[0]
    return code
