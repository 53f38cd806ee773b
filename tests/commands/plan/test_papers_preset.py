"""With the challenge's data and a graphics card's days a plan is the paper's preset, or says why not."""

import pytest

from gbaseg.presets import preset_content


@pytest.fixture
def challenge(tmp_path, scans):
    """CrossMoDA's layout: centres A and B, five labelled patients."""
    folder = tmp_path / "crossmoda2022"
    for seed, (part, name) in enumerate(
        [
            *(("training_source", f"ldn_{number}_ceT1") for number in (1, 2, 3)),
            *(("training_source", f"etz_{number}_ceT1") for number in (4, 5)),
            *(("training_target", f"{centre}_{number}_hrT2") for centre, number in (("ldn", 11), ("etz", 12))),
            ("validation", "ldn_21_hrT2"),
        ]
    ):
        (folder / part).mkdir(parents=True, exist_ok=True)
        array, ball = scans.head(seed=seed)
        scans.save(folder / part / f"crossmoda2022_{name}.nii.gz", array)
        if part == "training_source":
            scans.save(folder / part / f"crossmoda2022_{name.replace('ceT1', 'Label')}.nii.gz", ball)
    return folder


def planned_and_papers(project):
    """params.yaml and the paper's preset, but for the folder of the data."""
    from ruamel.yaml import YAML

    content = YAML(typ="safe").load((project / "params.yaml").read_text())
    papers = preset_content("crossmoda2022", project / "presets")
    del content["dataset"]["root"], papers["dataset"]["root"]
    return content, papers


def test_on_the_challenges_data_with_a_gpus_days_it_comes_out_at_the_papers_preset(project, challenge, plan):
    result = plan(challenge, "--gpu", "h100", "--hours", "300")
    assert result.exit_code == 0, result.output
    content, papers = planned_and_papers(project)
    assert content == papers
    assert "Not as preset crossmoda2022" not in result.stdout


def test_or_it_says_line_by_line_why_not(project, challenge, plan):
    for path in challenge.rglob("*etz_*"):
        path.unlink()
    result = plan(challenge, "--gpu", "h100", "--hours", "300")
    assert result.exit_code == 0, result.output
    content, papers = planned_and_papers(project)
    said = result.stdout.split("Not as preset crossmoda2022\n")[1].split("\n\n")[0].splitlines()
    assert [line.split(":")[0].strip() for line in said] == ["augmentation.rules", "segmentation.folds"]
    assert "source centres A" in said[0] and "3 source patients" in said[1]
    content["segmentation"]["folds"], content["augmentation"]["rules"] = 5, papers["augmentation"]["rules"]
    assert content == papers


def test_fewer_hours_end_before_the_papers(project, challenge, plan):
    result = plan(challenge, "--gpu", "h100", "--hours", "40")
    assert result.exit_code == 0, result.output
    content, papers = planned_and_papers(project)
    assert content["standardise"] == papers["standardise"]
    assert content["segmentation"]["epochs"] < 500
    assert "segmentation.epochs: 500 -> " in result.stdout
