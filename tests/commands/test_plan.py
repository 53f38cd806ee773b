"""`gbaseg plan`: two folders in, a params.yaml out that the pipeline takes; nothing where something is wrong."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from gbaseg import params
from gbaseg.cases import read_table
from gbaseg.cli import main
from gbaseg.presets import preset_content
from gbaseg.stages import standardise

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A fresh project without data."""
    folder = tmp_path / "project"
    shutil.copytree(ROOT / "presets", folder / "presets")
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copyfile(ROOT / name, folder / name)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("GBASEG_WORKERS", "1")
    monkeypatch.setattr("gbaseg.commands.plan.diagnose", lambda _: [])
    return folder


@pytest.fixture
def data(tmp_path, scans):
    """Three folders with a head in each file: 1 a ball, 2 a part of the head."""
    folder = tmp_path / "data"
    for name in ("source", "labels", "target", "held_out", "held_out_labels"):
        (folder / name).mkdir(parents=True)
    for seed in range(8):
        array, ball = scans.head(seed=seed)
        ball = ball.copy()
        ball[10:14, 18:22, 6:9] = 2
        if seed < 4:
            scans.save(folder / f"source/p{seed}_T1.nii.gz", array)
            scans.save(folder / f"labels/p{seed}_Label.nii.gz", ball)
        else:
            part = "target" if seed < 7 else "held_out"
            scans.save(folder / f"{part}/q{seed}_T2.nii.gz", array)
    scans.save(folder / "held_out_labels/q7_T2.nii.gz", ball)
    return folder


def plan(*arguments):
    return CliRunner().invoke(main, ["plan", *map(str, arguments)])


def folders(data):
    return ["--source", data / "source", "--labels", data / "labels", "--target", data / "target"]


def state(project):
    """Every file of a project with its content, but for caches."""
    return {
        path: path.read_bytes()
        for path in sorted(project.rglob("*"))
        if path.is_file() and ".scratch" not in path.parts
    }


def refused(project, *arguments):
    """What is said; nothing is written."""
    before = state(project)
    result = plan(*arguments)
    assert (result.exit_code, type(result.exception)) == (1, SystemExit)
    assert "Traceback" not in result.output
    assert state(project) == before
    return result.stderr


def test_of_folders_to_standardised_scans_that_hold_every_structure(project, data):
    held_out = ["--held-out", data / "held_out", "--held-out-labels", data / "held_out_labels"]
    result = plan(*folders(data), *held_out, "--structures", "ball=1,part=2", "--hours", "2")
    assert result.exit_code == 0, result.output
    settings = params.load(project / "params.yaml")
    assert settings.labels == {"ball": 1, "part": 2} and settings.augmentation.arm == "gba"
    assert settings.translation.mode == "auto" and settings.translation.auto.epochs == settings.survey.epochs
    rules = [(rule.structure, rule.lambdas, rule.adaptive) for rule in settings.augmentation.rules]
    assert rules == [("ball", [], 2), ("part", [], 2)] and settings.survey.contrasts == 15
    assert "ball, part: on average as large in the target's patients as in the source's" in " ".join(
        result.stdout.split()
    )
    assert settings.segmentation.prediction.ends == "source_volumes"
    cases = read_table(Path(settings.dataset.root))
    assert [(case.case, case.split, bool(case.label)) for case in cases][:5:4] == [
        ("p0", "train", True),
        ("q4", "train", False),
    ]
    assert (cases[-1].case, cases[-1].split, cases[-1].modality) == ("q7_T2", "test", "T2")
    page = (project / "logs/plan.txt").read_text()
    assert result.stdout == page and "Taken for granted" in page
    assert "ball in 2 drawn contrasts; part in 2 drawn contrasts: every case of ball" in " ".join(page.split())
    standardise.run()
    standard = [case for case in read_table(project / "data/standard") if case.domain == "source"]
    assert json.loads((project / "metrics/data.json").read_text())["labels_cut_by_the_crop"] == 0
    from gbaseg.volume import read_label

    for case in standard:
        assert set(np.unique(read_label(project / "data/standard" / case.label).array)) == {0, 1, 2}


