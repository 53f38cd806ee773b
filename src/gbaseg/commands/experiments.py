"""DVC's experiments read back as runs: parameters, scores by case, failures."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from gbaseg import params, volume
from gbaseg.commands.comparable import AXES, check_comparable
from gbaseg.errors import UserError
from gbaseg.evaluation.rounds import proxies_of
from gbaseg.evaluation.runs import Run
from gbaseg.evaluation.summary import CaseScore, read_scores
from gbaseg.git import below_the_top, check_repository
from gbaseg.runtime.json_files import parse_json
from gbaseg.text_file import parse_yaml, text_of
from gbaseg.workflow import layout
from gbaseg.workflow.provenance import refuse_strangers

WORKSPACE = "workspace"


class Files(Protocol):
    """Where the files of one run are read from."""

    def read_text(self, path: str) -> str:
        """Content of a file; OSError where there is none."""

    def read_bytes(self, path: str) -> bytes:
        """The same, as bytes."""


def experiments_of_this_commit() -> dict[str, str]:
    """Name -> revision of the experiments that were run on the present commit."""
    return {
        name: revision for name, revisions in _experiments(all_commits=False).items() for revision in revisions.values()
    }


def queued_experiments() -> set[str]:
    """Names of the experiments that wait or run in DVC's queue."""
    with _repository() as repo:
        queue = repo.experiments.celery_queue
        return {entry.name for entry in (*queue.iter_queued(), *queue.iter_active()) if entry.name}


def find_experiments(names: Sequence[str]) -> dict[str, str]:
    """Name -> revision: of the present commit, or else of the one other commit that has it; empty for `workspace`.

    Raises:
        UserError: there is none, or several other commits have one of this name.
    """
    if set(names) == {WORKSPACE}:  # a folder without git or DVC can be looked at, too
        return {WORKSPACE: ""}
    here, everywhere = experiments_of_this_commit(), _experiments(all_commits=True)
    found = {}
    for name in names:
        commits = everywhere.get(name, {})
        if name == WORKSPACE or name in here:
            found[name] = here.get(name, "")
        elif not commits:
            raise UserError(f"no experiment {name}; there are: {', '.join([*sorted(everywhere), WORKSPACE])}")
        elif len(commits) > 1:
            raise UserError(
                f"{name}: not of the present commit, and {len(commits)} others have one of that name "
                f"({', '.join(commit[:7] for commit in commits)}); check one of them out"
            )
        else:
            [found[name]] = commits.values()
    return found


def _experiments(all_commits: bool) -> dict[str, dict[str, str]]:
    """Name -> commit it was run on -> its revision."""
    found: dict[str, dict[str, str]] = {}
    with _repository() as repo:
        for commit, experiments in repo.experiments.ls(all_commits=all_commits).items():
            for name, revision in experiments:
                found.setdefault(name, {})[commit] = revision
    return found


@contextmanager
def _repository() -> Iterator[Any]:
    check_repository()
    from dvc.exceptions import DvcException, NotDvcRepoError
    from dvc.repo import Repo  # takes a second
    from scmrepo.exceptions import SCMError

    try:
        with Repo() as repo:
            yield repo
    except NotDvcRepoError as error:
        raise UserError("not in a DVC repository: run this in the project's folder") from error
    except (DvcException, SCMError) as error:
        raise UserError(f"DVC cannot read this repository: {' '.join(str(error).split())}") from error


def load_runs(names: Sequence[str], structure: str = "", axes: Sequence[str] = AXES) -> list[Run]:
    """The named experiments; without names all experiments of the present commit.

    Args:
        names: experiments, or `workspace` for what lies in this folder.
        structure: whose scores; empty: the tumour.
        axes: keys of params.yaml that they may differ in.

    Raises:
        UserError: unknown experiments, experiments whose files are in no cache, parameters that
            differ, or nothing to compare.
    """
    revisions = find_experiments(names) if names else experiments_of_this_commit()
    if not revisions:
        raise UserError(
            "no experiments of the present commit; `gbaseg ablation arms` makes some, `workspace` names this run"
        )
    settings, runs = {}, []
    for name, revision in sorted(revisions.items()):
        files = open_revision(revision)
        try:
            text = files.read_text(str(params.PATH))
            settings[name] = parse_yaml(text, f"experiment {name}: {params.PATH}")
            if not revision:
                refuse_strangers(_scores_of(params.check(settings[name])))
            runs.append(replace(read_run(name, settings[name], files, structure), revision=revision))
        except KeyError as error:
            raise UserError(f"experiment {name}: its params.yaml has no {error}; it was run by older code") from error
        except OSError as error:
            if not revision:
                raise UserError(f"{name}: {error}; `dvc repro` makes it") from error
            raise UserError(
                f"experiment {name}: {error}; not run to its end, or no longer in DVC's cache (`dvc exp remove {name}`)"
            ) from error
    check_comparable(settings, axes)
    return runs


