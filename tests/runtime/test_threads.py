"""Which threads trained what."""

import pytest
import torch

from gbaseg.runtime.threads import mixed_computing, note_computing, torch_threads

CPU = torch.device("cpu")


def note(work, done, threads, total=4, device=CPU):
    with torch_threads(threads):
        note_computing(work, "round_0 fold 0", done, total, device)


@pytest.mark.unusual(
    "Interruptions", "a training that goes on with another number of threads",
    "a warning; round.json and metrics say which number trained from which epoch on",
)  # fmt: skip
def test_another_number_of_threads_is_noted_and_said(tmp_path, capsys):
    note(tmp_path / "nnunet", 0, 1)
    assert mixed_computing(tmp_path) == {} and capsys.readouterr().err == ""
    note(tmp_path / "nnunet", 2, 2)
    parts = [{"from": 0, "with": "1 thread"}, {"from": 2, "with": "2 threads"}]
    assert mixed_computing(tmp_path) == {"computed": {"round_0 fold 0": parts}}
    assert "goes on from 2 of 4 with 2 threads, after 1 thread from 0" in capsys.readouterr().err


def test_the_same_number_or_nothing_left_to_train_is_no_change(tmp_path, capsys):
    note(tmp_path, 0, 2)
    note(tmp_path, 2, 2)
    note(tmp_path, 4, 1)
    assert mixed_computing(tmp_path) == {} and capsys.readouterr().err == ""


def test_what_is_trained_again_counts_once(tmp_path):
    """Killed between checkpoints: epochs are lost, and with them who trained them."""
    note(tmp_path, 0, 1)
    note(tmp_path, 3, 2)
    note(tmp_path, 2, 1)  # the checkpoint of epoch 3 was no good
    assert mixed_computing(tmp_path) == {}
    note(tmp_path, 0, 2)
    assert mixed_computing(tmp_path) == {}


def test_a_gpu_is_told_from_a_processor(tmp_path):
    note(tmp_path, 0, 1, device=torch.device("cuda"))
    note(tmp_path, 1, 1)
    assert [part["with"] for part in mixed_computing(tmp_path)["computed"]["round_0 fold 0"]] == ["a GPU", "1 thread"]


@pytest.mark.unusual(
    "Interruptions", "a torn note of what computed a training", "a warning; the training goes on, the note begins anew"
)
@pytest.mark.parametrize("torn", ["", "[", "{}", "[1]", "[{}]", '[{"from": "a", "with": 1}]'])
def test_a_torn_note_stops_nothing(tmp_path, capsys, torn):
    note(tmp_path, 0, 1)
    [file] = tmp_path.rglob("*.json")
    file.write_text(torn)
    assert mixed_computing(tmp_path) == {}
    assert "is not known" in capsys.readouterr().err
    note(tmp_path, 2, 2)
    note(tmp_path, 3, 2)
    assert mixed_computing(tmp_path) == {}
