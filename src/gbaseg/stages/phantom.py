"""phantom: write the built-in data set, the default one."""

from __future__ import annotations

from pathlib import Path

from gbaseg import params
from gbaseg.runtime.progress import log
from gbaseg.workflow import layout
from gbaseg.workflow.context import stage
from gbaseg.workflow.roots import check_root, is_default


def run() -> None:
    """Write data/raw/phantom/generated in the layout of CrossMoDA 2022; an empty folder where another data set is used.

    Raises:
        UserError: the data set's folder is one that cannot be, see `check_root`.
    """
    settings = params.load()
    root = Path(settings.dataset.root)
    check_root(root)
    with stage("phantom", {}, [], [layout.GENERATED]) as scratch:
        folder = scratch.output(layout.GENERATED)
        folder.mkdir()
        if not is_default(root):
            log(f"phantom: not needed, dataset.root is {root}")
            return
        from gbaseg.raw.phantom.write import write_phantom

        write_phantom(settings.phantom, settings.seed, folder)
