"""Chromium without a window, driven through chromedriver by WebDriver's own protocol: no package is needed for it."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
# WebGL2 by the processor: a machine for tests has no screen and mostly no GPU.
ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--hide-scrollbars",
)  # fmt: skip
KEYS = {"ArrowLeft": "\ue012", "ArrowUp": "\ue013", "ArrowRight": "\ue014", "ArrowDown": "\ue015", "Escape": "\ue00c"}


def missing() -> str:
    """What the tests in a browser lack here; empty where there is all."""
    lacking = [] if any(map(shutil.which, BROWSERS)) else ["chromium"]
    lacking += [] if shutil.which("chromedriver") else ["chromedriver (Debian: chromium-driver)"]
    return " and ".join(lacking)


class Browser:
    """One window."""

    def __init__(self, address: str) -> None:
        self.address = address

    def call(self, method: str, path: str, body: Any = None) -> Any:
        content = None if method == "GET" else json.dumps(body or {}).encode()
        request = urllib.request.Request(
            f"{self.address}{path}", content, {"Content-Type": "application/json"}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(json.load(error)["value"]["message"]) from error

    def open(self, url: str) -> None:
        self.call("POST", "/url", {"url": url})

    def run(self, script: str) -> Any:
        """What a script returns, such as `return document.title`."""
        return self.call("POST", "/execute/sync", {"script": script, "args": []})

    def text(self, selector: str) -> str:
        return self.run(f"return document.querySelector({json.dumps(selector)}).textContent")

    def press(self, *keys: str) -> None:
        """Key down and up, one after the other, as a keyboard sends them."""
        strokes = [
            {"type": kind, "value": KEYS.get(key, key)} for key in keys for kind in ("keyDown", "keyUp")
        ]  # fmt: skip
        self.call("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": strokes}]})

    def click(self, selector: str) -> None:
        found = self.call("POST", "/element", {"using": "css selector", "value": selector})
        self.call("POST", f"/element/{next(iter(found.values()))}/click")

    def wheel(self, selector: str, down: int) -> None:
        """Turn the wheel over the middle of an element's left part."""
        x, y = self.run(
            f"const box = document.querySelector({json.dumps(selector)}).getBoundingClientRect();"
            "return [Math.round(box.x + box.width / 4), Math.round(box.y + box.height / 2)]"
        )
        turn = {"type": "scroll", "x": x, "y": y, "deltaX": 0, "deltaY": down, "origin": "viewport"}
        self.call("POST", "/actions", {"actions": [{"type": "wheel", "id": "wheel", "actions": [turn]}]})

    def drag(self, start: tuple[int, int], end: tuple[int, int], button: int) -> None:
        moves = [
            {"type": "pointerMove", "duration": 0, "x": start[0], "y": start[1]},
            {"type": "pointerDown", "button": button},
            {"type": "pointerMove", "duration": 50, "x": end[0], "y": end[1]},
            {"type": "pointerUp", "button": button},
        ]
        mouse = {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": moves}
        self.call("POST", "/actions", {"actions": [mouse]})

    def resize(self, width: int, height: int) -> None:
        self.call("POST", "/window/rect", {"width": width, "height": height})

    def picture(self) -> bytes:
        return base64.b64decode(self.call("GET", "/screenshot"))

    def complaints(self) -> list[str]:
        """What it has written to its console since this was last asked."""
        return [line["message"] for line in self.call("POST", "/se/log", {"type": "browser"})]

    def requests(self) -> list[str]:
        """Addresses that it has asked for since this was last asked, whether it got an answer or not."""
        lines = self.call("POST", "/se/log", {"type": "performance"})
        events = [json.loads(line["message"])["message"] for line in lines]
        return [one["params"]["request"]["url"] for one in events if one["method"] == "Network.requestWillBeSent"]

    def wait(self, script: str, what: str = "", seconds: float = 60.0) -> Any:
        """What a script returns as soon as that is something; an AssertionError after `seconds`."""
        deadline = time.monotonic() + seconds
        while not (found := self.run(f"return ({script})")):
            assert time.monotonic() < deadline, what or script
            time.sleep(0.02)
        return found


@contextlib.contextmanager
def browser(
    folder: Path, width: int = 1440, height: int = 900, arguments: Sequence[str] = (), noted: bool = True
) -> Iterator[Browser]:
    """A window with an empty profile in `folder`; gone with all its processes at the end.

    Args:
        arguments: more of them.
        noted: there are `requests`; each is several lines of a log, which takes as long as the request.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    driver = subprocess.Popen(
        [str(shutil.which("chromedriver")), f"--port={port}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    binary = next(path for path in map(shutil.which, BROWSERS) if path)
    options = {
        "binary": binary,
        "args": [*ARGUMENTS, *arguments, f"--user-data-dir={folder / 'profile'}", f"--window-size={width},{height}"],
    }
    logs = {"browser": "ALL", **({"performance": "ALL"} if noted else {})}
    wanted = {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options, "goog:loggingPrefs": logs}}}
    window = Browser(f"http://127.0.0.1:{port}")
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                window.call("GET", "/status")
                break
            except OSError:
                assert time.monotonic() < deadline, "chromedriver does not answer"
                time.sleep(0.05)
        session = window.call("POST", "/session", wanted)["sessionId"]
        window.address += f"/session/{session}"
        try:
            yield window
        finally:
            window.call("DELETE", "")
    finally:
        # Its group: also a browser that it had no time to end.
        os.killpg(driver.pid, signal.SIGTERM)
        driver.wait()
