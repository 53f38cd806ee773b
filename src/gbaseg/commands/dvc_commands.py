"""DVC's commands one after the other in one process, which has imported it once: what an experiment is run by.

    python -m gbaseg.commands.dvc_commands SAYS "checkout --quiet" "repro one two"

SAYS: a file that gets a byte for each command that is done; beside it is dvc.lock as that command has left it.
"""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from gbaseg.workflow.layout import LOCK


def noted_beside(says: Path) -> Path:
    """Where dvc.lock is kept of a process that says what is done there."""
    return says.with_suffix(".lock")


def main(says: Path, commands: Sequence[str]) -> int:
    """Run them up to the first that fails.

    Args:
        says: grows by a byte whenever one is done.
        commands: each as a shell has it, without `dvc` before it.

    Returns:
        DVC's exit code: of the first that fails, or 0.
    """
    from dvc.cli import main as dvc

    for command in commands:
        if code := int(dvc(shlex.split(command))):
            return code
        # The next one writes it anew, and whoever reads it meanwhile may find half of it.
        if LOCK.exists():
            shutil.copyfile(LOCK, noted_beside(says))
        with says.open("ab") as stream:
            stream.write(b".")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
