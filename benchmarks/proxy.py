"""A small HTTP proxy on this machine that counts requests."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPResponse
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import TypeVar

_HOST = "127.0.0.1"
_BODILESS = {204, 304}
Kind = TypeVar("Kind", bound="Proxy")


class Proxy(ThreadingTCPServer):
    """Passes requests on unchanged; `requests` has the method and path of each that was passed on."""

    allow_reuse_address = True

    def __init__(self, port: int) -> None:
        super().__init__((_HOST, 0), _Handler)
        self.upstream = (_HOST, port)
        self.requests: list[tuple[str, str]] = []
        self.connections: set[socket.socket] = set()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{_HOST}:{self.server_address[1]}"

    def answer(self, method: str, path: str, data: bytes) -> bytes | None:
        """Pass a request on, and return the answer as bytes; None ends the connection."""
        with socket.create_connection(self.upstream) as upstream:
            upstream.sendall(data)
            response = HTTPResponse(upstream, method=method)
            response.begin()
            body = response.read()
        self.requests.append((method, path))
        headers = [(k, v) for k, v in response.getheaders() if k.lower() not in {"transfer-encoding", "connection"}]
        if response.getheader("content-length") is None and response.status not in _BODILESS:
            headers.append(("content-length", str(len(body))))
        head = [f"HTTP/1.1 {response.status} {response.reason}", *(f"{k}: {v}" for k, v in headers), "", ""]
        return "\r\n".join(head).encode("latin-1") + body

    def disconnect(self) -> None:
        """End the connections that clients keep open."""
        for connection in list(self.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def running(proxy: Kind) -> Iterator[Kind]:
    """Run a proxy for the length of the block."""
    with proxy as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
            server.disconnect()


class _Handler(StreamRequestHandler):
    server: Proxy
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        with suppress(OSError):
            super().finish()

    def handle(self) -> None:
        with suppress(ConnectionError):
            while request := self._request():
                answer = self.server.answer(*request)
                if answer is None:
                    return
                self.wfile.write(answer)

    def _request(self) -> tuple[str, str, bytes] | None:
        lines = [self.rfile.readline()]
        if not lines[0]:
            return None
        while lines[-1].strip():
            lines.append(self.rfile.readline())
        length = next((int(v) for k, _, v in (x.partition(b":") for x in lines) if k.lower() == b"content-length"), 0)
        method, path, _ = lines[0].decode("ascii").split(" ")
        return method, path, b"".join(lines) + self.rfile.read(length)
