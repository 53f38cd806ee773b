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


OUT = "leads out of the data set's folder, where DVC would not see it change"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        pytest.param(
            "../elsewhere/x.nii.gz", OUT,
            marks=pytest.mark.unusual(
                "Data sets and folders", "cases.csv with a path such as `../elsewhere/x.nii.gz`",
                "a fault: row, path, and that DVC would not see it change",
            ),
        ),
        ("images/../../x.nii.gz", OUT),
        pytest.param(
            "/disk/x.nii.gz", "a whole path",
            marks=pytest.mark.unusual("Data sets and folders", "cases.csv with whole paths", "a fault: row and path"),
        ),
        ("C:\\disk\\x.nii.gz", "a whole path"),
        ("~/x.nii.gz", "a whole path"),
        pytest.param(
            ".scratch/x.nii.gz", "DVC does not look into .scratch",
            marks=pytest.mark.unusual(
                "Data sets and folders", "scans in a folder that DVC ignores (.git, .dvc, .scratch, .venv)",
                "a fault: row, path, and the folder",
            ),
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("column", ["image", "label"])
def test_paths_that_dvc_does_not_see(tmp_path, path, reason, column):
    files = {"image": "a.nii.gz", "label": "a_label.nii.gz"} | {column: path}
    write(tmp_path, f"a,p,A,source,train,ceT1,{files['image']},{files['label']}")
    [fault] = find_cases(tmp_path)[1]
    assert (fault.case, fault.file, fault.found) == ("a", "cases.csv row 1", f"{column} {path!r}: {reason}")
    assert fault.allowed == "a path from the data set's folder to a file in it"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("s.img", marks=pytest.mark.unusual(
            "Data sets and folders", "cases.csv with a case called `s.img`, `s.gz` or `s.nii`", "a fault: row and name",
        )),
        "s.HDR", "s.gz", "s.nii", "s.nii.gz", "s.nrrd",
        pytest.param("s" * 201, marks=pytest.mark.unusual(
            "Data sets and folders", "cases.csv with a case's name of 201 signs", "a fault: how long it may be",
        )),
        ".s", "-s", "s s", "é",
        pytest.param("s.fine", marks=pytest.mark.unusual(
            "Data sets and folders", "cases.csv with a case called `s.fine`, as the finer grid's record of `s`",
            "a fault: row and name; neither record is lost",
        )),
        pytest.param("size", marks=pytest.mark.unusual(
            "Data sets and folders", "cases.csv with a case called `size` or `nfiles`",
            "a fault: DVC would not see what review.yaml says of it",
        )),
        "nfiles",
    ],
)  # fmt: skip
def test_names_of_cases_that_files_cannot_have(tmp_path, name):
    write(tmp_path, f"{name},p,A,source,train,ceT1,a.nii.gz,b.nii.gz")
    [fault] = find_cases(tmp_path)[1]
    assert (fault.file, fault.found) == ("cases.csv row 1", f"case {name!r}")
    assert fault.allowed.startswith("a name of at most 200 letters, digits, _ . and -")


def test_dots_in_names_of_cases(tmp_path):
    write(tmp_path, "v1.2.3,p,A,source,train,ceT1,a.nii.gz,b.nii.gz", f"{'s' * 200},p,A,source,train,ceT1,c.mha,d.mha")
    assert find_cases(tmp_path)[1] == []


def test_a_path_that_wanders_and_comes_back_is_inside(tmp_path):
    write(tmp_path, "a,p,A,source,train,ceT1,x/../images/./a.nii.gz,labels//a.nii.gz")
    assert find_cases(tmp_path)[1] == []


def test_no_table_and_no_rows(tmp_path):
    with pytest.raises(UserError, match="no such case table"):
        find_cases(tmp_path)
    write(tmp_path)
    with pytest.raises(UserError, match="no rows"):
        find_cases(tmp_path)
