"""What a person decided about pseudo-labels, and what the next round learns of them."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from gbaseg.cases import Case, write_table
from gbaseg.errors import UserError
from gbaseg.params import Params
from gbaseg.review.corrected import keep_mask, mask_path
from gbaseg.review.decisions import Decision, Decisions, hash_of, written
from gbaseg.volume import Grid, Volume, read, write
from gbaseg.workflow import layout
from gbaseg.workflow.appearances import believed_target
from gbaseg.workflow.pseudo_labels import undisputed_of
from gbaseg.workflow.reviewed import (
    labelled_targets,
    of_no_round,
    on_finer_grid,
    read_review,
    say,
    tumour_volumes_mm3,
)
from gbaseg.workflow.singans import still_shows_a_tumour, target_slice
from gbaseg.workflow.training_sets import target_items

GRID = Grid((8, 16, 16), (2.0, 1.0, 1.0))
FINE = GRID.respaced((1.0, 0.5, 0.5))
DOUBTS = {"sound": "", "shaky": "folds disagree", "odd": "in pieces", "fair": ""}
SETTINGS = Params(self_training={"confidence": {"action": "drop"}})
FOLDER = layout.pseudo_labelled("round_0")


def box(low, high):
    array = np.zeros(GRID.shape, np.uint8)
    array[2:6, low:high, low:high] = 1
    return array


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """round_0's pseudo-labels of four cases, two of them doubtful; nothing is decided."""
    monkeypatch.chdir(tmp_path)
    cases = [Case(name, name, "A", "target", "train", "hrT2", f"images/{name}.nii.gz") for name in DOUBTS]
    source = Case("s0", "s0", "A", "source", "train", "ceT1", "images/s0.nii.gz", "labels/s0.nii.gz")
    write_table([*cases, source], layout.STANDARD)
    rng = np.random.default_rng(1)
    for name in (*DOUBTS, "s0"):
        write(Volume(rng.random(GRID.shape, np.float32), GRID), layout.STANDARD / f"images/{name}.nii.gz")
        write(Volume(rng.random(FINE.shape, np.float32), FINE), layout.STANDARD / f"fine/{name}.nii.gz")
    write(Volume(box(4, 8), GRID), layout.STANDARD / "labels/s0.nii.gz")
    rows = ["case,structure,volume_mm3,fold_dice,pieces,largest_share,doubts"]
    for name, doubt in DOUBTS.items():
        write(Volume(box(4, 8), GRID), FOLDER / f"standard/{name}.nii.gz")
        write(Volume(np.zeros(FINE.shape, np.uint8), FINE), FOLDER / f"fine/{name}.nii.gz")
        rows.append(f"{name},VS,128,0.9,1,1.0,{doubt}")
    (FOLDER / "pseudo_labels.csv").write_text("\n".join([*rows, ""]))


def decide(**kinds):
    """Write review.yaml: case -> rejected, accepted, or the mask that replaces its pseudo-label."""
    found = {}
    for case, kind in kinds.items():
        of = hash_of(FOLDER / f"standard/{case}.nii.gz")
        if isinstance(kind, str):
            found[case] = Decision(kind, of, changes=kind != "accepted" or bool(DOUBTS[case]))
        else:
            of = hash_of(layout.STANDARD / f"images/{case}.nii.gz")
            found[case] = Decision("corrected", of, keep_mask(kind, GRID, layout.REVIEWED / "round_0", case))
    layout.REVIEW.write_text(written(Decisions(1, {"round_0": found})))


def items(review=None, fine=False):
    return {one.name: one for one in target_items(SETTINGS, review or read_review("round_0"), fine, Path("work"))}


def test_without_decisions_all_is_as_it_was():
    without = items()
    assert set(without) == {"sound", "fair"}
    layout.REVIEW.write_text(written(Decisions(0, {"survey": {}, "round_0": {}})))
    assert items() == without
    review = read_review("round_0")
    assert (review.matters, review.counts) == ({}, {})


def test_the_next_round_s_set(capsys):
    decide(sound="rejected", shaky="accepted", odd=box(2, 12), fair="accepted")
    found = items()
    assert set(found) == {"shaky", "odd", "fair"}
    assert found["shaky"].label == FOLDER / "standard/shaky.nii.gz" and found["shaky"].unknown == ()
    assert found["odd"].label.parent == layout.REVIEWED / "round_0"
    assert np.array_equal(read(found["odd"].label).array, box(2, 12))
    assert all(one.image == layout.STANDARD / f"images/{one.name}.nii.gz" for one in found.values())
    said = capsys.readouterr().err
    assert "3 of 4 pseudo-labelled target cases; left out as doubtful: VS of 0" in said
    assert "as they were reviewed: 1 rejected, 1 corrected, 1 accepted though doubtful" in said
    # What nobody had anything against is in neither: it makes no other set.
    assert read_review("round_0").counts == {"rejected": 1, "corrected": 1, "accepted_though_doubtful": 1}


def test_accepting_what_was_not_doubtful_makes_no_other_set():
    before = items()
    decide(sound="accepted", fair="accepted")
    assert items() == before and read_review("round_0").matters == {}


def test_a_corrected_mask_reaches_the_finer_grid():
    decide(odd=box(2, 12))
    found = items(fine=True)
    assert found["sound"].label == FOLDER / "fine/sound.nii.gz"
    fine = read(found["odd"].label)
    assert fine.grid.agrees_with(FINE)
    expected = box(2, 12).repeat(2, 0).repeat(2, 1).repeat(2, 2)
    assert (fine.array != expected).mean() < 0.02 and fine.array.sum() > 0.9 * expected.sum()
    assert on_finer_grid(labelled_targets(read_review("round_0"))[1], SETTINGS, Path("x.nii.gz")) == Path("x.nii.gz")


