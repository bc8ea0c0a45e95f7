"""The function behind a thin HTTP server, for comparison with model servers: `python -m benchmarks.shim`.

It does what API Gateway does with a proxy integration, and no more: a request becomes an event, the response's status,
headers and body go back. One thread, loopback only. The port is the first line on stdout.
"""

import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Final

from handler.function import handler

_ROUTE: Final = {"resource": "/predict", "path": "/predict", "httpMethod": "POST", "isBase64Encoded": False}


class _Gateway(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps connections
    disable_nagle_algorithm = True
    wbufsize = -1  # the answer goes out as one packet

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        headers = dict(self.headers)
        answer = handler({**_ROUTE, "headers": headers, "requestContext": {"stage": "dev"}, "body": body}, None)
        content = answer["body"].encode()
        self.send_response(answer["statusCode"])
        for name, value in {**answer["headers"], "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class names it so
        """Say nothing: the other servers do not log requests either."""


if __name__ == "__main__":
    with HTTPServer(("127.0.0.1", 0), _Gateway) as server:
        sys.stdout.write(f"{server.server_address[1]}\n")
        sys.stdout.flush()
        server.serve_forever()
