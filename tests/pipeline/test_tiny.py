"""`dvc repro` from nothing: every stage's outputs as contracts, and what a rerun does."""

import csv
import json
import re
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from ruamel.yaml import YAML

import gbaseg
from gbaseg import params
from gbaseg.cases import read_table, select
from gbaseg.cost.counted import KINDS
from gbaseg.cost.room import Machine, count_room, whole_run
from gbaseg.cost.speeds import speeds_of_ledger
from gbaseg.runtime.ledger import read_lines
from gbaseg.volume import read
from gbaseg.workflow.counted import size_here
from gbaseg.workflow.outlook import phantom_size, with_copies
from gbaseg.workflow.saved import KEPT_LOCK, size_of

pytestmark = pytest.mark.pipeline


def rounds_of(project):
    return YAML(typ="safe").load((project.folder / "params.yaml").read_text())["self_training"]["rounds"]


def metrics_of(project, name):
    return json.loads((project.folder / "metrics" / f"{name}.json").read_text())


def test_a_second_repro_has_nothing_to_do(tiny):
    assert "Data and pipelines are up to date." in tiny.run("dvc", "repro")


def test_no_scratch_is_left_but_what_later_runs_find(tiny):
    assert {path.name for path in (tiny.folder / ".scratch").iterdir()} == {"store", KEPT_LOCK.name}
    assert {path.name for path in (tiny.folder / ".scratch/store").iterdir()} == {"preprocessed", "singan"}


def test_the_run_measures_every_kind_of_work(tiny, monkeypatch):
    """What `gbaseg cost` goes by, and `benchmarks/machine_speeds.py` enters."""
    monkeypatch.chdir(tiny.folder)
    assert speeds_of_ledger(read_lines()).keys() == set(KINDS.values())


def test_every_output_of_the_pipeline_is_there(tiny):
    lock = YAML(typ="safe").load((tiny.folder / "dvc.lock").read_text())["stages"]
    assert len(lock) == 14 + 4 * len(rounds_of(tiny))
    missing = [
        out["path"] for stage in lock.values() for out in stage["outs"] if not (tiny.folder / out["path"]).exists()
    ]
    assert missing == []


def test_every_stage_says_which_one_it_was_in_the_order_of_the_run(tiny):
    said = re.findall(r" \[ ?(\d+) of (\d+)\] (\S+): [\d a-z]+ s$", tiny.log, re.MULTILINE)
    most = 14 + 4 * len(rounds_of(tiny))
    assert [(int(number), int(of)) for number, of, _ in said] == [(place, most) for place in range(1, most + 1)]
    assert [name for *_, name in said][-4:] == ["train_oracle", "evaluate_oracle", "baseline", "summarise"]
    assert re.search(rf"for the {most - 2} stages after this one, ", tiny.log)


def test_the_phantoms_size_was_known_before_it_was_there(tiny, monkeypatch):
    monkeypatch.chdir(tiny.folder)
    settings = params.load()
    found, foretold = size_here(settings), phantom_size(settings)
    assert replace(found, copies=0.0) == foretold
    assert with_copies(settings, foretold).copies == pytest.approx(found.copies)


def test_gbaseg_run_has_nothing_to_do_and_shows_what_there_is(tiny):
    said = tiny.run("gbaseg", "run")
    assert "nothing to do" in said and "Stage '" not in said and "Rounds of self-training" in said
    assert "pictures: data/modalities.png, plots/" in said
    shown = said.split("next:\n")[1].splitlines()[:3]
    # Of `test_queue`, where this process had it before.
    experiments = list((tiny.folder / ".git/refs/exps").glob("??/*/*"))
    assert [line.rpartition("  ")[2].split()[:2] for line in shown] == [
        ["gbaseg", "tables"] if experiments else ["dvc", "exp"], ["gbaseg", "predict"], ["docs/own_data.md"],
    ]  # fmt: skip


def test_the_standard_set_holds_no_label_of_the_target(tiny):
    cases = read_table(tiny.folder / "data/standard")
    assert {case.label for case in select(cases, domain="target")} == {""}
    sources = select(cases, domain="source")
    files = sorted(path.name for path in (tiny.folder / "data/standard/labels").iterdir())
    assert files == sorted(f"{case.case}.nii.gz" for case in sources)


