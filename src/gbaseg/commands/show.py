"""show: the table of rounds, what a leaderboard said of them, where pictures and report are, and what to do next."""

from __future__ import annotations

from gbaseg import params
from gbaseg.commands.next_steps import next_steps, report_line
from gbaseg.commands.submission import entries
from gbaseg.errors import UserError
from gbaseg.evaluation.rounds import Rounds, print_rounds_table, structures_of
from gbaseg.workflow import layout
from gbaseg.workflow.context import need, read_json
from gbaseg.workflow.provenance import described, strangers


def run() -> None:
    """Print them: of the rounds that are there and of this run; the others are named.

    Raises:
        UserError: there is none, or those that are there are of another run.
    """
    settings = params.load()
    names = settings.self_training.ids
    files = {name: layout.round_metrics(name) for name in names}
    there = {name: file for name, file in files.items() if file.is_file()}
    if not there:
        need(list(files.values()))
    proxies = [layout.proxies(name) for name in there]
    found = strangers([*there.values(), *proxies, layout.MODALITIES, layout.PLOTS])
    shown = [name for name, file in there.items() if file not in found]
    if not shown:
        raise UserError(described({file: found[file] for file in there.values()}))
    rounds = [(name, read_json(files[name])) for name in shown]
    for name, metrics in rounds:
        if layout.proxies(name).is_file() and layout.proxies(name) not in found:
            metrics["proxies"] = read_json(layout.proxies(name))
    print_rounds_table(rounds, low_dice=settings.evaluation.shown_low_dice, tumour=settings.dataset.tumour)
    print(reviews(rounds), end="")
    if others := {file: found[file] for file in there.values() if file in found}:
        print(described(others))
    missing = [str(file) for file in files.values() if not file.is_file()]
    if missing:
        print(f"not there yet: {', '.join(missing)}; `dvc repro` makes it")
    if not layout.STANDARD.is_dir():
        print("as they came with git: nothing of this was run in this folder")
    for entry in entries():
        spread = "" if entry.dice_sd is None else f" ± {entry.dice_sd:.3f}"
        assd = "" if entry.assd_mm_mean is None else f", ASSD {entry.assd_mm_mean:.3f} mm"
        print(f"{entry.source}, {entry.round}, {entry.structure}: Dice {entry.dice_mean:.3f}{spread}{assd}")
    complete = not missing and len(shown) == len(files)
    pictures = [layout.MODALITIES] if layout.MODALITIES.is_file() and layout.MODALITIES not in found else []
    if layout.PLOTS not in found:
        pictures += sorted(layout.PLOTS.glob("*.png"))
    if pictures:
        print(f"pictures: {', '.join(map(str, pictures))}")
    if complete and layout.STANDARD.is_dir():
        print(report_line(settings))
    print("next:")
    for line in next_steps(settings, complete, scored=any(structures_of(metrics) for _, metrics in rounds)):
        print(line)


def reviews(rounds: Rounds) -> str:
    """A line for every round that has learned from what a person decided (`review`)."""
    lines = []
    for name, metrics in rounds:
        if counts := metrics.get("proxies", {}).get("review"):
            words = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in counts.items())
            lines.append(f"{name} was trained on pseudo-labels that a person has reviewed: {words}\n")
    return "".join(lines)
