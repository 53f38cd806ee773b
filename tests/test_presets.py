"""`gbaseg preset`: what is written into params.yaml, and what stays."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from gbaseg.errors import UserError
from gbaseg.preset_writing import apply_preset
from gbaseg.presets import SHIPPED, describe, list_presets, preset_folder

DEFAULT = """\
# Every number that changes a result.

seed: 1 # the one seed

dataset:
  root: data/raw/phantom   # folder
  structures: {VS: 1} # what to segment

phantom: {}

augmentation: # METHOD 5
  # which of them
  arm: gba # none, naive, gba
  rules: # which cases
    - name: large
      lambdas: [0.7, 1.2] # Eq. 5
      k_star: [1, 3]

    # the little ones
    - name: small
      lambdas: [0.6]
      k_star: [1] # last

# after the rules
segmentation:
  learning_rate: 1.0e-2
  mirroring: false
  network: # null: as nnU-Net plans
    features: [8, 16]
    batch_size: 2
  rounds:
    - {id: a}
    - {id: b} # two
"""

LGG = """\
# Gliomas.
# Bright on FLAIR.
dataset:
  root: data/raw/lgg
  structures: {tumour: 1, cyst: 2}
augmentation:
  rules:
    - name: all # of them
      lambdas: [1.4, 2.4]
segmentation:
  network:
    batch_size: 4
"""

PAPER = """\
# The paper.
phantom: {sizes: [1, 2]}
segmentation:
  mirroring: true
  network: null
  rounds: []
augmentation: {rules: []}
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "presets").mkdir()
    for name, text in {"default": DEFAULT, "lgg": LGG, "paper": PAPER}.items():
        (tmp_path / "presets" / f"{name}.yaml").write_text(text)
    (tmp_path / "params.yaml").write_text(DEFAULT)
    return tmp_path


def overwritten(project: Path, name, validate=lambda content: None):
    return apply_preset(name, project / "presets", project / "params.yaml", validate)


def apply(project: Path, name, validate=lambda content: None):
    overwritten(project, name, validate)
    return (project / "params.yaml").read_text()


def content(text):
    return YAML(typ="safe", pure=True).load(text)


def test_default_leaves_the_file_as_it_is(project):
    assert apply(project, "default") == DEFAULT


def test_values_are_replaced_and_everything_else_stays_to_the_character(project):
    expected = (
        DEFAULT.replace("data/raw/phantom ", "data/raw/lgg ")
        .replace("{VS: 1}", "{tumour: 1, cyst: 2}")
        .replace("batch_size: 2", "batch_size: 4")
    )
    start, end = expected.index("    - name: large"), expected.index("\n\n# after the rules")
    expected = expected[:start] + "    - name: all # of them\n      lambdas: [1.4, 2.4]" + expected[end:]
    assert apply(project, "lgg") == expected


def test_blocks_become_values_on_one_line_and_keep_the_keys_comment(project):
    text = apply(project, "paper")
    assert "  network: null # null: as nnU-Net plans\n  rounds: []\n" in text
    assert "  rules: [] # which cases\n\n# after the rules\n" in text
    assert "  arm: gba # none, naive, gba\n" in text
    assert "phantom: {sizes: [1, 2]}\n" in text
    wanted = content(DEFAULT)
    wanted["phantom"] = {"sizes": [1, 2]}
    wanted["segmentation"] |= {"mirroring": True, "network": None, "rounds": []}
    wanted["augmentation"]["rules"] = []
    assert content(text) == wanted


@pytest.mark.parametrize("name", ["lgg", "paper"])
def test_default_takes_a_preset_back_to_the_character(project, name):
    apply(project, name)
    assert apply(project, "default") == DEFAULT


def test_presets_do_not_add_up(project):
    alone = apply(project, "lgg")
    apply(project, "paper")
    assert apply(project, "lgg") == alone


def test_the_users_values_go_and_the_users_comments_stay(project):
    own = DEFAULT.replace("seed: 1 # the one seed", "seed: 7 # my lucky number").replace("arm: gba", "arm: 'none'")
    (project / "params.yaml").write_text(own)
    text = apply(project, "default")
    assert text == DEFAULT.replace("# the one seed", "# my lucky number")


@pytest.mark.parametrize("name", ["default", "lgg", "paper"])
@pytest.mark.parametrize("before", ["default", "lgg", "paper"])
def test_of_a_preset_as_it_was_written_nothing_is_lost(project, before, name):
    apply(project, before)
    assert overwritten(project, name) is None
    assert not list(project.glob("*.bak*"))


