"""What its options say: hours, graphics card, centres, modalities, patients; and wrong calls."""

import re
from pathlib import Path

import pytest

from gbaseg.cases import read_table


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "no --source and --target"),
        (["--source", "x"], "no --target"),
        (["x", "--source", "x"], "x and --source"),
        (["x"], "x: no such folder"),
        (["presets"], "nothing here in the layout"),
        (["--source", "a", "--target", "b", "--centres", "("], "expected a name, or a pattern"),
        (["--source", "a", "--target", "b", "--centres", "(?:ldn|etz)"], "0 groups; expected a name, or a pattern"),
        (["--source", "a", "--target", "b", "--centres", "ldn|etz"], "0 groups; expected a name, or a pattern"),
        (["--source", "a", "--target", "b", "--patients", "p1"], "0 groups; expected a pattern with one group"),
        (["x", "--centres", "A", "--root", "y"], "x and --centres, --root"),
        (["--source", "a", "--target", "b", "--hours", "0"], "--hours"),
    ],
)
def test_wrong_calls(refused, arguments, said):
    assert said in refused(*arguments)


def test_what_has_no_need_of_the_scans_is_said_before_they_are_read(monkeypatch, plan, folders):
    monkeypatch.setattr("gbaseg.commands.plan.see", None)
    result = plan(*folders, "--gpu", "abacus")
    assert result.exit_code == 1 and "--gpu abacus: not measured yet" in result.output


def test_too_few_hours_are_said_first(plan, folders, refused):
    call = [*folders, "--structures", "ball=1", "--hours"]
    said = refused(*call, "0.001")
    least, enough = re.findall(r"([\d.]+) h\b", said)
    assert float(least) < float(enough)
    result = plan(*call, f"{(float(least) + float(enough)) / 2}")
    assert result.exit_code == 0, result.output
    assert "is too little for a network to surely learn 1 structure(s)" in result.stdout.splitlines()[2]
    assert f"Enough are {enough} h" in result.stdout.splitlines()[2]
    assert "WARNING" not in plan(*call, f"{enough}").stdout


def test_centres_are_asked_for_where_they_may_be_given(plan, folders, refused):
    plan(*folders, "--structures", "ball=1")
    assert "--centres" not in refused("data/raw/planned")
    assert "--centres" not in refused(*folders, "--centres", "A")


def test_both_domains_may_be_of_one_modality(plan, folders):
    assert plan(*folders, "--structures", "ball=1", "--modalities", "T1,T1").exit_code == 0
    assert {case.modality for case in read_table(Path("data/raw/planned"))} == {"T1"}


@pytest.mark.unusual(
    "Data sets and folders",
    "`plan --patients`: a patient with scans in two of the folders",
    "a fault with both scans: one domain and one split a patient",
)
def test_a_patient_in_two_folders_is_a_fault(data, folders, refused):
    (data / "target/q4_T2.nii.gz").rename(data / "target/p1_T2.nii.gz")
    said = refused(*folders, "--structures", "ball=1", "--patients", r"^([pq]\d)_")
    assert "patient p1 is in source train (source_p1) and target train (target_p1)" in " ".join(said.split())
