"""The file of decisions: what is written is read, and what nobody wrote is refused with all its faults."""

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from gbaseg.errors import UserError
from gbaseg.presets import list_presets, preset_content
from gbaseg.review.decisions import Decision, Decisions, hash_of, parse_decisions, read_decisions, written

ROOT = Path(__file__).parents[2]
FILE = Path("review.yaml")
OF, MASK = "0123456789012345", "1e10000000000000"  # of digits alone, or like a number: they stay texts
SOME = Decisions(
    7,
    {
        "survey": {},
        "1": {},
        "007": {"12": Decision("rejected", OF)},
        "round_0": {
            "etz_1": Decision("rejected", OF),
            "ein: Fall, «2»": Decision("corrected", OF, MASK),
            "etz_3": Decision("accepted", OF),
            "etz_4": Decision("accepted", OF, changes=False),
        },
    },
)


def test_what_is_written_is_read():
    assert parse_decisions(written(SOME), FILE) == SOME
    assert read_decisions(Path("none.yaml")) == Decisions()
    assert parse_decisions("", FILE) == Decisions()


def test_what_matters_for_the_next_round_stands_under_its_name_and_what_was_only_looked_at_does_not():
    content = YAML(typ="safe").load(written(SOME))
    assert set(content["changes"]["round_0"]) == {"etz_1", "ein: Fall, «2»", "etz_3"}
    assert content["changes"]["survey"] == {}
    assert set(content["accepted"]["round_0"]) == {"etz_4"}


def test_the_file_that_is_shipped_has_a_line_for_the_rounds_of_every_preset():
    """DVC refuses a stage whose parameter is not there; nothing is decided in it."""
    shipped = read_decisions(ROOT / "review.yaml")
    assert not any(shipped.rounds.values())
    assert (ROOT / "review.yaml").read_text() == written(shipped)
    for name in (preset.name for preset in list_presets(ROOT / "presets")):
        rounds = preset_content(name, ROOT / "presets")["self_training"]["rounds"]
        assert {item["prev"] for item in rounds} <= shipped.rounds.keys()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- a\n", "found a list"),
        ("revision: many\n", "revision: found 'many'"),
        ("revision: true\n", "revision: found True"),
        ("other: 1\n", "other: no such key"),
        ("changes: [1]\n", r"changes: found \[1\]"),
        ("changes: {round_0: {a: rejected}}\n", "changes.round_0.a: found 'rejected'"),
        ("changes: {round_0: {a: {decision: gone, of: '0123456789012345'}}}\n", "decision: found 'gone'"),
        ("changes: {round_0: {a: {decision: rejected, of: 12}}}\n", "of: found 12"),
        ("changes: {round_0: {a: {decision: corrected, of: '0123456789012345'}}}\n", "of a corrected one mask"),
        ("accepted: {round_0: {a: {decision: rejected, of: '0123456789012345'}}}\n", "allowed: accepted"),
        (
            "changes: {round_0: {007: {decision: rejected, of: '0123456789012345'}}}\n",
            "changes.round_0: .* reads as 7;",
        ),
        ("accepted: {1: {a: {decision: accepted, of: '0123456789012345'}}}\n", "accepted: .* reads as 1; .* in quotes"),
        ("changes: {round_0: {size: {decision: rejected, of: '0123456789012345'}}}\n", "round_0.size: DVC passes over"),
        ("accepted: {round_0: {nfiles: {decision: accepted, of: '0123456789012345'}}}\n", "nfiles: DVC passes over"),
        ("<<<<<<< HEAD\nrevision: 1\n=======\n", "not valid YAML"),
    ],
)
def test_what_nobody_wrote_is_refused(text, says):
    with pytest.raises(UserError, match=says):
        parse_decisions(text, FILE)


def test_all_faults_are_said_at_once():
    one = "{decision: rejected, of: '0123456789012345'}"
    text = f"revision: -1\nchanges: {{round_0: {{a: {one}}}}}\naccepted: {{round_0: {{a: 1}}}}\nmore: 2\n"
    with pytest.raises(UserError) as error:
        parse_decisions(text, FILE)
    said = str(error.value).splitlines()
    assert said[0] == "review.yaml: 3 fault(s)"
    assert [re.split(r": ", line.strip())[0] for line in said[1:-1]] == ["more", "revision", "accepted.round_0.a"]
    back = "`git checkout review.yaml` brings back what was committed, without what came after"
    assert said[-1] == f"mend them there; {back}"


def test_a_hash_tells_other_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"one")
    before = hash_of(tmp_path / "a")
    (tmp_path / "a").write_bytes(b"two")
    assert re.fullmatch(r"[0-9a-f]{16}", before) and before != hash_of(tmp_path / "a")


def test_nothing_is_decided_about_a_case_whose_name_dvc_passes_over():
    """Data that was standardised before such names were refused."""
    with pytest.raises(UserError, match="size: DVC passes over keys of that name"):
        SOME.with_one("round_0", "size", Decision("rejected", OF))