def test_what_was_set_by_hand_is_named_and_the_file_kept(project):
    own = DEFAULT.replace("data/raw/phantom ", "data/raw/mine ").replace("{VS: 1}", "{glioma: 1}")
    own = (
        own.replace("features: [8, 16]", "features: [9]")
        .replace("batch_size: 2", "batch_size: 4")
        .replace("# folder", "# ours")
    )
    (project / "params.yaml").write_text(own)
    lost = overwritten(project, "lgg")
    assert lost.kept_as == project / "params.yaml.bak"
    assert lost.kept_as.read_text() == own
    # The batch size is the preset's own as well: nothing is lost of it.
    assert lost.values == [
        'dataset.root: "data/raw/mine" -> "data/raw/lgg"',
        'dataset.structures: {"glioma": 1} -> {"tumour": 1, "cyst": 2}',
        "segmentation.network.features: [9] -> [8, 16]",
    ]
    assert "3 value(s) set by hand" in str(lost) and "params.yaml.bak" in str(lost)


def test_by_hand_is_what_the_preset_before_did_not_write(project):
    own = apply(project, "lgg").replace("batch_size: 4", "batch_size: 3")
    (project / "params.yaml").write_text(own)
    assert overwritten(project, "paper").values == ["segmentation.network.batch_size: 3 -> no longer there"]
    own = apply(project, "paper").replace("network: null", "network: {}")
    (project / "params.yaml").write_text(own)
    assert overwritten(project, "default").values == [
        'segmentation.network: {} -> {"features": [8, 16], "batch_size": 2}'
    ]


def test_an_older_copy_stays(project):
    texts = [DEFAULT.replace("seed: 1 ", f"seed: {seed} ") for seed in (7, 8, 9)]
    for text in texts:
        (project / "params.yaml").write_text(text)
        overwritten(project, "lgg")
    copies = ("params.yaml.bak", "params.yaml.bak2", "params.yaml.bak3")
    assert [(project / name).read_text() for name in copies] == texts


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a: [", []),
        ("- 1\n", []),
        ("seed: 1\n", []),
        (DEFAULT + "extra: 1\n", ["extra: 1 -> no longer there"]),
        ("seed: 5\nphantom: {}\n", ["seed: 5 -> 1"]),
    ],
)
def test_a_file_whose_text_cannot_stay_is_kept(project, text, values):
    (project / "params.yaml").write_text(text)
    lost = overwritten(project, "default")
    assert (lost.values, lost.kept_as.read_text()) == (values, text)
    assert "params.yaml.bak" in str(lost)


def test_another_preset_that_is_none_does_not_stand_in_the_way(project):
    (project / "presets/bad.yaml").write_text("a: [")
    (project / "params.yaml").write_text(DEFAULT.replace("seed: 1 ", "seed: 7 "))
    assert overwritten(project, "lgg").values == ["seed: 7 -> 1"]


@pytest.mark.parametrize("text", [None, "", "a: [", "seed: 1\n", DEFAULT + "extra: 1\n"])
def test_a_file_that_is_missing_broken_or_of_another_version_is_written_anew(project, text):
    (project / "params.yaml").unlink()
    if text is not None:
        (project / "params.yaml").write_text(text)
    assert apply(project, "default") == DEFAULT


@pytest.mark.unusual(
    "git, DVC and settings",
    "`gbaseg preset` over a params.yaml in latin-1",
    "written anew, the file as it was kept beside it",
)
def test_a_file_in_another_encoding_is_kept(project):
    own = DEFAULT.replace("# the one seed", "# für alle").replace("root: data/raw/phantom", "root: data/raw/mine")
    (project / "params.yaml").write_bytes(own.encode("latin-1"))
    lost = overwritten(project, "default")
    assert (project / "params.yaml").read_text() == DEFAULT
    assert lost is not None and lost.kept_as.read_bytes() == own.encode("latin-1")
    assert lost.values == ['dataset.root: "data/raw/mine" -> "data/raw/phantom"']


@pytest.mark.unusual("git, DVC and settings", "`gbaseg preset` over a params.yaml of Windows", "its line ends stay")
def test_line_ends_stay_and_a_byte_order_mark_is_no_change(project):
    (project / "params.yaml").write_bytes(b"\xef\xbb\xbf" + DEFAULT.replace("\n", "\r\n").encode())
    assert overwritten(project, "default") is None
    assert (project / "params.yaml").read_bytes() == DEFAULT.replace("\n", "\r\n").encode()


def test_a_folder_in_the_place_of_params_yaml(project):
    (project / "params.yaml").unlink()
    (project / "params.yaml").mkdir()
    with pytest.raises(UserError, match=r"params\.yaml: no file; move it away"):
        overwritten(project, "default")


