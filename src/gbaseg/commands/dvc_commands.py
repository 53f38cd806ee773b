"""DVC's commands one after the other in one process, which has imported it once: what an experiment is run by.

python -m gbaseg.commands.dvc_commands "checkout --quiet" "repro one two"
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence


def main(commands: Sequence[str]) -> int:
    """Run them up to the first that fails.

    Args:
        commands: each as a shell has it, without `dvc` before it.

    Returns:
        DVC's exit code: of the first that fails, or 0.
    """
    from dvc.cli import main as dvc

    return next((code for code in (int(dvc(shlex.split(command))) for command in commands) if code), 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
