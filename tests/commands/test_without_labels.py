"""What runs tell of themselves, and of one another, without labels; and its tables."""

import json
import math
from pathlib import Path

import pandas as pd
import pytest

from gbaseg.commands import experiments, study_tables
from gbaseg.commands.consensus import consensus_of
from gbaseg.commands.without_labels import known_of
from gbaseg.errors import UserError
from gbaseg.evaluation.run_choice import CONSENSUS, FOLDS, RULE
from gbaseg.evaluation.runs import Run
from gbaseg.evaluation.summary import CaseScore

pytestmark = pytest.mark.usefixtures("as_shipped")


class Files:
    """An experiment's files, made up."""

    of = "experiment x"

    def __init__(self, **text):
        self.text = {"data/standard/cases.csv": CASES, "params.yaml": Path("params.yaml").read_text(), **text}

    def read_text(self, path):
        if path not in self.text:
            raise FileNotFoundError(path)
        return self.text[path]

    def read_bytes(self, path):
        raise FileNotFoundError(path)


CASES = """case,patient,centre,domain,split,modality,image,label
s1,s1,A,source,train,T1,i,l
t1,t1,A,target,train,T2,i,
t2,t2,A,target,train,T2,i,
t3,t3,A,target,train,T2,i,
t4,t4,A,target,train,T2,i,
v1,v1,A,target,validation,T2,i,
"""
TABLE, FIRST = (f"data/pseudo_labelled/round_{n}/pseudo_labels.csv" for n in (1, 0))
HEADER = "case,structure,volume_mm3,fold_dice,pieces,largest_share,doubts\n"


def rows_of(**rows):
    return HEADER + "".join(f"{case},VS,{row[0]},{row[1]},1,1.0,{row[2]}\n" for case, row in rows.items())


def known(table, proxies=None, dice=(0.6, 0.8)):
    scored = [CaseScore(f"v{n}", "A", "validation", "VS", one, 1.0, 1.0, 500.0, 500.0) for n, one in enumerate(dice)]
    run = Run("x", "gba", "auto", "A", 0, 1, {"round_0": [], "round_1": scored}, proxies=proxies or {})
    return known_of({"VS": run}, "auto", Files(**{TABLE: table}), {})


def test_scores_of_a_run_are_of_the_targets_training_cases():
    found = known(
        rows_of(
            t1=(500, 0.9, ""), t2=(800, 0.5, "folds disagree"), t3=(0, "nan", "empty"),
            t4=(9e5, 0.6, "in pieces; volume outside the source's range"), v1=(700, 0.1, ""),
        )
    )  # fmt: skip
    # A case on which no fold finds anything agrees on nothing.
    assert found.scores["fold_agreement"] == pytest.approx((0.9 + 0.5 + 0 + 0.6) / 4)
    assert found.plausible == found.scores["plausible"] == 0.5 and found.scores["not_empty"] == 0.75
    assert found.scores[FOLDS] == pytest.approx(0.5 * 0.5)
    assert found.dice == pytest.approx(0.7) and not found.collapsed


def test_a_run_that_finds_nothing_and_one_that_finds_everything_have_collapsed():
    nothing = known(rows_of(**{f"t{n}": (0, "nan", "empty") for n in range(1, 5)}))
    everything = known(rows_of(**{f"t{n}": (9e5, 1.0, "volume outside the source's range") for n in range(1, 5)}))
    assert everything.scores["fold_agreement"] == 1.0
    assert nothing.collapsed and everything.collapsed
    assert nothing.scores[FOLDS] == everything.scores[FOLDS] == 0.0


def test_agreement_of_the_rounds_is_of_the_last_that_was_trained():
    """A round that passes labels on agrees with the one before it whatever they are."""
    table = rows_of(t1=(500, 0.9, ""))
    last = {"round_1": {"passed_on": True, "round_agreement": 1.0, "pseudo_target_dice": None}}
    stopped = {"round_0": {"passed_on": False, "round_agreement": None}, **last}
    assert str(known(table, stopped).scores["round_agreement"]) == "nan"
    trained = {"round_0": {"passed_on": False, "round_agreement": 0.8, "pseudo_target_dice": 0.9}, **last}
    scores = known(table, trained).scores
    assert (scores["round_agreement"], scores["pseudo_target_dice"]) == (0.8, 0.9)