@pytest.mark.unusual(
    "Data sets and folders",
    "`plan`: labels of several values without names",
    "asks for `--structures`, with the values found, and for `--centres`; nothing is written",
)
def test_what_cannot_be_known_is_asked_for_in_one_list(project, data):
    said = refused(project, *folders(data))
    assert "--structures NAME=1,NAME=2" in said and "--centres" in said and "4 of 4 labels" in said


def test_one_label_value_need_not_be_named(project, data):
    (data / "source/dataset.json").write_text("{}")
    for path in (data / "labels").iterdir():
        path.unlink()
    from gbaseg.volume import Volume, read, write

    for path in (data / "source").glob("*.nii.gz"):
        scan = read(path)
        write(Volume((scan.array > 700).astype(np.uint8), scan.grid), data / "labels" / path.name)
    result = plan(*folders(data), "--no-translation")
    assert result.exit_code == 0, result.output
    assert params.load().labels == {"tumour": 1} and params.load().translation.mode == "none"
    assert "--structures NAME=VALUE names it" in result.stdout


@pytest.mark.unusual(
    "Data sets and folders",
    "`plan`: a damaged scan, a scan without its label, an empty label, a copy of a scan, a structure that no label has",
    "all of them in one report, each with its file; nothing is written",
)
def test_every_fault_is_told_at_once_and_nothing_is_written(project, data, scans):
    (data / "source/p0_T1.nii.gz").write_bytes(b"no image")
    (data / "labels/p1_Label.nii.gz").unlink()
    scans.save(data / "labels/p2_Label.nii.gz", np.zeros((28, 28, 14), np.uint8))
    shutil.copyfile(data / "target/q4_T2.nii.gz", data / "target/q9_T2.nii.gz")
    said = refused(project, *folders(data), "--structures", "ball=5")
    for part in (
        "p0_T1.nii.gz",
        "p1_T1.nii.gz: no label",
        "p2_Label.nii.gz: every voxel is 0",
        "under 2 names",
        "ball=5",
    ):
        assert part in said
    assert "nothing was written" in said


def test_a_label_without_the_first_structure_is_named(project, data):
    from gbaseg.volume import read_label, write

    label = read_label(data / "labels/p3_Label.nii.gz")
    write(
        label.with_array(np.where(label.array == 1, 0, label.array).astype(np.uint8)), data / "labels/p3_Label.nii.gz"
    )
    assert "p3: no voxel of ball" in refused(project, *folders(data), "--structures", "ball=1,part=2")
    assert plan(*folders(data), "--structures", "part=2,ball=1").exit_code == 0


@pytest.mark.unusual(
    "Data sets and folders",
    "`plan` over a params.yaml or cases.csv that was changed by hand",
    "refused; `--force` writes over it and keeps it beside",
)
def test_values_of_the_users_own_are_kept_unless_told_otherwise(project, data):
    call = [*folders(data), "--structures", "ball=1"]
    own = (project / "params.yaml").read_text().replace("seed: 1", "seed: 5")
    (project / "params.yaml").write_text(own)
    assert "params.yaml: has values of your own; --force" in refused(project, *call)
    assert plan(*call, "--force").exit_code == 0
    assert (project / "params.yaml.bak").read_text() == own
    # its own files it writes anew without asking
    assert plan(*call, "--hours", "0.5").exit_code == 0
    with (project / "data/raw/planned/cases.csv").open("a") as stream:
        stream.write("x,x,A,target,train,T2,target/q4_T2.nii.gz,\n")
    assert "cases.csv: changed since a plan wrote it" in refused(project, *call)


