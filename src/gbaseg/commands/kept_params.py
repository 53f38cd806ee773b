"""params.yaml while an experiment runs in this folder: DVC writes the experiment's settings into it, and leaves them.

It is kept before and put back afterwards, or the next experiment would start from them; where the command was killed in
between, the next one puts it back.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from gbaseg import params
from gbaseg.commands.overrides import overridden
from gbaseg.errors import UserError
from gbaseg.runtime.json_files import read_json
from gbaseg.runtime.locks import Lock, locked, try_lock
from gbaseg.runtime.progress import log
from gbaseg.runtime.scratch import ROOT
from gbaseg.runtime.whole import written_whole
from gbaseg.text_file import parse_yaml, read_yaml

KEPT = ROOT / "params_before_experiment.json"
_LOCK = ROOT / "experiment_here.lock"


@contextmanager
def kept_params(overrides: Sequence[str]) -> Iterator[Lock]:
    """An experiment is run, or queued, within, by a process that is to hold the lock as well: it may outlive this one.

    Args:
        overrides: `KEY=VALUE` of each setting that it has.

    Raises:
        UserError: another command runs one in this folder.
    """
    with locked(_LOCK, "an experiment in this folder") as lock:
        original = params.PATH.read_bytes().decode("utf-8")
        with written_whole(KEPT) as partial:
            partial.write_text(json.dumps({"params": original, "overrides": list(overrides)}), encoding="utf-8")
        try:
            yield lock
        finally:
            _write(original)
            KEPT.unlink(missing_ok=True)  # somebody has emptied the scratch folder


def put_back() -> None:
    """Put params.yaml back where a killed command has left an experiment's, or half of it; one changed since stays.

    Raises:
        UserError: what was kept is not as it was written.
    """
    if not KEPT.is_file():
        return
    lock = try_lock(_LOCK)
    if not isinstance(lock, Lock):
        return  # an experiment is running
    try:
        kept = read_json(KEPT, "params", "overrides")
        original = parse_yaml(kept["params"].removeprefix("\ufeff"), str(KEPT))
        found = _content()
        if found != original and found in (None, overridden(original, kept["overrides"])):
            _write(kept["params"])
            log(f"{params.PATH}: as an experiment had it whose command was killed; put back as it was")
        KEPT.unlink()
    finally:
        lock.release()


def _content() -> Any:
    """Of params.yaml; None where it is no YAML: DVC writes it in place, and was killed at it."""
    try:
        return read_yaml(params.PATH)
    except UserError:
        return None


def _write(text: str) -> None:
    params.PATH.write_bytes(text.encode("utf-8"))  # line ends as they were
