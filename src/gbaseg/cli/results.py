"""Commands about results: the rounds of a run, other scans, methods and experiments compared."""

from __future__ import annotations

from pathlib import Path

import click

from gbaseg.cli.options import (
    OUT_FILE,
    OUT_FOLDER,
    Number,
    at_once_option,
    given,
    names,
    now_option,
    percents,
    set_option,
    side_by_side,
    whole_numbers,
)  # fmt: skip

# As evaluation.ranking.PERCENTS, which takes seconds to import.
_PERCENTS = "0,1,5,25,50,75,95,99,100"


@click.command()
def show() -> None:
    """Print the table of rounds."""
    from gbaseg.commands.show import run

    run()


@click.command()
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--out", required=True, type=OUT_FOLDER, help="Folder of the masks.")
@click.option(
    "--model",
    help="Zip of `gbaseg export`, its folder once unpacked, models/segmentation/ROUND, or an artifact of DVC, "
    "REPOSITORY#NAME[@VERSION]; default: of this project.",
)
@click.option("--round", "round_id", help="Round whose model is used; default: the last.")
@click.option("--probabilities", is_flag=True, help="Each structure's probability, too: probabilities/STRUCTURE/.")
@click.option("--uncertainty", is_flag=True, help="How far the folds are apart, voxel by voxel: uncertainty/.")
@click.option("--dicom-seg", is_flag=True, help="Masks of DICOM series as DICOM segmentations, too: dicom_seg/.")
@click.option("--statistics", is_flag=True, help="Volume, diameters and mean intensity: statistics.csv and .json.")
@click.option(
    "--on-bad-scan",
    default="stop",
    show_default=True,
    type=click.Choice(["stop", "skip"]),
    help="stop: a faulty scan ends the command before any is segmented; skip: the others are done.",
)
def predict(
    images: tuple[Path, ...], out: Path, model: Path | None, round_id: str | None, on_bad_scan: str, **wanted: bool
) -> None:
    """Segment scans of the target modality, on their own grids.

    IMAGES are files, folders of them, folders of a DICOM series each, or patterns. predictions.csv beside the masks has
    volume, pieces, agreement of the folds and warnings of every scan. The exit code is 2 where scans have no mask and
    the others are done.
    """
    from gbaseg.commands.predict import run
    from gbaseg.commands.predict_extras import Wanted

    run(images, out, round_id, on_bad_scan == "skip", model, Wanted(**wanted))


