"""A model in one file: equal bytes, equal masks, and nothing in it that runs."""

import hashlib
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import gbaseg
from gbaseg import volume
from gbaseg.cli import main
from gbaseg.errors import UserError
from gbaseg.inference.exported import write_zip
from gbaseg.inference.find import describe
from gbaseg.workflow import layout

MODEL = layout.model_of("round_1")
PARTS = ["plans.json", "dataset.json", "fold_0.safetensors", "fold_1.safetensors"]


def call(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def exported(project):
    """The zip of the project's model."""
    result = call("export", "-o", "model.zip")
    assert result.exit_code == 0, result.output
    return project / "model.zip"


def elsewhere(tmp_path, monkeypatch):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_an_exported_model_gives_the_projects_masks_to_the_bit_in_any_folder(exported, head, tmp_path, monkeypatch):
    volume.write(head, tmp_path / "head.nii.gz")
    result = call("predict", tmp_path / "head.nii.gz", "--out", tmp_path / "ours")
    assert result.exit_code == 0, result.output
    ours = (tmp_path / "ours/head.nii.gz").read_bytes()
    assert volume.read(tmp_path / "ours/head.nii.gz").array.any(), "networks that find nothing show nothing"
    project = Path.cwd()
    folder = elsewhere(tmp_path, monkeypatch)
    shutil.copyfile(exported, "m.zip")
    with zipfile.ZipFile("m.zip") as archive:
        for name in archive.namelist():
            archive.extract(name, "unpacked")
    for model, out in (("m.zip", "a"), ("unpacked", "b"), (project / MODEL, "c")):
        result = call("predict", tmp_path / "head.nii.gz", "--model", model, "-o", out)
        assert result.exit_code == 0, result.output
        assert Path(out, "head.nii.gz").read_bytes() == ours
    of_function = gbaseg.predict(tmp_path / "head.nii.gz", "m.zip")
    assert of_function.mask.array.tobytes() == volume.read("a/head.nii.gz").array.tobytes()
    assert sorted(path.name for path in folder.iterdir()) == ["a", "b", "c", "m.zip", "unpacked"]


def test_the_same_model_gives_the_same_bytes_and_no_times_or_places(exported, project):
    first = exported.read_bytes()
    assert call("export", "--round", "round_1", "-o", "again.zip").exit_code == 0
    assert Path("again.zip").read_bytes() == first
    with zipfile.ZipFile(exported) as archive:
        assert archive.namelist() == ["README.md", "METHODS.md", "model.json", *PARTS]
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        said = json.loads(archive.read("model.json"))
        texts = b"".join(archive.read(name) for name in archive.namelist() if not name.endswith("safetensors"))
    assert str(project).encode() not in texts and b"data/raw" not in texts
    assert (said["format"], said["version"], said["round"], said["fine_grid"]) == ("gbaseg model", 1, "round_1", False)
    assert said["files"] == {name: hashlib.sha256((MODEL / name).read_bytes()).hexdigest() for name in PARTS}
    assert said["params"].keys() == {"dataset", "standardise", "segmentation", "self_training"}
    assert said["params"]["dataset"].keys() == {"structures", "known_labels", "spacing_mm_range"}


def test_settings_come_along(exported, project, settings):
    """Whatever params.yaml says later, and where there is none."""
    described = describe(exported, None)
    assert described.settings.standardise == settings.standardise
    assert described.settings.segmentation.prediction == settings.segmentation.prediction
    assert described.settings.self_training.confidence == settings.self_training.confidence
    assert described.settings.dataset.structures == settings.dataset.structures
    assert described.load().ranges_mm3 == {"VS": (364.5, 10741.5)}
    assert described.round_id == "round_1"
    with pytest.raises(UserError, match=r"--round round_0: model.zip is the model of round_1"):
        describe(Path("model.zip"), "round_0")


def rewritten(path, changed):
    """The zip with some of its files changed: name -> content, None to leave it out."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    files |= changed
    write_zip(path, {name: content for name, content in files.items() if content is not None})


def contents_of(path):
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("model.json"))


def fault(path):
    with pytest.raises(UserError) as raised:
        gbaseg.Model.load(path)
    assert str(raised.value).startswith(str(path))
    return str(raised.value)


@pytest.mark.unusual(
    "Trust", "a model's zip, changed by hand or in a download", "the file in it, by its SHA-256; nothing is predicted"
)
def test_a_changed_zip_is_refused(exported):
    with zipfile.ZipFile(exported) as archive:
        weights = bytearray(archive.read("fold_1.safetensors"))
    weights[-1] ^= 1
    rewritten(exported, {"fold_1.safetensors": bytes(weights)})
    assert "fold_1.safetensors: damaged or changed" in fault(exported)
    rewritten(exported, {"fold_1.safetensors": None})
    assert "no fold_1.safetensors" in fault(exported)


@pytest.mark.unusual(
    "Trust",
    "a model's zip that names pickles, other folders or code in its model.json",
    "refused before it is unpacked",
)
@pytest.mark.parametrize("name", ["../evil.safetensors", "fold_0.pth", "/etc/passwd", "fold_0.safetensors/../x.json"])
def test_a_zip_brings_no_other_files(exported, name):
    said = contents_of(exported)
    said["files"][name] = "0" * 64
    rewritten(exported, {"model.json": json.dumps(said).encode(), name: b"x"})
    assert "no file of a model" in fault(exported)


def test_plans_of_a_zip_name_no_code(exported):
    plans = json.loads((MODEL / "plans.json").read_text())
    plans["configurations"]["3d_fullres"]["architecture"]["network_class_name"] = "os.system"
    content, said = json.dumps(plans).encode(), contents_of(exported)
    said["files"]["plans.json"] = hashlib.sha256(content).hexdigest()
    rewritten(exported, {"model.json": json.dumps(said).encode(), "plans.json": content})
    assert "'os.system' is to be imported" in fault(exported)


@pytest.mark.unusual(
    "Trust", "a model's zip of a later format, of other keys, or cut off", "what was found, what is read"
)
def test_what_is_no_model_is_said(exported, project):
    whole, said = exported.read_bytes(), contents_of(exported)
    wrote = said["made_with"]["gbaseg"]
    for changes, says in (
        ({"version": 2}, f"version 2 of the format, this gbaseg reads 1; install the gbaseg that wrote it ({wrote})"),
        ({"format": "other"}, "format 'other'"),
        ({"colour": "blue"}, "1 fault(s)"),
        ({"params": {**said["params"], "standardise": {"spacing_xyz_mm": [0, 1, 1]}}}, "spacing_xyz_mm"),
        ({"fine_grid": True}, "without standardise.fine_spacing_xyz_mm"),
    ):
        rewritten(exported, {"model.json": json.dumps({**said, **changes}).encode()})
        assert says in fault(exported)
    rewritten(exported, {"model.json": b"{"})
    assert "no whole JSON" in fault(exported)
    rewritten(exported, {"model.json": None})
    assert "no model.json in it" in fault(exported)
    exported.write_bytes(whole[: len(whole) // 2])
    assert "no zip, or one that is cut off" in fault(exported)
    Path("empty").mkdir()
    for path in (project / "empty", project / "gone", project / "params.yaml"):
        assert "allowed: a zip of `gbaseg export`" in fault(path)
    shutil.copytree(MODEL, "alone")
    assert "a model without the params.yaml of its project" in fault(project / "alone")


def test_predict_says_faults_of_model_and_scans_together(exported, head):
    rewritten(exported, {"fold_0.safetensors": None})
    result = call("predict", "gone.nii.gz", "--model", "model.zip", "-o", "masks")
    assert result.exit_code == 1
    assert "model.zip: no fold_0.safetensors" in result.stderr and "gone.nii.gz: no such file" in result.stderr


def test_nothing_is_exported_of_a_damaged_model_or_over_another_file(project):
    Path("notes.txt").write_text("mine")
    Path("notes.zip").write_text("mine")
    assert "allowed: a name that ends in .zip" in call("export", "-o", "notes.txt").stderr
    assert "there already, and no zip" in call("export", "-o", "notes.zip").stderr
    (MODEL / "fold_1.safetensors").write_bytes(b"cut off")
    assert "fold_1.safetensors: damaged" in call("export", "-o", "model.zip").stderr
    (MODEL / "fold_1.safetensors").unlink()
    assert "no fold_1.safetensors" in call("export", "-o", "model.zip").stderr
    assert "round_7: no such round" in call("export", "--round", "round_7", "-o", "model.zip").stderr
    assert not Path("model.zip").exists() and Path("notes.zip").read_text() == "mine"


@pytest.mark.unusual("Commands", "`export -o` over a zip of other files", "it stays; an earlier export is replaced")
def test_only_an_export_of_its_kind_is_replaced(project):
    with zipfile.ZipFile("data.zip", "w") as archive:
        archive.writestr("patients.csv", "mine")
    mine = Path("data.zip").read_bytes()
    for kind in ([], ["--nnunet"]):
        assert "data.zip: there already, and no zip of this command's" in call("export", *kind, "-o", "data.zip").stderr
    assert Path("data.zip").read_bytes() == mine
    for _ in range(2):
        assert call("export", "-o", "model.zip").exit_code == 0
    assert "model.zip: there already" in call("export", "--nnunet", "-o", "model.zip").stderr


def test_a_file_from_the_weights_of_a_large_model_is_written_without_being_held(tmp_path):
    content = np.random.default_rng(0).bytes(3_000_000)
    (tmp_path / "weights").write_bytes(content)
    write_zip(tmp_path / "z.zip", {"a.json": b"{}", "weights": tmp_path / "weights"})
    with zipfile.ZipFile(tmp_path / "z.zip") as archive:
        assert archive.testzip() is None and archive.read("weights") == content
