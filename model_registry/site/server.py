"""Serves the pages to a browser on this machine, and to nobody else.

Where they may move tags, every address begins with a token that is made for each start: no page elsewhere and no other
user of this machine knows it (decision 26).
"""

import hmac
import secrets
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from model_registry.promotion import Verifier
from model_registry.registry import Registry
from model_registry.site import INDEX, page_at
from model_registry.site.html import document, tag
from model_registry.site.writes import Answer, Writer
from model_runtime.errors import RegistryError

HOST = "127.0.0.1"
_FORM = "application/x-www-form-urlencoded"
_MOST_BYTES = 64 * 1024
"""Of a form: reasons and bounds are short."""


class Server(ThreadingHTTPServer):
    """Makes each page anew from the registry. Unless it `may_write`, it has no page that changes anything.

    `verifier` verifies elsewhere, as of `Registry.promote`.
    """

    daemon_threads = True

    def __init__(
        self, registry: Registry, port: int, *, may_write: bool = False, verifier: Verifier | None = None
    ) -> None:
        super().__init__((HOST, port), _Writing if may_write else _Reading)
        self.registry = registry
        self.token = secrets.token_urlsafe(32) if may_write else ""
        self.writer = Writer(registry, self.token, verifier)
        # By its own names alone: a page elsewhere whose name leads here must not read the registry.
        self.names = {f"{name}:{self.server_port}" for name in (HOST, "localhost")}
        self.origins = {f"http://{name}" for name in self.names}

    @property
    def root(self) -> str:
        """The path of the first page."""
        return f"/{self.token}/" if self.token else "/"

    @property
    def url(self) -> str:
        """Where the pages are."""
        return f"http://{HOST}:{self.server_port}{self.root}"

    def has_token(self, text: str) -> bool:
        """Whether a text is the token, in the same time for any."""
        return hmac.compare_digest(text.encode(), self.token.encode())


class _Reading(BaseHTTPRequestHandler):
    server: Server
    timeout = 60  # seconds for a request to arrive

    def do_GET(self) -> None:
        path = self._allowed_path()
        if path is None:
            return
        path = f"{path}{INDEX}" if path.endswith("/") or not path else path
        try:
            answer = self._answer(path)
        except RegistryError as error:
            self._send(HTTPStatus.BAD_GATEWAY, "The registry cannot be read", str(error))
            return
        if answer is None:
            self._send(HTTPStatus.NOT_FOUND, "There is no such page", "The model or version may be gone.")
        else:
            self._write(*answer)

    do_HEAD = do_GET  # noqa: N815  # http.server's own name

    def _answer(self, path: str) -> Answer | None:
        page = page_at(self.server.registry, path)
        return None if page is None else (HTTPStatus.OK, page)

    def _allowed_path(self) -> str | None:
        """The path of a page; None where the request is refused, which was answered then. The token is not told."""
        if self.headers.get("Host") not in self.server.names:
            self._refuse("This server answers by its own name only", f"http://{HOST}:{self.server.server_port}/")
            return None
        if self.headers.get("Origin", next(iter(self.server.origins))) not in self.server.origins:
            self._refuse("This server answers its own pages only", "The request is from a page of another server.")
            return None
        path = urlsplit(self.path).path.removeprefix("/")
        if not self.server.token:
            return path
        token, _, path = path.partition("/")
        if not self.server.has_token(token):
            self._refuse(
                "This needs the whole address",
                "Open the address that `ui --write` has printed: each start has its own.",
            )
            return None
        return path

    def _refuse(self, title: str, said: str) -> None:
        self._write(HTTPStatus.FORBIDDEN, document(title, None, tag("p", said)))

    def _send(self, status: HTTPStatus, title: str, said: str) -> None:
        self._write(status, document(title, (self.server.root, "Models"), tag("p", said)))

    def _write(self, status: HTTPStatus, page: str) -> None:
        is_elsewhere = status == HTTPStatus.SEE_OTHER
        data = b"" if is_elsewhere else page.encode()
        self.send_response(status)
        if is_elsewhere:
            self.send_header("Location", page)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Cache-Control", "no-store")
        # Of the address nothing but the host: the token is in the path. `no-referrer` would hide a form's origin, too.
        self.send_header("Referrer-Policy", "strict-origin")
        self.send_header("X-Frame-Options", "DENY")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # http.server's own name
        """Nothing: who looks at the registry sees its pages, and the token belongs into no log."""


class _Writing(_Reading):
    def _answer(self, path: str) -> Answer | None:
        fields = dict(parse_qsl(urlsplit(self.path).query))
        return self.server.writer.look(path, fields) or super()._answer(path)

    def do_POST(self) -> None:
        fields = self._form()  # read whatever comes of it: a connection that is closed before loses the answer
        path = self._allowed_path()
        if path is None:
            return
        if fields is None:
            self._send(HTTPStatus.BAD_REQUEST, "This is not a form of these pages", "Look at the move again.")
        elif not self.server.has_token(fields.get("token", "")):
            has = "another token than this start of `ui --write`" if fields.get("token") else "no token"
            self._refuse(f"The form has {has}", "Look at the move again, and confirm it there.")
        else:
            answer = self.server.writer.move(path, fields)
            if answer is None:
                self._send(HTTPStatus.NOT_FOUND, "There is no such page", "Nothing was changed.")
            else:
                self._write(*answer)

    def _form(self) -> dict[str, str] | None:
        """The fields that a browser sent; None where they are no form's."""
        size = self.headers.get("Content-Length", "")
        if not size.isdecimal() or int(size) > _MOST_BYTES:
            return None
        body = self.rfile.read(int(size))
        if self.headers.get("Content-Type", "").partition(";")[0].strip() != _FORM:
            return None
        try:
            return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=50))
        except ValueError:  # no UTF-8, or too many fields
            return None