@pytest.mark.unusual(
    "Data sets and folders", "`plan --root` of a folder that holds scans", "refused, also with `--force`"
)
def test_a_folder_that_holds_scans_is_never_the_place_for_links(project, data):
    call = [*folders(data), "--structures", "ball=1", "--root", data, "--force"]
    assert "holds files that no plan has written" in refused(project, *call)


def test_a_file_in_the_place_of_a_link_is_named_before_anything_is_written(project, data):
    call = [*folders(data), "--structures", "ball=1"]
    assert plan(*call).exit_code == 0
    link = project / "data/raw/planned/target/q4_T2.nii.gz"
    link.unlink()
    link.write_text("of somebody")
    assert "planned/target/q4_T2.nii.gz: a file where a link to a scan is to be" in refused(project, *call, "--force")


def test_labels_of_held_out_source_scans_are_held_to_those_that_are_trained_on(project, data, scans):
    plan(*folders(data), "--structures", "VS=1,Cochlea=2")
    table = Path("data/raw/planned/cases.csv")
    rows = [re.sub(r"(p3.*,)train,", r"\1validation,", row) for row in table.read_text().splitlines()]
    table.write_text("\n".join(rows) + "\n")
    ball = scans.head(seed=3)[1]
    scans.save(data / "labels/p3_Label.nii.gz", ball * 7)
    result = plan("data/raw/planned", "--structures", "VS=1,Cochlea=2")
    for said in (
        "p3: no voxel of VS",
        "p3: label value(s) 7; allowed: those of the labels to train on: 1, 2",
    ):
        assert said in result.output, result.output
    assert result.exit_code == 1


def test_what_a_desktop_has_left_in_the_folder_for_links_is_no_file_of_the_users(project, data):
    Path("data/raw/planned").mkdir(parents=True)
    Path("data/raw/planned/.DS_Store").write_bytes(b"\0\0\0\1Bud1")
    assert plan(*folders(data), "--structures", "VS=1,Cochlea=2").exit_code == 0


def test_what_has_no_need_of_the_scans_is_said_before_they_are_read(project, data, monkeypatch):
    monkeypatch.setattr("gbaseg.commands.plan.see", None)
    result = plan(*folders(data), "--gpu", "abacus")
    assert result.exit_code == 1 and "--gpu abacus: not measured yet" in result.output


def test_a_folder_in_the_place_of_the_parameters_is_named(project, data):
    Path("params.yaml").unlink()
    Path("params.yaml").mkdir()
    result = plan(*folders(data), "--structures", "VS=1,Cochlea=2", "--force")
    assert result.exit_code == 1 and "params.yaml: a folder; allowed: a file" in result.output


def test_a_table_that_is_there_is_read_and_left_as_it_is(project, data):
    assert plan(*folders(data), "--structures", "ball=1").exit_code == 0
    table = (project / "data/raw/planned/cases.csv").read_bytes()
    (project / "data/raw/planned/.planned.json").unlink()
    result = plan("data/raw/planned", "--structures", "part=2", "--hours", "0.2")
    assert result.exit_code == 0, result.output
    assert params.load().labels == {"part": 1} and params.load().dataset.layout == "table"
    assert (project / "data/raw/planned/cases.csv").read_bytes() == table


def test_a_page_that_cannot_be_kept_is_shown_all_the_same(project, data):
    (project / "logs").write_text("a file")
    result = plan(*folders(data), "--structures", "ball=1")
    assert result.exit_code == 0, result.output
    assert "params.yaml written" in result.stdout and "WARNING: logs/plan.txt: cannot be written" in result.stderr


def test_one_source_patient_is_too_few_for_folds(project, data):
    for number in (1, 2, 3):
        (data / f"source/p{number}_T1.nii.gz").unlink()
        (data / f"labels/p{number}_Label.nii.gz").unlink()
    (data / "labels/p0_Label.nii.gz").rename(data / "labels/p0_T1.nii.gz")
    said = refused(project, *folders(data), "--structures", "ball=1")
    assert "one source patient (p0_T1); allowed: two or more: folds are split by patient" in said


