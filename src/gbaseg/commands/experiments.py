"""DVC's experiments read back as runs: parameters, scores by case, failures."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gbaseg import params
from gbaseg.commands.comparable import AXES, check_comparable
from gbaseg.commands.revisions import Files, open_revision, read_json, read_optional
from gbaseg.errors import UserError, some_of
from gbaseg.evaluation.rounds import proxies_of
from gbaseg.evaluation.runs import Run
from gbaseg.evaluation.summary import CaseScore, read_scores
from gbaseg.git import check_repository
from gbaseg.text_file import parse_yaml
from gbaseg.workflow import layout
from gbaseg.workflow.provenance import refuse_strangers

WORKSPACE = "workspace"


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
        UserError: names that there are not, or that several other commits have; all of them.
    """
    if set(names) == {WORKSPACE}:  # a folder without git or DVC can be looked at, too
        return {WORKSPACE: ""}
    here, everywhere = experiments_of_this_commit(), _experiments(all_commits=True)
    found = {}
    unknown = [name for name in dict.fromkeys(names) if name not in (WORKSPACE, *everywhere)]
    faults = []
    if unknown:
        faults.append(f"no experiment {', '.join(unknown)}; there are: {', '.join([*sorted(everywhere), WORKSPACE])}")
    for name in names:
        commits = everywhere.get(name, {})
        if name == WORKSPACE or name in here:
            found[name] = here.get(name, "")
        elif len(commits) > 1:
            faults.append(
                f"{name}: not of the present commit, and {len(commits)} others have one of that name "
                f"({', '.join(commit[:7] for commit in commits)}); check one of them out"
            )
        elif commits:
            [found[name]] = commits.values()
    if faults:
        raise UserError("\n".join(faults))
    return found


def _experiments(all_commits: bool) -> dict[str, dict[str, str]]:
    """Name -> commit it was run on -> its revision."""
    found: dict[str, dict[str, str]] = {}
    with _repository() as repo:
        for commit, experiments in repo.experiments.ls(all_commits=all_commits).items():
            for name, revision in experiments:
                found.setdefault(name, {})[commit] = revision
    return found


def of_other_commits(names: Collection[str] = ()) -> str:
    """In words, behind what is said of the present commit: which experiments others have; empty where they have none.

    Args:
        names: those that are asked for; empty: any.
    """
    found = sorted(name for name in _experiments(all_commits=True) if not names or name in names)
    return f"; other commits have {some_of(found)}, which can be named, or check their commit out" if found else ""


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


@dataclass(frozen=True)
class Experiment:
    """A run of the pipeline before any of its scores are read.

    Args:
        name: of it.
        revision: its commit; empty: this folder.
        files: of it.
        settings: its params.yaml, as it stands there.
        structures: names, that of the tumour first.
    """

    name: str
    revision: str
    files: Files
    settings: Mapping[str, Any]
    structures: Sequence[str]


def load_runs(names: Sequence[str], structure: str = "") -> list[Run]:
    """The named experiments; without names all experiments of the present commit.

    Args:
        names: experiments, or `workspace` for what lies in this folder.
        structure: whose scores; empty: the tumour.

    Raises:
        UserError: see `open_experiments` and `read_runs`.
    """
    opened = open_experiments(names)
    return [run for of in read_runs(opened, [structure or opened[0].structures[0]]) for run in of.values()]


def open_experiments(names: Sequence[str], axes: Sequence[str] = AXES) -> list[Experiment]:
    """The named experiments, ordered by name; without names all experiments of the present commit.

    Args:
        names: experiments, or `workspace` for what lies in this folder.
        axes: keys of params.yaml that they may differ in.

    Raises:
        UserError: unknown experiments, experiments without a params.yaml, parameters that differ, or nothing to
            compare.
    """
    revisions = find_experiments(names) if names else experiments_of_this_commit()
    if not revisions:
        raise UserError(
            "no experiments of the present commit; `gbaseg ablation arms` makes some, `workspace` names this run"
            f"{of_other_commits()}"
        )
    opened = []
    for name, revision in sorted(revisions.items()):
        files = open_revision(revision, name)
        with _faults_told(name, revision):
            settings = parse_yaml(files.read_text(str(params.PATH)), f"experiment {name}: {params.PATH}")
            if not revision:
                refuse_strangers(_scores_of(params.check(settings)))
            opened.append(Experiment(name, revision, files, settings, list(settings["dataset"]["structures"])))
    check_comparable({one.name: one.settings for one in opened}, axes)
    return opened


