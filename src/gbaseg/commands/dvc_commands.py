"""DVC's commands one after the other in one process, which has imported it once: what an experiment is run by.

    python -m gbaseg.commands.dvc_commands SAYS "checkout --quiet" "repro one two"

SAYS: a file that gets a byte for each command that is done.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path


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
        with says.open("ab") as stream:
            stream.write(b".")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
