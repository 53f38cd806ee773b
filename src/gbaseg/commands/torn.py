"""What DVC was writing when it was killed: two files that it writes in place, and cannot do without afterwards."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from gbaseg.errors import UserError
from gbaseg.runtime import dvc_notes
from gbaseg.runtime.progress import log
from gbaseg.runtime.whole import written_whole
from gbaseg.text_file import read_yaml
from gbaseg.workflow.layout import LOCK
from gbaseg.workflow.saved import KEPT_LOCK

if TYPE_CHECKING:
    from dvc.repo import Repo

# Git's, of a merge: dvc.lock is the user's to settle then.
_CONFLICT = "<<<<<<<"


def mend(repo: Repo) -> None:
    """Put back dvc.lock as it was when the last stage began, where torn; remove notes of commands that have ended."""
    if repo.tmp_dir is None:
        return
    with repo.lock:  # no other command of DVC's is at dvc.lock
        _mend_lock(repo)
    dvc_notes.mend(Path(repo.tmp_dir), repo.config["core"].get("hardlink_lock", False))


def _mend_lock(repo: Repo) -> None:
    if not LOCK.is_file() or not KEPT_LOCK.is_file() or not _is_torn(repo):
        return
    with written_whole(LOCK) as partial:
        shutil.copyfile(KEPT_LOCK, partial)
    log(f"{LOCK}: torn, as of a killed DVC command; put back as it was when the last stage began")


def _is_torn(repo: Repo) -> bool:
    """Whether dvc.lock is cut off: inside a line, where DVC cannot read it, or before the end of the kept one."""
    from dvc.dvcfile import Lockfile
    from dvc.exceptions import DvcException

    text = LOCK.read_text(encoding="utf-8", errors="replace")
    if _CONFLICT in text:
        return False
    kept_text = KEPT_LOCK.read_text(encoding="utf-8", errors="replace")
    if not text.endswith("\n") or (len(text) < len(kept_text) and kept_text.startswith(text)):
        return True
    try:
        Lockfile(repo, str(LOCK)).load()
    except DvcException:
        return True
    here, kept = _keys(LOCK), _keys(KEPT_LOCK)
    return len(here) < len(kept) and kept[: len(here)] == here


def _keys(lock: Path) -> list[tuple[str, str]]:
    """Stages with the keys of each, in the file's order."""
    try:
        stages: dict[str, dict[str, object]] = (read_yaml(lock) or {}).get("stages", {})
    except UserError:
        return []  # the kept one, torn itself: then there is nothing to go by
    return [(name, key) for name, about in stages.items() for key in about]
