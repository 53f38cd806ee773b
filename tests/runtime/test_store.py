"""The store: found by content, whole or not there, not without end."""

import os

import pytest

from gbaseg.runtime.store import Store, key_of, link


def fill(store, key, size=10):
    with store.add(key) as folder:
        (folder / "file").write_bytes(b"x" * size)


def test_a_key_follows_from_contents_not_names(tmp_path):
    paths = [tmp_path / name for name in ("a", "b", "c")]
    for path, text in zip(paths, ("one", "one", "two"), strict=True):
        path.write_text(text)
    keys = [key_of("image", {"x": 1, "y": 2}, path) for path in paths]
    assert keys[0] == keys[1] == key_of("image", {"y": 2, "x": 1}, paths[0])
    assert len({*keys, key_of("image", {"x": 1, "y": 3}, paths[0]), key_of("label", {"x": 1, "y": 2}, paths[0])}) == 4


def test_what_was_added_is_found(tmp_path):
    store = Store(tmp_path / "store")
    assert store.find("key") is None
    fill(store, "key")
    assert (store.find("key") / "file").read_bytes() == b"x" * 10


def test_what_fails_half_way_is_not_there(tmp_path):
    store = Store(tmp_path)
    with pytest.raises(ZeroDivisionError), store.add("key") as folder:
        (folder / "file").write_text("half")
        raise ZeroDivisionError
    assert store.find("key") is None and not list(tmp_path.iterdir())


def test_the_second_of_two_processes_leaves_the_firsts_files(tmp_path):
    store = Store(tmp_path)
    with store.add("key") as folder:
        (folder / "file").write_text("late")
        fill(store, "key")
    assert (store.find("key") / "file").read_bytes() == b"x" * 10
    assert len(list(tmp_path.iterdir())) == 1


def test_what_was_used_longest_ago_goes_first(tmp_path):
    store = Store(tmp_path)
    for age, key in enumerate(("new", "old", "older")):
        fill(store, key)
        os.utime(tmp_path / key, (1000 - age, 1000 - age))
    store.find("older")
    store.prune(20)
    assert {path.name for path in tmp_path.iterdir()} == {"new", "older"}
    Store(tmp_path / "none").prune()


def test_a_link_takes_no_room_and_replaces_what_is_there(tmp_path):
    (tmp_path / "stored").write_text("new")
    (tmp_path / "place").write_text("old")
    link(tmp_path / "stored", tmp_path / "place")
    assert (tmp_path / "place").samefile(tmp_path / "stored")


@pytest.mark.unusual(
    "Interruptions", "an entry of the store cut off, gone in part, or with a flipped byte", "made again"
)
@pytest.mark.parametrize("fault", ["short", "flipped", "gone", "no marker"])
def test_what_is_damaged_is_not_found_and_made_again(tmp_path, fault):
    store = Store(tmp_path / "store")
    fill(store, "key")
    file = tmp_path / "store/key/file"
    if fault == "gone":
        file.unlink()
    elif fault == "no marker":
        (tmp_path / "store/key/files.json").unlink()
    else:
        file.write_bytes(b"x" * 9 + (b"y" if fault == "flipped" else b""))
    assert store.find("key") is None
    found = store.get("key", lambda folder: (folder / "file").write_bytes(b"x" * 10))
    assert (found / "file").read_bytes() == b"x" * 10
    assert store.find("key") == found
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["key"]
