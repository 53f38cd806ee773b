"""The case table."""

import pytest

from gbaseg.cases import Case, read_table, select, write_table
from gbaseg.errors import UserError

CASES = [
    Case("b1", "p2", "B", "target", "train", "hrT2", "i/b1.nii.gz"),
    Case("a1", "p1", "A", "source", "train", "ceT1", "i/a1.nii.gz", "l/a1.nii.gz"),
    Case("b2", "p3", "B", "target", "validation", "hrT2", "i/b2.nii.gz"),
]


def test_a_table_is_ordered_and_comes_back_as_it_was(tmp_path):
    write_table(CASES, tmp_path)
    first = (tmp_path / "cases.csv").read_bytes()
    assert read_table(tmp_path) == sorted(CASES, key=lambda case: case.case)
    write_table(CASES[::-1], tmp_path)
    assert (tmp_path / "cases.csv").read_bytes() == first


def test_missing_columns_are_all_named(tmp_path):
    (tmp_path / "cases.csv").write_text("case,patient,centre\na,b,c\n")
    with pytest.raises(UserError, match="domain, split, modality, image, label"):
        read_table(tmp_path)


def test_no_table_is_a_user_error(tmp_path):
    with pytest.raises(UserError, match="no such case table"):
        read_table(tmp_path)


def test_select():
    assert [case.case for case in select(CASES, domain="target")] == ["b1", "b2"]
    assert [case.case for case in select(CASES, domain="target", splits=["train"])] == ["b1"]
    assert [case.case for case in select(CASES, centre="A")] == ["a1"]
    assert len(select(CASES, centre="both")) == 3
