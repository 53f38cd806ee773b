"""Where a data set may lie: nowhere that DVC or a stage removes and makes anew, and not among the phantom's files."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from gbaseg.errors import UserError, some_of
from gbaseg.workflow import layout

_PLACE = "data/raw/NAME is a place for it, or any folder outside the project"
_OURS = "This is the built-in data set's own folder"
_SHOWN = 3


def check_root(root: Path, project: Path = Path()) -> None:
    """Check the place of the data set, before anything is read or written.

    Args:
        root: dataset.root, relative to the project.
        project: folder of the project.

    Raises:
        UserError: the root lies in, holds, or is linked with a folder that the pipeline makes anew; it is the default
            one and holds what gbaseg did not write there; it is no name of a folder.
    """
    faults = [*_overlaps(root, project), *(_strangers(project) if is_default(root, project) else [])]
    if faults:
        raise UserError("\n".join(faults))


def is_default(root: Path, project: Path = Path()) -> bool:
    """Whether a root is that of the built-in data set, however it is spelled."""
    return _real(project / root) == _real(project / layout.PHANTOM)


def _overlaps(root: Path, project: Path) -> list[str]:
    real = _real(project / root)
    faults = []
    for ours in layout.OURS:
        other = _real(project / ours)
        if real.is_relative_to(other):
            faults.append(f"dataset.root {root}: lies in {ours}, which is removed and made anew; {_PLACE}")
        elif other.is_relative_to(real) and not (ours == layout.GENERATED and is_default(root, project)):
            faults.append(f"dataset.root {root}: holds {ours}, which is removed and made anew; {_PLACE}")
    return faults[:1]


def _strangers(project: Path) -> list[str]:
    """What lies beside the phantom's own folder: taken for the data set, it would be mixed with the phantom."""
    faults = []
    for folder in dict.fromkeys([project, *_copied_from(project)]):
        root = folder / layout.PHANTOM
        if root.is_symlink():
            faults.append(f"{root}: a link. {_OURS}: name yours in dataset.root ({_PLACE})")
            continue
        found = sorted(path.name for path in root.iterdir() if not path.name.startswith(".")) if root.is_dir() else []
        found = [name for name in found if name != layout.GENERATED.name]
        if found:
            shown = some_of(found, _SHOWN)
            faults.append(
                f"{root}: {len(found)} file(s) or folder(s) that gbaseg did not write ({shown}); nothing was touched. "
                f"{_OURS}: move them and name their folder in dataset.root ({_PLACE}), or remove them if they are a "
                "phantom that an older gbaseg wrote"
            )
    return faults


def _copied_from(project: Path) -> list[Path]:
    """The project whose copy this is: queued experiments run in `.dvc/tmp/exps`, where its scans did not come along."""
    return [folder.parent for folder in project.absolute().parents if folder.name == ".dvc"]


def _real(path: Path) -> Path:
    try:
        real = path.resolve()
        # Python 3.13 resolves a circle of links without a word.
        with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            real.stat()
        return real
    except (OSError, RuntimeError, ValueError) as error:  # a circle of links; a name that no file can have
        raise UserError(f"dataset.root {path}: {error}; allowed: the name of a folder") from error
