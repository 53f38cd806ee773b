"""Full disks, limits, read-only places: one line that names file, reason, room and what to do."""

import errno
import json
import os
import resource
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from gbaseg.cli import main
from gbaseg.errors import UserError
from gbaseg.runtime import engine, room
from gbaseg.runtime.engine import WORKERS, Task
from gbaseg.runtime.room import DiskFault, disk_fault, free_memory, in_bytes
from gbaseg.volume import Grid, Volume, write
from gbaseg.workflow.context import _said


@contextmanager
def no_file_larger_than(count):
    """As a quota or a full disk: what is larger is not written. Python asks for no signal."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (count, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def disk_faults_in_words(place):
    """As a stage has them."""
    return _said("train", place, resumable=False, wanted=0.0)


def write_json_file(path):
    path.write_text(json.dumps(list(range(100_000))))


def write_numpy(path):
    np.save(path, np.random.default_rng(0).random(100_000))


def write_raw(path):
    with path.open("wb") as stream:
        np.random.default_rng(0).random(100_000).tofile(stream)


def write_torch(path):
    import torch

    torch.save({"weights": torch.rand(100_000)}, path)


def write_safetensors(path):
    import torch
    from safetensors.torch import save_file

    save_file({"weights": torch.rand(100_000)}, path)


def write_blosc(path):
    import blosc2

    blosc2.asarray(np.random.default_rng(0).random(100_000), urlpath=str(path.with_suffix(".b2nd")), mode="w")


def write_picture(path):
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    plt.imsave(path.with_suffix(".png"), np.random.default_rng(0).random((500, 500)))


def write_scan(path):
    voxels = np.random.default_rng(0).integers(0, 1000, (60, 60, 60), dtype=np.int16)
    write(Volume(voxels, Grid(voxels.shape, (1.0, 1.0, 1.0))), path.with_suffix(".nii.gz"))


WRITERS = [
    write_json_file, write_numpy, write_raw, write_torch, write_safetensors, write_blosc, write_picture, write_scan,
]  # fmt: skip


@pytest.mark.unusual(
    "Interruptions", "no room for a file of JSON, numpy, torch, safetensors, blosc2 or matplotlib, or for a scan",
    "one line: file or folder, reason, bytes free, what to do; exit 1",
)  # fmt: skip
@pytest.mark.parametrize("writer", WRITERS)
def test_every_library_s_failure_is_one_line(writer, tmp_path):
    import safetensors.torch  # noqa: F401 - imported while files may be written
    import torch  # noqa: F401

    with pytest.raises(DiskFault) as caught, no_file_larger_than(65536), disk_faults_in_words(tmp_path):
        writer(tmp_path / "file")
    said = str(caught.value)
    assert len(said.splitlines()) == 1 and str(tmp_path) in said
    assert "ulimit" in said or "could not be written" in said or "free" in said


DISKS = ("size=128k", "size=128k,ro")


@pytest.fixture(scope="module")
def small_disks(tmp_path_factory):
    """By the options of a mount: its folder, and what is said there to each writer.

    One child for all of them, since imports take seconds. It has the mounts to itself, and they go with it.
    """
    folders = {options: str(tmp_path_factory.mktemp("disk")) for options in DISKS}
    script = f"""
import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_room import *
found = {{}}
for options, folder in {folders!r}.items():
    said, folder = {{}}, Path(folder)
    for writer in WRITERS:
        try:
            with disk_faults_in_words(folder):
                writer(folder / "file")
        except DiskFault as fault:
            said[writer.__name__] = str(fault)
        for path in folder.iterdir():
            path.unlink()
    found[options] = [str(folder), said]
