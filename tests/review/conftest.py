"""A round's pseudo-labels without a training: small made-up ones, and phantom scans for the page."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from gbaseg.cases import Case, write_table
from gbaseg.commands.review import make_session
from gbaseg.params import load
from gbaseg.review.server import ReviewServer
from gbaseg.volume import Grid, Volume, write
from gbaseg.workflow import layout

ROOT = Path(__file__).parents[2]
GRID = Grid((6, 8, 10), (2.0, 1.0, 1.0), (3.0, -4.0, 5.0))
# case -> (volume in mm3, in the round before, Dice of the folds, doubts)
KNOWN = {
    "sound": (20.0, 20.0, "0.9500", ""),
    "changed": (40.0, 20.0, "0.9000", ""),
    "apart": (20.0, 20.0, "0.3000", "folds disagree"),
    "alone": (20.0, 20.0, "nan", ""),
}
HEADER = "case,structure,volume_mm3,fold_dice,pieces,largest_share,doubts"


def mask_of(number: int) -> np.ndarray:
    """A box, another one for every case."""
    mask = np.zeros(GRID.shape, np.uint8)
    mask[2:4, 2:5, 2 + number : 5 + number] = 1
    return mask


def write_round(round_id: str, rows: dict[str, tuple[float, str, str]], masks: dict[str, Volume]) -> None:
    """Pseudo-labels and their table: case -> (mm3, Dice of the folds, doubts)."""
    folder = layout.pseudo_labelled(round_id)
    for name, mask in masks.items():
        write(mask, folder / "standard" / f"{name}.nii.gz")
    lines = [f"{name},VS,{mm3:g},{dice},1,1.0000,{doubts}" for name, (mm3, dice, doubts) in rows.items()]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pseudo_labels.csv").write_text("\n".join([HEADER, *lines, ""]))


def write_cases(names: list[str]) -> None:
    """The table of the standard set: training cases of the target, and one that is held out."""
    cases = [
        Case(name, name, "A" if number % 2 else "B", "target", "train", "hrT2", f"images/{name}.nii.gz")
        for number, name in enumerate(names)
    ]
    held_out = Case("held_out", "held_out", "A", "target", "validation", "hrT2", "images/held_out.nii.gz")
    write_table([*cases, held_out], layout.STANDARD)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """round_0 of four small cases, in the present folder."""
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(ROOT / "presets/default.yaml", "params.yaml")
    write_cases(list(KNOWN))
    rng = np.random.default_rng(1)
    for name in KNOWN:
        write(Volume(rng.random(GRID.shape, np.float32), GRID), layout.STANDARD / f"images/{name}.nii.gz")
    masks = {name: Volume(mask_of(number), GRID) for number, name in enumerate(KNOWN)}
    write_round("survey", {name: (before, "nan", "") for name, (_, before, _, _) in KNOWN.items()}, {})
    write_round("round_0", {name: (now, dice, doubts) for name, (now, _, dice, doubts) in KNOWN.items()}, masks)
    return tmp_path


@pytest.fixture
def session(project):
    return make_session(load(), "round_0")


class Asked:
    """A client of a server that runs in a thread; `ask` as the page asks, `raw` with headers of one's own."""

    def __init__(self, server: ReviewServer) -> None:
        self.server, self.host = server, f"127.0.0.1:{server.port}"

    def raw(self, method: str, path: str, headers: dict[str, str], body: bytes | None = None):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=20)
        with contextlib.closing(connection):
            connection.putrequest(method, path, skip_host=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, answer.read(), dict(answer.getheaders())

    @property
    def headers(self) -> dict[str, str]:
        cookie = f"{self.server.access.cookie}={self.server.access.token}"
        return {"Host": self.host, "Origin": f"http://{self.host}", "Cookie": cookie}

    def ask(self, path: str, **body: object):
        """The status and what the answer says."""
        method, content = ("POST", json.dumps(body).encode()) if body else ("GET", None)
        status, found, _ = self.raw(method, path, self.headers, content)
        return status, json.loads(found) if found.startswith((b"{", b"[")) else found


@contextlib.contextmanager
def serving(session, port=0):
    with ReviewServer(session, port) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield Asked(server)
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def asked(session):
    with serving(session) as found:
        yield found


def write_phantom_round(count: int, scans: int = 6) -> None:
    """round_0 of phantom scans in the present folder: `count` cases of `scans` patients, by names of their own.

    Its pseudo-labels are the tumours, with the mistakes that a round makes: a rim too much or too little, a part that
    is missed, a spot elsewhere.
    """
    from scipy.ndimage import binary_dilation, binary_erosion

    from gbaseg.raw.phantom.case import make_case
    from gbaseg.raw.settings import PhantomSettings
    from gbaseg.standardise.case import standardise_image, standardise_label
    from gbaseg.standardise.settings import StandardiseSettings

    shutil.copyfile(ROOT / "presets/default.yaml", "params.yaml")
    settings = StandardiseSettings(spacing_xyz_mm=(0.8, 0.8, 1.6), crop_xy_px=208, crop_z_px=44)
    names = [f"{('ldn', 'etz')[number % 2]}_{number + 31}" for number in range(count)]
    write_cases(names)
    now, before, masks = {}, {}, {}
    for number, name in enumerate(names):
        image = layout.STANDARD / f"images/{name}.nii.gz"
        if number >= scans:  # a patient a second time
            first = names[number % scans]
            shutil.copyfile(layout.STANDARD / f"images/{first}.nii.gz", image)
            masks[name], now[name], before[name] = masks[first], now[first], before[first]
            continue
        scan, label = make_case(PhantomSettings(), 3, "AB"[number % 2], "hrT2", number)
        standard, record = standardise_image(scan, settings)
        write(standard, image)
        tumour = standardise_label(label, record, keep={1}).array == 1
        found, dice, doubts = tumour.copy(), 0.93 - 0.02 * number, ""
        where = np.argwhere(tumour)
        if number % 3 == 0:
            found = binary_dilation(tumour, iterations=1)
        elif number % 3 == 1:
            found[:, :, : int(np.median(where[:, 2]))] = False
            dice, doubts = 0.37, "folds disagree"
        else:
            found = binary_erosion(tumour, iterations=1) | (tumour & (np.indices(tumour.shape)[0] < where[:, 0].mean()))
            z, y, x = where[0] + (0, -30, 12)
            found[z : z + 2, y : y + 5, x : x + 6] = True
        mm3 = float(found.sum()) * standard.grid.voxel_mm3
        now[name], before[name] = (mm3, f"{dice:.4f}", doubts), (mm3 * (0.7 + 0.1 * number), "nan", "")
        masks[name] = Volume(found.astype(np.uint8), standard.grid)
    write_round("survey", before, {})
    write_round("round_0", now, masks)
