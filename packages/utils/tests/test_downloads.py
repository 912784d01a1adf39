"""The downloader against a server on this machine that misbehaves on demand."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pronghorn_utils.downloads import Digest, DownloadError, fetch

CONTENT = bytes(range(256)) * 4000
SHA256 = Digest.of(hashlib.sha256(CONTENT).hexdigest())


class Server(ThreadingHTTPServer):
    """Serves CONTENT everywhere; the path says how: /file, /cut or /cut-tagged (breaks off), /changed, /old."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[tuple[str, str | None]] = []

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{path}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        wanted = self.headers["Range"]
        self.server.requests.append((self.path, wanted))
        if self.path == "/missing":
            return self.send_error(404)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.path != "/old" else 0
        if start >= len(CONTENT):
            return self.send_error(416)
        body = CONTENT[start:].replace(b"\7", b"\0") if self.path == "/changed" else CONTENT[start:]
        self.send_response(206 if start else 200)
        if self.path == "/cut-tagged":
            self.send_header("ETag", '"1"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if self.path.startswith("/cut") else body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def target(tmp_path):
    return tmp_path / "sets" / "data.bin"


def files(target) -> list[str]:
    return sorted(path.name for path in target.parent.iterdir())


def test_a_file_is_downloaded_and_leaves_nothing_else(server, target):
    fetch(target, [server.url("file")], SHA256)
    assert target.read_bytes() == CONTENT
    assert files(target) == ["data.bin"]
    assert server.requests == [("/file", None)]


def test_without_a_digest_only_a_tagged_file_is_resumed(server, target):
    fetch(target, [server.url("cut-tagged"), server.url("file")], None)
    assert target.read_bytes() == CONTENT
    assert server.requests == [
        ("/cut-tagged", None),
        ("/cut-tagged", f"bytes={len(CONTENT) // 2}-"),
        ("/cut-tagged", f"bytes={len(CONTENT) * 3 // 4}-"),
        ("/file", None),
    ]
    server.requests.clear()
    fetch(target, [server.url("cut"), server.url("file")], None)
    assert target.read_bytes() == CONTENT
    assert server.requests == [*[("/cut", None)] * 3, ("/file", None)]


def test_a_broken_connection_is_resumed_at_the_same_mirror(server, target):
    """Each answer breaks off half-way, so that three of them give 7/8; the next mirror has the rest."""
    fetch(target, [server.url("cut"), server.url("file")], SHA256)
    assert target.read_bytes() == CONTENT
    size = len(CONTENT)
    assert server.requests == [
        ("/cut", None),
        ("/cut", f"bytes={size // 2}-"),
        ("/cut", f"bytes={size * 3 // 4}-"),
        ("/file", f"bytes={size * 7 // 8}-"),
    ]


def test_a_later_call_resumes_what_an_earlier_one_left(server, target):
    with pytest.raises(DownloadError, match="IncompleteRead|more expected"):
        fetch(target, [server.url("cut")], SHA256)
    assert files(target) == ["data.bin.part"]
    fetch(target, [server.url("file")], SHA256)
    assert target.read_bytes() == CONTENT
    assert server.requests[-1] == ("/file", f"bytes={len(CONTENT) * 7 // 8}-")
    assert files(target) == ["data.bin"]


def test_what_a_killed_process_left_is_taken_over_but_not_what_a_living_one_writes(server, target):
    target.parent.mkdir()
    dead, living = (target.with_name(f"data.bin.part-{number}") for number in (1, 2))
    for path in (dead, living):
        path.write_bytes(CONTENT[:1000])
    an_hour_ago = time.time() - 3600
    os.utime(dead, (an_hour_ago, an_hour_ago))
    fetch(target, [server.url("file")], SHA256)
    assert server.requests == [("/file", "bytes=1000-")]
    assert files(target) == ["data.bin", living.name]


@pytest.mark.parametrize("left", [b"nonsense", CONTENT + b"too long"])
def test_a_partial_file_of_something_else_is_begun_anew(server, target, left):
    target.parent.mkdir()
    target.with_name("data.bin.part").write_bytes(left)
    fetch(target, [server.url("file")], SHA256)
    assert target.read_bytes() == CONTENT
    assert server.requests[-1] == ("/file", None)


def test_a_server_without_ranges_sends_the_whole_file_again(server, target):
    target.parent.mkdir()
    target.with_name("data.bin.part").write_bytes(CONTENT[:1000])
    fetch(target, [server.url("old")], SHA256)
    assert target.read_bytes() == CONTENT


def test_a_changed_or_missing_file_at_one_mirror_is_fetched_from_the_next(server, target):
    fetch(target, [server.url("missing"), server.url("changed"), server.url("file")], SHA256)
    assert target.read_bytes() == CONTENT


def test_a_damaged_file_in_place_is_replaced(server, target):
    target.parent.mkdir()
    target.write_bytes(CONTENT[:-1])
    fetch(target, [server.url("file")], SHA256)
    assert target.read_bytes() == CONTENT


def test_failure_says_why_at_each_mirror_and_where_to_put_the_file(server, target):
    nobody = "http://127.0.0.1:9/file"
    with pytest.raises(DownloadError) as failure:
        fetch(target, [nobody, server.url("missing"), server.url("changed")], SHA256)
    message = str(failure.value)
    assert "refused" in message and "Not Found" in message and "SHA-256" in message
    assert f"put the file at {target}" in message
    assert files(target) == []
