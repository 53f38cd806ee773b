"""What the page asks for: decisions, undo, and masks that were edited elsewhere."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from gbaseg import volume
from gbaseg.commands.review import make_session
from gbaseg.errors import UserError
from gbaseg.params import load
from gbaseg.review.decisions import hash_of, read_decisions
from gbaseg.volume import Volume, write
from gbaseg.workflow import layout


def decided():
    return {case: one.kind for case, one in read_decisions(layout.REVIEW).of("round_0").items()}


def of(session, case):
    return next(one for one in session.state()["cases"] if one["case"] == case)


def mark(session):
    return session.state()["mark"]


def test_the_state_has_the_training_cases_and_nothing_of_held_out_ones(session):
    state = session.state()
    assert [one["case"] for one in state["cases"]] == ["apart", "changed", "sound", "alone"]
    assert (state["round"], state["next"], state["revision"]) == ("round_0", "round_1", 0)
    assert of(session, "apart")["known"] == [
        {"structure": "VS", "ml": 0.02, "folds": 0.3, "change": 0.0, "share": 0.0, "doubts": ["folds disagree"]}
    ]
    assert not layout.REVIEW.exists()  # looking writes nothing


def test_decisions_are_in_the_file_and_only_what_matters_under_changes(session):
    answer = session.decide("sound", "accepted", mark(session))
    assert (answer["decision"], answer["revision"]) == ("accepted", 1)
    session.decide("apart", "accepted", mark(session))  # though the folds disagree
    session.decide("changed", "rejected", mark(session))
    found = read_decisions(layout.REVIEW).of("round_0")
    assert {case: one.changes for case, one in found.items()} == {"sound": False, "apart": True, "changed": True}
    assert all(one.of == hash_of(session.items[session._index[case]].mask) for case, one in found.items())


def test_undo_goes_back_step_by_step(session):
    session.decide("sound", "accepted", mark(session))
    session.decide("sound", "rejected", mark(session))
    session.decide("apart", "rejected", mark(session))
    assert [session.undo(mark(session))["case"] for _ in range(2)] == ["apart", "sound"]
    assert decided() == {"sound": "accepted"}
    assert session.undo(mark(session))["decision"] is None
    assert decided() == {}
    with pytest.raises(UserError, match="nothing to undo"):
        session.undo(mark(session))


def test_what_is_no_case_or_decision_is_refused(session):
    for case, kind in (("held_out", "accepted"), ("../params", "rejected"), ("sound", "corrected"), ("sound", "gone")):
        with pytest.raises(UserError, match="no such"):
            session.decide(case, kind, mark(session))
    with pytest.raises(UserError, match="no such case"):
        session.edit("../../etc")
    assert not layout.REVIEW.exists()


def test_a_mask_that_is_edited_elsewhere_comes_back(session):
    where = session.edit("sound")
    copy = Path(where["mask"])
    assert copy.read_bytes() == (layout.pseudo_labelled("round_0") / "standard/sound.nii.gz").read_bytes()
    assert Path(where["image"]) == (layout.STANDARD / "images/sound.nii.gz").absolute()
    with pytest.raises(UserError, match="is as it was put there"):
        session.take("sound", mark(session))
    mask = volume.read(copy)
    array = mask.array.copy()
    array[0, 0, 0] = 1
    write(mask.with_array(array), copy)
    answer = session.take("sound", mark(session))
    assert (answer["decision"], answer["from"]) == (
        "corrected",
        str(layout.REVIEWED / "edits/round_0/sound/sound.nii.gz"),
    )
    assert answer["ml"] == {"VS": pytest.approx(19 * 2 / 1000)}
    kept = session.file("mask", session._index["sound"])
    assert kept.parent == layout.REVIEWED.absolute() / "round_0" and np.array_equal(volume.read(kept).array, array)
    assert read_decisions(layout.REVIEW).of("round_0")["sound"].mask == hash_of(kept)
    # The pseudo-label itself is DVC's, and stays.
    assert not np.array_equal(volume.read(layout.pseudo_labelled("round_0") / "standard/sound.nii.gz").array, array)
    session.undo(mark(session))
    assert session.file("mask", session._index["sound"]).parent.name == "standard"


def test_a_drawn_mask_that_is_gone_is_not_shown_as_another_one_and_can_be_taken_again(session):
    copy = Path(session.edit("sound")["mask"])
    mask = volume.read(copy)
    write(mask.with_array(np.roll(mask.array, 1)), copy)
    session.take("sound", mark(session))
    number = session._index["sound"]
    session.file("mask", number).unlink()
    assert session.file("mask", number) is None
    session.take("sound", mark(session))
    assert np.array_equal(volume.read(session.file("mask", number)).array, np.roll(mask.array, 1))


def test_what_was_edited_before_is_not_written_over_and_what_was_not_follows_the_mask(project, session):
    copy = Path(session.edit("sound")["mask"])
    pseudo = layout.pseudo_labelled("round_0") / "standard/sound.nii.gz"
    mask = volume.read(pseudo)
    write(mask.with_array(np.roll(mask.array, 1)), pseudo)  # the round was made anew
    later = make_session(load(), "round_0")
    # The old copy is none that somebody has drawn.
    with pytest.raises(UserError, match="is as it was put there"):
        later.take("sound", mark(later))
    later.edit("sound")
    assert copy.read_bytes() == pseudo.read_bytes()
    write(mask.with_array(np.roll(mask.array, 2)), copy)
    edited = copy.read_bytes()
    later.edit("sound")
    assert copy.read_bytes() == edited


def test_a_decision_about_a_mask_that_has_changed_is_to_be_made_again(project, session):
    session.decide("sound", "rejected", mark(session))
    pseudo = layout.pseudo_labelled("round_0") / "standard/sound.nii.gz"
    mask = volume.read(pseudo)
    write(mask.with_array(np.roll(mask.array, 1)), pseudo)
    with pytest.raises(UserError, match="changed since this was started"):
        session.decide("sound", "accepted", mark(session))
    later = make_session(load(), "round_0")
    assert (of(later, "sound")["decision"], of(later, "sound")["was"]) == (None, "rejected")
    later.decide("sound", "accepted", mark(later))
    assert (of(later, "sound")["decision"], of(later, "sound")["was"]) == ("accepted", None)


def test_a_mask_that_somebody_drew_holds_as_long_as_its_scan(project, session):
    copy = Path(session.edit("sound")["mask"])
    mask = volume.read(copy)
    write(mask.with_array(np.roll(mask.array, 1)), copy)
    session.take("sound", mark(session))
    write(mask.with_array(np.roll(mask.array, 2)), layout.pseudo_labelled("round_0") / "standard/sound.nii.gz")
    later = make_session(load(), "round_0")
    assert of(later, "sound")["decision"] == "corrected"
    image = layout.STANDARD / "images/sound.nii.gz"
    write(Volume(np.zeros(mask.grid.shape, np.float32), mask.grid), image)
    later = make_session(load(), "round_0")
    assert (of(later, "sound")["decision"], of(later, "sound")["was"], of(later, "sound")["mask"]) == (
        None,
        "corrected",
        "",
    )


def test_a_link_out_of_the_round_s_folders_is_no_file_and_one_into_dvc_s_cache_is(project, session, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    image = layout.STANDARD / "images/sound.nii.gz"
    number = session._index["sound"]
    shutil.move(image, outside / "secret.nii.gz")
    image.symlink_to(outside / "secret.nii.gz")
    assert session.file("image", number) is None
    cached = outside / "files/md5/ab" / ("c" * 30)
    cached.parent.mkdir(parents=True)
    shutil.move(outside / "secret.nii.gz", cached)
    image.unlink()
    image.symlink_to(cached)
    assert session.file("image", number) == cached
    image.unlink()
    assert session.file("image", number) is None
    assert session.file("image", 99) is None and session.file("image", -1) is None


def test_a_mask_may_be_drawn_where_the_folder_was_made_by_hand(session):
    folder = layout.REVIEWED / "edits/round_0/alone"
    image = volume.read_grid(layout.STANDARD / "images/alone.nii.gz")
    write(Volume(np.zeros(image.shape, np.uint8), image), folder / "nothing.nrrd")
    assert session.take("alone", mark(session))["ml"] == {"VS": 0.0}
