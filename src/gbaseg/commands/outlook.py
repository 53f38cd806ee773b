"""outlook: what `dvc repro` is about to go through, and how long it will take here. Without torch: said at once."""

from __future__ import annotations

from gbaseg import params
from gbaseg.stages.itinerary import itinerary
from gbaseg.stages.outlook import before, phantom_size


def run() -> None:
    """Print it.

    Raises:
        UserError: params.yaml or dvc.yaml has faults.
    """
    settings = params.load()
    size = phantom_size(settings)
    if size is None:
        # Reads images' headers, whose libraries take a second to import.
        from gbaseg.commands.cost import known_size

        size, _ = known_size(settings)
    for line in before(settings, size, itinerary()):
        print(line)
