"""Where cases come from: one call that finds, checks and accepts them."""

from __future__ import annotations

from pathlib import Path

from gbaseg.cases import Case
from gbaseg.errors import BadCases, UserError
from gbaseg.raw import crossmoda, table
from gbaseg.raw.checks import accept_cases, check_cases, linked_folders
from gbaseg.raw.dataset_settings import DatasetSettings
from gbaseg.raw.fault import Fault


def find_cases(settings: DatasetSettings, root: Path) -> tuple[list[Case], list[Fault]]:
    """The cases below `root` in the layout of the settings, unread, and the faults of their names or rows.

    Raises:
        UserError: no such folder, or nothing in it that has the layout.
        BadCases: links to folders in it.
    """
    if not root.is_dir():
        raise UserError(f"dataset.root {root}: no such folder")
    # Before anything else: what lies behind such a link may be the root itself, again and again.
    if links := linked_folders(root):
        raise BadCases([str(fault) for fault in links], "Put the folders there, or let dataset.root be the link.")
    return {"crossmoda2022": crossmoda.find_cases, "table": table.find_cases}[settings.layout](root)


def load_cases(settings: DatasetSettings, root: Path) -> tuple[list[Case], list[Fault]]:
    """Find the cases, read and check every file, and return those to go on with and the faults of the others.

    Args:
        root: folder of the data set; the paths of the returned cases are relative to it.

    Raises:
        UserError: as `find_cases`.
        BadCases: as `find_cases` and `checks.accept_cases`; every fault of every case in one report.
    """
    cases, faults = find_cases(settings, root)
    return accept_cases(cases, [*faults, *check_cases(cases, root, settings)], settings)
