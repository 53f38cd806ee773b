"""Finished work that DVC's cache never got is found again; what it has is given up."""

import hashlib
import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from ruamel.yaml import YAML

from gbaseg.errors import UserError
from gbaseg.runtime.leftovers import lock_of
from gbaseg.runtime.locks import try_lock
from gbaseg.workflow import saved
from gbaseg.workflow.context import stage

MODEL, CURVES = Path("models/a"), Path("metrics/curves/a")


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_STAGE", "train")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setattr(saved, "_shares_blocks", lambda _: False)
    Path(".dvc").mkdir()
    shutil.copyfile(Path(__file__).parents[2] / "presets/default.yaml", "params.yaml")
    Path("recipes.yaml").write_text("a: 1\nb: 1\n")
    return tmp_path


def train(settings=0, name="a"):
    """A training in two epochs, one a file; how many it had to do."""
    done = 0
    with stage(name, {"settings": settings}, [], [MODEL, CURVES], resumable=True) as scratch:
        for epoch in ("1", "2"):
            if not (scratch.work / epoch).exists():
                (scratch.work / epoch).write_text(f"{settings} {epoch}")
                done += 1
        for path, text in ((MODEL, f"weights {settings}"), (CURVES, "losses")):
            (scratch.output(path) / "deep").mkdir(parents=True)
            (scratch.output(path) / "deep/file").write_text(text)
    return done


def later_stage():
    with stage("b", {}, [], [Path("data/b")]) as scratch:
        scratch.output("data/b").mkdir()
        (scratch.output("data/b") / "file").write_text("made")


def dvc_takes_over(*paths, torn="", lock=True):
    """What DVC does with outputs when a stage has ended: into the cache, then into dvc.lock."""
    outs = []
    for path in paths:
        entries = []
        for file in sorted(path.rglob("*")):
            if file.is_file():
                md5 = hashlib.md5(file.read_bytes()).hexdigest()
                entries.append({"md5": md5, "relpath": file.relative_to(path).as_posix()})
                if torn != "file":
                    put(md5, file.read_bytes())
        listing = json.dumps(entries).encode()
        name = hashlib.md5(listing).hexdigest() + ".dir"
        if torn != "listing":
            put(name, b"" if torn == "empty listing" else listing)
        outs.append({"path": str(path), "hash": "md5", "md5": name})
    if lock:
        YAML().dump({"schema": "2.0", "stages": {"train@a": {"outs": outs}}}, Path("dvc.lock"))


def put(md5, content):
    target = Path(".dvc/cache/files/md5") / md5[:2] / md5[2:]
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)


def kept():
    return sorted(path.name for path in Path(".scratch").iterdir() if path != saved.KEPT_LOCK)


@pytest.mark.unusual(
    "Interruptions", "DVC's cache gets full while it takes over what was trained",
    "the work stays in .scratch; the next run finds it and trains nothing",
)  # fmt: skip
@pytest.mark.parametrize("lock", [False, True])
@pytest.mark.parametrize("torn", ["file", "listing", "empty listing"])
def test_what_dvc_never_got_is_found_again(torn, lock, capsys):
    assert train() == 2
    dvc_takes_over(MODEL, CURVES, torn=torn, lock=lock)
    shutil.rmtree("models")  # as DVC does before it runs the stage again
    assert train() == 0
    assert (MODEL / "deep/file").read_text() == "weights 0"
    assert "DVC's cache does not have models/a" in capsys.readouterr().err


def test_what_dvc_has_is_given_up_by_the_next_stage_and_trained_anew_where_that_is_asked_for():
    train()
    dvc_takes_over(MODEL, CURVES)
    assert len(kept()) == 1
    later_stage()
    assert kept() == []
    assert train() == 2
    dvc_takes_over(MODEL, CURVES)
    assert train() == 2  # dvc repro --force


def test_a_hash_of_an_earlier_run_in_dvc_lock_is_not_taken_for_this_one_s():
    train(settings=0)
    dvc_takes_over(MODEL, CURVES)
    train(settings=1)
    later_stage()
    assert len(kept()) == 1
    assert train(settings=1) == 0


def test_one_piece_of_work_a_stage_is_kept():
    for settings in range(4):
        assert train(settings) == 2
    assert len(kept()) == 1
    train(settings=0, name="b")
    assert len(kept()) == 2


def test_a_run_by_hand_leaves_nothing(monkeypatch):
    monkeypatch.delenv("DVC_STAGE")
    assert train() == 2
    assert kept() == []


def test_work_that_was_put_aside_by_halves_is_not_taken_for_whole():
    train()
    [name] = kept()
    (Path(".scratch") / name / "outputs.json").write_text("{")
    later_stage()
    assert kept() == []


@pytest.fixture
def nearly_full(monkeypatch):
    """4 KiB are free everywhere; call it to have room again."""
    with monkeypatch.context() as patched:
        patched.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=1, f_frsize=4096))
        yield patched.undo


