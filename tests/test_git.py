"""What stands between gbaseg and git is said in git's own words, on one line."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from gbaseg import doctor
from gbaseg.cli import main
from gbaseg.git import GitRefuses, below_the_top, check_repository, taken_by_git

ROOT = Path(__file__).parents[1]


def git(*arguments):
    subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b.c", *arguments], check=True, capture_output=True)


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    shutil.copyfile(ROOT / "presets/default.yaml", "params.yaml")
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "first")
    return folder


def gone(project, monkeypatch):
    shutil.rmtree(project / ".git")


def of_another(project, monkeypatch):
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")


def broken(project, monkeypatch):
    shutil.rmtree(project / ".git")
    (project / ".git").write_text("gitdir: /nowhere/to/be/found\n")


def bare(project, monkeypatch):
    shutil.rmtree(project / ".git")
    git("init", "-q", "--bare", ".")


def empty(project, monkeypatch):
    shutil.rmtree(project / ".git")
    git("init", "-q")


def not_installed(project, monkeypatch):
    monkeypatch.setenv("PATH", str(project))


CASES = [
    pytest.param(gone, "not a git repository (or any of the parent directories)", marks=pytest.mark.unusual(
        "git, DVC and settings", "no git repository: tables, figures, ablation", "git's words; clone, or git init"
    )),
    pytest.param(of_another, "git config --global --add safe.directory", marks=pytest.mark.unusual(
        "git, DVC and settings", "a repository of another owner, as a container mounts it", "git's words and remedy"
    )),
    pytest.param(broken, "not a git repository: /nowhere/to/be/found", marks=pytest.mark.unusual(
        "git, DVC and settings", "a work tree whose .git file leads nowhere", "git's words, with the place"
    )),
    pytest.param(bare, "a repository without files (bare, or its .git folder)", marks=pytest.mark.unusual(
        "git, DVC and settings", "a bare repository", "that there are no files in it; a clone of it"
    )),
    pytest.param(empty, "no commit yet: commit once", marks=pytest.mark.unusual(
        "git, DVC and settings", "a repository without a commit", "commit once"
    )),
    pytest.param(not_installed, "git cannot be run", marks=pytest.mark.unusual(
        "git, DVC and settings", "git is not installed", "install it, or put it on the PATH"
    )),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "says"), CASES)
@pytest.mark.parametrize("command", ["tables", "figures", "ablation arms --seeds 1 --arms gba --run"])
def test_commands_that_need_git_say_what_it_says(project, monkeypatch, spoil, says, command):
    spoil(project, monkeypatch)
    result = CliRunner().invoke(main, command.split())
    assert (result.exit_code, type(result.exception)) == (1, SystemExit)
    assert says in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(("spoil", "says"), [case.values for case in CASES[:4]])
def test_doctor_says_it_too(project, monkeypatch, spoil, says):
    spoil(project, monkeypatch)
    finding = doctor.git(project)
    assert finding.status == "fail"
    assert says in finding.found


@pytest.mark.unusual("git, DVC and settings", "a detached HEAD; a shallow clone", "work as any other")
def test_a_detached_head_and_a_shallow_clone_are_as_good(project, tmp_path):
    commit = check_repository()
    git("checkout", "-q", "--detach")
    assert check_repository() == commit
    git("clone", "-q", "--depth", "1", f"file://{project}", str(tmp_path / "shallow"))
    assert check_repository(tmp_path / "shallow") == commit


def test_where_a_folder_lies_in_its_repository(project):
    (project / "sub/mine").mkdir(parents=True)
    assert below_the_top() == ""
    assert below_the_top(project / "sub/mine") == "sub/mine/"
    assert check_repository(project / "sub/mine") == check_repository()
    with pytest.raises(GitRefuses, match="without files"):
        check_repository(project / ".git")


def test_words_are_gits_whatever_the_language(project, monkeypatch):
    monkeypatch.setenv("LANG", "de_DE.UTF-8")
    gone(project, monkeypatch)
    with pytest.raises(GitRefuses, match="not a git repository"):
        check_repository()
    assert os.environ["LANG"] == "de_DE.UTF-8"


def test_whether_git_would_take_a_file(project, tmp_path):
    Path(".gitignore").write_text("/report/\n")
    for name in ("report/index.html", "page.html", "sub/page.html", "params.yaml"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()
    assert not taken_by_git(Path("report/index.html"))
    assert taken_by_git(Path("page.html")) and taken_by_git(Path("sub/page.html")) and taken_by_git(Path("params.yaml"))
    (tmp_path / "elsewhere.html").touch()
    assert not taken_by_git(tmp_path / "elsewhere.html")
