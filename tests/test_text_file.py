"""Files that people write: whatever is in them, the file, the line and what is allowed are named."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from gbaseg.cli import main
from gbaseg.errors import UserError
from gbaseg.params import load
from gbaseg.text_file import read_yaml, text_of

ROOT = Path(__file__).parents[1]
SHIPPED = (ROOT / "presets/default.yaml").read_text(encoding="utf-8")


def with_umlaut(text):
    return text.replace("seed: 1 #", "seed: 1 # für").replace("é", "e").encode("latin-1", "replace")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param(
            with_umlaut(SHIPPED), r": line 6: byte 0xfc is not UTF-8; allowed: UTF-8 ",
            marks=pytest.mark.unusual(
                "git, DVC and settings", "params.yaml in latin-1, an umlaut in a comment", "file, line, byte; UTF-8"
            ),
        ),
        pytest.param(
            SHIPPED.encode("utf-16"), r": line 1: byte 0xff is not UTF-8",
            marks=pytest.mark.unusual("git, DVC and settings", "params.yaml in UTF-16", "file, line, byte"),
        ),
        (b"\xef\xbb\xbf# one\n# \xfc\n", r": line 2: byte 0xfc is not UTF-8"),
        pytest.param(
            SHIPPED.replace("  root:", "\troot:").encode(),
            r" is not valid YAML, line 9, column 1: a tab; allowed: spaces$",
            marks=pytest.mark.unusual("git, DVC and settings", "params.yaml with tabs", "file, line; spaces"),
        ),
        pytest.param(
            SHIPPED.encode() + b"\nseed: 5\n", r' is not valid YAML, line \d+, column 1: found duplicate key "seed"',
            marks=pytest.mark.unusual("git, DVC and settings", "params.yaml, a key twice", "file, line, both values"),
        ),
        pytest.param(
            b"", r": expected sections such as 'dataset:', found nothing$",
            marks=pytest.mark.unusual(
                "git, DVC and settings", "params.yaml empty, a list, or a folder", "what was found, what is expected"
            ),
        ),
        (b"- seed\n", r": expected sections such as 'dataset:', found list$"),
        (b"seed: 1\n---\nseed: 2\n", r" is not valid YAML, line 2, column 1: "),
        (b"seed: 2020-13-45\n", r" is not valid YAML: month must be in 1..12"),
        (b"seed: !!python/object/apply:os.system [a]\n", r" is not valid YAML, line 1, column 7: could not determine"),
        (b"seed: \x00\n", r" is not valid YAML"),
        (b"[" * 900, r" is not valid YAML"),
    ],
)  # fmt: skip
def test_a_params_yaml_that_is_none(tmp_path, monkeypatch, content, says):
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_bytes(content)
    result = CliRunner().invoke(main, ["standardise"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert re.search("^gbaseg: params.yaml" + says, result.stderr.strip()), result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


def test_a_folder_and_no_permission(tmp_path, monkeypatch):
    (tmp_path / "params.yaml").mkdir()
    with pytest.raises(UserError, match=r"params\.yaml: a folder; allowed: a file$"):
        load(tmp_path / "params.yaml")
    file = tmp_path / "a.yaml"

    def refused(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refused)
    with pytest.raises(UserError, match=r"a\.yaml: cannot be read \(Permission denied\)"):
        text_of(file)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(
            b"\xef\xbb\xbf" + SHIPPED.encode(),
            marks=pytest.mark.unusual(
                "git, DVC and settings", "params.yaml with a byte order mark, or Windows' line ends", "read as without"
            ),
        ),
        SHIPPED.replace("\n", "\r\n").encode(),
        pytest.param(
            SHIPPED.replace("seed: 1 #", "seed: &one 1 #").replace("at_once: 1 #", "at_once: *one #").encode(),
            marks=pytest.mark.unusual("git, DVC and settings", "params.yaml with anchors", "read as their values"),
        ),
    ],
)  # fmt: skip
def test_a_params_yaml_that_is_one(tmp_path, content):
    (tmp_path / "params.yaml").write_bytes(content)
    assert load(tmp_path / "params.yaml") == load(ROOT / "presets/default.yaml")


@pytest.mark.parametrize("name", ["recipes.yaml", "presets/mine.yaml", "presets/default.yaml"])
@pytest.mark.unusual("git, DVC and settings", "recipes.yaml or a preset in latin-1", "file, line, byte; UTF-8")
def test_the_same_door_for_the_others(tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"a: 1\nb: \xfc\n")
    with pytest.raises(UserError, match=rf"{name}: line 2: byte 0xfc is not UTF-8"):
        read_yaml(tmp_path / name)