def test_pseudo_labels_lie_on_the_scans_own_grids(tiny):
    names = {case.case for case in select(read_table(tiny.folder / "data/standard"), domain="target")}
    for item in rounds_of(tiny):
        folder = tiny.folder / "data/pseudo_labelled" / item["id"] / "scan"
        assert {path.name.removesuffix(".nii.gz") for path in folder.iterdir()} == names
    scan = next((tiny.folder / "data/raw/phantom/generated/validation").glob("*_hrT2.nii.gz"))
    name = scan.name.removeprefix("crossmoda2022_").removesuffix("_hrT2.nii.gz")
    mask = read(folder / f"{name}.nii.gz")
    # NIfTI keeps an oblique direction as a quaternion of three single-precision numbers.
    assert mask.grid.agrees_with(read(scan).grid, 1e-6)
    assert mask.array.dtype == np.uint8
    assert set(np.unique(mask.array)) <= {0, 1}


@pytest.mark.parametrize("made", ["data/augmented", "data/adapted/round_0", "data/adapted/round_1"])
def test_copies_differ_from_their_case_near_the_tumour_alone(tiny, made):
    copies = read_table(tiny.folder / made)
    assert copies, "no rule fired: the preset no longer tries the augmentation"
    originals = {case.patient: case for case in read_table(tiny.folder / "data/translated")}
    for copy in copies:
        original = originals[copy.patient]
        before = read(tiny.folder / "data/translated" / original.image).array
        after = read(tiny.folder / made / copy.image).array
        tumour = read(tiny.folder / made / copy.label).array == 1
        without = ~tumour.any(axis=(1, 2))
        assert np.array_equal(before[without], after[without])
        assert not np.array_equal(before, after)


def test_metrics_of_rounds_and_run(tiny):
    ids = [item["id"] for item in rounds_of(tiny)]
    for name in ["survey", *ids]:
        scores = metrics_of(tiny, name)["VS"]
        assert 0 <= scores["dice"]["mean"] <= 1
        assert scores["cases"] == 2
        assert set(scores["per_centre"]) == {"A", "B"}
    assert {"converged", "passed_on", "agreement"} <= metrics_of(tiny, ids[-1]).keys()
    summary = metrics_of(tiny, "summary")
    assert summary["dice_mean"] == metrics_of(tiny, ids[-1])["VS"]["dice"]["mean"]
    assert all(not isinstance(value, dict | list) for value in summary.values()), "dvc exp show: one column a key"


def test_a_threshold_is_scored_beside_the_rounds(tiny):
    baseline = metrics_of(tiny, "baseline")
    assert baseline["VS"]["cases"] == 2
    assert metrics_of(tiny, "summary")["threshold_dice_mean"] == baseline["VS"]["dice"]["mean"]


def test_scores_are_those_of_held_out_cases_alone(tiny):
    with (tiny.folder / "metrics/cases/round_0.csv").open() as stream:
        scored = {row["case"] for row in csv.DictReader(stream)}
    cases = read_table(tiny.folder / "data/standard")
    assert scored == {case.case for case in select(cases, domain="target", splits=["validation"])}