@pytest.mark.unusual(
    "Interruptions", "DVC's cache has no room for what a stage has made",
    "exit 1 before the work is given up: bytes wanted and free; the same command goes on",
)  # fmt: skip
@pytest.mark.parametrize("types", ["", "copy", "symlink,hardlink", "reflink,copy"])
def test_outputs_without_room_are_not_put_out(nearly_full, types):
    if types:
        Path(".dvc/config").write_text(f"[cache]\n    type = {types}\n")
    with pytest.raises(UserError, match=r"a: DVC's cache .*: 8\.0 KiB wanted, 4\.0 KiB free; nothing was put out"):
        train()
    assert not MODEL.exists()
    nearly_full()
    assert train() == 0


def test_links_on_the_same_disk_take_no_room(nearly_full, monkeypatch):
    Path(".dvc/config").write_text("[cache]\n    type = hardlink,symlink\n")
    assert train() == 2
    Path(".dvc/config").unlink()
    monkeypatch.setattr(saved, "_shares_blocks", lambda _: True)
    assert train(settings=1) == 2
    cache = saved.cache_folder()
    monkeypatch.setattr(saved, "device_of", lambda path: 1 if Path(path) == cache else 2)
    with pytest.raises(UserError, match="DVC's cache"):
        train(settings=2)


def test_whether_a_file_system_shares_blocks_is_tried_out(tmp_path, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(saved.fcntl, "ioctl", lambda *_: 0)
    assert saved._shares_blocks(tmp_path)
    assert not saved._shares_blocks(tmp_path / "none")


@pytest.mark.unusual(
    "Interruptions",
    "DVC's cache has no room for the outputs of a stage that begins anew",
    "a warning: they are put out",
)
def test_what_could_not_go_on_is_not_thrown_away(monkeypatch, capsys):
    monkeypatch.setattr(saved, "free_bytes", lambda _: 1)
    later_stage()
    assert Path("data/b/file").read_text() == "made"
    assert "WARNING: b: DVC's cache" in capsys.readouterr().err


def test_what_another_stage_is_putting_aside_is_left_alone():
    train()
    [name] = kept()
    aside = Path(".scratch") / name
    (aside / "outputs.json").unlink()
    lock = try_lock(lock_of(aside))
    later_stage()
    assert (aside / "work/1").is_file()
    lock.release()
    later_stage()
    assert kept() == []


@pytest.mark.unusual("Interruptions", "killed while work is put aside or removed", "the next stage clears it")
def test_halves_of_putting_aside_are_cleared():
    train()
    [name] = kept()
    shutil.rmtree(Path(".scratch") / name / "work")
    Path(".scratch", f"{name}.lock").write_text("{}")
    Path(".scratch/.removed/finished-a").mkdir(parents=True)
    Path(".scratch/.removed-1-2-finished-a").mkdir()
    later_stage()
    assert kept() == []


def test_what_is_linked_to_the_store_is_not_put_aside(tmp_path):
    Path(".scratch/store").mkdir(parents=True)
    stored = Path(".scratch/store/case")
    stored.touch()
    with stage("a", {}, [], [MODEL], resumable=True) as scratch:
        (scratch.work / "epoch").touch()
        (scratch.work / "deep").mkdir()
        os.link(stored, scratch.work / "deep/case")
        scratch.output(MODEL).mkdir()
    [aside] = Path(".scratch").glob("finished-a-*")
    assert sorted(path.name for path in (aside / "work").rglob("*")) == ["deep", "epoch"]
    assert stored.stat().st_nlink == 1


def test_what_an_earlier_try_has_is_counted_once_and_without_the_store_s():
    train()
    [name] = kept()
    folder = name.removeprefix("finished-")
    before = saved.done_in(folder)
    assert before > 6  # two epochs, and what came of them
    there = Path(".scratch") / folder / "work"
    there.mkdir(parents=True)
    (there / "own").write_bytes(b"x" * 1000)
    Path("stored").write_bytes(b"x" * 5000)
    os.link("stored", there / "linked")
    assert saved.done_in(folder) == before + 1000


def test_the_cache_is_found_where_dvc_s_settings_have_it(tmp_path):
    assert saved.cache_folder() == tmp_path / ".dvc/cache"
    Path(".dvc/config.local").write_text(f"[cache]\n    dir = {tmp_path / 'elsewhere'}\n")
    assert saved.cache_folder() == tmp_path / "elsewhere"
    shutil.rmtree(".dvc")
    assert saved.cache_folder() is None


def test_a_stage_keeps_a_copy_of_dvc_lock_for_when_dvc_is_killed_over_it():
    train()
    assert not saved.KEPT_LOCK.exists()
    dvc_takes_over(MODEL, CURVES)
    noted = Path("dvc.lock").read_text()
    later_stage()
    assert saved.KEPT_LOCK.read_text() == noted
    Path("dvc.lock").write_text("stages: {}\n")
    later_stage()  # nor does a stage clear it away
    assert saved.KEPT_LOCK.read_text() == "stages: {}\n"