def test_runs_are_compared_with_those_on_the_same_images():
    """Two of a seed, whose patients are its own, say nothing of each other; nor do runs that DVC knows nothing of."""

    def of(images):
        standard = {"outs": [{"path": "data/standard", "md5": images}]}
        return Files(**{"dvc.lock": json.dumps({"stages": {"standardise": standard}})})

    files = {"a": of("1.dir"), "b": of("1.dir"), "c": of("2.dir"), "d": Files(), "e": Files(), "f": Files()}
    runs = [Run(name, "gba", "auto", "A", 0, 1, {"round_0": []}) for name in files]
    assert consensus_of(runs, ["VS"], files) == {name: {} for name in files}
    known_run = known_of({"VS": runs[0]}, "auto", Files(**{FIRST: rows_of(t1=(500, 0.9, ""))}), {})
    assert math.isnan(known_run.scores[CONSENSUS])
    with pytest.raises(UserError, match=r"no longer in DVC's cache"):
        consensus_of(runs, ["VS"], files | {"c": of("1.dir")})


def test_pseudo_labels_that_are_gone_are_a_fault():
    with pytest.raises(UserError, match=r"experiment x: data/pseudo_labelled/round_2/.*no longer in DVC's cache"):
        known_of({"VS": Run("x", "gba", "auto", "A", 0, 1, {"round_2": []})}, "auto", Files(), {})
    with pytest.raises(UserError, match="no training case of the target has a line of VS"):
        known(HEADER)


def test_without_labels_the_tables_are_of_scores_alone(tmp_path):
    runs, known_runs = [], []
    for seed, folds in ((1, 0.7), (2, 0.9)):
        run = Run(f"auto-{seed}", "gba", "auto", "A", 0, seed, {"round_0": [], "round_1": []})
        files = Files(**{TABLE: rows_of(t1=(500, folds, ""), t2=(600, folds, ""))})
        runs.append(run)
        known_runs.append(known_of({"VS": run}, "auto", files, {}))
    (tmp_path / "study").mkdir()
    (tmp_path / "study/arms.csv").write_text("of an earlier call, whose runs had labels")
    study_tables._write(
        runs, known_runs, {runs[0].setting: "auto"}, ["naive-seed-1"], tmp_path / "study", " (VS alone)"
    )
    page = (tmp_path / "study/study.md").read_text()
    assert not (tmp_path / "study/arms.csv").exists() and "| auto-2 " in page
    assert f"{study_tables.CHOICE} (VS alone)" in page and f"{study_tables.RUNS} (VS alone)" in page
    assert "not known: 0 run(s) with labels" in page and "Not run yet: naive-seed-1." in page
    choice = pd.read_csv(tmp_path / "study/choice.csv").set_index("score")
    assert choice.loc[RULE, "chosen"] == choice.loc[FOLDS, "chosen"] == "auto-2" and choice["rho"].isna().all()


def test_a_structure_that_no_label_of_the_target_has_is_named(tmp_path, capsys):
    one = known(rows_of(t1=(500, 0.9, "")))
    rows = [CaseScore("v1", "A", "test", "RV", 0.8, 1.0, 1.0, 500.0, 500.0)]
    run = Run("x", "gba", "auto", "A", 0, 1, {"round_0": rows, "round_1": rows})
    study_tables._write([run], [one], {}, [], tmp_path / "study", " (mean of RV, LV)", ["LV"])
    assert "In no label of the target: LV; Dice and ASSD are of the others." in capsys.readouterr().out


def test_an_experiment_of_before_there_were_several_structures_is_named(tmp_path, monkeypatch):
    """Its params.yaml has no `dataset.structures`."""
    monkeypatch.setattr(experiments, "find_experiments", lambda names: {name: "1a2b3c" for name in names})
    monkeypatch.setattr(experiments, "open_revision", lambda *_: Files(**{"params.yaml": "dataset: {root: data}\n"}))
    with pytest.raises(UserError, match=r"experiment old: its params.yaml has no 'structures'"):
        experiments.open_experiments(["old"])


def test_what_is_missing_is_said_of_every_experiment(monkeypatch):
    monkeypatch.setattr(experiments, "find_experiments", lambda names: {name: "1a2b3c" for name in names})
    monkeypatch.setattr(experiments, "open_revision", lambda *_: Files())
    with pytest.raises(UserError) as raised:
        experiments.load_runs(["one", "two"])
    assert [line.split(":")[0] for line in str(raised.value).splitlines()] == ["experiment one", "experiment two"]
