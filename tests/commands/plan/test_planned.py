"""Two folders in, a params.yaml out that the pipeline takes; or a table, which stays as it is."""

import json
from pathlib import Path

import numpy as np

from gbaseg import params
from gbaseg.cases import read_table
from gbaseg.stages import standardise


def test_of_folders_to_standardised_scans_that_hold_every_structure(project, data, plan, folders):
    held_out = ["--held-out", data / "held_out", "--held-out-labels", data / "held_out_labels"]
    result = plan(*folders, *held_out, "--structures", "ball=1,part=2", "--hours", "2")
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


def test_one_label_value_need_not_be_named(data, plan, folders):
    (data / "source/dataset.json").write_text("{}")
    for path in (data / "labels").iterdir():
        path.unlink()
    from gbaseg.volume import Volume, read, write

    for path in (data / "source").glob("*.nii.gz"):
        scan = read(path)
        write(Volume((scan.array > 700).astype(np.uint8), scan.grid), data / "labels" / path.name)
    result = plan(*folders, "--no-translation")
    assert result.exit_code == 0, result.output
    assert params.load().labels == {"tumour": 1} and params.load().translation.mode == "none"
    assert "--structures NAME=VALUE names it" in result.stdout


def test_a_table_that_is_there_is_read_and_left_as_it_is(project, plan, folders):
    assert plan(*folders, "--structures", "ball=1").exit_code == 0
    table = (project / "data/raw/planned/cases.csv").read_bytes()
    (project / "data/raw/planned/.planned.json").unlink()
    result = plan("data/raw/planned", "--structures", "part=2", "--hours", "0.2")
    assert result.exit_code == 0, result.output
    assert params.load().labels == {"part": 1} and params.load().dataset.layout == "table"
    assert (project / "data/raw/planned/cases.csv").read_bytes() == table


def test_a_page_that_cannot_be_kept_is_shown_all_the_same(project, plan, folders):
    (project / "logs").write_text("a file")
    result = plan(*folders, "--structures", "ball=1")
    assert result.exit_code == 0, result.output
    assert "params.yaml written" in result.stdout and "WARNING: logs/plan.txt: cannot be written" in result.stderr
