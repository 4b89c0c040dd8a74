"""A real HTTP server on this machine, with the faults that it is told to have."""

import re
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

from equimorph.data.download import HDF5_SIGNATURE

CONTENT = HDF5_SIGNATURE + np.random.default_rng(0).bytes(300_000)


class Server(ThreadingHTTPServer):
    """Serves one content at any path, with the faults it is told to have.

    Attributes:
        url: address of the file.
        ranges: the Range header of each request so far, None where there was none.
    """

    daemon_threads = True

    def __init__(
        self,
        content: bytes = CONTENT,
        *,
        resumes: bool = True,  # honours Range
        shift: int = 0,  # answers a Range from so many bytes earlier
        drops: tuple[int, ...] = (),  # the first answers end after so many bytes of the body
        statuses: tuple[int, ...] = (),  # the first answers have these statuses
        content_type: str = "application/octet-stream",
        length: int | None = None,  # the Content-Length it claims
        sends_length: bool = True,
        stalls: float = 0.0,  # seconds of silence in the middle of the body
        drips: float = 0.0,  # seconds between any two bytes of the body
        headers: Mapping[str, str] | None = None,  # sent in place of those of the same name
        redirect: str | None = None,  # every answer leads there
        repeats: int = 0,  # how often the body begins again where it ends
    ):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/file.h5"
        self.ranges: list[str | None] = []
        self.content, self.resumes, self.shift = content, resumes, shift
        self.drops, self.statuses, self.stalls = list(drops), list(statuses), stalls
        self.content_type, self.length, self.sends_length = content_type, length, sends_length
        self.headers, self.redirect, self.repeats = headers or {}, redirect, repeats
        self.drips = drips


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        asked = self.headers["Range"]
        server.ranges.append(asked)
        if server.statuses:
            self.send_error(server.statuses.pop(0))
            return
        if server.redirect is not None:
            self.send_response(302)
            self.send_header("Location", server.redirect or server.url)
            self.end_headers()
            return
        start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and server.resumes else 0
        total = len(server.content)
        if start and start >= total:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{total}")
            self.end_headers()
            return
        if start:
            start -= server.shift
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        else:
            self.send_response(200)
        body = server.content[start:]
        for name, value in server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", server.content_type)
        if server.sends_length and not {"Content-Length", "Transfer-Encoding"} & {*server.headers}:
            self.send_header("Content-Length", str(server.length or len(body)))
        self.end_headers()
        if server.drops:
            self.wfile.write(body[: server.drops.pop(0)])
            return
        if server.drips:
            with suppress(ConnectionError):
                for byte in body:
                    self.wfile.write(bytes([byte]))
                    time.sleep(server.drips)
            return
        self.wfile.write(body[: len(body) // 2])
        if server.stalls:
            self.wfile.flush()
            time.sleep(server.stalls)
        self.wfile.write(body[len(body) // 2 :])
        with suppress(ConnectionError):  # whoever has had enough goes away
            for _ in range(server.repeats):
                self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@contextmanager
def serve(*servers: Server) -> Iterator[None]:
    """Let servers answer inside the block."""
    for server in servers:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


def closed_port_url() -> str:
    """Return an address at which nothing answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/file.h5"
