"""`pulumi-language-python` for the tests: lets Pulumi's engine run a project's own `__main__.py`.

The real one is a Go program that comes with the Pulumi CLI and cannot be had from a package registry. This one serves
the same calls with the SDK's own server of inline programs, in the interpreter and environment that runs the tests. It
gets no packages and no plugins: both are there. A plugin that is a folder (`PulumiPlugin.yaml`) is run as the real one
runs it. The engine starts it as `pulumi-language-python ENGINE_ADDRESS` and reads its port from the first line.
"""

import contextlib
import os
import runpy
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from pulumi.automation._server import LanguageServer
from pulumi.runtime.proto import language_pb2, language_pb2_grpc

from tests.pulumi.parent import is_orphan


class LanguageHost(LanguageServer):
    """Runs the program of the project's folder."""

    def __init__(self, engine: str) -> None:
        self._engine = engine
        super().__init__(_no_program)

    def Handshake(self, _request: Any, _context: Any) -> Any:  # noqa: N802  # the name of the engine's call
        return language_pb2.LanguageHandshakeResponse()

    def Run(self, request: Any, context: Any) -> Any:  # noqa: N802  # the name of the engine's call
        folder = request.info.program_directory
        os.chdir(folder)
        sys.path[0] = folder  # in place of the folder that this module was found in
        self.program = _run_program
        del request.args[:]
        request.args.append(self._engine)
        result = super().Run(request, context)  # type: ignore[no-untyped-call]  # Pulumi leaves it without types
        # What went wrong is in the log already: as with the real one, the engine is not to say it a second time.
        return language_pb2.RunResponse(bail=bool(result.error))

    def InstallDependencies(self, _request: Any, _context: Any) -> Iterator[Any]:  # noqa: N802  # as above
        """Install nothing."""
        yield from ()

    def RunPlugin(self, request: Any, _context: Any) -> Iterator[Any]:  # noqa: N802  # as above
        """Run a plugin's folder, and hand on what it says: the engine reads its port there."""
        folder = request.info.program_directory
        command, where = [sys.executable, folder, *request.args], request.pwd
        if request.kind == "analyzer":  # a policy pack, which has an environment of its own
            python = Path(folder, request.info.options["virtualenv"], "bin", "python")
            command, where = [python, "-u", "-m", "pulumi.policy", *request.args, folder], folder
        environment = {**os.environ, **dict(one.split("=", 1) for one in request.env)}
        with subprocess.Popen(
            command, cwd=where, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        ) as running:
            assert running.stdout
            while said := running.stdout.readline():
                yield language_pb2.RunPluginResponse(stdout=said)
        yield language_pb2.RunPluginResponse(exitcode=running.returncode)


def _no_program() -> None:
    raise NotImplementedError


def _run_program() -> None:
    runpy.run_path("__main__.py", run_name="__main__")


def main() -> None:
    """Serve until the engine goes."""
    engine = next(one for one in sys.argv[1:] if not one.startswith("-"))
    server = grpc.server(ThreadPoolExecutor(4))
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(LanguageHost(engine), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)  # noqa: T201  # how the engine learns of it
    with contextlib.suppress(KeyboardInterrupt):
        while not is_orphan():
            time.sleep(0.2)


if __name__ == "__main__":
    main()
