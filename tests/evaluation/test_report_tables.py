"""What the page shows of a table, and what the file beside it has."""

import csv
import io
import math

import pandas as pd
import pytest

from gbaseg.evaluation.report_tables import Column, Spread, Table, csv_text

TABLE = Table(
    "rounds",
    [Column("round", "round"), Column("dice", "Dice"), Column("centre", "by centre"), Column("mm3", "volume (mm3)", 0)],
    [
        ['a, "b"', Spread(0.76349, 0.0412), {"A": 0.79, "B": None}, 1234.5678],
        ["c", Spread(0.5, None), {"C": 1.0}, math.nan],
        ["", None, None, 12],
    ],
)


def test_the_page_has_few_digits_and_dashes():
    assert TABLE.shown == [
        ['a, "b"', "0.763 ± 0.041", "A 0.790, B –", "1235"],
        ["c", "0.500", "C 1.000", "–"],
        ["–", "–", "–", "12"],
    ]


def test_the_file_has_all_digits_and_a_column_a_number():
    rows = list(csv.reader(io.StringIO(csv_text(TABLE))))
    assert rows == [
        ["round", "dice", "dice_sd", "centre_A", "centre_B", "centre_C", "mm3"],
        ['a, "b"', "0.76349", "0.0412", "0.79", "", "", "1234.5678"],
        ["c", "0.5", "", "", "", "1.0", ""],
        ["", "", "", "", "", "", "12"],
    ]


def test_pandas_reads_numbers_as_numbers():
    found = pd.read_csv(io.StringIO(csv_text(TABLE)))
    assert found["dice"].tolist()[:2] == [0.76349, 0.5] and math.isnan(found["dice"][2])
    assert found.dtypes[["dice", "dice_sd", "mm3"]].map(str).tolist() == ["float64"] * 3


def test_a_name_may_hold_anything_and_is_one_file():
    assert Table("rounds_a/b", [], []).file == "rounds_a%2Fb.csv"


def test_rows_of_other_lengths_are_refused():
    with pytest.raises(ValueError, match="rows of other lengths"):
        Table("a", [Column("a", "a")], [["a", "b"]])
    with pytest.raises(ValueError, match="1 views of 2 rows"):
        Table("a", [Column("a", "a")], [["a"], ["b"]], ["view-0"])
