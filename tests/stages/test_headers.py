"""Of a scan's header nothing but its geometry goes on: no names, dates or free text."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from gbaseg.cases import Case, write_table
from gbaseg.params import Params
from gbaseg.segmentation.decision import FoldAgreement
from gbaseg.stages import pseudo_label, standardise
from gbaseg.standardise.case import StandardCase
from gbaseg.volume import Grid, Volume, read, write
from gbaseg.workflow import layout
from gbaseg.workflow.context import read_json, stage

# Where a NIfTI header has free text: db_name, descrip, aux_file, intent_name.
PLANTED = {14: b"DOE19700101", 148: b"DOE^JOHN 1970", 228: b"DOE^JOHN.dcm", 328: b"DOE^JOHN 70"}


def plant(path: Path) -> None:
    """Write a patient's name into every free text of a .nii.gz."""
    content = bytearray(gzip.decompress(path.read_bytes()))
    for offset, text in PLANTED.items():
        content[offset : offset + len(text)] = text
    path.write_bytes(gzip.compress(content))
    assert b"DOE^JOHN 1970" in gzip.decompress(path.read_bytes())


def holding(folder: Path, text: bytes) -> list[str]:
    """Files below a folder that hold a text, packed or not, or are named after it."""
    found = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
        if text in content or text.decode() in str(path.relative_to(folder)):
            found.append(str(path.relative_to(folder)))
    return found


@pytest.mark.unusual(
    "Trust",
    "scans and labels whose header holds a name and a date of birth (descrip, aux_file, db_name, intent_name)",
    "they are in no image, mask, record, table or log that is written",
)
def test_free_text_of_a_header_goes_nowhere(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    settings = Params.model_validate({"standardise": {"spacing_xyz_mm": [1, 1, 1], "crop_xy_px": 16}})
    shape = (10, 20, 20)
    z, y, x = np.mgrid[:10, :20, :20]
    head = ((z - 5) / 4.5) ** 2 + ((y - 10) / 8) ** 2 + ((x - 10) / 8) ** 2 < 1
    scan = Volume((300 * head + 20 * np.random.default_rng(0).random(shape)).astype(np.float32), Grid(shape, (1, 1, 1)))
    label = scan.with_array(((z - 5) ** 2 + (y - 12) ** 2 + (x - 9) ** 2 < 5).astype(np.uint8))
    root = tmp_path / "raw"
    cases = []
    for name, domain, modality in (("s0", "source", "ceT1"), ("t0", "target", "hrT2")):
        cases.append(Case(name, name, "A", domain, "train", modality, f"{name}.nii.gz", f"{name}_label.nii.gz"))
        for volume, path in ((scan, cases[-1].image), (label, cases[-1].label)):
            write(volume, root / path)
            plant(root / path)

    with stage("tried", {}, [], [layout.STANDARD, layout.SCORING]) as scratch:
        standard, scoring = scratch.output(layout.STANDARD), scratch.output(layout.SCORING)
        rows = [standardise.standardise_case(case, root, standard, scoring, settings) for case in cases]
        write_table([row["standard"] for row in rows], standard)
        write_table([row["scoring"] for row in rows if row["scoring"]], scoring)
    record = StandardCase.from_dict(read_json(layout.STANDARD / "records/t0.json"))
    folder = layout.pseudo_labelled("round_0")
    (folder / "probabilities").mkdir(parents=True)
    np.save(folder / "probabilities/t0.npy", np.ones((1, *record.grid.shape), np.float16))
    pseudo_label.carry_back(cases[1], folder, False, settings)
    pseudo_label._write_table(settings, [FoldAgreement("t0", "VS", 1.0, 1, 1.0, 8.0)], folder)

    assert read(folder / "scan/t0.nii.gz").array.any()
    assert json.loads(Path("logs/stages.jsonl").read_text())["stage"] == "tried"
    written = [path for path in tmp_path.iterdir() if path != root]
    assert len(holding(root, b"DOE")) == 4  # the search sees them where they are
    assert [holding(path, text) for path in written for text in (b"DOE", b"1970")] == [[]] * 2 * len(written)
    assert "DOE" not in "".join(capsys.readouterr())
