"""Serves the pages to a browser on this machine, and to nobody else."""

from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from model_registry.registry import Registry
from model_registry.site import INDEX, page_at
from model_registry.site.html import document, tag
from model_runtime.errors import RegistryError

HOST = "127.0.0.1"


class Server(ThreadingHTTPServer):
    """Makes each page anew from the registry; it has no page that changes anything."""

    daemon_threads = True

    def __init__(self, registry: Registry, port: int) -> None:
        super().__init__((HOST, port), _Requests)
        self.registry = registry
        # By its own names alone: a page elsewhere whose name leads here must not read the registry.
        self.names = {f"{name}:{self.server_port}" for name in (HOST, "localhost")}

    @property
    def url(self) -> str:
        """Where the pages are."""
        return f"http://{HOST}:{self.server_port}/"


class _Requests(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        if self.headers.get("Host") not in self.server.names:
            self._send(HTTPStatus.FORBIDDEN, "This server answers by its own name only", self.server.url)
            return
        path = self.path.partition("?")[0].removeprefix("/")
        try:
            page = page_at(self.server.registry, f"{path}{INDEX}" if path.endswith("/") or not path else path)
        except RegistryError as error:
            self._send(HTTPStatus.BAD_GATEWAY, "The registry cannot be read", str(error))
            return
        if page is None:
            self._send(HTTPStatus.NOT_FOUND, "There is no such page", "The model or version may be gone.")
        else:
            self._write(HTTPStatus.OK, page)

    do_HEAD = do_GET  # noqa: N815  # http.server's own name

    def _send(self, status: HTTPStatus, title: str, said: str) -> None:
        self._write(status, document(title, ("/", "Models"), tag("p", said)))

    def _write(self, status: HTTPStatus, page: str) -> None:
        data = page.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Frame-Options", "DENY")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # http.server's own name
        """Nothing: who looks at the registry sees its pages."""
