"""Objects that a run hands to its jobs and takes back, in files with a seal.

A pickle may run code when it is read, and what lies in `.scratch` may have come with a folder that somebody else made.
Only what this user's runs have written carries the seal: HMAC-SHA256 by a key that lies in the user's own folder, and
that jobs are handed with their environment (on sites that hand on none they read it there).
"""

from __future__ import annotations

import hashlib
import hmac
import os
import pickle
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any

from gbaseg.errors import UserError

KEY = "GBASEG_ENGINE_KEY"
_BYTES = hashlib.sha256().digest_size


def sealed(value: Any) -> bytes:
    """An object, for a file.

    Raises:
        Exception: it cannot be pickled.
    """
    content = pickle.dumps(value)
    return _seal(content) + content


def load(path: Path) -> Any:
    """Read an object that a run of this user has written.

    Raises:
        UserError: it has another seal, or none; nothing of it is run.
        FileNotFoundError: there is no such file.
    """
    read = path.read_bytes()
    seal, content = read[:_BYTES], read[_BYTES:]
    if not hmac.compare_digest(seal, _seal(content)):
        raise UserError(f"{path}: its seal is not that of a run of yours: not read; remove {path.parent.parent}")
    return pickle.loads(content)


def hash_of(value: Any) -> str:
    """Whether an object is the one that it was."""
    return hashlib.blake2b(pickle.dumps(value), digest_size=16).hexdigest()


def key() -> bytes:
    """This user's key; it is made where there is none.

    Raises:
        UserError: what is there is no key.
    """
    if given := os.environ.get(KEY):
        return bytes.fromhex(given)
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    path = Path(state) / "gbaseg" / "engine.key"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        # Beside it first: whoever finds it finds it whole. Of two runs at once the first one's stays.
        made = path.with_name(f"{path.name}.{os.getpid()}")
        with os.fdopen(os.open(made, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as stream:
            stream.write(secrets.token_bytes(_BYTES))
        with suppress(FileExistsError):
            os.link(made, path)
        made.unlink()
    found = path.read_bytes()
    if len(found) != _BYTES:
        raise UserError(f"{path}: {len(found)} bytes, expected {_BYTES}; remove it, and run again")
    return found


def _seal(content: bytes) -> bytes:
    return hmac.new(key(), content, hashlib.sha256).digest()
