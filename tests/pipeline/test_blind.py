"""The tiny project a second time, without a label of the target, and with a patient's name in its headers."""

import gzip
import json
import shutil

import pytest

from gbaseg.runtime.scratch import digest_of

pytestmark = pytest.mark.pipeline

PLANTED = b"DOE^JOHN 1970"
TRAINED = ("models", "data/translated", "data/augmented", "data/pseudo_labelled")


def test_no_training_stage_can_see_the_targets_labels(tiny, new_project):
    """The same seed in another folder, stage by stage in one process, and nowhere a label of the target.

    It proves both: that a run repeats to the last bit, and that what is trained does not depend on those labels.
    """
    blind = new_project("tiny")
    # That the phantom repeats, too, is tests/pipeline/test_kills.py's.
    shutil.copytree(tiny.folder / "data/raw", blind.folder / "data/raw")
    shutil.rmtree(blind.folder / "data/raw/phantom/generated/target_labels")
    # A name and a date in every header, where scanners and converters leave them: they change nothing and go nowhere.
    for path in (blind.folder / "data/raw").rglob("*.nii.gz"):
        content = bytearray(gzip.decompress(path.read_bytes()))
        content[148 : 148 + len(PLANTED)] = PLANTED  # descrip
        path.write_bytes(gzip.compress(content, 1))
    blind.stages(start="standardise")

    for folder in TRAINED:
        assert digest_of([blind.folder / folder]) == digest_of([tiny.folder / folder]), folder
    assert json.loads((blind.folder / "metrics/data.json").read_text())["target_cases_with_scoring_labels"] == 0
    assert "VS" not in json.loads((blind.folder / "metrics/round_1.json").read_text())

    blind.call("report")
    written = [path for path in blind.folder.rglob("*") if path.is_file() and "raw" not in path.parts]
    assert blind.folder / "report/index.html" in written
    packed = {path: path.read_bytes() for path in written}
    assert [path for path, content in packed.items() if PLANTED in _unpacked(path, content)] == []


def _unpacked(path, content):
    return gzip.decompress(content) if path.suffix == ".gz" else content
