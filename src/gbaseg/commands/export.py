"""export: a round's model in one file, with all that `predict` reads of params.yaml, a model card and methods."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from gbaseg import params, volume
from gbaseg.commands.methods_text import methods
from gbaseg.commands.model_card import card
from gbaseg.commands.run_facts import read_facts
from gbaseg.errors import UserError
from gbaseg.inference.contents import NAME, Contents, TargetScans, sections_of
from gbaseg.inference.exported import as_json, digest, write_zip
from gbaseg.inference.find import describe
from gbaseg.inference.likeness import look
from gbaseg.inference.model import Model
from gbaseg.runtime.progress import log, meter
from gbaseg.standardise.case import StandardCase
from gbaseg.workflow import layout
from gbaseg.workflow.context import read_record
from gbaseg.workflow.provenance import refuse_strangers
from gbaseg.workflow.pseudo_labels import training_cases

PACKAGES = ("gbaseg", "torch", "nnunetv2", "SimpleITK", "numpy", "scipy")
CARD, METHODS = "README.md", "METHODS.md"


def run(out: Path, round_id: str | None) -> None:
    """Write the zip: equal bytes for an equal run.

    Args:
        out: ends in .zip.
        round_id: default: the last.

    Raises:
        UserError: no such round, no model or a damaged one; metrics or data that are of another run; another name, or
            another file of it.
    """
    check_place(out, NAME)
    model, folder = load_round(round_id)
    facts = read_facts(model.round_id, model.settings)
    files: dict[str, bytes | Path] = {
        name: folder / name for name in ("plans.json", "dataset.json", *(path.name for path in model.ensemble.files))
    }
    about = Contents(
        made_with={name: version(name) for name in PACKAGES},
        round=model.round_id,
        trained_in=facts.about_model.get("trained_in", model.round_id),
        fine_grid=model.fine,
        volumes_mm3=dict(model.ranges_mm3),
        params=sections_of(model.settings),
        target=_target(),
        files={name: digest(content) for name, content in files.items()},
    )
    written: dict[str, bytes | Path] = {
        CARD: card(facts, about).encode(),
        METHODS: methods(facts, about).encode(),
        NAME: as_json(about.model_dump(mode="json")),
        **files,
    }
    write_zip(out, written)
    log(f"{out}: {model.round_id}, {out.stat().st_size / 2**20:.1f} MiB; `gbaseg predict --model {out} SCAN -o masks`")


def check_place(out: Path, mark: str) -> None:
    """Check the name of a zip that is to be written: it may take the place of one of its kind, and of no other file.

    Args:
        mark: what the name of a file begins with that every such zip has.

    Raises:
        UserError: it does not end in .zip, or something else is there.
    """
    if out.suffix.lower() != ".zip":
        raise UserError(f"--out {out}: allowed: a name that ends in .zip")
    if out.exists() and not any(name.startswith(mark) for name in _names(out)):
        raise UserError(f"{out}: there already, and no zip of this command's; move it away, or name another --out")


def _names(path: Path) -> list[str]:
    """Of the files in a zip; none where it is no zip."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except zipfile.BadZipFile:
        return []


def load_round(round_id: str | None) -> tuple[Model, Path]:
    """The model of a round of this project, loaded, so that a damaged one is exported nowhere; and its folder.

    Raises:
        UserError: there is none, it is damaged, or of another run than params.yaml and dvc.lock say.
    """
    described = describe(None, round_id)
    if described.faults:
        raise UserError("\n".join(described.faults))
    folder = layout.model_of(described.round_id)
    labels = layout.pseudo_labelled(described.round_id)
    # Where masks end is found with these, and stands in metrics, too.
    found = params.load().segmentation.prediction.ends == "source_volumes" and (labels / layout.ROUND).is_file()
    refuse_strangers([folder, labels] if found else [folder])
    return described.load(), folder


def _target() -> TargetScans | None:
    """What the target's training scans look like, where this folder has them."""
    if not (layout.STANDARD / "cases.csv").is_file():
        log(f"{layout.STANDARD}: not here; the export does not say what the target's scans look like")
        return None
    refuse_strangers([layout.STANDARD])
    return look(_standardised())


def _standardised() -> Iterator[tuple[StandardCase, volume.Volume]]:
    cases = training_cases()
    with meter("look at the target's scans", len(cases)) as bar:
        for case in cases:
            record = read_record(layout.STANDARD / "records" / f"{case.case}.json")
            yield record, volume.read(layout.STANDARD / case.image)
            bar.advance()
