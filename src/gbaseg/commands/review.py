"""review: a local page on which a person looks at a round's pseudo-labels; the next round learns from it."""

from __future__ import annotations

import atexit
import os
import platform
import sys
import tempfile
from html import escape
from pathlib import Path

from gbaseg import params
from gbaseg.errors import UserError
from gbaseg.params import Params
from gbaseg.review.queue import Item, Known
from gbaseg.review.register import Register
from gbaseg.review.server import ReviewServer
from gbaseg.review.session import Place, Session
from gbaseg.runtime.locks import locked
from gbaseg.runtime.progress import log
from gbaseg.runtime.scratch import ROOT
from gbaseg.workflow import layout
from gbaseg.workflow.context import need
from gbaseg.workflow.provenance import refuse_strangers
from gbaseg.workflow.pseudo_labels import read_rows, training_cases, volumes_mm3

LOCK = ROOT / "review.lock"
# Below `layout.REVIEWED`, and not in git: what is edited elsewhere, until it is taken over.
EDITS = "edits"


def run(round_id: str | None, port: int, browser: bool) -> None:
    """Serve the page until this is ended (Ctrl-C).

    Args:
        round_id: default: the last one that is there and that another learns from.
        port: 0: one that is free.
        browser: open one, where there is a screen.

    Raises:
        UserError: no such round, stages have not run, review.yaml has faults, the port is taken, or another process
            serves this folder.
    """
    settings = params.load()
    round_id = reviewed_round(settings) if round_id is None else settings.self_training.round(round_id).id
    with locked(LOCK, "gbaseg review"):
        session = make_session(settings, round_id)
        try:
            server = ReviewServer(session, port)
        except OSError as error:
            raise UserError(f"--port {port}: {error.strerror}; allowed: a port that is free, or 0") from error
        with server:
            _greet(session, server)
            if browser and _has_screen():
                _open_browser(server.url)
            try:
                server.serve_forever()
            finally:
                _summarise(session)


def reviewed_round(settings: Params) -> str:
    """The last round whose pseudo-labels are there, of those that another one learns from (or the only one).

    Raises:
        UserError: none is there.
    """
    rounds = settings.self_training.rounds
    learnt_from = rounds[:-1] or rounds
    there = [item.id for item in learnt_from if layout.pseudo_labelled(item.id).is_dir()]
    if not there:
        need([layout.pseudo_labelled(learnt_from[0].id)])
    return there[-1]


def make_session(settings: Params, round_id: str) -> Session:
    """The round's pseudo-labels on the standard grid, of the cases that the next round is trained on.

    Raises:
        UserError: stages have not run, or what is there is another run's.
    """
    folder, item = layout.pseudo_labelled(round_id), settings.self_training.round(round_id)
    need([layout.STANDARD, folder])
    refuse_strangers([layout.STANDARD, folder])
    following = next((one.id for one in settings.self_training.rounds if one.prev == round_id), "")
    known = _known(settings, round_id, item.prev)
    cases = training_cases()
    items = [
        Item(
            case.case,
            case.centre,
            layout.STANDARD / case.image,
            folder / "standard" / f"{case.case}.nii.gz",
            known.get(case.case, ()),
        )
        for case in cases
    ]
    need([path for one in items for path in (one.image, one.mask)])
    if not items:
        raise UserError(f"{layout.STANDARD}: no target case of the split train: no round learns from pseudo-labels")
    masks = layout.REVIEWED / round_id
    place = Place(round_id, following, (layout.STANDARD, folder, masks), masks, layout.REVIEWED / EDITS / round_id)
    register = Register(layout.REVIEW, round_id, settings.self_training.ids)
    return Session(items, settings.labels, place, register)


def _known(settings: Params, round_id: str, previous: str) -> dict[str, tuple[Known, ...]]:
    """Case -> what the round's table says of each structure, and the one of the round before."""
    before = layout.pseudo_labelled(previous)
    volumes = {name: volumes_mm3(before, name) for name in settings.labels} if before.is_dir() else {}
    found: dict[str, tuple[Known, ...]] = {}
    for row in read_rows(layout.pseudo_labelled(round_id)):
        case, structure = row["case"], row["structure"]
        one = Known(
            structure,
            float(row["volume_mm3"]),
            volumes.get(structure, {}).get(case),
            float(row["fold_dice"]),
            tuple(doubt for doubt in row["doubts"].split("; ") if doubt),
        )
        found[case] = (*found.get(case, ()), one)
    return found


def _greet(session: Session, server: ReviewServer) -> None:
    place = session.place
    learns = f"{place.next_round} learns from it" if place.next_round else "no round learns from it: it is the last"
    log(f"{len(session.items)} pseudo-labels of {place.round_id} ({learns}); decisions: {session.register.path}")
    print(f"open  {server.url}")
    print("from another machine, first there:")
    print(f"      ssh -N -L {server.port}:127.0.0.1:{server.port} {platform.node()}")
    print("the address has the key to the page: give it to nobody. Ctrl-C ends the server; all is saved.", flush=True)


def _summarise(session: Session) -> None:
    state = session.state()
    kinds = [one["decision"] for one in state["cases"] if one["decision"]]
    words = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(sorted(kinds)))
    log(f"{len(kinds)} of {len(state['cases'])} decided{f': {words}' if words else ''}; {session.register.path}")
    if session.place.next_round and any(kind != "accepted" for kind in kinds):
        files = [layout.REVIEW, *([session.place.masks] if session.place.masks.is_dir() else [])]
        log(f"gbaseg run trains {session.place.next_round} on it; git add {' '.join(map(str, files))}")


def _has_screen() -> bool:
    """Whether a browser that is opened is seen: not over SSH, where a text browser would take the terminal."""
    if "SSH_CONNECTION" in os.environ:
        return False
    return sys.platform == "darwin" or any(name in os.environ for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def _open_browser(url: str) -> None:
    """By way of a file that nobody else may read: every user of the machine sees a program's arguments."""
    import webbrowser

    descriptor, name = tempfile.mkstemp(prefix="gbaseg-review-", suffix=".html")  # for its owner alone
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(f'<!doctype html><meta http-equiv="refresh" content="0;url={escape(url)}">')
    atexit.register(Path(name).unlink, missing_ok=True)
    webbrowser.open(Path(name).as_uri())
