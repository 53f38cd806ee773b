"""Who gets an answer: whoever has the token, from the page itself. All others get nothing, and nothing is written."""

import http.client
import json
import socket
import threading

import numpy as np
import pytest

from gbaseg import volume
from gbaseg.review.access import HEADER, Access
from gbaseg.review.decisions import read_decisions
from gbaseg.review.shown import WHITE
from gbaseg.workflow import layout

PATHS = ["/", "/api/state", "/image/0.nii", "/mask/0.nii.gz", "/static/review.js", "/static/niivue.js", "/nothing"]
REBOUND = {"Host": "evil.example:80", "Origin": "http://evil.example:80"}
POSTS = ["/api/decide", "/api/undo", "/api/edit", "/api/take"]


def without(headers, *names):
    return {name: value for name, value in headers.items() if name not in names}


def test_with_the_token_everything_is_there(asked, tmp_path):
    token = asked.server.access.token
    status, page, headers = asked.raw("GET", f"/?token={token}", {"Host": asked.host})
    assert status == 200 and b"<!doctype html>" in page
    cookie = headers["Set-Cookie"]
    assert cookie == f"{asked.server.access.cookie}={token}; Path=/; HttpOnly; SameSite=Strict"
    assert asked.ask("/api/state")[0] == 200
    shown = tmp_path / "shown.nii"
    shown.write_bytes(asked.ask("/image/0.nii")[1])
    found, scan = volume.read(shown), volume.read(layout.STANDARD / "images/apart.nii.gz")
    assert found.grid == scan.grid and found.array.dtype == np.uint16
    assert np.abs(found.array / WHITE - scan.array).max() <= 0.5001 / WHITE
    assert asked.ask("/mask/0.nii.gz")[1] == (layout.pseudo_labelled("round_0") / "standard/apart.nii.gz").read_bytes()
    # Or by a header, for programs.
    assert asked.raw("GET", "/api/state", {"Host": asked.host, HEADER: token})[0] == 200


def test_the_page_loads_nothing_from_elsewhere_and_stays_in_no_cache(asked):
    _, page, headers = asked.raw("GET", "/", asked.headers)
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "http" not in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"
    assert b"http:" not in page and b"https:" not in page
    assert asked.server.access.token.encode() not in page


@pytest.mark.unusual("Review", "a request without the page's key", "an empty answer")
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "cookie", [None, "", "gbaseg_review=x", "{name}=", "{name}=wrong", "{name}={half}", ";;=;\x01"]
)
def test_without_the_token_there_is_nothing(asked, path, cookie):
    access = asked.server.access
    headers = without(asked.headers, "Cookie")
    if cookie is not None:
        headers["Cookie"] = cookie.format(name=access.cookie, half=access.token[:20])
    assert asked.raw("GET", path, headers)[:2] == (403, b"")


@pytest.mark.parametrize(
    "path", ["/?token=", "/?token=wrong", "/api/state?token={token}", "//?token={token}x", "/?x={token}"]
)
def test_the_token_counts_in_the_page_s_own_address_alone(asked, path):
    found = asked.raw("GET", path.format(token=asked.server.access.token), without(asked.headers, "Cookie"))
    assert found[:2] == (403, b"")


