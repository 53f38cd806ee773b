"""git, asked before DVC asks it: what stands in the way is said in git's own words, on one line, with its remedy."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from gbaseg.errors import UserError


class GitRefuses(UserError):
    """git does not answer; the message is what it says."""


def git(*arguments: str, folder: Path = Path()) -> str:
    """What git prints.

    Raises:
        GitRefuses: git is not installed, or says no.
    """
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=folder, env={**os.environ, "LC_ALL": "C"}, capture_output=True, check=False
        )
    except OSError as error:
        raise GitRefuses(f"git cannot be run ({error.strerror}): install it, or put it on the PATH") from error
    if done.returncode:
        words = " ".join(done.stderr.decode(errors="replace").split())
        raise GitRefuses(words or f"git {' '.join(arguments)}: exit status {done.returncode}")
    return done.stdout.decode(errors="replace").strip()


def check_repository(folder: Path = Path()) -> str:
    """Check that experiments can be told apart here; the present commit.

    Raises:
        GitRefuses: no git, no repository, one that git does not trust, one without files, or no commit yet.
    """
    try:
        inside = git("rev-parse", "--is-inside-work-tree", folder=folder)
    except GitRefuses as error:
        if "not a git repository (or any" in str(error):
            advice = "clone the project instead of unpacking it, or `git init` and commit once"
            raise GitRefuses(f"{str(error).removeprefix('fatal: ')}: {advice}") from error
        raise
    if inside != "true":
        raise GitRefuses("a repository without files (bare, or its .git folder): run this in a clone of it")
    try:
        return git("rev-parse", "--short", "--verify", "HEAD", folder=folder)
    except GitRefuses as error:
        raise GitRefuses("no commit yet: commit once, experiments start from a commit") from error


def below_the_top(folder: Path = Path()) -> str:
    """Where a folder lies in its repository: empty at its top, `sub/project/` in a folder of a larger one.

    Raises:
        GitRefuses: as `git`.
    """
    return git("rev-parse", "--show-prefix", folder=folder)


def taken_by_git(path: Path) -> bool:
    """Whether `git add` of its folder takes a file along: it lies in a repository, and nothing there ignores it."""
    folder = path.absolute().parent
    try:
        git("rev-parse", "--is-inside-work-tree", folder=folder)
        return bool(git("ls-files", "--cached", "--others", "--exclude-standard", "--", path.name, folder=folder))
    except GitRefuses:
        return False
