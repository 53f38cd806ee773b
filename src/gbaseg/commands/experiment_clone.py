"""The clone in which one of several experiments side by side runs, and what comes and goes between it and this folder.

A clone and no git worktree: worktrees share the references by which DVC knows which experiment it is making.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gbaseg import params
from gbaseg.errors import UserError
from gbaseg.git import below_the_top, git
from gbaseg.runtime import dvc_notes
from gbaseg.runtime.leftovers import discard
from gbaseg.runtime.scratch import ROOT
from gbaseg.text_file import read_yaml
from gbaseg.workflow.layout import LOCK
from gbaseg.workflow.saved import cache_folder

# That a DVC which was told to end may take.
ENDING_S = 30.0
# The form of dvc.lock.
_SCHEMA = "2.0"

# A stage as DVC calls it -> what its dvc.lock has of it.
Entries = Mapping[str, Any]


class Files(NamedTuple):
    """A folder's files that git knows, as they are: its commit, and their tree, with what is not committed."""

    commit: str
    tree: str


def files_here() -> Files:
    """Of the present folder.

    Raises:
        UserError: it is not the top of its repository.
    """
    if inside := below_the_top():
        raise UserError(f"--at-once: this project lies in {inside} of its repository; allowed: one of its own")
    git("status", "--porcelain")  # looks anew: `stash create` fails, in silence, on a file that was written as it was
    commit, changed = git("rev-parse", "HEAD"), git("stash", "create")
    return Files(commit, git("rev-parse", f"{changed or commit}^{{tree}}"))


def make_clone(clone: Path, files: Files, overrides: Sequence[str]) -> None:
    """Make the clone in which an experiment runs, where a run that was broken off has not left it.

    Args:
        clone: its folder. It has the present one's cache and store.
        files: what it starts from.
        overrides: `KEY=VALUE`, of its params.yaml.
    """
    from dvc.config import Config
    from dvc.utils.hydra import apply_overrides

    if clone.is_dir():
        dvc_notes.mend(clone / ".dvc" / "tmp", wait_s=ENDING_S)
        return
    half = clone.with_name(f".partial-{clone.name}")
    discard(half)
    git("clone", "--quiet", "--shared", "--no-checkout", ".", str(half))
    git("checkout", "--quiet", "--detach", files.commit, folder=half)
    git("read-tree", "-u", "--reset", files.tree, folder=half)
    for name in ("user.name", "user.email"):
        git("config", name, _git_config(name), folder=half)
    local = Path(".dvc/config.local")
    if local.is_file():
        shutil.copyfile(local, half / local)
    cache = cache_folder()
    assert cache is not None, "experiments_of_this_commit has asked DVC"
    with Config(str(half / ".dvc")).edit("local") as config:
        config.setdefault("cache", {})["dir"] = str(cache.absolute())
    store = ROOT / "store"
    store.mkdir(parents=True, exist_ok=True)
    (half / ROOT).mkdir(exist_ok=True)
    (half / store).symlink_to(store.absolute())
    apply_overrides(str(half / params.PATH), overrides)
    half.rename(clone)


def _git_config(name: str) -> str:
    try:
        return git("config", name)
    except UserError:
        return "gbaseg"  # of an experiment's commit; DVC wants some


def entries_of(locked: Path, stages: Sequence[str]) -> Entries:
    """What a dvc.lock has of stages.

    Args:
        locked: that file; it may be missing.
        stages: as DVC calls them.
    """
    noted = read_yaml(locked).get("stages", {}) if locked.is_file() else {}
    return {name: noted[name] for name in stages if name in noted}


def hand_on(entries: Entries, clone: Path) -> None:
    """Write what another experiment's dvc.lock has of stages that this one shares into its own.

    DVC then finds them done when it has checked them out; by its cache of runs it would bring them one by one, and
    write that file anew, whole, with each.
    """
    from dvc.utils.serialize import modify_yaml

    locked = clone / LOCK
    if entries_of(locked, list(entries)) != entries:
        with modify_yaml(str(locked)) as content:
            content.setdefault("schema", _SCHEMA)
            content.setdefault("stages", {}).update(entries)


def bring_here(name: str, clone: Path) -> None:
    """Make a clone's finished experiment one of this folder; the clone goes."""
    references = git("for-each-ref", "--format=%(refname)", "refs/exps", folder=clone).splitlines()
    [reference] = [one for one in references if one.endswith(f"/{name}") and "/exec/" not in one]
    git("fetch", "--quiet", str(clone.absolute()), f"+{reference}:{reference}")
    discard(clone)
