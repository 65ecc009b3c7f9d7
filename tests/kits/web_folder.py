"""A folder served on loopback."""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def served(folder, answer=None):
    """Serve a folder on loopback, `answer` first; yield the address and what was asked."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def do_GET(self):
            asked.append((self.path, self.headers.get("Range")))
            if answer is not None and answer(self):
                return
            file = folder / self.path.lstrip("/")
            data = file.read_bytes() if file.is_file() else b""
            code = 200 if file.is_file() else 404
            if code == 200 and (span := self.headers.get("Range")):
                first, last = span.removeprefix("bytes=").split("-")
                data = data[int(first) : int(last) + 1 if last else None] if first else data[-int(last) :]
                code = 206
            self.send(code, data)

        def send(self, code, data=b"", **headers):
            self.send_response(code)
            for name, value in ({"Content-Length": str(len(data))} | headers).items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            with suppress(ConnectionError):  # who has seen enough hangs up
                self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