print(json.dumps(found))
"""
    mounts = [f"mount -t tmpfs -o {options} none {folder} || exit 77" for options, folder in folders.items()]
    mounted = "; ".join([*mounts, f'exec {sys.executable} -c "$0"'])
    done = subprocess.run(["unshare", "-m", "sh", "-c", mounted, script], capture_output=True, text=True, check=False)
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("no mounting here")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.processes
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk is root's")
@pytest.mark.parametrize("options", DISKS)
@pytest.mark.parametrize("writer", WRITERS)
def test_a_small_or_read_only_disk_is_one_line(small_disks, options, writer):
    folder, said = small_disks[options]
    line = said[writer.__name__]
    assert len(line.splitlines()) == 1 and folder in line
    assert ("read-only" if "ro" in options else "no space left") in line


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (errno.ENOSPC, "no space left on the disk; "),
        pytest.param(
            errno.EDQUOT, "quota",
            marks=pytest.mark.unusual("Interruptions", "a quota that is used up", "one line with file and bytes free"),
        ),
        pytest.param(
            errno.EROFS, "read-only",
            marks=pytest.mark.unusual("Interruptions", "a read-only file system", "one line with file and remedy"),
        ),
        pytest.param(
            errno.EACCES, "permission denied",
            marks=pytest.mark.unusual("Interruptions", "a folder of another user", "one line with file and remedy"),
        ),
        (errno.EIO, "dmesg"),
        (errno.EMFILE, "ulimit -n"),
    ],
)  # fmt: skip
def test_what_the_system_says_in_words(tmp_path, code, said):
    fault = disk_fault(OSError(code, os.strerror(code), str(tmp_path / "a")))
    assert fault is not None and said in str(fault) and str(tmp_path / "a") in str(fault)
    if code in (errno.ENOSPC, errno.EDQUOT):
        assert " free; " in str(fault)


def test_the_cause_of_an_error_counts_and_other_errors_are_left_alone(tmp_path):
    try:
        try:
            raise OSError(errno.ENOSPC, "No space left on device", "a")
        except OSError as cause:
            raise RuntimeError("could not go on") from cause
    except RuntimeError as error:
        assert "a: no space left" in str(disk_fault(error))
    for other in (ValueError("Error"), FileNotFoundError(errno.ENOENT, "no", "a"), RuntimeError("shape mismatch")):
        assert disk_fault(other, [tmp_path]) is None
    with pytest.raises(ValueError, match="seven"), disk_faults_in_words(tmp_path):
        raise ValueError("seven")
    with pytest.raises(UserError, match="mine"), disk_faults_in_words(tmp_path):
        raise UserError("mine")


def fill(path):
    with no_file_larger_than(65536):
        write_numpy(path)


@pytest.mark.unusual("Interruptions", "no room in a worker process", "one line, no traceback; exit 1")
def test_a_worker_s_failure_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setenv(WORKERS, "2")
    with pytest.raises(DiskFault) as caught:
        engine.run([Task("a", fill, {"path": tmp_path / "a"}), Task("b", fill, {"path": tmp_path / "b"})])
    assert len(str(caught.value).splitlines()) == 1


def test_a_command_ends_with_one_line_and_1(monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "figures/a.png")

    monkeypatch.setattr("gbaseg.commands.figures.run", full)
    result = CliRunner().invoke(main, ["figures"])
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit)
    assert result.output.startswith("gbaseg: figures/a.png: no space left on the disk; ")
    assert len(result.output.splitlines()) == 1


@pytest.mark.unusual("Interruptions", "a log on a full disk", "the work goes on without it")
def test_a_log_that_cannot_be_written_ends_nothing(monkeypatch):
    from gbaseg.runtime.progress import log

    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stderr", full)
        log("is lost")
        monkeypatch.undo()
        full.buffer.raw.close()


@pytest.mark.unusual("Interruptions", "a temporary folder without room", "progress stands still, the work goes on")
def test_progress_that_cannot_be_written_ends_nothing(monkeypatch, tmp_path):
    from gbaseg.runtime.progress import REPORT_FOLDER, meter

    monkeypatch.setenv(REPORT_FOLDER, str(tmp_path / "gone"))
    with meter("a", 2) as bar:
        bar.advance(2)
    assert bar.done == 2


@pytest.mark.unusual("Interruptions", "/dev/shm read-only or missing", "one line with the command that mends it")
def test_shared_memory_that_is_not_there_is_said_before_work(monkeypatch):
    def none(*_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("multiprocessing.context.BaseContext.Lock", none)
    monkeypatch.setenv(WORKERS, "2")
    with pytest.raises(UserError, match=r"/dev/shm: Read-only file system; .*--shm-size") as caught:
        engine.run([Task("a", os.getpid), Task("b", os.getpid)])
    assert len(str(caught.value).splitlines()) == 1


def test_memory_of_a_job_counts(tmp_path):
    group = tmp_path / "cgroup/jobs/17"
    group.mkdir(parents=True)
    for folder, limit in ((group, "max"), (group.parent, str(4 * 2**30))):
        (folder / "memory.max").write_text(f"{limit}\n")
        (folder / "memory.current").write_text(f"{3 * 2**30}\n")
        (folder / "memory.stat").write_text(f"anon 5\ninactive_file {2**29}\n")
    (tmp_path / "own").write_text("0::/jobs/17\n")
    assert list(room._left_in_groups(tmp_path / "cgroup", tmp_path / "own")) == [1.5 * 2**30]
    assert list(room._left_in_groups(tmp_path, tmp_path / "none")) == []
    assert free_memory() > 0


def test_bytes_read_well():
    assert [in_bytes(count) for count in (0, 1023, 1536, 20 * 2**20, 1.25 * 2**40)] == [
        "0 B", "1023 B", "1.5 KiB", "20 MiB", "1.2 TiB"
    ]  # fmt: skip
