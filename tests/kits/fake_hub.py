"""A Hugging Face hub on loopback that can misbehave in the ways in which networks do."""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PIECE = 16_384


@dataclass
class FakeHub:
    """What the server has, how it is to answer, and what it was asked.

    `plan` holds one word for each request of the file in turn; the last word holds for all further ones.
    """

    content: bytes
    plan: list[str] = field(default_factory=lambda: ["good"])
    requests: list[tuple[str, str | None]] = field(default_factory=list)  # path, Range header
    sent: int = 0
    endpoint: str = ""
    release: threading.Event = field(default_factory=threading.Event)

    def next_word(self) -> str:
        return self.plan.pop(0) if len(self.plan) > 1 else self.plan[0]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: FakeHub

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        if not self.path.startswith("/cdn/"):  # like the hub: large files lie elsewhere
            self.hub.requests.append((self.path, self.headers.get("Range")))
            self.send_response(302)
            self.send_header("Location", f"{self.hub.endpoint}/cdn{self.path}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        word, _, number = self.hub.next_word().partition(":")
        getattr(self, f"_{word.replace('-', '_')}")(int(number or 0))

    # Each of these is one way to answer.

    def _good(self, _: int) -> None:
        self._send(self._slice(self.hub.content))

    def _flip(self, position: int) -> None:
        content = bytearray(self.hub.content)
        content[position] ^= 1
        self._send(self._slice(bytes(content)))

    def _truncated(self, length: int) -> None:
        self._send(self._slice(self.hub.content[:length]))

    def _unsized(self, length: int) -> None:
        """Send that many bytes without saying how many come; then close, as if all were well."""
        self.close_connection = True
        body = (self.hub.content * 2)[:length]
        self._send((200, {"Connection": "close"}, body))

    def _drop(self, length: int) -> None:
        """Promise everything, send that many bytes, close."""
        status, headers, body = self._slice(self.hub.content)
        self.close_connection = True
        self._send((status, {**headers, "Content-Length": str(len(body))}, body[:length]))

    def _stall(self, length: int) -> None:
        """Promise everything, send that many bytes, then say nothing any more."""
        self._drop(length)
        self.hub.release.wait(30)

    def _silent(self, _: int) -> None:
        """Do not even answer."""
        self.close_connection = True
        self.hub.release.wait(30)

    def _slow(self, length: int) -> None:
        """Send the rest of the file in small pieces."""
        status, headers, body = self._slice(self.hub.content)
        self._head(status, {**headers, "Content-Length": str(len(body))})
        for start in range(0, len(body), length):
            self._write(body[start : start + length])
            if self.hub.release.wait(0.02):
                return

    def _no_range(self, _: int) -> None:
        self._send((200, {"Content-Length": str(len(self.hub.content))}, self.hub.content))

    def _wrong_range(self, _: int) -> None:
        size = len(self.hub.content)
        headers = {"Content-Range": f"bytes 0-{size - 1}/{size}", "Content-Length": str(size)}
        self._send((206, headers, self.hub.content))

    def _html(self, _: int) -> None:
        page = b"<!DOCTYPE html><html><body>Please log in to this network.</body></html>"
        self._send(
            (200, {"Content-Type": "text/html; charset=utf-8", "Content-Length": str(len(page))}, page)
        )

    def _disguised_html(self, _: int) -> None:
        page = b"<html>error</html>".ljust(len(self.hub.content))
        self._send((200, {"Content-Length": str(len(page))}, page))

    def _status(self, status: int) -> None:
        self._send((status, {"Content-Length": "3"}, b"no\n"))

    def _slice(self, content: bytes) -> tuple[int, dict[str, str], bytes]:
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if not wanted:
            return 200, {"Content-Length": str(len(content)), "Accept-Ranges": "bytes"}, content
        start = int(wanted[1])
        if start >= len(content):
            return 416, {"Content-Range": f"bytes */{len(content)}", "Content-Length": "0"}, b""
        headers = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
        return 206, {**headers, "Content-Length": str(len(content) - start)}, content[start:]

    def _send(self, answer: tuple[int, dict[str, str], bytes]) -> None:
        status, headers, body = answer
        self._head(status, headers)
        for start in range(0, len(body), PIECE):
            self._write(body[start : start + PIECE])

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _write(self, piece: bytes) -> None:
        self.wfile.write(piece)
        self.wfile.flush()
        self.hub.sent += len(piece)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that go away are what the tests are about."""


@contextmanager
def serve(content: bytes) -> Iterator[FakeHub]:
    hub = FakeHub(content)
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.release.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