@contextmanager
def _faults_told(name: str, revision: str) -> Iterator[None]:
    """A run is read within: what is missing in it is a user's fault.

    Raises:
        UserError: files that are in no cache, or keys that params.yaml did not have.
    """
    try:
        yield
    except KeyError as error:
        raise UserError(f"experiment {name}: its params.yaml has no {error}; it was run by older code") from error
    except OSError as error:
        if not revision:
            raise UserError(f"{name}: {error}; `dvc repro` makes it") from error
        raise UserError(
            f"experiment {name}: {error}; not run to its end, or no longer in DVC's cache (`dvc exp remove {name}`)"
        ) from error


def check_structure(structure: str, known: Sequence[str], of: str) -> None:
    """Whether there is such a structure.

    Raises:
        UserError: there is none.
    """
    if structure not in known:
        raise UserError(f"--structure {structure}: {of} has no such structure; there are: {', '.join(known)}")


def in_caption(shown: Sequence[str], known: Sequence[str]) -> str:
    """Which structures a table is of, behind its caption; empty where there is one alone."""
    if len(known) < 2:
        return ""
    return f" ({shown[0]} alone)" if len(shown) == 1 else f" (mean of {', '.join(shown)})"


def read_runs(opened: Sequence[Experiment], structures: Sequence[str]) -> list[dict[str, Run]]:
    """Of each experiment: structure -> the run with the scores of it, from its files.

    Args:
        opened: see `open_experiments`.
        structures: names.

    Raises:
        UserError: no such structure, or files and keys that experiments do not have; of all of them.
    """
    for name in structures:
        check_structure(name, opened[0].structures, opened[0].name)
    found, faults = [], []
    for one in opened:
        try:
            with _faults_told(one.name, one.revision):
                found.append({name: _read_run(one, name) for name in structures})
        except UserError as error:
            faults.append(str(error))
    if faults:
        raise UserError("\n".join(faults))
    return found


def _read_run(experiment: Experiment, structure: str) -> Run:
    name, files, settings = experiment.name, experiment.files, experiment.settings
    round_ids = [item["id"] for item in settings["self_training"]["rounds"]]

    def scores(name: str, optional: bool = False) -> list[CaseScore]:
        path = layout.case_scores(name)
        text = read_optional(files, path) if optional else files.read_text(str(path))
        rows = read_scores(path, io.StringIO(text)) if text else []
        return [row for row in rows if row.structure == structure and row.reference_mm3 > 0]

    first = read_json(name, files, layout.round_metrics(round_ids[0]))
    proxies = {}
    for round_id in round_ids:
        found = read_json(name, files, layout.proxies(round_id), optional=True)
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
        checks=read_json(name, files, layout.METRICS / "translation.json", optional=True),
        unaltered_share=_unaltered_share(name, files, round_ids[-1]),
        empty_assd_mm=settings["evaluation"]["empty_assd_mm"],
        low_dice=settings["evaluation"]["low_dice"],
        revision=experiment.revision,
    )


def _unaltered_share(run: str, files: Files, last: str) -> float | None:
    """Of a run's draws from the source in its last round."""
    found = {
        **read_json(run, files, layout.METRICS / "appearance.json", optional=True),
        **read_json(run, files, layout.coverage(last), optional=True),
    }
    return found.get("unaltered_share")


def _scores_of(settings: params.Params) -> list[Path]:
    """What a run is read from, in this folder."""
    rounds = [item.id for item in settings.self_training.rounds]
    single = [layout.case_scores(name) for name in ("baseline", "oracle")]
    of_each = (layout.round_metrics, layout.case_scores, layout.proxies, layout.coverage)
    per_round = [path(name) for name in rounds for path in of_each]
    return [*per_round, *single, *(layout.METRICS / f"{name}.json" for name in ("translation", "appearance"))]
