"""Training curves as files."""

import pytest

from gbaseg.runtime.curves import curves


def test_a_file_a_quantity_with_a_line_a_step(tmp_path):
    with curves(tmp_path / "live", tmp_path / "out") as log:
        log.log(0, {"loss": 0.1 + 0.2, "dice": 1})
        # While it runs.
        assert (tmp_path / "live/loss.tsv").read_text() == "step\tloss\n0\t0.30000000000000004\n"
        log.log(3, {"loss": float("nan")})
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == {
        "loss.tsv": b"step\tloss\n0\t0.30000000000000004\n3\tnan\n",
        "dice.tsv": b"step\tdice\n0\t1.0\n",
    }


def test_a_training_that_begins_again_leaves_no_step_twice(tmp_path):
    with pytest.raises(ZeroDivisionError), curves(tmp_path / "live", tmp_path / "out") as log:
        log.log(0, {"loss": 1.0})
        raise ZeroDivisionError
    assert not (tmp_path / "out").exists()
    with curves(tmp_path / "live", tmp_path / "out") as log:
        for step in range(2):
            log.log(step, {"loss": 2.0})
    assert (tmp_path / "out/loss.tsv").read_text() == "step\tloss\n0\t2.0\n1\t2.0\n"
