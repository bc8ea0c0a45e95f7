"""`pulumi-language-python` for the tests: lets Pulumi's engine run a project's own `__main__.py`.

The real one is a Go program that comes with the Pulumi CLI and cannot be had from a package registry. This one serves the
same calls with the SDK's own server of inline programs, in the interpreter and environment that runs the tests. It gets
no packages and no plugins: both are there. The engine starts it as `pulumi-language-python ENGINE_ADDRESS` and reads its port
from the first line.
"""

import contextlib
import os
import runpy
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from pulumi.automation._server import LanguageServer
from pulumi.runtime.proto import language_pb2, language_pb2_grpc


class LanguageHost(LanguageServer):
    """Runs the program of the project's folder."""

    def __init__(self, engine: str) -> None:
        self._engine = engine
        super().__init__(_no_program)

    def Handshake(self, _request: Any, _context: Any) -> Any:  # noqa: N802 - the name of the engine's call
        return language_pb2.LanguageHandshakeResponse()

    def Run(self, request: Any, context: Any) -> Any:  # noqa: N802 - the name of the engine's call
        folder = request.info.program_directory
        os.chdir(folder)
        sys.path.insert(0, folder)
        self.program = lambda: runpy.run_path("__main__.py", run_name="__main__") and None
        del request.args[:]
        request.args.append(self._engine)
        return super().Run(request, context)  # type: ignore[no-untyped-call]  # Pulumi leaves it without types


def _no_program() -> None:
    raise NotImplementedError


def main() -> None:
    """Serve until the engine goes."""
    engine = next(one for one in sys.argv[1:] if not one.startswith("-"))
    server = grpc.server(ThreadPoolExecutor(4))
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(LanguageHost(engine), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)  # noqa: T201 - how the engine learns of it
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()


if __name__ == "__main__":
    main()
