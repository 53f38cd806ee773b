"""Experiments in DVC's queue, and the tables and figures over them."""

import json
import time

import pytest
from dvc.repo import Repo

pytestmark = pytest.mark.pipeline

# Two rounds are the tiny project's own; what is compared here are the arms.
ONE_ROUND = "self_training.rounds=[{id:round_0,prev:survey,last:true}]"


def test_queued_experiments_compare_the_arms(tiny, tmp_path):
    changes = ["augmentation.arm=none,naive,online", "evaluation.oracle=true", ONE_ROUND]
    tiny.run("dvc", "exp", "run", "--queue", *(word for change in changes for word in ("-S", change)))
    tiny.run("dvc", "queue", "start")
    with Repo(tiny.folder) as repo:  # asked here: each `dvc queue status` takes a core for seconds
        deadline = time.monotonic() + 1800
        while {"Queued", "Running"} & {task["status"] for task in repo.experiments.celery_queue.status()}:
            assert time.monotonic() < deadline
            time.sleep(1)
    workspace_and_head = json.loads(tiny.run("dvc", "exp", "show", "--json"))
    found = {}
    for experiment in workspace_and_head[1]["experiments"]:
        summary = experiment["revs"][0]["data"]["metrics"]["metrics/summary.json"]["data"]
        found[summary["arm"]] = summary["dice_mean"]
    assert set(found) == {"none", "naive", "online"}
    assert all(0 <= value <= 1 for value in found.values())
    printed = tiny.call("tables", "--out", str(tmp_path))
    for row in ("reference, empty prediction", "reference, threshold", "reference, oracle", "cyclegan A, naive"):
        assert f"| {row}" in printed
    assert {path.suffix for path in tmp_path.iterdir()} == {".md", ".csv", ".tex"}
    tiny.call("figures", "--out", str(tmp_path / "figures"))
    names = {path.name for path in (tmp_path / "figures").iterdir()}
    scores = {"scores_by_arm.svg", "scores_by_arm.png", "overlays_by_arm.png"}
    assert names == {*scores, "translations.png", "translations_close_up.png"}
