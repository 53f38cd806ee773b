"""outlook: what `dvc repro` is about to go through, and how long it will take here. Without torch: said at once."""

from __future__ import annotations

from gbaseg import params
from gbaseg.errors import UserError
from gbaseg.workflow.itinerary import itinerary
from gbaseg.workflow.outlook import before, phantom_size


def run() -> None:
    """Print it; where it cannot be told (somebody's own stages in dvc.yaml), why.

    Raises:
        UserError: params.yaml has faults.
    """
    settings = params.load()
    size = phantom_size(settings)
    if size is None:
        # Reads images' headers, whose libraries take a second to import.
        from gbaseg.commands.cost import known_size

        size, _ = known_size(settings)
    try:
        lines = before(settings, size, itinerary())
    except UserError as error:
        lines = [f"how long it takes is not known: {error}"]
    print("\n".join(lines))
