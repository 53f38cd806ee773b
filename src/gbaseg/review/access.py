"""Who may ask: whoever has the token, from the page itself, under a name of this machine's own."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

# A name that an attacker's own server hands out may lead here, too (DNS rebinding): it stands in the header.
_HOSTS = ("127.0.0.1", "localhost", "::1")
HEADER = "X-Review-Token"


def new_token() -> str:
    """256 bits that nobody guesses."""
    return secrets.token_urlsafe(32)


class Access:
    """The rules for one server.

    Args:
        token: see `new_token`.
        port: of the server; in the cookie's name, since cookies know of no ports.
    """

    def __init__(self, token: str, port: int) -> None:
        self.token, self.cookie = token, f"gbaseg_review_{port}"

    def set_cookie(self) -> str:
        """The header's value that gives the token to the page."""
        return f"{self.cookie}={self.token}; Path=/; HttpOnly; SameSite=Strict"

    def allows(self, method: str, path: str, headers: Mapping[str, str]) -> bool:
        """Whether a request gets an answer.

        Args:
            method: GET or POST.
            path: with its query, which may have the token where it is the page that is asked for.
            headers: the request's; names in any letters.
        """
        host = headers.get("Host", "")
        # Any port: behind a tunnel it is another one.
        if _host_of(host) not in _HOSTS:
            return False
        origin = headers.get("Origin")
        if origin is not None and origin != f"http://{host}":
            return False
        if method != "GET" and origin is None:
            return False
        parts = urlsplit(path)
        first = method == "GET" and parts.path == "/"
        if not first and headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
            return False
        given = [headers.get(HEADER, ""), self._from_cookie(headers.get("Cookie", ""))]
        if first:
            given += parse_qs(parts.query).get("token", [])
        # All of them, so that the time tells nothing.
        return any([self._is_token(one) for one in given])

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(errors="replace"), self.token.encode())

    def _from_cookie(self, header: str) -> str:
        try:
            found = SimpleCookie(header).get(self.cookie)
        except CookieError:
            return ""
        return found.value if found is not None else ""


def _host_of(header: str) -> str:
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""