def test_values_are_checked_before_anything_is_written(project):
    seen = []

    def refuse(content):
        seen.append(content)
        raise UserError("no")

    with pytest.raises(UserError, match="no"):
        apply(project, "lgg", refuse)
    assert seen[0]["dataset"]["structures"] == {"tumour": 1, "cyst": 2}
    assert seen[0]["segmentation"]["network"] == {"features": [8, 16], "batch_size": 4}
    assert (project / "params.yaml").read_text() == DEFAULT
    assert sorted(path.name for path in project.iterdir()) == ["params.yaml", "presets"]


def test_an_unknown_key_is_named_with_its_neighbour(project):
    (project / "presets/bad.yaml").write_text("segmentation:\n  mirorring: true\n")
    with pytest.raises(UserError, match=r"segmentation\.mirorring: no such key; did you mean 'mirroring'\?"):
        apply(project, "bad")
    with pytest.raises(UserError, match="allowed here: learning_rate, mirroring, network, rounds"):
        list_presets(project / "presets")


def test_an_unknown_preset_is_named_with_its_neighbour(project):
    with pytest.raises(
        UserError, match=r"no preset 'papper'; did you mean 'paper'\? \(there are: default, lgg, paper\)"
    ):
        apply(project, "papper")


def test_files_that_are_no_presets(project):
    for text, says in (("a: [", "not valid YAML"), ("- 1\n", "found list")):
        (project / "presets/bad.yaml").write_text(text)
        with pytest.raises(UserError, match=says):
            apply(project, "bad")


def test_a_preset_on_another_one(project):
    """What the other changes stands, lists and comments with it, where the preset does not say otherwise."""
    (project / "presets/child.yaml").write_text(
        "# More.\nbase: lgg\ndataset:\n  structures: {VS: 1}\nsegmentation: {mirroring: true}\n"
        "augmentation:\n  rules:\n    - name: other # of them\n      lambdas: [2]\n"
    )
    lgg, text = apply(project, "lgg"), apply(project, "child")
    wanted = content(lgg)
    wanted["dataset"]["structures"] = {"VS": 1}
    wanted["segmentation"]["mirroring"] = True
    wanted["augmentation"]["rules"] = [{"name": "other", "lambdas": [2]}]
    assert content(text) == wanted
    assert "  rules: # which cases\n    - name: other # of them\n      lambdas: [2]\n\n# after the rules" in text
    assert apply(project, "default") == DEFAULT
    [child] = [preset for preset in list_presets(project / "presets") if preset.name == "child"]
    assert child.description == "More."
    assert (child.changes["dataset.root"], child.changes["segmentation.mirroring"]) == ("data/raw/lgg", True)


@pytest.mark.parametrize(
    ("base", "says"),
    [("lggg", "no preset 'lggg'; did you mean 'lgg'"), ("child", r"child\.yaml: base: no such key")],
)
def test_a_base_that_is_none_or_has_one_is_named(project, base, says):
    (project / "presets/child.yaml").write_text("base: lgg\n")
    (project / "presets/bad.yaml").write_text(f"base: {base}\n")
    with pytest.raises(UserError, match=says):
        apply(project, "bad")


def test_true_is_not_one(project):
    (project / "presets/one.yaml").write_text("seed: true\n")
    assert "seed: true # the one seed\n" in apply(project, "one")


def test_the_list_says_what_each_changes(project):
    presets = {preset.name: preset for preset in list_presets(project / "presets")}
    assert list(presets) == ["default", "lgg", "paper"]
    assert presets["default"].changes == {}
    assert presets["lgg"].description == "Gliomas.\nBright on FLAIR."
    assert presets["lgg"].changes == {
        "dataset.root": "data/raw/lgg",
        "dataset.structures": {"tumour": 1, "cyst": 2},
        "augmentation.rules": [{"name": "all", "lambdas": [1.4, 2.4]}],
        "segmentation.network.batch_size": 4,
    }
    text = describe(list(presets.values()))
    assert 'lgg\n  Gliomas.\n  Bright on FLAIR.\n    dataset.root: "data/raw/lgg"\n' in text


def test_presets_of_the_folder_come_before_those_of_the_package(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert preset_folder() == SHIPPED and "tiny" in {preset.name for preset in list_presets(SHIPPED)}
    Path("presets").mkdir()
    assert preset_folder() == Path("presets")


def test_those_of_a_clone_are_those_of_the_package():
    assert (Path(__file__).parents[1] / "presets").resolve() == SHIPPED.resolve()