@contextmanager
def in_cache(path: Path) -> Iterator[None]:
    """A file of an experiment is read within.

    Raises:
        UserError: it is not in DVC's cache.
    """
    try:
        yield
    except OSError as error:
        raise UserError(f"{path}: {error}; no longer in DVC's cache") from error


def read_volume(files: Files, path: Path) -> volume.Volume:
    """An image of an experiment.

    Raises:
        UserError: it is not in DVC's cache.
    """
    with in_cache(path):
        content = files.read_bytes(str(path))
    with tempfile.NamedTemporaryFile(suffix="".join(path.suffixes[-2:])) as stream:  # `read` takes files
        stream.write(content)
        stream.flush()
        return volume.read(stream.name)


def values_of(files: Files, structure: str) -> tuple[int, int]:
    """A structure's value in the masks of an experiment, and in the labels of its data set; empty: the tumour's."""
    settings = params.check(parse_yaml(files.read_text(str(params.PATH)), str(params.PATH)))
    name = structure or settings.dataset.tumour
    return settings.labels[name], settings.dataset.label_values[name]


def read_run(name: str, settings: Mapping[str, Any], files: Files, structure: str = "") -> Run:
    """One run from its files; `settings` is its params.yaml."""
    known = list(settings["dataset"]["structures"])
    structure = structure or known[0]
    if structure not in known:
        raise UserError(f"--structure {structure}: {name} has no such structure; there are: {', '.join(known)}")
    round_ids = [item["id"] for item in settings["self_training"]["rounds"]]

    def scores(name: str, optional: bool = False) -> list[CaseScore]:
        path = layout.case_scores(name)
        text = _optional(files, path) if optional else files.read_text(str(path))
        rows = read_scores(path, io.StringIO(text)) if text else []
        return [row for row in rows if row.structure == structure and row.reference_mm3 > 0]

    first = _json(name, files, layout.round_metrics(round_ids[0]))
    proxies = {}
    for round_id in round_ids:
        found = _json(name, files, layout.proxies(round_id), optional=True)
        if found:
            proxies[round_id] = proxies_of(structure, found)
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
        first.get("translation_judged_by", ""),
        # Stages that came later, or that a run of older code does not have.
        threshold=scores("baseline", optional=True),
        oracle=scores("oracle", optional=True),
        proxies=proxies,
        checks=_json(name, files, layout.METRICS / "translation.json", optional=True),
        unaltered_share=_unaltered_share(name, files, round_ids[-1]),
        empty_assd_mm=settings["evaluation"]["empty_assd_mm"],
        low_dice=settings["evaluation"]["low_dice"],
    )


def _unaltered_share(run: str, files: Files, last: str) -> float | None:
    """Of a run's draws from the source in its last round."""
    found = {
        **_json(run, files, layout.METRICS / "appearance.json", optional=True),
        **_json(run, files, layout.coverage(last), optional=True),
    }
    return found.get("unaltered_share")


def _json(run: str, files: Files, path: Path, optional: bool = False) -> dict[str, Any]:
    """Content of a JSON file of a run; empty where an optional one is not there."""
    try:
        text = files.read_text(str(path))
    except FileNotFoundError:
        if optional:
            return {}
        raise
    content: dict[str, Any] = parse_json(text, f"{run}: {path}")
    return content


def _optional(files: Files, path: Path) -> str:
    """Content of a file; empty where there is none."""
    try:
        return files.read_text(str(path))
    except FileNotFoundError:
        return ""


def _scores_of(settings: params.Params) -> list[Path]:
    """What a run is read from, in this folder."""
    rounds = [item.id for item in settings.self_training.rounds]
    single = [layout.case_scores(name) for name in ("baseline", "oracle")]
    of_each = (layout.round_metrics, layout.case_scores, layout.proxies, layout.coverage)
    per_round = [path(name) for name in rounds for path in of_each]
    return [*per_round, *single, *(layout.METRICS / f"{name}.json" for name in ("translation", "appearance"))]


class _Folder:
    """The files of this folder."""

    def read_text(self, path: str) -> str:
        if not Path(path).is_file():
            raise FileNotFoundError(f"{path}: no such file")
        return text_of(Path(path))

    def read_bytes(self, path: str) -> bytes:
        return Path(path).read_bytes()


@dataclass(frozen=True)
class _Revision:
    """The files of this folder at another time."""

    files: Files
    below: str

    def read_text(self, path: str) -> str:
        return self.files.read_text(f"{self.below}{path}")

    def read_bytes(self, path: str) -> bytes:
        return self.files.read_bytes(f"{self.below}{path}")


def open_revision(revision: str) -> Files:
    """Files of a revision, those that DVC tracks too; empty: of this folder."""
    if not revision:
        return _Folder()
    from dvc.api import DVCFileSystem

    # Of a revision DVC shows the whole repository; this project may be a folder of it, with a DVC of its own.
    below = below_the_top()
    return _Revision(DVCFileSystem(rev=revision, subrepos=bool(below)), below)