@pytest.mark.unusual(
    "Review", "a request from another page, or under another host name", "an empty answer; nothing is written"
)
@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    "change",
    [
        {"Cookie": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://127.0.0.1:1"},
        {"Origin": None},
        {"Host": "evil.example"},
        {"Host": "evil.example", "Origin": "http://evil.example"},  # its name leads here by now (DNS rebinding)
        {"Host": "127.0.0.1.evil.example"},
        {"Host": ""},
        {"Host": None},
        {"Host": "[::1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_another_origin_or_name_changes_nothing(asked, path, change):
    headers = {name: value for name, value in {**asked.headers, **change}.items() if value is not None}
    body = {"case": "sound", "decision": "rejected", "mark": asked.ask("/api/state")[1]["mark"]}
    assert asked.raw("POST", path, headers, json.dumps(body).encode())[:2] == (403, b"")
    assert not layout.REVIEW.exists() and not layout.REVIEWED.exists()


@pytest.mark.parametrize("change", [{"Origin": "http://evil.example"}, REBOUND, {"Host": ""}])
@pytest.mark.parametrize("path", PATHS)
def test_another_origin_or_name_sees_nothing(asked, path, change):
    assert asked.raw("GET", path, {**asked.headers, **change})[:2] == (403, b"")


@pytest.mark.parametrize("host", ["localhost:9000", "127.0.0.1", "[::1]:8080"])
def test_through_a_tunnel_it_has_another_port(asked, host):
    headers = {**asked.headers, "Host": host, "Origin": f"http://{host}"}
    assert asked.raw("GET", "/api/state", headers)[0] == 200


@pytest.mark.unusual(
    "Review", "a path with .., also encoded, or to a file that is none of the round's", "an empty answer"
)
@pytest.mark.parametrize(
    "path",
    [
        "/../params.yaml", "/image/../../params.yaml", "/image/..%2f..%2fparams.yaml", "/%2e%2e/params.yaml",
        "/image/%2e%2e%2f%2e%2e%2fparams.yaml", "/image//etc/passwd", "//etc/passwd", "/image/0.nii/../../x",
        "/static/../server.py", "/static/%2e%2e/server.py", "/static/..\\server.py", "/static/", "/static", "/image/",
        "/image/-1.nii", "/image/99.nii", "/image/1e0.nii", "/image/0.nii.gz", "/mask/0.nii", "/image/sound.nii",
        "/image/0.nii%00", "/mask/%D9%A3.nii.gz",
        "/params.yaml", "/review.yaml", "/api/decide", "/static/index.html",
    ],
)  # fmt: skip
def test_no_path_leads_out(asked, path):
    status, content, _ = asked.raw("GET", path, asked.headers)
    assert (status, content) == (404, b"")


@pytest.mark.unusual(
    "Review", "a scan that is damaged", "the page says what is wrong with it, and goes on with the others"
)
def test_what_is_wrong_with_a_scan_is_said(asked):
    image = layout.STANDARD / "images/apart.nii.gz"
    image.write_bytes(image.read_bytes()[:200])
    status, found = asked.ask("/image/0.nii")
    assert status == 422 and "apart.nii.gz" in found["error"]
    assert asked.ask("/image/1.nii")[0] == 200


@pytest.mark.unusual(
    "Review",
    "an image that is a link out of the round's folders",
    "an empty answer; links into DVC's cache are followed",
)
def test_a_link_that_leads_out_is_not_followed(asked, tmp_path_factory):
    secret = tmp_path_factory.mktemp("outside") / "secret.nii.gz"
    secret.write_bytes(b"secret")
    image = layout.STANDARD / "images/apart.nii.gz"
    image.unlink()
    image.symlink_to(secret)
    assert asked.raw("GET", "/image/0.nii", asked.headers)[:2] == (404, b"")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE", "HEAD", "PATCH"])
def test_other_methods_get_nothing(asked, method):
    assert asked.raw(method, "/api/state", asked.headers)[:2] == (501, b"")


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 4000, b"{" + b" " * 5000 + b"}"])
def test_what_is_no_small_object_is_refused(asked, body):
    assert asked.raw("POST", "/api/decide", asked.headers, body)[:2] == (403, b"")


@pytest.mark.parametrize("lengths", [b"Content-Length: -5", b"Content-Length: x", b""])
def test_a_body_without_a_length_is_refused(asked, lengths):
    head = [b"POST /api/decide HTTP/1.1", *(f"{k}: {v}".encode() for k, v in asked.headers.items()), lengths]
    with socket.create_connection(("127.0.0.1", asked.server.port), timeout=10) as connection:
        connection.sendall(b"\r\n".join([*(line for line in head if line), b"", b""]))
        assert connection.recv(1000).startswith(b"HTTP/1.1 403")


def test_a_decision_is_on_the_disk_when_it_is_answered(asked):
    mark = asked.ask("/api/state")[1]["mark"]
    status, found = asked.ask("/api/decide", case="sound", decision="rejected", mark=mark)
    assert (status, found["decision"], found["revision"]) == (200, "rejected", 1)
    assert {case: one.kind for case, one in read_decisions(layout.REVIEW).of("round_0").items()} == {
        "sound": "rejected"
    }


@pytest.mark.unusual("Review", "two tabs", "the later one is refused, and shows what the other has decided")
def test_of_two_tabs_the_one_that_has_not_seen_the_other_s_decision_is_refused(asked):
    mark = asked.ask("/api/state")[1]["mark"]
    assert asked.ask("/api/decide", case="sound", decision="rejected", mark=mark)[0] == 200
    status, found = asked.ask("/api/decide", case="apart", decision="rejected", mark=mark)
    assert status == 409 and "meanwhile" in found["error"]
    assert set(read_decisions(layout.REVIEW).of("round_0")) == {"sound"}
    mark = asked.ask("/api/state")[1]["mark"]
    assert asked.ask("/api/decide", case="apart", decision="rejected", mark=mark)[0] == 200


def test_a_mistake_is_said_and_a_full_disk_too(asked, monkeypatch):
    mark = asked.ask("/api/state")[1]["mark"]
    assert asked.ask("/api/decide", case="nobody", decision="rejected", mark=mark)[0] == 422
    assert asked.ask("/api/undo", mark=mark)[1] == {"error": "nothing to undo since this page was started"}
    monkeypatch.setattr(
        "gbaseg.review.register.os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left"))
    )
    status, found = asked.ask("/api/decide", case="sound", decision="rejected", mark=mark)
    assert status == 507 and "nothing was saved" in found["error"] and "No space left" in found["error"]
    assert not layout.REVIEW.exists()


def test_a_thousand_decisions_in_a_row_lose_none(asked, monkeypatch):
    monkeypatch.setattr("gbaseg.review.register.os.fsync", lambda _: None)
    names, kinds = ["sound", "changed", "apart", "alone"], ("accepted", "rejected")
    mark, headers = asked.ask("/api/state")[1]["mark"], asked.headers
    connection = http.client.HTTPConnection("127.0.0.1", asked.server.port, timeout=20)
    for number in range(1000):
        body = {"case": names[number % 4], "decision": kinds[number // 4 % 2], "mark": mark}
        connection.request("POST", "/api/decide", json.dumps(body).encode(), headers)
        answer = connection.getresponse()
        found = json.loads(answer.read())
        assert (answer.status, found["revision"], found["decision"]) == (200, number + 1, body["decision"])
        mark = found["mark"]
    connection.close()
    found = read_decisions(layout.REVIEW)
    assert (found.revision, {one.kind for one in found.of("round_0").values()}) == (1000, {"rejected"})


def test_many_at_once_are_answered(asked):
    found = []
    threads = [threading.Thread(target=lambda: found.append(asked.ask("/mask/1.nii.gz")[0])) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [200] * 32


def test_two_servers_have_other_tokens_and_cookies():
    one, other = Access("a" * 43, 1), Access("b" * 43, 2)
    headers = {"Host": "127.0.0.1:1", "Cookie": one.set_cookie().split(";")[0]}
    assert one.allows("GET", "/api/state", headers) and not other.allows("GET", "/api/state", headers)
