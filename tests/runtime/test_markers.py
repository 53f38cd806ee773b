"""What a marker vouches for is there as it was, or the marker says nothing."""

import pytest

from gbaseg.runtime.markers import read_marker, write_marker


@pytest.fixture
def marked(tmp_path):
    (tmp_path / "cases").mkdir()
    for name in ("a", "b"):
        (tmp_path / "cases" / name).write_text(f"case {name}")
    (tmp_path / "plans").write_text("plans")
    write_marker(tmp_path / "done.json", [tmp_path / "cases", tmp_path / "plans"], {"patch": [1, 2]})
    return tmp_path


def test_a_marker_hands_back_what_it_was_given(marked):
    found = read_marker(marked / "done.json")
    assert found["content"] == {"patch": [1, 2]}
    assert set(found["files"]) == {"cases/a", "cases/b", "plans"}
    assert read_marker(marked / "other.json") is None
    assert not list(marked.glob(".partial-*"))


@pytest.mark.parametrize("cut", [0, 1, 30, -1])
@pytest.mark.unusual("Interruptions", "a marker cut off at any byte", "what it stood for is made again")
def test_a_torn_marker_says_nothing(marked, cut):
    path = marked / "done.json"
    path.write_bytes(path.read_bytes()[:cut])
    assert read_marker(path) is None


@pytest.mark.unusual("Interruptions", "a marker filled with zeros, or with another program's JSON", "made again")
@pytest.mark.parametrize("content", [b"\0" * 200, b"[]", b"{}", b'"x"', b'{"digest": 1, "body": 2}'])
def test_a_marker_that_is_none_says_nothing(marked, content):
    (marked / "done.json").write_bytes(content)
    assert read_marker(marked / "done.json") is None


@pytest.mark.unusual("Interruptions", "a finished file gone, cut off, or with a flipped byte", "made again, and named")
@pytest.mark.parametrize("fault", ["gone", "short", "flipped"])
def test_a_changed_file_is_not_vouched_for(marked, fault, capsys):
    path = marked / "cases" / "b"
    if fault == "gone":
        path.unlink()
    else:
        path.write_text("case " if fault == "short" else "case c")
    assert read_marker(marked / "done.json") is None
    assert "cases/b" in capsys.readouterr().err


def test_a_marked_folder_may_move(marked, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "moved"
    marked.rename(elsewhere)
    assert read_marker(elsewhere / "done.json") is not None
