"""The case table."""

import re
from dataclasses import replace

import pytest

from gbaseg.cases import COLUMNS, Case, read_table, select, write_table
from gbaseg.errors import UserError

CASES = [
    Case("b1", "p2", "B", "target", "train", "hrT2", "i/b1.nii.gz"),
    Case("a1", "p1", "A", "source", "train", "ceT1", "i/a1.nii.gz", "l/a1.nii.gz"),
    Case("b2", "p3", "B", "target", "validation", "hrT2", "i/b2.nii.gz"),
]


def test_a_column_twice(tmp_path):
    (tmp_path / "cases.csv").write_text(",".join([*COLUMNS, "image"]) + "\n")
    with pytest.raises(UserError, match=r"cases\.csv: line 1: column\(s\) image twice"):
        read_table(tmp_path)


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


def test_the_header_that_was_found_is_shown(tmp_path):
    (tmp_path / "cases.csv").write_text(";".join(COLUMNS) + "\na;b;c;source;train;ceT1;a.nii.gz;\n")
    with pytest.raises(UserError, match=f"needed, parted by commas: .*; found: '{';'.join(COLUMNS)}'$"):
        read_table(tmp_path)
    (tmp_path / "cases.csv").write_text("")
    with pytest.raises(UserError, match="found: no header"):
        read_table(tmp_path)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_another_encoding_is_a_user_error(tmp_path, encoding):
    rows = [",".join(COLUMNS), "a,p,Zürich,source,train,ceT1,a.nii.gz,"]
    (tmp_path / "cases.csv").write_text("\n".join(rows) + "\n", encoding=encoding)
    line = {"latin-1": 2, "utf-16": 1}[encoding]
    with pytest.raises(UserError, match=rf"cases\.csv: line {line}: byte 0x\w\w is not UTF-8; allowed: UTF-8"):
        read_table(tmp_path)


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path):
    write_table(CASES, tmp_path)
    table = tmp_path / "cases.csv"
    table.write_text(table.read_text(encoding="utf-8"), encoding="utf-8-sig")
    assert len(read_table(tmp_path)) == 3


def test_every_line_with_too_many_or_too_few_cells_is_named(tmp_path):
    rows = [
        ",".join(COLUMNS),
        "a,p,A,source,train,ceT1,a,2.nii.gz,",
        '"b","q","A, north",target,train,hrT2,b.nii.gz,',
        "",
        "c,r,B,target,train,hrT2,c.nii.gz",
    ]
    (tmp_path / "cases.csv").write_text("\n".join(rows) + "\n")
    with pytest.raises(UserError) as raised:
        read_table(tmp_path)
    first, second, advice = str(raised.value).splitlines()
    assert first == f"{tmp_path / 'cases.csv'}: line 2: 9 cell(s); allowed: 8, as many as in the header"
    assert second == f"{tmp_path / 'cases.csv'}: line 5: 7 cell(s); allowed: 8, as many as in the header"
    assert "in quotes" in advice and "ends in a comma" in advice


def test_a_column_of_ones_own_is_passed_over(tmp_path):
    (tmp_path / "cases.csv").write_text(",".join([*COLUMNS, "age"]) + "\na,p,A,source,train,ceT1,a.nii.gz,,51\n")
    assert read_table(tmp_path) == [Case("a", "p", "A", "source", "train", "ceT1", "a.nii.gz")]


def test_a_quote_that_is_never_closed_is_a_user_error(tmp_path):
    rows = [",".join(COLUMNS), '"a,p,A,source,train,ceT1,a.nii.gz,', *["b,q,B,target,train,hrT2,b.nii.gz,"] * 5000]
    (tmp_path / "cases.csv").write_text("\n".join(rows) + "\n")
    with pytest.raises(UserError, match=r"cases\.csv: line \d+: field larger than"):
        read_table(tmp_path)


def test_no_table_is_a_user_error(tmp_path):
    with pytest.raises(UserError, match="no such case table"):
        read_table(tmp_path)


def test_select():
    assert [case.case for case in select(CASES, domain="target")] == ["b1", "b2"]
    assert [case.case for case in select(CASES, domain="target", splits=["train"])] == ["b1"]
    assert [case.case for case in select(CASES, centre="A")] == ["a1"]
    assert len(select(CASES, centre="both")) == 3


@pytest.mark.parametrize(
    ("column", "value"),
    [
        pytest.param(
            "case",
            "../../elsewhere",
            marks=pytest.mark.unusual(
                "Trust", "a stage's cases.csv with ../ in a case's name", "a fault that names the line"
            ),
        ),
        ("case", "/tmp/x"),
        ("case", "a\\b"),
        ("case", ".."),
        ("case", ""),
        pytest.param(
            "image",
            "images/../../x.nii.gz",
            marks=pytest.mark.unusual(
                "Trust", "a stage's cases.csv with a path out of its folder", "a fault that names the line"
            ),
        ),
        ("label", "/etc/x.nii.gz"),
    ],
)
def test_names_and_paths_stay_in_the_tables_folder(tmp_path, column, value):
    row = Case("a", "p", "A", "source", "train", "T1", "images/a.nii.gz", "labels/a.nii.gz")
    write_table([row, replace(row, **{"case": "b", column: value})], tmp_path)
    with pytest.raises(UserError, match=f"line [23]: {column} {re.escape(repr(value))}; allowed"):
        read_table(tmp_path)
    assert len(read_table(tmp_path, own=False)) == 2  # whoever checks each row himself