def test_too_few_hours_are_said_first(project, data):
    call = [*folders(data), "--structures", "ball=1", "--hours"]
    said = refused(project, *call, "0.001")
    least, enough = re.findall(r"([\d.]+) h\b", said)
    assert float(least) < float(enough)
    result = plan(*call, f"{(float(least) + float(enough)) / 2}")
    assert result.exit_code == 0, result.output
    assert "is too little for a network to surely learn 1 structure(s)" in result.stdout.splitlines()[2]
    assert f"Enough are {enough} h" in result.stdout.splitlines()[2]
    assert "WARNING" not in plan(*call, f"{enough}").stdout


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
def test_wrong_calls(project, arguments, said):
    assert said in refused(project, *arguments)


@pytest.fixture
def challenge(tmp_path, scans):
    """CrossMoDA's layout: centres A and B, five labelled patients."""
    folder = tmp_path / "crossmoda2022"
    for seed, (part, name) in enumerate(
        [
            *(("training_source", f"ldn_{number}_ceT1") for number in (1, 2, 3)),
            *(("training_source", f"etz_{number}_ceT1") for number in (4, 5)),
            *(("training_target", f"{centre}_{number}_hrT2") for centre, number in (("ldn", 11), ("etz", 12))),
            ("validation", "ldn_21_hrT2"),
        ]
    ):
        (folder / part).mkdir(parents=True, exist_ok=True)
        array, ball = scans.head(seed=seed)
        scans.save(folder / part / f"crossmoda2022_{name}.nii.gz", array)
        if part == "training_source":
            scans.save(folder / part / f"crossmoda2022_{name.replace('ceT1', 'Label')}.nii.gz", ball)
    return folder


def planned_and_papers(project):
    """params.yaml and the paper's preset, but for the folder of the data."""
    from ruamel.yaml import YAML

    content = YAML(typ="safe").load((project / "params.yaml").read_text())
    papers = preset_content("crossmoda2022", project / "presets")
    del content["dataset"]["root"], papers["dataset"]["root"]
    return content, papers


def test_on_the_challenges_data_with_a_gpus_days_it_comes_out_at_the_papers_preset(project, challenge):
    result = plan(challenge, "--gpu", "h100", "--hours", "300")
    assert result.exit_code == 0, result.output
    content, papers = planned_and_papers(project)
    assert content == papers
    assert "Not as preset crossmoda2022" not in result.stdout


def test_or_it_says_line_by_line_why_not(project, challenge):
    for path in challenge.rglob("*etz_*"):
        path.unlink()
    result = plan(challenge, "--gpu", "h100", "--hours", "300")
    assert result.exit_code == 0, result.output
    content, papers = planned_and_papers(project)
    said = result.stdout.split("Not as preset crossmoda2022\n")[1].split("\n\n")[0].splitlines()
    assert [line.split(":")[0].strip() for line in said] == ["augmentation.rules", "segmentation.folds"]
    assert "source centres A" in said[0] and "3 source patients" in said[1]
    content["segmentation"]["folds"], content["augmentation"]["rules"] = 5, papers["augmentation"]["rules"]
    assert content == papers


def test_fewer_hours_end_before_the_papers(project, challenge):
    result = plan(challenge, "--gpu", "h100", "--hours", "40")
    assert result.exit_code == 0, result.output
    content, papers = planned_and_papers(project)
    assert content["standardise"] == papers["standardise"]
    assert content["segmentation"]["epochs"] < 500
    assert "segmentation.epochs: 500 -> " in result.stdout


def test_faults_of_folders_are_not_said_again_of_every_scan(project, data):
    said = refused(project, "--source", data / "source", "--labels", data / "lables", "--target", data / "target")
    assert said.startswith(f"gbaseg: 1 fault(s) in the data:\n  - --labels {data / 'lables'}: no such folder")
    said = refused(project, "--source", data / "source", "--labels", data / "labels", "--target", data / "source")
    assert "1 fault(s)" in said and "the folder of --source, too" in said