@click.command()
@click.option("-o", "--out", required=True, type=OUT_FILE, help="The zip.")
@click.option("--round", "round_id", help="Round whose model is exported; default: the last.")
@click.option("--nnunet", is_flag=True, help="For nnUNetv2_install_pretrained_model_from_zip, without what is ours.")
def export(out: Path, round_id: str | None, nnunet: bool) -> None:
    """Put a round's model into one file, for `gbaseg predict --model` in any folder.

    With a model card and a paragraph of methods, from what this run wrote.
    """
    if nnunet:
        from gbaseg.commands.export_nnunet import run
    else:
        from gbaseg.commands.export import run

    run(out, round_id)


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--structures", default="", callback=names, help="Which to rank, such as VS or VS,Cochlea; default: all.")
@click.option("--percents", default=_PERCENTS, show_default=True, callback=percents, help="Of the quantiles.")
@click.option(
    "--resamples", default=10_000, show_default=True, type=click.IntRange(1, 100_000), help="Bootstrap draws."
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Of the bootstrap.")
@click.option("--out", type=OUT_FILE, help="CSV of the ranking.")
def rank(
    files: tuple[Path, ...], structures: list[str], percents: list[float], resamples: int, seed: int, out: Path | None
) -> None:
    """Rank methods as CrossMoDA did, from CSV files of scores."""
    from gbaseg.commands.rank import run

    run(files, structures, percents, resamples, seed, out)


@click.command()
@click.argument("experiments", nargs=-1)
@click.option("--out", default="tables", show_default=True, type=OUT_FOLDER, help="Folder of the tables.")
@click.option("--structure", default="", help="Whose scores; default: the tumour.")
@click.option(
    "--small",
    "small_mm3",
    default=720.0,
    show_default=True,
    type=Number(min=0),
    help="mm3 under which a tumour is small.",
)
@click.option(
    "--large",
    "large_mm3",
    default=5400.0,
    show_default=True,
    type=Number(min=0),
    help="mm3 over which a tumour is large.",
)
@click.option("--percents", default=_PERCENTS, show_default=True, callback=percents, help="Of Table III.")
def tables(
    experiments: tuple[str, ...], out: Path, structure: str, small_mm3: float, large_mm3: float, percents: list[float]
) -> None:
    """Make Tables I to III and test differences between arms, from DVC experiments.

    Without EXPERIMENTS: from all of the present commit. `workspace` is what lies in this folder.
    """
    from gbaseg.commands.tables import run

    run(experiments, out, structure, small_mm3, large_mm3, percents)


@click.command()
@click.option("--out", default="report/index.html", show_default=True, type=OUT_FILE)
def report(out: Path) -> None:
    """Write one HTML page about this run, with every held-out case."""
    from gbaseg.commands.report import run

    run(out)


@click.command()
@click.option("--round", "round_id", help="Default: the last that is there and that another round learns from.")
@click.option("--port", default=0, show_default=True, type=click.IntRange(0, 65535), help="0: one that is free.")
@click.option("--no-browser", is_flag=True, help="Only print the address.")
def review(round_id: str | None, port: int, no_browser: bool) -> None:
    """Look at a round's pseudo-labels in a browser; accept, reject or correct them.

    Served to this machine alone, and to whoever has the address. review.yaml has what was decided at once; the next
    round learns from it.
    """
    from gbaseg.commands.review import run

    run(round_id, port, browser=not no_browser)


@click.command()
@click.option("--out", required=True, type=OUT_FOLDER, help="A new folder.")
@click.option("--round", "round_id", help="Default: the last.")
@click.option("--splits", default="validation,test", show_default=True, callback=names, help="Of the target.")
@click.option("--name", help="Of the files, with {case} in it; default: CrossMoDA's where the data have its layout.")
def submission(out: Path, round_id: str | None, splits: list[str], name: str | None) -> None:
    """Copy a round's masks of held-out scans under a challenge's names."""
    from gbaseg.commands.submission import run

    run(out, round_id, splits, name)


@click.command()
@click.argument("round_id", metavar="ROUND")
@click.option("--structure", required=True)
@click.option("--dice", required=True, type=Number(0, 1), help="Mean.")
@click.option("--dice-sd", type=Number(min=0))
@click.option("--assd", type=Number(min=0), help="Mean, mm.")
@click.option("--assd-sd", type=Number(min=0), help="mm.")
@click.option("--cases", type=click.IntRange(min=1))
@click.option("--source", default="leaderboard", show_default=True, help="Who said so, and when.")
def leaderboard(
    round_id: str, structure: str, dice: float, dice_sd: float | None, assd: float | None, assd_sd: float | None,
    cases: int | None, source: str,
) -> None:  # fmt: skip
    """Enter a leaderboard's answer as scores of a round."""
    from gbaseg.commands.submission import Entry, enter

    enter(Entry(round_id, structure, dice, dice_sd, assd, assd_sd, cases, source))


@click.command()
@click.argument("experiments", nargs=-1)
@click.option("--out", default="figures", show_default=True, type=OUT_FOLDER, help="Folder of the figures.")
@click.option("--structure", default="", help="Whose scores and masks; default: the tumour.")
def figures(experiments: tuple[str, ...], out: Path, structure: str) -> None:
    """Draw what compares experiments: translations (Fig. 4), masks by arm (Fig. 9), scores by arm (Fig. 10).

    EXPERIMENTS as for `tables`.
    """
    from gbaseg.commands.figures import run

    run(experiments, out, structure)


@click.group()
def ablation() -> None:
    """Set up the paper's comparisons as DVC experiments."""


@ablation.command()
@click.option("--seeds", default="1,2,3", show_default=True, callback=whole_numbers)
@click.option(
    "--arms", default="none,naive,gba", show_default=True, callback=names, help="Also: online, no-adaptation."
)
@click.option(
    "--translation",
    default="cyclegan",
    show_default=True,
    type=click.Choice(["cyclegan", "histogram", "randomise", "none"]),
)
@set_option
@now_option
@at_once_option
def arms(
    seeds: list[int], arms: list[str], translation: str, extra: tuple[str, ...], now: bool, at_once: int | None
) -> None:
    """Arms x seeds (Table II)."""
    from gbaseg.commands.ablation import run
    from gbaseg.commands.planned import plan_arms

    run(plan_arms(arms, seeds, translation), extra, now, side_by_side(now, at_once))


@ablation.command()
@click.option("--centres", default="A,B,both", show_default=True, callback=names)
@click.option("--runs", default="0,1,2", show_default=True, callback=whole_numbers, help="Retrainings.")
@click.option("--arms", default="none,naive,gba", show_default=True, callback=names)
@click.option("--seeds", default="1", show_default=True, callback=whole_numbers)
@set_option
@now_option
@at_once_option
def translations(
    centres: list[str],
    runs: list[int],
    arms: list[str],
    seeds: list[int],
    extra: tuple[str, ...],
    now: bool,
    at_once: int | None,
) -> None:
    """Centres x retrainings x arms (Table I)."""
    from gbaseg.commands.ablation import run
    from gbaseg.commands.planned import plan_translations

    run(plan_translations(centres, runs, arms, seeds), extra, now, side_by_side(now, at_once))


@click.command()
@click.argument("experiments", nargs=-1)
@click.option("--arms", default="", callback=names, help="Which; default: all but `none`.")
@click.option("--seeds", default="1,2,3", show_default=True, callback=whole_numbers)
@set_option
@click.option("--run", "start", flag_value="here", help="Run what is left here, then lay it out.")
@at_once_option
@click.option("--queue", "start", flag_value="queue", help="Put what is left into DVC's queue.")
@click.option("--tables", "start", flag_value="tables", help="Lay out what is done.")
@click.option("--out", default="study", show_default=True, type=OUT_FOLDER, help="Folder of the tables.")
@click.option("--structure", default="", help="Whose scores; default: the mean over all structures.")
def study(
    experiments: tuple[str, ...],
    arms: list[str],
    seeds: list[int],
    extra: tuple[str, ...],
    start: str | None,
    at_once: int | None,
    out: Path,
    structure: str,
) -> None:
    """Compare adaptations on this data set: arms x seeds.

    Alone it says which runs there are to be, which are done, and how long the others take here. What is done is passed
    over; after --run the tables follow. EXPERIMENTS: with --tables others than the grid's, as for `tables`.
    """
    from gbaseg.commands.study import plan, run

    if experiments and (start != "tables" or given({"--arms": "arms", "--seeds": "seeds", "--set": "extra"})):
        raise click.UsageError("EXPERIMENTS go with --tables alone; --arms, --seeds and --set are of the grid's")
    many = side_by_side(start == "here", at_once)
    planned = plan(arms, seeds, extra)
    if start != "tables":
        run(planned, start or "", many, structure)
    if start in ("tables", "here"):
        from gbaseg.commands.study_tables import run as lay_out

        lay_out(planned, experiments, out, structure)


COMMANDS = [show, report, review, predict, export, submission, leaderboard, rank, tables, figures, ablation, study]
