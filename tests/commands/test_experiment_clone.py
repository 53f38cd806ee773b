"""What an experiment's dvc.lock says is handed on to another one's, and nothing else of that changes."""

import pytest
from ruamel.yaml import YAML

from gbaseg.commands.experiment_clone import entries_of, hand_on

SHARED = {"survey": {"cmd": "gbaseg survey", "outs": [{"path": "models/survey", "md5": "a.dir", "size": 1}]}}
OWN = """schema: '2.0'
stages:
  survey:
    cmd: gbaseg survey
    outs: []
  augment:
    cmd: gbaseg augment # own
"""


@pytest.mark.parametrize(("before", "others"), [(None, []), (OWN, ["augment"])], ids=["without one", "of another seed"])
def test_what_is_shared_is_written_and_the_rest_stays(tmp_path, before, others):
    locked = tmp_path / "dvc.lock"
    if before is not None:
        locked.write_text(before)
    hand_on(SHARED, tmp_path)
    content = YAML(typ="safe").load(locked.read_text())
    assert content["schema"] == "2.0" and content["stages"].keys() == {*SHARED, *others}
    assert entries_of(locked, ["survey"]) == SHARED
    assert ("gbaseg augment # own" in locked.read_text()) == bool(others)


def test_a_lock_that_says_so_already_is_not_touched(tmp_path):
    hand_on({}, tmp_path)
    assert not (tmp_path / "dvc.lock").exists()
    hand_on(SHARED, tmp_path)
    before = (tmp_path / "dvc.lock").stat().st_mtime_ns
    hand_on(SHARED, tmp_path)
    assert (tmp_path / "dvc.lock").stat().st_mtime_ns == before


def test_stages_that_are_not_there_yet_are_left_out(tmp_path):
    assert entries_of(tmp_path / "dvc.lock", ["survey"]) == {}
    hand_on(SHARED, tmp_path)
    assert entries_of(tmp_path / "dvc.lock", ["survey", "augment"]) == SHARED
