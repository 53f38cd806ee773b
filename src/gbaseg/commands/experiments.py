"""DVC's experiments read back as runs: parameters, scores by case, failures."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from ruamel.yaml import YAML

from gbaseg import volume
from gbaseg.errors import UserError
from gbaseg.evaluation.runs import Run
from gbaseg.evaluation.summary import CaseScore, read_scores
from gbaseg.stages import layout

WORKSPACE = "workspace"
PARAMS = "params.yaml"
# What runs that are compared may differ in; everything else has to be equal, or a table would mix its effect in.
AXES = ("seed", "augmentation.arm", "translation.mode", "translation.centre", "translation.run")


class Files(Protocol):
    """Where the files of one run are read from."""

    def read_text(self, path: str) -> str:
        """Content of a file; OSError where there is none."""

    def read_bytes(self, path: str) -> bytes:
        """The same, as bytes."""


def experiments_of_this_commit() -> dict[str, str]:
    """Name -> revision of the experiments that were run on the present commit."""
    return _experiments(all_commits=False)


def _experiments(all_commits: bool) -> dict[str, str]:
    from dvc.exceptions import NotDvcRepoError
    from dvc.repo import Repo  # takes a second

    try:
        with Repo() as repo:
            listed = repo.experiments.ls(all_commits=all_commits).values()
            return {name: revision for experiments in listed for name, revision in experiments}
    except NotDvcRepoError as error:
        raise UserError("not in a DVC repository: run this in the project's folder") from error


def load_runs(names: Sequence[str], structure: str = "") -> list[Run]:
    """The named experiments; without names all experiments of the present commit.

    Args:
        names: experiments, or `workspace` for what lies in this folder.
        structure: whose scores; empty: the tumour.

    Raises:
        UserError: unknown experiments, experiments whose files are in no cache, parameters besides `AXES` that
            differ, or nothing to compare.
    """
    found = _experiments(all_commits=bool(names))
    unknown = [name for name in names if name not in found and name != WORKSPACE]
    if unknown:
        known = ", ".join([*sorted(found), WORKSPACE])
        raise UserError(f"no experiment(s) {', '.join(unknown)}; there are: {known}")
    chosen = list(names) or sorted(found)
    if not chosen:
        raise UserError(
            "no experiments of the present commit; `gbaseg ablation arms` makes some, `workspace` names this run"
        )
    settings, runs = {}, []
    for name in chosen:
        files = _files(None if name == WORKSPACE else found[name])
        try:
            settings[name] = YAML(typ="safe").load(files.read_text(PARAMS))
            runs.append(read_run(name, settings[name], files, structure))
        except OSError as error:
            raise UserError(
                f"experiment {name}: {error}; not run to its end, or no longer in DVC's cache (`dvc exp remove {name}`)"
            ) from error
    _check_comparable(settings)
    return runs


def open_experiment(name: str) -> Files:
    """Files of one experiment (of any commit), or of the workspace."""
    return _files(None if name == WORKSPACE else _experiments(all_commits=True)[name])


def read_volume(files: Files, path: Path) -> volume.Volume:
    """An image of an experiment.

    Raises:
        UserError: it is not in DVC's cache.
    """
    try:
        content = files.read_bytes(str(path))
    except OSError as error:
        raise UserError(f"{path}: {error}; no longer in DVC's cache") from error
    with tempfile.NamedTemporaryFile(suffix="".join(path.suffixes[-2:])) as stream:  # ITK reads files alone
        stream.write(content)
        stream.flush()
        return volume.read(stream.name)


def read_run(name: str, settings: Mapping[str, Any], files: Files, structure: str = "") -> Run:
    """One run from its files; `settings` is its params.yaml."""
    structure = structure or next(iter(settings["dataset"]["structures"]))
    round_ids = [item["id"] for item in settings["self_training"]["rounds"]]

    def scores(name: str, optional: bool = False) -> list[CaseScore]:
        path = layout.case_scores(name)
        text = _optional(files, path) if optional else files.read_text(str(path))
        rows = read_scores(path, io.StringIO(text)) if text else []
        return [row for row in rows if row.structure == structure and row.reference_mm3 > 0]

    first = json.loads(files.read_text(str(layout.round_metrics(round_ids[0]))))
    proxies = {}
    for round_id in round_ids:
        found = json.loads(_optional(files, layout.proxies(round_id)) or "{}")
        if found:
            pseudo_target = found.pop("pseudo_target", {}).get(structure, {})
            proxies[round_id] = {**found, "pseudo_target_dice": pseudo_target.get("dice", {}).get("mean")}
    translation = settings["translation"]
    return Run(
        name,
        settings["augmentation"]["arm"],
        translation["mode"],
        translation["centre"],
        translation["run"],
        settings["seed"],
        {round_id: scores(round_id) for round_id in round_ids},
        first.get("translation_failed"),
        # Stages that came later, or that a run of older code does not have.
        threshold=scores("baseline", optional=True),
        oracle=scores("oracle", optional=True),
        proxies=proxies,
        checks=json.loads(_optional(files, layout.METRICS / "translation.json") or "{}"),
    )


def _optional(files: Files, path: Path) -> str:
    """Content of a file; empty where there is none."""
    try:
        return files.read_text(str(path))
    except FileNotFoundError:
        return ""


class _Folder:
    """The files of this folder."""

    def read_text(self, path: str) -> str:
        return Path(path).read_text(encoding="utf-8")

    def read_bytes(self, path: str) -> bytes:
        return Path(path).read_bytes()


def _files(revision: str | None) -> Files:
    if revision is None:
        return _Folder()
    from dvc.api import DVCFileSystem

    files: Files = DVCFileSystem(rev=revision)
    return files


def _check_comparable(settings: Mapping[str, Mapping[str, Any]]) -> None:
    flat = {name: dict(_flatten(content)) for name, content in settings.items()}
    (first, reference), *others = flat.items()
    faults = [
        f"{key}: {reference.get(key)} in {first}, {content.get(key)} in {name}"
        for name, content in others
        for key in sorted(reference.keys() | content.keys())
        if key not in AXES and reference.get(key) != content.get(key)
    ]
    if faults:
        raise UserError(
            "\n".join(
                [
                    f"the experiments differ in more than {', '.join(AXES)}; name those to be compared:",
                    *(f"  - {fault}" for fault in faults[:20]),
                    *([f"  - and {len(faults) - 20} more"] if len(faults) > 20 else []),
                ]
            )
        )


def _flatten(content: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield from _flatten(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, content