def test_copies_and_singan_follow_the_decisions():
    assert {one.case for one in believed_target(SETTINGS, ["VS"], "round_0")} == {"sound", "fair"}
    decide(sound="rejected", odd=box(2, 12))
    assert {one.case for one in believed_target(SETTINGS, ["VS"], "round_0")} == {"fair", "odd"}
    labelled = labelled_targets(read_review("round_0"))
    volumes = tumour_volumes_mm3(SETTINGS, labelled, "round_0")
    assert volumes == {"shaky": 128.0, "odd": 4 * 10 * 10 * 2.0, "fair": 128.0}
    about = {"case": "sound", "rule": "tumour", "z": 3}
    assert not still_shows_a_tumour(SETTINGS, about, "round_0")
    assert still_shows_a_tumour(SETTINGS, {**about, "case": "fair"}, "round_0")
    assert target_slice(SETTINGS, "round_0").about["case"] != "sound"
    decide(**dict.fromkeys(DOUBTS, "rejected"))
    with pytest.raises(UserError, match=r"all of them were rejected \(review.yaml\)"):
        target_slice(SETTINGS, "round_0")
    assert items() == {}


def test_a_decision_about_another_mask_is_not_used_and_is_said(capsys):
    decide(sound="rejected", fair=box(2, 12), odd="accepted")
    layout.REVIEW.write_text(
        layout.REVIEW.read_text().replace("accepted: {}", "accepted:") + '  round_0:\n    "shaky": '
        f'{{decision: accepted, of: "{hash_of(FOLDER / "standard/shaky.nii.gz")}"}}\n'
    )
    for name in ("sound", "fair", "shaky"):
        write(Volume(box(5, 9), GRID), FOLDER / f"standard/{name}.nii.gz")
    review = read_review("round_0")
    # What somebody has drawn on a scan stays right, whatever a network finds there.
    assert (review.outdated, set(review.decisions)) == (("sound",), {"fair", "odd"})
    assert review.counts == {"corrected": 1, "accepted_though_doubtful": 1, "outdated": 1}
    say(review, SETTINGS)
    said = capsys.readouterr().err
    assert "WARNING: round_0: 1 decision(s) of review.yaml are not used: their masks or scans have changed" in said
    layout.REVIEW.write_text(layout.REVIEW.read_text().replace('"sound"', '"gone"', 1))
    assert read_review("round_0").outdated == ("gone",)  # no case of this data set


@pytest.mark.unusual("Review", "decisions in review.yaml about a round that params.yaml does not have", "a warning")
def test_decisions_about_no_round_are_said(capsys):
    decide(sound="rejected")
    assert of_no_round(SETTINGS) == ""
    say(read_review("round_0"), SETTINGS)
    assert "not used" not in capsys.readouterr().err
    layout.REVIEW.write_text(layout.REVIEW.read_text().replace("  round_0:\n", "  round0:\n"))
    say(read_review("round_0"), SETTINGS)
    said = " ".join(capsys.readouterr().err.split())
    assert "WARNING: review.yaml: decisions about round0 are not used: params.yaml has survey, round_0, round_1" in said


def test_a_corrected_mask_of_another_scan_is_out_of_date():
    decide(fair=box(2, 12))
    write(Volume(np.zeros(FINE.shape, np.float32), FINE), layout.STANDARD / "images/fair.nii.gz")
    assert read_review("round_0").outdated == ("fair",)
    assert items()["fair"].label.parent == FOLDER / "standard"


@pytest.mark.unusual(
    "Review", "a corrected mask that was deleted, or changed after it was taken over", "which, and what brings it back"
)
def test_a_corrected_mask_that_is_gone_or_another_one_stops_the_stage():
    decide(fair=box(2, 12), odd=box(2, 12), sound="rejected")
    decisions = read_review("round_0").decisions
    first, second = (mask_path(layout.REVIEWED / "round_0", name, decisions[name].mask) for name in ("fair", "odd"))
    first.unlink()
    shutil.copyfile(FOLDER / "standard/odd.nii.gz", second)
    with pytest.raises(UserError) as error:
        read_review("round_0")
    assert f"{first}: not there" in str(error.value) and f"{second}: another mask" in str(error.value)
    assert "gbaseg review --round round_0" in str(error.value)


def test_a_fault_in_the_file_stops_the_stage():
    layout.REVIEW.write_text("changes: {round_0: {sound: rejected}}\n")
    with pytest.raises(UserError, match=r"review.yaml: 1 fault"):
        read_review("round_0")


def test_folds_have_no_say_in_what_a_person_drew(tmp_path):
    """Neither which of its voxels are disputed, nor how often it is drawn."""
    decide(shaky=box(2, 6))
    confidence = {"action": "keep", "disputed": "ignore", "weigh": True}
    settings = Params(self_training={"confidence": confidence})
    found = {one.name: one for one in target_items(settings, read_review("round_0"), False, tmp_path)}
    assert {name for name, one in found.items() if not one.with_ignored} == {"shaky"}
    assert found["shaky"].label.parts[0] == str(layout.REVIEWED) and found["shaky"].weight == 1
    assert found["sound"].label == undisputed_of("sound", FOLDER, False)
