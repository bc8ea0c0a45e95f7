"""A proxy on loopback that keeps what it forwards within a concurrency, as a function's reserved concurrency does."""

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from threading import BoundedSemaphore
from typing import Any
from urllib.parse import urlsplit

from tests.handler.serving import listening


@contextmanager
def within(concurrency: int, url: str) -> Iterator[str]:
    """Forward to a URL's server, so many requests at a time; gives the URL of the same path here."""
    target = urlsplit(url)
    places = BoundedSemaphore(concurrency)

    class Forwarding(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with places:
                connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=60)
                connection.request("POST", self.path, body, {"Content-Type": self.headers["Content-Type"]})
                answer = connection.getresponse()
                data = answer.read()
                connection.close()
            self.send_response(answer.status)
            self.send_header("X-Model-Version", answer.getheader("X-Model-Version", ""))
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # http.server's own name
            """Nothing: the test counts answers."""

    with listening(Forwarding) as here:
        yield f"{here}{target.path}"
