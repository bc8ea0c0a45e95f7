"""The handler behind a real HTTP server: what API Gateway makes of a request, and of the function's answer."""

import base64
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

Handler = Callable[[Mapping[str, Any], object], dict[str, Any]]

STAGE = "dev"


def event_of(method: str, target: str, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """The event of a REST API with the proxy integration; `target` is the path below the stage, with its query."""
    url = urlsplit(target)
    try:
        text, encoded = body.decode(), False
    except UnicodeDecodeError:
        text, encoded = base64.b64encode(body).decode(), True
    return {
        "resource": url.path,
        "path": url.path,
        "httpMethod": method,
        "headers": dict(headers),
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "multiValueQueryStringParameters": parse_qs(url.query, keep_blank_values=True) or None,
        "requestContext": {"stage": STAGE, "path": f"/{STAGE}{url.path}", "requestId": "made", "identity": {}},
        "body": text or None,
        "isBase64Encoded": encoded,
    }


@contextmanager
def serving(handler: Handler, *, root: str = "") -> Iterator[str]:
    """Serve the handler, one request at a time as Lambda does; gives the URL. `root` is the path below which it is."""
    lock = Lock()

    class Requests(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {**dict(self.headers.items()), "X-Forwarded-Proto": "http"}
            with lock:
                response = handler(event_of(self.command, self.path.removeprefix(root), headers, body), None)
            data = response["body"].encode("utf-8", "surrogatepass")
            self.send_response(response["statusCode"])
            for name, value in response["headers"].items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # http.server's own name
            """Nothing: the handler has its own log."""

    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY"):
        setattr(Requests, f"do_{method}", Requests.answer)
    with listening(Requests) as url:
        yield f"{url}{root}"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256  # as many may connect at once


@contextmanager
def listening(requests: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve on loopback; gives the URL."""
    server = _Server(("127.0.0.1", 0), requests)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
