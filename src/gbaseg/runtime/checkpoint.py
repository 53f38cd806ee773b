"""The one door for weights and checkpoints: whole files, checked when they are read, and nothing in them is executed.

Weights are what later stages read (safetensors). A checkpoint is what an interrupted training goes on from: torch's
format behind a checksum, and the one before it beside it.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gbaseg.errors import UserError, some_of
from gbaseg.runtime.finite import not_finite
from gbaseg.runtime.progress import log
from gbaseg.runtime.whole import written_whole

# What a checkpoint begins with; then the digest of all that follows.
_MARK = b"gbaseg checkpoint 1\n"
_DIGEST = 32
_AGAIN = "`dvc checkout` brings the whole file back where DVC has it; else the stage that makes it has to run again"


def save_weights(tensors: Mapping[str, Tensor], path: Path, about: Mapping[str, str] | None = None) -> None:
    """Write tensors as safetensors, whole or not at all; equal tensors, equal bytes.

    Args:
        about: at most one entry: safetensors writes several in no fixed order.

    Raises:
        UserError: a tensor is not finite.
    """
    from safetensors.torch import save_file

    on_cpu = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    _need_finite(on_cpu, path, "its training has failed: try a lower learning rate")
    with written_whole(path) as partial:
        save_file(on_cpu, partial, metadata=dict(about) if about else None)


def load_weights(path: Path, device: torch.device | str = "cpu") -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors by name, on `device`, and what the file says about them.

    Raises:
        UserError: no such file, none of safetensors, a damaged one, or a tensor that is not finite.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise UserError(f"{path}: not there; {_AGAIN}")
    try:
        with safe_open(path, framework="pt", device=str(device)) as file:
            about = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: damaged, or no weights in safetensors ({error}); {_AGAIN}") from error
    _need_finite(tensors, path, _AGAIN)
    return tensors, about


def not_fitting(path: Path, what: str) -> UserError:
    """For a file whose weights are not those of the network, or whose numbers cannot be."""
    return UserError(f"{path}: {what}; {_AGAIN}")


def _need_finite(tensors: Mapping[str, Tensor], path: Path, advice: str) -> None:
    broken = not_finite(tensors)
    if broken:
        raise UserError(f"{path}: weights that are not finite (NaN or infinite) in {some_of(broken, 1)}; {advice}")


def before(path: Path) -> Path:
    """Where the checkpoint before the one at `path` is kept."""
    return path.with_name(f"{path.name}.before")


def save_checkpoint(state: Any, path: Path, *, keep_before: bool = True) -> None:
    """Write tensors and plain values; the file appears whole or not at all.

    Args:
        keep_before: the one that is there already stays, as `before(path)`.
    """
    with written_whole(path) as partial:
        with partial.open("wb") as stream:
            stream.write(_MARK + bytes(_DIGEST))
            hashed = _Hashed(stream)
            torch.save(state, hashed)  # type: ignore[arg-type]
            stream.seek(len(_MARK))
            stream.write(hashed.digest())
        if keep_before and path.is_file():
            path.replace(before(path))


def load_checkpoint(path: Path, device: torch.device | str = "cpu", *, else_said: str = "beginning anew") -> Any | None:
    """The state of the newest whole checkpoint, of `path` and the one before it; None where there is none.

    One that is damaged, or not of this program, is said in the log and removed. Nothing in it is executed.

    Args:
        else_said: what becomes of the training without it, for the log.
    """
    for candidate in (path, before(path)):
        if not candidate.is_file():
            continue
        state, flaw = _read(candidate, device)
        if not flaw:
            return state
        other = before(path) if candidate == path and before(path).is_file() else None
        goes_on = f"going on from the one before it ({other.name})" if other else else_said
        log(f"WARNING: {candidate}: {flaw}; {goes_on}")
        candidate.unlink()
    return None


def forget(path: Path) -> None:
    """Remove a checkpoint and the one before it."""
    for one in (path, before(path)):
        one.unlink(missing_ok=True)


def _content(path: Path) -> tuple[bytes, str]:
    """What lies behind the checksum, and what is wrong with it."""
    with path.open("rb") as stream:
        mark, digest = stream.read(len(_MARK)), stream.read(_DIGEST)
        content = stream.read()
    if mark != _MARK:
        return b"", "no checkpoint of this version of gbaseg"
    if _new_digest(content).digest() != digest:
        return b"", "damaged checkpoint (its checksum differs)"
    return content, ""


def _read(path: Path, device: torch.device | str) -> tuple[Any, str]:
    content, flaw = _content(path)
    if flaw:
        return None, flaw
    try:
        # Tensors and plain values alone: whoever can write here can write a checksum too.
        return torch.load(io.BytesIO(content), map_location=device, weights_only=True), ""
    except Exception as error:  # whatever torch raises on a file that is not its own
        return None, f"no checkpoint of tensors and plain values ({type(error).__name__})"


class _Hashed:
    """A stream to write to, whose content's digest is known at the end."""

    def __init__(self, stream: io.BufferedWriter) -> None:
        self._stream, self._hash = stream, _new_digest()

    def write(self, data: bytes) -> int:
        self._hash.update(data)
        return self._stream.write(data)

    def flush(self) -> None:
        self._stream.flush()

    def digest(self) -> bytes:
        return self._hash.digest()


def _new_digest(data: bytes = b"") -> Any:
    return hashlib.blake2b(data, digest_size=_DIGEST)
