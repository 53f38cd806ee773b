"""METHOD 1: any data set through one cases.csv."""

import pytest

from gbaseg.cases import COLUMNS, Case
from gbaseg.errors import UserError
from gbaseg.raw.table import find_cases


def write(root, *rows):
    (root / "cases.csv").write_text("\n".join([",".join(COLUMNS), *rows]) + "\n")


def test_rows_become_cases(tmp_path):
    write(tmp_path, "a,p,A,source,train,ceT1,images/a.nii.gz,labels/a.nii.gz", "b,q,B,target,test,FLAIR,b.nii.gz,")
    cases, faults = find_cases(tmp_path)
    assert faults == []
    assert cases == [
        Case("a", "p", "A", "source", "train", "ceT1", "images/a.nii.gz", "labels/a.nii.gz"),
        Case("b", "q", "B", "target", "test", "FLAIR", "b.nii.gz", ""),
    ]


def test_every_impossible_value_is_named_with_its_row(tmp_path):
    write(
        tmp_path, "a,p,A,source,train,ceT1,a.nii.gz,", "b,,A,Source,tarin,ceT1,b.nii.gz,", "../c,p,A,target,test,T2,c,"
    )
    faults = find_cases(tmp_path)[1]
    assert [(fault.case, fault.file, fault.found) for fault in faults] == [
        ("b", "cases.csv row 2", "domain 'Source'"),
        ("b", "cases.csv row 2", "split 'tarin'"),
        ("b", "cases.csv row 2", "no patient"),
        ("../c", "cases.csv row 3", "case '../c'"),
    ]
    assert faults[0].allowed == "source or target"
    assert faults[1].allowed == "train or validation or test"


def test_no_table_and_no_rows(tmp_path):
    with pytest.raises(UserError, match="no such case table"):
        find_cases(tmp_path)
    write(tmp_path)
    with pytest.raises(UserError, match="no rows"):
        find_cases(tmp_path)
