"""`gbaseg rank`: what it prints and writes, and tables that it refuses."""

from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from gbaseg.cli import main
from gbaseg.evaluation.ranking import PERCENTS

HEADER = "case,structure,dice,assd_mm\n"
GOOD = f"{HEADER}x,VS,0.5,1\ny,VS,0.6,2\n"


@pytest.mark.parametrize("command", ["rank", "tables"])
def test_the_commands_percentiles_are_the_tables_own(command):
    [option] = [each for each in main.commands[command].params if each.name == "percents"]
    assert tuple(float(part) for part in option.default.split(",")) == PERCENTS


def test_a_spread_of_one_case_is_not_known_and_a_structure_in_no_label_is_left_out_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, value in (("none", 0.7), ("gba", 0.8)):
        Path(f"{name}.csv").write_text(f"case,structure,dice,assd_mm\nx,RV,{value},1\nx,LV,nan,nan\n")
    rank = ["rank", "none.csv", "gba.csv", "--resamples", "10"]
    refused = CliRunner().invoke(main, rank)
    assert refused.exit_code == 1 and "LV, dice: undefined on every case" in refused.stderr
    assert "--structures RV" in refused.stderr
    result = CliRunner().invoke(main, [*rank, "--structures", "RV"])
    assert result.exit_code == 0 and "0.800 ± –" in result.stdout and "nan" not in result.stdout


def test_our_own_tables_are_named_by_their_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, value in (("none", 0.7), ("gba", 0.8)):
        Path(f"{name}.csv").write_text(f"case,structure,dice,assd_mm\nx,VS,{value},1\ny,VS,{value},1\n")
    result = CliRunner().invoke(main, ["rank", "none.csv", "gba.csv", "--resamples", "10", "--out", "out/rank.csv"])
    assert result.exit_code == 0, result.output
    written = pd.read_csv("out/rank.csv")
    assert written["method"].tolist() == ["gba", "none"]
    assert written["rank"].tolist() == [1.0, 1.5]
    assert written["VS_dice_mean"].tolist() == [0.8, 0.7]


