"""MiniStack for one owner: what runs in place of `python -m ministack`, in MiniStack's own environment.

By itself MiniStack takes `test`, twelve digits and no key at all for the account's root, whatever the signature, and
answers every page that a browser shows. Here the root is one key, which is made for each start; its signature is
checked as any other; and requests for another host, or from a web page of another origin, are refused. Only the paths
of an API are for everyone on this machine, as they are for everyone on AWS.
"""

import json
import os
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_Asgi = Callable[[_Message, _Receive, _Send], Awaitable[None]]

LOOPBACK = ("127.0.0.1", "localhost")
HEALTH = "/_ministack/health"
_REFUSED = 403
_POLICY_VIOLATION = 1008  # RFC 6455, section 7.4.1


def refusal(
    path: str, headers: dict[str, str], *, port: int, access_key: str, is_api: Callable[[str, str], bool]
) -> str | None:
    """Why a request is not let through, or None.

    Args:
        path: the request's.
        headers: the request's, by lower-case name.
        port: where MiniStack listens.
        access_key: the key that the request names, empty for none.
        is_api: whether a host and a path are those of a deployed API.

    """
    host = headers.get("host", "")
    # Of whatever port: a proxy on this machine has its own, and it is the name by which pages come from elsewhere.
    is_here = host.rpartition(":")[0] in LOOPBACK
    if is_api(host, path) and not path.startswith("/_ministack/"):
        # A host that is no name of this machine is a custom domain here, or that of the API.
        on_loopback = is_here or not path.startswith(("/_aws/", "/restapis/"))
        return None if on_loopback else f"the host {host!r} is not this machine"
    if not is_here:
        return f"the host {host!r} is not this machine"
    origin = headers.get("origin")
    if origin is not None and origin not in {f"http://{name}:{port}" for name in LOOPBACK}:
        return f"the origin {origin!r} is another's"
    if path == HEALTH:
        return None
    if path.startswith("/_ministack/"):
        return "MiniStack's own paths are closed"
    return None if access_key else 'there are no credentials: eval "$(python -m local env)"'


def guarded(app: _Asgi, why_refused: Callable[[_Message], str | None]) -> _Asgi:
    """An ASGI application that answers 403 to what is refused, and has no web sockets."""

    async def guard(scope: _Message, receive: _Receive, send: _Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
        elif scope["type"] == "http" and (why := why_refused(scope)):
            body = json.dumps({"__type": "AccessDeniedException", "message": f"refused by the local AWS: {why}"})
            headers = [(b"content-type", b"application/json"), (b"x-amzn-errortype", b"AccessDeniedException")]
            await send({"type": "http.response.start", "status": _REFUSED, "headers": headers})
            await send({"type": "http.response.body", "body": body.encode()})
        else:
            await app(scope, receive, send)

    return guard


def main() -> None:
    """Run MiniStack behind the guard. The root's key and the port are in the environment."""
    from ministack import app as ministack  # type: ignore[import-not-found]  # it has an environment of its own
    from ministack.core import iam_evaluator  # type: ignore[import-not-found]  # as above
    from ministack.core.router import extract_access_key_id  # type: ignore[import-not-found]  # as above

    root, port = os.environ["AWS_ACCESS_KEY_ID"], int(os.environ["GATEWAY_PORT"])
    iam_evaluator.is_root_access_key = lambda key: key == root
    iam_evaluator._is_root_key = lambda _key: False  # noqa: SLF001  # whose signatures it would not check

    def is_api(host: str, path: str) -> bool:
        parsed = ministack._parse_execute_api_url(host, path)  # noqa: SLF001  # no public name says it
        return bool(parsed or ministack._resolve_custom_domain_request(host, path))  # noqa: SLF001  # as above

    def why_refused(scope: _Message) -> str | None:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        key = extract_access_key_id(headers, query)
        return refusal(scope["path"], headers, port=port, access_key=key, is_api=is_api)

    ministack.app = guarded(ministack.app, why_refused)
    sys.argv = sys.argv[:1]
    ministack.main()


if __name__ == "__main__":
    main()
