"""show: the table of rounds, what a leaderboard said of them, and where the pictures are."""

from __future__ import annotations

from gbaseg import params
from gbaseg.commands.submission import entries
from gbaseg.evaluation.rounds import print_rounds_table
from gbaseg.stages import layout
from gbaseg.stages.context import read_json
from gbaseg.stages.summarise import read_rounds


def run() -> None:
    """Print them."""
    settings = params.load()
    rounds = read_rounds(settings)
    for name, metrics in rounds:
        if layout.proxies(name).is_file():
            metrics["proxies"] = read_json(layout.proxies(name))
    print_rounds_table(rounds, tumour=settings.dataset.tumour)
    for entry in entries():
        spread = "" if entry.dice_sd is None else f" ± {entry.dice_sd:.3f}"
        assd = "" if entry.assd_mm_mean is None else f", ASSD {entry.assd_mm_mean:.3f} mm"
        print(f"{entry.source}, {entry.round}, {entry.structure}: Dice {entry.dice_mean:.3f}{spread}{assd}")
    print(f"pictures: {', '.join(str(path) for path in sorted(layout.PLOTS.glob('*.png')))}")
