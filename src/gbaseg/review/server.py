"""The page's server: on this machine alone, and for whoever has the token. All others get an empty answer."""

from __future__ import annotations

import json
import re
import traceback
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from gbaseg.errors import UserError
from gbaseg.review.access import Access, new_token
from gbaseg.review.register import Stale
from gbaseg.review.session import Session
from gbaseg.review.shown import as_shown
from gbaseg.runtime.progress import log

_TEXT = "; charset=utf-8"
# By their paths: nothing of a path is ever looked for on the disk.
_STATIC = {
    "/": ("index.html", f"text/html{_TEXT}"),
    "/static/review.css": ("review.css", f"text/css{_TEXT}"),
    "/static/review.js": ("review.js", f"text/javascript{_TEXT}"),
    "/static/saver.js": ("saver.js", f"text/javascript{_TEXT}"),
    "/static/scans.js": ("scans.js", f"text/javascript{_TEXT}"),
    "/static/viewer.js": ("viewer.js", f"text/javascript{_TEXT}"),
    "/static/niivue.js": ("niivue.js", f"text/javascript{_TEXT}"),
}
_IMAGE = re.compile(r"/image/([0-9]{1,6})\.nii")
_MASK = re.compile(r"/mask/([0-9]{1,6})\.nii\.gz")
_LONGEST_BODY = 4096
_CHUNK = 1 << 18
_SECONDS = 60.0
_HEADERS = {
    # No script but its own, and no word to any other machine.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self' data:; "
        "connect-src 'self' data: blob:; worker-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # Scans of patients are not to stay in a browser's folder.
    "Cache-Control": "no-store",
}


class ReviewServer(ThreadingHTTPServer):
    """Listens on 127.0.0.1.

    Args:
        session: what it answers from.
        port: 0: one that is free.
    """

    daemon_threads = True
    # Two tabs that load at once.
    request_queue_size = 64

    def __init__(self, session: Session, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.session, self.port = session, int(self.server_address[1])
        self.access = Access(new_token(), self.port)

    @property
    def url(self) -> str:
        """Of the page, with the token: for whoever is to look."""
        return f"http://127.0.0.1:{self.port}/?token={self.access.token}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that has gone away is nobody's mistake."""


class _Handler(BaseHTTPRequestHandler):
    server: ReviewServer
    protocol_version = "HTTP/1.1"
    timeout = _SECONDS
    # Head and body of an answer are two packets: the second is not to wait 40 ms for the first one's receipt.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if not self.server.access.allows("GET", self.path, self.headers):  # type: ignore[arg-type]
            self._nothing(403)
        elif path in _STATIC:
            name, kind = _STATIC[path]
            content = files("gbaseg.review").joinpath("static", name).read_bytes()
            self._answer(200, content, kind, cookie=path == "/")
        elif path == "/api/state":
            self._json(self.server.session.state)
        elif (found := _IMAGE.fullmatch(path)) is not None:
            self._file("image", int(found[1]))
        elif (found := _MASK.fullmatch(path)) is not None:
            self._file("mask", int(found[1]))
        else:
            self._nothing(404)

    def do_POST(self) -> None:
        body = self._body()
        if body is None or not self.server.access.allows("POST", self.path, self.headers):  # type: ignore[arg-type]
            self._nothing(403)
            return
        session, mark, case = self.server.session, str(body.get("mark")), str(body.get("case"))
        calls: dict[str, Callable[[], dict[str, Any]]] = {
            "/api/decide": lambda: session.decide(case, body.get("decision"), mark),
            "/api/undo": lambda: session.undo(mark),
            "/api/edit": lambda: session.edit(case),
            "/api/take": lambda: session.take(case, mark),
        }
        if self.path in calls:
            self._json(calls[self.path])
        else:
            self._nothing(404)

    def _body(self) -> dict[str, Any] | None:
        """A small JSON object; `None` for all else, whose connection is then closed."""
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            self.close_connection = True
            return None
        content = self.rfile.read(min(int(length), 16 * _LONGEST_BODY))
        if int(length) > _LONGEST_BODY:
            self.close_connection = True
            return None
        try:
            found = json.loads(content)
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None

    def _json(self, call: Callable[[], dict[str, Any]]) -> None:
        try:
            status, found = 200, call()
        except Stale:
            status, found = 409, {"error": "somebody else has decided something meanwhile"}
        except UserError as error:
            status, found = 422, {"error": str(error)}
        except OSError as error:
            status, found = 507, {"error": f"nothing was saved: {error}"}
        except Exception as error:
            log("".join(traceback.format_exception(error)))
            status, found = 500, {"error": f"{type(error).__name__}: {error}; the terminal of gbaseg review has more"}
        self._answer(status, json.dumps(found, allow_nan=False).encode(), "application/json")

    def _file(self, kind: str, number: int) -> None:
        path = self.server.session.file(kind, number)
        if path is None:
            self._nothing(404)
        elif kind == "mask":
            self._answer(200, path.read_bytes(), "application/gzip")
        else:
            try:
                content = as_shown(path)
            except UserError as error:
                self._answer(422, json.dumps({"error": str(error)}).encode(), "application/json")
            else:
                self._answer(200, content, "application/octet-stream")

    def _nothing(self, status: int) -> None:
        self._answer(status, b"", f"text/plain{_TEXT}")

    def _answer(self, status: int, content: bytes, kind: str, cookie: bool = False) -> None:
        self.send_response(status)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        if cookie:
            self.send_header("Set-Cookie", self.server.access.set_cookie())
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        for start in range(0, len(content), _CHUNK):
            self.wfile.write(content[start : start + _CHUNK])

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Of the library: other methods and requests that are none."""
        self.close_connection = True
        self._nothing(code)

    def version_string(self) -> str:
        return "gbaseg"

    def log_message(self, format: str, *args: Any) -> None:
        """Not a line: the first request has the token in it."""