def test_scans_of_folders_have_no_rows_of_a_table(project, data):
    shutil.copyfile(data / "target/q4_T2.nii.gz", data / "target/q9_T2.nii.gz")
    said = refused(project, *folders(data), "--structures", "ball=1")
    assert "under 2 names" in said and "cases.csv" not in said


def test_a_dataset_json_is_named_where_its_structures_are_not_there_or_not_taken(project, data):
    labels = data / "source/dataset.json"
    labels.write_text(json.dumps({"labels": {"background": 0, "ball": 1, "lost": 3}}))
    said = refused(project, *folders(data))
    assert "dataset.json: lost=3, which no label holds" in said and "--structures names those to segment" in said
    labels.write_text(json.dumps({"labels": {"background": 0, "all": [1, 2]}}))
    said = refused(project, *folders(data))
    assert "NAME=1,NAME=2" in said and "dataset.json: labels of regions (all: [1, 2]) are not taken" in said
    assert plan(*folders(data), "--structures", "ball=1").exit_code == 0
    labels.write_text(json.dumps({"labels": {"background": 0, "part": 2, "ball": 1}}))
    assert "structures, and that part steers, by dataset.json" in plan(*folders(data)).stdout


def test_centres_are_asked_for_where_they_may_be_given(project, data):
    plan(*folders(data), "--structures", "ball=1")
    assert "--centres" not in refused(project, "data/raw/planned")
    assert "--centres" not in refused(project, *folders(data), "--centres", "A")


def test_what_cannot_be_written_is_said_before_anything_is(project, data, monkeypatch):
    (project / "data").write_text("a file")
    assert "--root data/raw/planned: data is no folder" in refused(project, *folders(data), "--structures", "ball=1")
    (project / "data").unlink()
    reason = ". cannot be written to (Permission denied)"
    monkeypatch.setattr("gbaseg.commands.plan.unwritable", lambda path: reason if path.name == "params.yaml" else "")
    assert f"params.yaml: {reason}" in refused(project, *folders(data), "--structures", "ball=1")


def test_both_domains_may_be_of_one_modality(project, data):
    assert plan(*folders(data), "--structures", "ball=1", "--modalities", "T1,T1").exit_code == 0
    assert {case.modality for case in read_table(Path("data/raw/planned"))} == {"T1"}


def test_what_is_a_users_is_kept_before_anything_is_written(project, data, monkeypatch):
    def denied(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("gbaseg.commands.plan.kept_beside", denied)
    (project / "params.yaml").write_text((project / "params.yaml").read_text().replace("seed: 1", "seed: 5"))
    assert "params.yaml: permission denied" in refused(project, *folders(data), "--structures", "ball=1", "--force")


def test_a_plan_over_an_older_one_that_is_broken_off_can_be_made_again(project, data, monkeypatch):
    call = [*folders(data), "--structures", "ball=1"]
    assert plan(*call).exit_code == 0
    (data / "target/q4_T2.nii.gz").unlink()
    with monkeypatch.context() as broken:
        broken.setattr(Path, "unlink", lambda self: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        assert plan(*call).exit_code == 1
    assert plan(*call).exit_code == 0
    assert "q4_T2" not in (project / "data/raw/planned/cases.csv").read_text()


@pytest.mark.unusual(
    "Data sets and folders",
    "`plan --patients`: a patient with scans in two of the folders",
    "a fault with both scans: one domain and one split a patient",
)
def test_a_patient_in_two_folders_is_a_fault(project, data):
    (data / "target/q4_T2.nii.gz").rename(data / "target/p1_T2.nii.gz")
    said = refused(project, *folders(data), "--structures", "ball=1", "--patients", r"^([pq]\d)_")
    assert "patient p1 is in source train (source_p1) and target train (target_p1)" in " ".join(said.split())
