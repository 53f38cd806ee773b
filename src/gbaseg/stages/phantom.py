"""phantom: write the built-in data set, the default one."""

from __future__ import annotations

from pathlib import Path

from gbaseg import params
from gbaseg.runtime.progress import log
from gbaseg.stages import layout
from gbaseg.stages.context import stage


def run() -> None:
    """Write data/raw/phantom in the layout of CrossMoDA 2022; an empty folder where another data set is used."""
    settings = params.load()
    with stage("phantom", {}, [], [layout.PHANTOM]) as scratch:
        folder = scratch.output(layout.PHANTOM)
        folder.mkdir()
        if Path(settings.dataset.root) != layout.PHANTOM:
            log(f"phantom: not needed, dataset.root is {settings.dataset.root}")
            return
        from gbaseg.raw.phantom.write import write_phantom

        write_phantom(settings.phantom, settings.seed, folder)
