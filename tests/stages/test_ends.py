"""`ends: source_volumes`, from the source's labels to masks, metrics, predictions and the next round."""

import json
from pathlib import Path

import numpy as np
import pytest

from gbaseg import params
from gbaseg.cases import Case, write_table
from gbaseg.inference.project import describe_round
from gbaseg.segmentation import prediction
from gbaseg.stages import pseudo_label
from gbaseg.standardise.case import StandardCase
from gbaseg.volume import Grid, Volume, read, turn_to_axial, write
from gbaseg.workflow import layout
from gbaseg.workflow.context import write_json
from gbaseg.workflow.sizes import mean_volumes_mm3, read_ends

GRID = Grid((20, 40, 40), (1.0, 1.0, 1.0))
SIZES = {"A": (5.0, 6.0, 7.0, 8.0, 9.0), "B": (3.0, 4.0)}  # mm, radii of the source's; few of B


def distance(grid=GRID):
    steps = np.meshgrid(*(np.arange(size) - (size - 1) / 2 for size in grid.shape), indexing="ij")
    return np.sqrt(sum(step**2 for step in steps))


class Soft:
    """Finds balls whose softmax falls from 1 to 0 over some mm; the image is the distance to their surface."""

    def __init__(self, *_):
        self.structures = {"VS": 1}

    def fold_probabilities(self, scan):
        inside = np.clip(0.5 + scan.array / 8.0, 0.0, 1.0)[None]
        return np.stack([np.concatenate([1 - inside, inside])] * 2)


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(prediction, "Ensemble", Soft)
    for room in (prediction, pseudo_label):
        name = "run" if room is prediction else "run_tasks"
        monkeypatch.setattr(room, name, lambda tasks, **_: [task.function(**task.arguments) for task in tasks])
    Path("params.yaml").write_text(
        "dataset: {structures: {VS: 1}}\nsegmentation: {prediction: {ends: source_volumes}}\n"
    )
    cases = []
    for centre, radii in SIZES.items():
        for number, radius in enumerate(radii):
            name = f"{centre}{number}"
            cases.append(
                Case(name, name, centre, "source", "train", "ceT1", f"images/{name}.nii.gz", f"labels/{name}.nii.gz")
            )
            write(Volume((distance() < radius).astype(np.uint8), GRID), layout.STANDARD / cases[-1].label)
    record = StandardCase(GRID, turn_to_axial(GRID), GRID, (0, 0, 0), 0.0, 1.0)
    for number, radius in enumerate(SIZES["A"]):
        name = f"t{number}"
        cases.append(
            Case(name, name, "A", "target", "train" if number < 4 else "test", "hrT2", f"images/{name}.nii.gz")
        )
        # Two millimetres too large at a softmax of 0.5.
        write(Volume((radius + 2.0 - distance()).astype(np.float32), GRID), layout.STANDARD / cases[-1].image)
        write_json(layout.STANDARD / "records" / f"{name}.json", record.to_dict())
    write_table(cases, layout.STANDARD)
    return cases


def label(settings=None, **more):
    settings = settings or params.load()
    return pseudo_label.label_target(settings, Path("model"), Path("labels"), fine=False, name="round_0", **more)


def volumes(name):
    return np.count_nonzero(read(f"labels/scan/{name}.nii.gz").array)


def test_masks_of_the_target_are_as_large_as_the_sources_labels(project, capsys):
    used = label()
    said = capsys.readouterr().err
    end = used.segmentation.prediction.ends["VS"]
    # The training cases lack the largest of the source's; with it, they end two millimetres and a bit further in.
    assert 0.6 < end < 0.8 and f"round_0: VS ends at a softmax of {end:g}: as large as in the source" in said
    means = [
        np.log([volumes(f"t{number}") for number in range(4)]).mean(),
        np.log(mean_volumes_mm3(used, project[-5:-1])["VS"]).mean(),
    ]
    assert means[0] == pytest.approx(means[1], abs=0.1)
    by_hand = params.load().model_copy(update={"segmentation": used.segmentation})
    before = {path.name: path.read_bytes() for path in Path("labels").rglob("*.nii.gz")}
    assert label(by_hand) == by_hand
    assert {path.name: path.read_bytes() for path in Path("labels").rglob("*.nii.gz")} == before


def test_labels_of_the_target_itself_say_where_it_ends(project):
    settings = params.load()
    assert label(settings, own_labels=True) == settings


def test_what_is_expected_of_a_case_is_its_centres_mean_where_that_is_known(project):
    centres = {case.centre: place for place, case in enumerate(project)}
    found = mean_volumes_mm3(params.load(), project)["VS"]
    of = {centre: [np.count_nonzero(distance() < radius) for radius in radii] for centre, radii in SIZES.items()}
    assert found[centres["A"]] == pytest.approx(np.exp(np.log(of["A"]).mean()))
    assert found[centres["B"]] == pytest.approx(np.exp(np.log(of["A"] + of["B"]).mean()))


def test_with_few_cases_masks_end_at_the_threshold_and_that_is_said(project, capsys):
    write_table([case for case in project if case.case not in ("t0", "t1")], layout.STANDARD)
    used = label()
    assert used.segmentation.prediction.ends == {"VS": 0.5}
    assert (
        "WARNING: round_0: VS is found in 2 training case(s) of the target, of 4 that are wanted"
        in capsys.readouterr().err
    )


def test_patients_with_other_sizes_are_said_and_masks_end_at_the_threshold(project, capsys):
    for case in project[:5]:
        write(Volume((distance() < 3.0).astype(np.uint8), GRID), layout.STANDARD / case.label)
    assert label().segmentation.prediction.ends == {"VS": 0.5}
    assert "no softmax from 0.2 to 0.8 explains that, the patients differ" in capsys.readouterr().err


@pytest.mark.parametrize("gone", ["t", "s"])
def test_without_scans_to_go_by_masks_end_at_the_threshold(project, gone):
    """No training scan of the target, or no label of the source that has the structure."""
    if gone == "t":
        write_table([case for case in project if case.domain == "source" or case.split == "test"], layout.STANDARD)
    else:
        for case in project[:7]:
            write(Volume(np.zeros(GRID.shape, np.uint8), GRID), layout.STANDARD / case.label)
    assert label().segmentation.prediction.ends == {"VS": 0.5}


def test_a_model_is_used_with_the_ends_of_its_round(project, capsys):
    folder = layout.model_of("round_0")
    write_json(folder / layout.ROUND, {"standardise": params.load().standardise.model_dump(mode="json")})
    missing = describe_round(folder, "round_0", params.load()).faults
    assert any("does not say where masks end; run `dvc repro`" in fault for fault in missing)
    for place, end in ((layout.proxies("round_0"), 0.4), (layout.pseudo_labelled("round_0") / layout.ROUND, 0.7)):
        write_json(place, {"ends": {"VS": end}})
        described = describe_round(folder, "round_0", params.load())
        assert described.settings.segmentation.prediction.end_of("VS") == end
        assert not any("masks end" in fault for fault in described.faults)
    assert read_ends("round_1") == (None, layout.pseudo_labelled("round_1") / layout.ROUND)


def test_names_of_ends_are_structures(project):
    with pytest.raises(params.UserError, match=r"segmentation.prediction.ends: found 'VZ'; allowed: VS"):
        params.check({"dataset": {"structures": {"VS": 1}}, "segmentation": {"prediction": {"ends": {"VZ": 0.4}}}})
    assert (
        json.loads(json.dumps(params.load().model_dump(mode="json")))["segmentation"]["prediction"]["ends"]
        == "source_volumes"
    )
