"""A SLURM of this machine's own: one slurmctld and a few slurmd on the loopback address, gone when the tests are.

Nothing of it is the machine's: its configuration, key, sockets, logs and state lie in one temporary folder.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "squeue", "scancel", "scontrol", "srun")
# Nodes of one core, so that two jobs are on two of them; one has GPUs, which are files here.
NODES = {"n1": "CPUs=1", "n2": "CPUs=1", "n3": "CPUs=4 Gres=gpu:2"}
_CONF = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=6
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,batch_sched_delay=0,sched_min_interval=0,bf_interval=1
MpiDefault=none
MailProg=/bin/true
JobRequeue=1
KillWait=10
SlurmdTimeout=5
ReturnToService=2
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
EnforcePartLimits=ALL
GresTypes=gpu
{nodes}
PartitionName=main Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes=n3 MaxTime=INFINITE State=UP
PartitionName=closed Nodes=n1 AllowAccounts=somebody State=UP
"""


# That of the tests' begin, whatever one of them sets.
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"


class CannotStart(Exception):
    """Why there is no SLURM here."""


class Cluster:
    """Nodes by name; `environment` is what a program needs to find it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {"SLURM_CONF": str(folder / "slurm.conf")}
        self._running: dict[str, subprocess.Popen] = {}

    def start(self) -> None:
        """Start it; raises `CannotStart`."""
        missing = [name for name in PROGRAMS if shutil.which(name, path=PATH) is None]
        if missing:
            raise CannotStart(f"no {', '.join(missing)}: apt-get install slurm-wlm munge")
        if os.getuid() != 0:
            raise CannotStart("slurmd wants to be root")
        host, ports = socket.gethostname().partition(".")[0], _free_ports(1 + len(NODES))
        lines = [
            f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} RealMemory=16000 {what}"
            for (name, what), port in zip(NODES.items(), ports[1:], strict=True)
        ]
        for name in ("state", *(f"spool/{node}" for node in NODES)):
            (self.folder / name).mkdir(parents=True)
        conf = _CONF.format(host=host, ports=ports, folder=self.folder, nodes="\n".join(lines))
        (self.folder / "slurm.conf").write_text(conf)
        for number in range(2):
            os.mknod(self.folder / f"gpu{number}", 0o600 | 0o020000, os.makedev(1, 3))  # as /dev/null
        (self.folder / "gres.conf").write_text(f"NodeName=n3 Name=gpu File={self.folder}/gpu[0-1]\n")
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(64))
        key.chmod(0o600)
        self._start(
            "munged", "--foreground", "--force", f"--key-file={key}", f"--socket={self.folder}/munge.socket",
            f"--pid-file={self.folder}/munge.pid", f"--seed-file={self.folder}/munge.seed",
            f"--log-file={self.folder}/munge.log",
        )  # fmt: skip
        self._until((self.folder / "munge.socket").exists, "munged has no socket")
        self._start("slurmctld", "-D", "-f", str(self.folder / "slurm.conf"))
        for node in NODES:
            self.start_node(node)
        self._until(self.is_idle, "its nodes are not idle")

    def start_node(self, node: str) -> None:
        """Start a node's slurmd."""
        self._start("slurmd", "-D", "-N", node, "-f", str(self.folder / "slurm.conf"), name=node)

    def lose_node(self, node: str) -> None:
        """As if its power were cut: its slurmd and all of its jobs' processes are gone, and a health check says so.

        SLURM by itself takes two minutes to find that out.
        """
        slurmd = self._running.pop(node)
        slurmd.kill()
        slurmd.wait()
        while processes := _of_node(node, self.folder):
            for pid in processes:
                _kill(pid)
            time.sleep(0.1)
        self.said("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=lost")

    def stop(self) -> None:
        """End all of it."""
        for node in NODES:
            for pid in _of_node(node, self.folder):
                _kill(pid)
        for process in reversed(self._running.values()):
            process.terminate()
        for process in self._running.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()

    def said(self, *command: str) -> str:
        """Standard output of one of SLURM's programs."""
        environment = {**os.environ, **self.environment, "PATH": PATH}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stdout.strip()

    def is_idle(self) -> bool:
        lines = {tuple(line.split()) for line in self.said("sinfo", "-h", "-N", "-o", "%N %T").splitlines()}
        return lines == {(node, "idle") for node in NODES}

    def jobs(self) -> list[str]:
        """Jobs that wait or run."""
        return self.said("squeue", "-h", "-r", "-o", "%i %T %N").splitlines()

    def _start(self, *command: str, name: str = "") -> None:
        environment = {**os.environ, **self.environment, "PATH": PATH}
        with (self.folder / "programs.log").open("ab") as log:
            self._running[name or command[0]] = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def _until(self, is_there, what: str, seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while not is_there():
            if time.monotonic() > deadline:
                words = (self.folder / "programs.log").read_text(errors="replace").splitlines()[-5:]
                raise CannotStart(f"{what}; {' / '.join(words)}")
            time.sleep(0.1)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def _of_node(node: str, folder: Path) -> list[int]:
    """Processes of a node's jobs, and every slurmstepd of this SLURM: those name no node."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            command, environment = (path / "cmdline").read_bytes(), (path / "environ").read_bytes()
        except OSError:
            continue  # it has just ended
        own = f"SLURM_CONF={folder}/".encode() in environment
        if own and (f"SLURMD_NODENAME={node}\0".encode() in environment or b"slurmstepd" in command):
            found.append(int(path.name))
    return found


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