def ranked(*files, options=("--resamples", "10")):
    return CliRunner().invoke(main, ["rank", *map(str, files), *options])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param(
            f"{HEADER}x,VS,0.5,-1\ny,VS,0.5,1\n", "line 2: ASSD -1; allowed: 0 mm and more",
            marks=pytest.mark.unusual("Commands", "`rank`: an ASSD of -1", "file, line, value, what an ASSD can be"),
        ),
        pytest.param(
            f"{HEADER}x,VS,0.5,1\ny,VS,95,1\n", "line 3: Dice 95; allowed: 0 to 1 (95 % is 0.95)",
            marks=pytest.mark.unusual("Commands", "`rank`: a Dice of 95", "file, line, value, and that 95 % is 0.95"),
        ),
        pytest.param(
            f"{HEADER}x,VS,-0.1,1\ny,VS,1.000001,1\n", "line 3: Dice 1.000001; allowed: 0 to 1",
            marks=pytest.mark.unusual("Commands", "`rank`: a Dice under 0, or over 1", "both, with their lines"),
        ),
        pytest.param(
            f"{HEADER}x,VS,inf,1\ny,VS,0.5,1e999\n", "line 3: ASSD inf; allowed: 0 mm and more",
            marks=pytest.mark.unusual("Commands", "`rank`: infinite scores", "file, line, value"),
        ),
        pytest.param(
            f"{HEADER}x,VS,0,0\ny,VS,0.5,1\n", "line 2: Dice 0 beside ASSD 0, no overlap and no distance",
            marks=pytest.mark.unusual("Commands", "`rank`: scores filled in with 0 and 0", "that both cannot be"),
        ),
        pytest.param(
            f'{HEADER}x,VS,"0,5",1\ny,VS,0.5,1\n', "line 2: dice '0,5'; allowed: a number, or nan",
            marks=pytest.mark.unusual("Commands", "`rank`: a decimal comma", "file, line, column, text"),
        ),
        pytest.param(
            f"{HEADER}x,VS,0.5\ny,VS,0.5,1,\n", "line 3: 5 cell(s); allowed: 4, as many as in the header",
            marks=pytest.mark.unusual("Commands", "`rank`: rows with more or fewer cells", "their lines"),
        ),
        pytest.param(
            GOOD.replace(",", ";"), "its columns are parted by semicolons, allowed: by commas",
            marks=pytest.mark.unusual("Commands", "`rank`: semicolons or tabs for commas", "which; commas"),
        ),
        pytest.param(
            GOOD.replace("x", "Bärlauch").encode("latin-1"), "line 2: byte 0xe4 is not UTF-8",
            marks=pytest.mark.unusual("Commands", "`rank`: a table in latin-1 or UTF-16", "file, line, byte, UTF-8"),
        ),
        pytest.param(
            GOOD.encode("utf-16"), "is not UTF-8", id="utf-16",
        ),
        pytest.param(
            HEADER, "no line with scores, a header alone",
            marks=pytest.mark.unusual("Commands", "`rank`: a header alone, or an empty file", "no line with scores"),
        ),
        pytest.param("\n\n", "no line with scores, the file is empty", id="blank lines"),
        pytest.param(
            f"{HEADER}x,VS,0.5,1\n,VS,0.5,1\n", "line 3: no case; allowed: a name in every row",
            marks=pytest.mark.unusual("Commands", "`rank`: a row without a case", "file, line"),
        ),
        pytest.param(
            "case,structure,dice,dice,assd_mm\nx,VS,1,1,1\n", "line 1: column(s) twice: dice",
            marks=pytest.mark.unusual("Commands", "`rank`: a column twice", "which"),
        ),
        pytest.param(
            f'{HEADER}"x,VS,0.5,1\ny,VS,0.5,1\n',
            "line 2: unexpected end of data; allowed: quotes that are closed again",
            marks=pytest.mark.unusual("Commands", "`rank`: a quote that is not closed", "file, line"),
        ),
        pytest.param(
            "Case,Team,VS_Dice,VS_ASSD\nx,a,0.5,-1\nx,b,0.5,1\n", "line 2: VS: ASSD -1",
            marks=pytest.mark.unusual("Commands", "`rank`: an ASSD of -1 in the challenge's table", "line, structure"),
        ),
        pytest.param(
            f"{HEADER}x,VS,0.5,1\nz,VS,0.5,1\n",
            "VS, dice: 2 case(s) that not every method has a score of: good lacks z, t lacks y",
            marks=pytest.mark.unusual("Commands", "`rank`: files with other cases", "which method lacks which case"),
        ),
    ],
)  # fmt: skip
def test_scores_that_cannot_be_are_never_ranked(tmp_path, monkeypatch, content, says):
    monkeypatch.chdir(tmp_path)
    Path("good.csv").write_text(GOOD)
    Path("t.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    result = ranked("good.csv", "t.csv", options=("--out", "out.csv"))
    assert (result.exit_code, type(result.exception), result.stdout) == (1, SystemExit, "")
    assert says in result.stderr
    assert not Path("out.csv").exists()


def test_all_faults_of_all_files_are_in_one_message(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text(f"{HEADER}x,VS,2,-1\nx,VS,0.5,1\n")
    Path("b.csv").write_text(HEADER)
    Path("c.csv").write_text(HEADER + "".join(f"c{n},VS,95,1\n" for n in range(25)))
    lines = ranked("a.csv", "b.csv", "c.csv").stderr.splitlines()
    assert lines[0] == "gbaseg: a.csv: line 2: Dice 2; allowed: 0 to 1 (2 % is 0.02)"
    assert lines[1:3] == [
        "a.csv: line 2: ASSD -1; allowed: 0 mm and more",
        "b.csv: no line with scores, a header alone",
    ]
    assert lines[23:] == [
        "c.csv: 5 more fault(s)",
        "a, x, VS: 2 times (a.csv: line 2; a.csv: line 3); allowed: every method, case and structure once",
    ]


@pytest.mark.unusual("Commands", "`rank` of one method", "a ranking compares two or more")
def test_one_method_is_no_ranking(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text(GOOD)
    result = ranked("a.csv")
    assert result.exit_code == 1 and result.stderr.startswith("gbaseg: a.csv: one method (a)")


def test_the_ranking_never_takes_a_tables_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.csv", "b.csv"):
        Path(name).write_text(GOOD)
    Path("link.csv").symlink_to("b.csv")
    result = ranked("a.csv", "b.csv", options=("--out", "link.csv"))
    assert result.exit_code == 1 and "--out link.csv: b.csv, one of the tables" in result.stderr
    assert Path("b.csv").read_text() == GOOD


@pytest.mark.unusual(
    "Commands", "`rank`: methods called `[/b]` or `:x:`, a byte order mark, spaces in the header", "ranked"
)
def test_names_are_no_markup(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = ["[/b],x,VS,0.5,1", ":x:,x,VS,0.6,2", "[/b],y,VS,0.5,nan", ":x:,y,VS,0.6,"]
    Path("a.csv").write_text("\n".join(["\ufeffmethod, case ,structure,dice,assd_mm", *rows, ""]), encoding="utf-8")
    result = ranked("a.csv")
    assert result.exit_code == 0, result.output
    assert "[/b]" in result.stdout and ":x:" in result.stdout