def test_curves_and_pictures(tiny):
    assert (tiny.folder / "metrics/curves/round_0/fold_1/train_loss.tsv").read_text().startswith("step\ttrain_loss\n")
    assert (tiny.folder / "data/modalities.png").read_bytes().startswith(b"\x89PNG")
    for name in ("rounds", "appearance", "panel", "intensities", "blending", "overlays"):
        assert (tiny.folder / "plots" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    for name in ("rounds", "appearance", "intensities"):
        assert "<svg" in (tiny.folder / "plots" / f"{name}.svg").read_text()


def test_what_is_known_without_labels(tiny):
    """Every source patient is scored by the one fold that has not seen it."""
    patients = {case.patient for case in read_table(tiny.folder / "data/translated")}
    for item in rounds_of(tiny):
        known = json.loads((tiny.folder / "metrics/proxies" / f"{item['id']}.json").read_text())
        assert known["pseudo_target"]["VS"]["cases"] == len(patients)
        assert known["pseudo_labelled"] == 4
        if known.get("fold_both_empty") == known["pseudo_labelled"]:
            assert known["fold_agreement"] is None
        else:
            assert 0 <= known["fold_agreement"] <= 1


def test_a_submission_has_the_challenges_names_and_the_scans_geometry(tiny, tmp_path):
    tiny.call("submission", "--out", str(tmp_path / "masks"))
    scans = {path.name: path for path in (tiny.folder / "data/raw/phantom/generated/validation").glob("*_hrT2.nii.gz")}
    assert {path.name for path in (tmp_path / "masks").iterdir()} == {name.replace("_hrT2", "_Label") for name in scans}
    for name, path in scans.items():
        assert read(tmp_path / "masks" / name.replace("_hrT2", "_Label")).grid.agrees_with(read(path).grid)


def test_dvc_reads_the_metrics(tiny):
    shown = json.loads(tiny.run("dvc", "metrics", "show", "--json"))
    assert "dice_mean" in shown[""]["data"]["metrics/summary.json"]["data"]


def test_the_table_of_rounds_is_printed(tiny):
    printed = tiny.call("show")
    assert all(item["id"] in printed for item in rounds_of(tiny))
    assert "plots/panel.png" in printed


def test_predict_segments_a_new_scan_as_the_pipeline_did(tiny, tmp_path):
    scan = next((tiny.folder / "data/raw/phantom/generated/validation").glob("*_hrT2.nii.gz"))
    tiny.call("predict", str(scan), "--out", str(tmp_path))
    name = scan.name.removeprefix("crossmoda2022_").removesuffix("_hrT2.nii.gz")
    mine = read(tmp_path / scan.name)
    theirs = read(tiny.folder / "data/pseudo_labelled/round_1/scan" / f"{name}.nii.gz")
    assert mine.grid == theirs.grid
    assert np.array_equal(mine.array, theirs.array)


def test_an_exported_model_segments_as_the_pipeline_did_and_its_card_has_the_runs_scores(tiny, tmp_path, monkeypatch):
    tiny.call("export", "-o", str(tmp_path / "model.zip"))
    scan = next((tiny.folder / "data/raw/phantom/generated/validation").glob("*_hrT2.nii.gz"))
    monkeypatch.chdir(tmp_path)
    mask = gbaseg.predict(scan, "model.zip").mask
    name = scan.name.removeprefix("crossmoda2022_").removesuffix("_hrT2.nii.gz")
    theirs = read(tiny.folder / "data/pseudo_labelled/round_1/scan" / f"{name}.nii.gz")
    assert mask.grid == theirs.grid and np.array_equal(mask.array, theirs.array)
    with zipfile.ZipFile("model.zip") as archive:
        card, contents = archive.read("README.md").decode(), json.loads(archive.read("model.json"))
    dice = metrics_of(tiny, "round_1")["VS"]["dice"]
    assert f"| **round_1** | VS | 2 | {dice['mean']:.3f} ± {dice['sd']:.3f} [" in card
    assert contents["target"]["cases"] == len(
        select(read_table(tiny.folder / "data/standard"), domain="target", splits=["train"])
    )


def test_the_graph_gives_the_targets_labels_to_scoring_stages_alone(tiny):
    """What DVC lets each stage depend on; and of what scoring writes, training gets a verdict a round."""
    stages = YAML(typ="safe").load((tiny.folder / "dvc.lock").read_text())["stages"]
    readers = {name.split("@")[0] for name, stage in stages.items() if _depends(stage, "data/scoring")}
    assert readers == {"evaluate_survey", "evaluate", "train_oracle", "evaluate_oracle", "baseline", "summarise"}
    scored = {out["path"] for name, stage in stages.items() if name.split("@")[0] in readers for out in stage["outs"]}
    to_training = {
        dep["path"]
        for name, stage in stages.items()
        if name.split("@")[0] not in readers
        for dep in stage.get("deps", [])
        if dep["path"] in scored
    }
    assert to_training == {"data/decisions/round_0.json"}
    verdict = json.loads((tiny.folder / "data/decisions/round_0.json").read_text())
    assert verdict == {"stop": False, "failed": False}


def _depends(stage, path):
    return any(dep["path"] == path for dep in stage.get("deps", []))


def test_the_run_takes_the_room_that_is_counted_for_it(tiny, monkeypatch):
    """Within a factor of two; masks, which are as smooth as a network makes them, at most what is counted."""
    monkeypatch.chdir(tiny.folder)
    settings = params.load()
    scans = [
        read(path).array.size for path in sorted(tiny.folder.glob("data/raw/phantom/generated/*/*_ceT1.nii.gz"))[:1]
    ]
    rooms = count_room(settings, size_here(settings), Machine(2, 2), float(max(scans)))
    folders = {
        "standardise": ["data/standard", "data/scoring"],
        "train_translation": ["models/translation"],
        "translate": ["data/translated"],
        "survey": ["models/segmentation/survey"],
        "train_singan": ["models/singan"],
        "augment": ["data/augmented"],
        "adapt/round_0": ["data/adapted/round_0"],
        "train_segmentation/round_0": ["models/segmentation/round_0"],
    }
    said = {room.stage: room.outputs for room in rooms}
    for stage, written in folders.items():
        size = sum(size_of(tiny.folder / folder) for folder in written)
        assert 0.5 < said[stage] / size < 2.0, stage
    assert said["pseudo_label/round_0"] > 0.5 * size_of(tiny.folder / "data/pseudo_labelled/round_0")
    assert 0.5 < whole_run(rooms).store / size_of(tiny.folder / ".scratch/store") < 2.0
