"""What killed runs have left is listed and cleared, and nothing that somebody is at."""

import os
import tempfile
import time

import pytest

from gbaseg.runtime.leftovers import KEPT_TRIES, TEMPORARY, leftovers, lock_inside, lock_of, remove_older, tidy
from gbaseg.runtime.locks import try_lock
from gbaseg.runtime.store import Store

DAY = 86_400.0


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A scratch folder and a temporary folder of its own."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / ".scratch").mkdir()
    return tmp_path / ".scratch"


def tried(root, name, days=0.0):
    """Unfinished work of a stage, last used so long ago."""
    (root / name / "work").mkdir(parents=True)
    (root / name / "work" / "checkpoint").write_bytes(b"x" * 100)
    os.utime(root / name, (time.time() - days * DAY,) * 2)
    return root / name


def names(folder):
    return {path.name for path in folder.iterdir()}


@pytest.mark.unusual("Interruptions", "leftovers of killed runs, some of them in use", "the next run clears the rest")
def test_the_next_run_clears_what_nobody_is_at(root, tmp_path):
    tmp, store = tmp_path / "tmp", root / "store/singan"
    for name in ("left", "used"):
        (tmp / f"{TEMPORARY}{name}").mkdir()
        (store / f".partial-{name}").mkdir(parents=True)
    held = [try_lock(lock_inside(folder)) for folder in (tmp / f"{TEMPORARY}used", store / ".partial-used")]
    for folder in (tmp / f"{TEMPORARY}left", store / ".partial-left"):
        lock_inside(folder).write_text("{}")  # of a process that is gone
    for name in ("round_0 fold 1.json", "round_0 fold 1.4711"):
        (tmp / f"{TEMPORARY}left" / name).write_text("{}")
    (tmp / f"{TEMPORARY}just-made").mkdir()
    (tmp / "another-program").mkdir()
    (root / ".removed-1-2-survey-ab").mkdir()
    (root / "survey-ab.lock").write_text("{}")
    tidy(root, "survey-cd")
    assert names(tmp) == {f"{TEMPORARY}used", f"{TEMPORARY}just-made", "another-program"}
    assert names(store) == {".partial-used"}
    assert names(root) == {"store"}
    for lock in held:
        lock.release()


@pytest.mark.unusual(
    "Interruptions", "a user's own old folders in the temporary folder that are named gbaseg-...", "they stay"
)
def test_what_somebody_else_has_put_into_the_temporary_folder_stays(root, tmp_path):
    tmp = tmp_path / "tmp"
    stay = {"gbaseg-mine", "gbaseg-1", f"{TEMPORARY}x", f"{TEMPORARY}no-lock", f"{TEMPORARY}folder", f"{TEMPORARY}link"}
    for name in stay:
        (tmp / name).mkdir()
    (tmp / "gbaseg-mine/scan.nii.gz").touch()
    (tmp / "gbaseg-1/.scratch").mkdir()
    for name in ("x", "folder", "link"):
        lock_inside(tmp / f"{TEMPORARY}{name}").write_text("{}")
    (tmp / f"{TEMPORARY}x/thesis.txt").touch()
    (tmp / f"{TEMPORARY}folder/a.json").mkdir()
    (tmp / f"{TEMPORARY}link/b.json").symlink_to(tmp / "gbaseg-mine")
    for name in stay:
        os.utime(tmp / name, (0, 0))
    tidy(root, "survey-cd")
    remove_older(root, 60.0, lambda path, size: pytest.fail(f"{path} was removed"))
    assert names(tmp) == stay
    assert list(leftovers(root)) == []


def test_the_last_tries_of_a_stage_are_kept(root):
    for days in range(1, KEPT_TRIES + 3):
        tried(root, f"survey-{days}", days)
    used = try_lock(lock_of(root / f"survey-{KEPT_TRIES + 2}"))
    own, other = tried(root, "survey-now"), tried(root, "train_singan-1", 99)
    tidy(root, "survey-now")
    used.release()
    kept = {f"survey-{days}" for days in (*range(1, KEPT_TRIES + 1), KEPT_TRIES + 2)}
    assert names(root) == kept | {own.name, other.name}


def test_all_is_listed_with_its_size_and_who_is_at_it(root, tmp_path):
    store = Store(root / "store/preprocessed")
    with store.add("key") as folder:
        (folder / "case").write_bytes(b"x" * 10_000)
    used = tried(root, "survey-1")
    os.link(root / "store/preprocessed/key/case", used / "work/linked")
    lock = try_lock(lock_of(used))
    found = {one.path.name: one for one in leftovers(root)}
    lock.release()
    assert set(found) == {"preprocessed", "survey-1"}
    assert found["preprocessed"].holder is None and found["preprocessed"].size > 10_000
    assert found["survey-1"].holder.pid == os.getpid()
    assert found["survey-1"].size == 100, "the link takes no room"


def test_what_is_old_is_removed_and_what_is_used_stays(root):
    store = Store(root / "store/singan")
    for key in ("old", "new"):
        with store.add(key) as folder:
            (folder / "model").touch()
    os.utime(root / "store/singan/old", (0, 0))
    old, used, new = tried(root, "survey-1", 9), tried(root, "survey-2", 9), tried(root, "survey-3", 1)
    lock = try_lock(lock_of(used))
    removed = []
    remove_older(root, 7 * DAY, lambda path, size: removed.append((path.name, size)))
    lock.release()
    assert {name for name, _ in removed} == {"old", old.name}
    assert dict(removed)[old.name] == 100
    assert names(root) == {"store", used.name, new.name}
    assert names(root / "store/singan") == {"new"}


def test_a_killed_stage_s_place_to_ask_for_forks_is_cleared(root, tmp_path):
    folders = {name: tmp_path / "tmp" / f"pymp-{name}" for name in ("dead", "alive", "another_s")}
    for folder in folders.values():
        folder.mkdir()
        (folder / "listener-x").touch()
    held = {name: try_lock(lock_inside(folders[name])) for name in ("dead", "alive")}
    held["dead"].release()
    lock_inside(folders["dead"]).write_text("{}")  # as of a process that was killed
    os.utime(lock_inside(folders["dead"]), (0, 0))
    tidy(root, "survey-cd")
    assert names(tmp_path / "tmp") == {"pymp-alive", "pymp-another_s"}
    held["alive"].release()
