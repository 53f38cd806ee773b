"""What is a user's stays, or is kept beside, and a plan that is broken off can be made again."""

from pathlib import Path

import pytest


@pytest.mark.unusual(
    "Data sets and folders",
    "`plan` over a params.yaml or cases.csv that was changed by hand",
    "refused; `--force` writes over it and keeps it beside",
)
def test_values_of_the_users_own_are_kept_unless_told_otherwise(project, plan, folders, refused):
    call = [*folders, "--structures", "ball=1"]
    own = (project / "params.yaml").read_text().replace("seed: 1", "seed: 5")
    (project / "params.yaml").write_text(own)
    assert "params.yaml: has values of your own; --force" in refused(*call)
    assert plan(*call, "--force").exit_code == 0
    assert (project / "params.yaml.bak").read_text() == own
    # its own files it writes anew without asking
    assert plan(*call, "--hours", "0.5").exit_code == 0
    with (project / "data/raw/planned/cases.csv").open("a") as stream:
        stream.write("x,x,A,target,train,T2,target/q4_T2.nii.gz,\n")
    assert "cases.csv: changed since a plan wrote it" in refused(*call)


@pytest.mark.unusual(
    "Data sets and folders", "`plan --root` of a folder that holds scans", "refused, also with `--force`"
)
def test_a_folder_that_holds_scans_is_never_the_place_for_links(data, folders, refused):
    call = [*folders, "--structures", "ball=1", "--root", data, "--force"]
    assert "holds files that no plan has written" in refused(*call)


def test_a_file_in_the_place_of_a_link_is_named_before_anything_is_written(project, plan, folders, refused):
    call = [*folders, "--structures", "ball=1"]
    assert plan(*call).exit_code == 0
    link = project / "data/raw/planned/target/q4_T2.nii.gz"
    link.unlink()
    link.write_text("of somebody")
    assert "planned/target/q4_T2.nii.gz: a file where a link to a scan is to be" in refused(*call, "--force")


def test_what_a_desktop_has_left_in_the_folder_for_links_is_no_file_of_the_users(plan, folders):
    Path("data/raw/planned").mkdir(parents=True)
    Path("data/raw/planned/.DS_Store").write_bytes(b"\0\0\0\1Bud1")
    assert plan(*folders, "--structures", "VS=1,Cochlea=2").exit_code == 0


def test_a_folder_in_the_place_of_the_parameters_is_named(plan, folders):
    Path("params.yaml").unlink()
    Path("params.yaml").mkdir()
    result = plan(*folders, "--structures", "VS=1,Cochlea=2", "--force")
    assert result.exit_code == 1 and "params.yaml: a folder; allowed: a file" in result.output


def test_what_cannot_be_written_is_said_before_anything_is(project, monkeypatch, folders, refused):
    (project / "data").write_text("a file")
    assert "--root data/raw/planned: data is no folder" in refused(*folders, "--structures", "ball=1")
    (project / "data").unlink()
    reason = ". cannot be written to (Permission denied)"
    monkeypatch.setattr("gbaseg.commands.plan.unwritable", lambda path: reason if path.name == "params.yaml" else "")
    assert f"params.yaml: {reason}" in refused(*folders, "--structures", "ball=1")


def test_what_is_a_users_is_kept_before_anything_is_written(project, monkeypatch, folders, refused):
    def denied(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("gbaseg.commands.plan.kept_beside", denied)
    (project / "params.yaml").write_text((project / "params.yaml").read_text().replace("seed: 1", "seed: 5"))
    assert "params.yaml: permission denied" in refused(*folders, "--structures", "ball=1", "--force")


def test_a_plan_over_an_older_one_that_is_broken_off_can_be_made_again(project, data, monkeypatch, plan, folders):
    call = [*folders, "--structures", "ball=1"]
    assert plan(*call).exit_code == 0
    (data / "target/q4_T2.nii.gz").unlink()
    with monkeypatch.context() as broken:
        broken.setattr(Path, "unlink", lambda self: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        assert plan(*call).exit_code == 1
    assert plan(*call).exit_code == 0
    assert "q4_T2" not in (project / "data/raw/planned/cases.csv").read_text()
