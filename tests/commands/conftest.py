"""What tests of commands that make experiments share."""

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def under_git(tmp_path_factory):
    """`with under_git(write_project):` the working folder is a git and DVC project of what that has written."""

    @contextmanager
    def enter(write_project):
        folder, before = tmp_path_factory.mktemp("project"), Path.cwd()
        os.chdir(folder)
        os.environ["DVC_NO_ANALYTICS"] = "1"
        for name in ("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"):
            os.environ.setdefault(name, "test")
        write_project()
        for command in ("git init -q", "dvc init -q", "git add -A", "git commit -qm start"):
            words = command.split()
            subprocess.run([sys.executable, "-m", *words] if words[0] == "dvc" else words, check=True)
        yield
        os.chdir(before)

    return enter
