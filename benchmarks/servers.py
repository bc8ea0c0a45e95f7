"""One model, one row a request, one worker: our handler against the servers of MLflow and BentoML over HTTP.

All listen on loopback and are asked by one client, one request after the other on a connection that is kept. Each gets
the same row in its own form.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import joblib
import psutil

from benchmarks.bench import BUCKET, Bench
from benchmarks.cold import EVENT
from benchmarks.environments import ROOT, environment
from benchmarks.guide import ONE_THREAD
from benchmarks.measured import Measured, interleaved
from benchmarks.page import Goal, Section, at_most
from benchmarks.warm import checked
from infra.function_code import variables
from model_runtime.manifest import MODEL_FILE, FormatName
from training.train_iris import FEATURES, GUIDE_EVENT

MLFLOW, BENTOML = "mlflow==3.17.2", "bentoml==1.4.40"
PEERS = Path(__file__).with_name("peers")
# Few calls in a round: servers end a connection that is idle for some seconds.
ROUNDS, QUICK_ROUNDS = 25, 1
CALLS, QUICK_CALLS = 40, 5
MOST_OF_PEER = 0.1
_HOST = "127.0.0.1"
_START_SECONDS, _STOP_SECONDS = 90, 10
_ROW = list(GUIDE_EVENT.values())


@dataclass(frozen=True)
class Server:
    """A server that was started, and the request that is measured."""

    port: int
    path: str
    body: bytes


def measure(bench: Bench) -> Section:
    """Ask each server in turn, and call the handler without a server as well."""
    rounds, calls = (QUICK_ROUNDS, QUICK_CALLS) if bench.quick else (ROUNDS, CALLS)
    with ExitStack() as stack:
        sides: dict[str, tuple[int, Callable[[], object]]] = {}
        for model_format in bench.formats:
            sides[f"our handler, {model_format} format, no HTTP"] = (
                calls,
                partial(checked, bench.app(model_format), EVENT),
            )
            server = stack.enter_context(ours(bench, model_format))
            sides[f"our handler, {model_format} format, behind a thin HTTP server"] = (calls, asking(server, stack))
        if not bench.quick:
            for name, start in {"MLflow's scoring server": mlflow, "BentoML's server": bentoml}.items():
                bench.say(f"starting {name}")
                sides[name] = (calls, asking(stack.enter_context(start(bench)), stack))
        found = interleaved(sides, rounds)
    note = (
        f"One worker, one connection, {rounds} rounds of {calls} requests to each side in turn after a round that is "
        f"not counted. Versions: {', '.join(peer.replace('==', ' ') for peer in (MLFLOW, BENTOML))}."
    )
    return Section("servers", [_table(found)], note, _goals(found, bench.formats))


def _table(found: Mapping[str, Measured]) -> list[list[str]]:
    table = [["side", "p50", "p99", "requests per second"]]
    for name, measured in found.items():
        p50, p99 = (f"{1000 * measured.percentile(percent):.2f} ms" for percent in (50, 99))
        table.append([name, p50, p99, f"{len(measured.seconds) / sum(measured.seconds):,.0f}"])
    return table


def _goals(found: Mapping[str, Measured], formats: Sequence[str]) -> list[Goal]:
    peers = [measured.median for name, measured in found.items() if not name.startswith("our ")]
    if not peers:
        return []
    return [
        at_most(
            f"handler p50, {model_format} format, of the better of MLflow and BentoML",
            found[f"our handler, {model_format} format, no HTTP"].median / min(peers),
            MOST_OF_PEER,
        )
        for model_format in formats
    ]


def asking(server: Server, stack: ExitStack) -> Callable[[], None]:
    """A connection to a server, and what sends one request on it and reads the answer."""
    connection = HTTPConnection(_HOST, server.port, timeout=30)
    stack.callback(connection.close)

    def send() -> HTTPResponse:
        connection.request("POST", server.path, server.body, {"Content-Type": "application/json"})
        return connection.getresponse()

    def ask() -> None:
        try:
            response = send()
        except ConnectionError:  # ended by the server while the others were asked
            connection.close()
            response = send()
        body = response.read()
        if response.status != 200:  # noqa: PLR2004  # HTTP's OK
            raise RuntimeError(f"{server.path} answered {response.status}: {body[:500]!r}")

    return ask


@contextmanager
def ours(bench: Bench, model_format: FormatName) -> Iterator[Server]:
    """The function's entry point behind `benchmarks.shim`."""
    more = {**bench.aws.environment(), **variables(BUCKET, bench.release, model_format=model_format)}
    command = [sys.executable, "-m", "benchmarks.shim"]
    with running(command, bench.folder / f"shim-{model_format}.log", more, cwd=ROOT) as (process, log):
        port = int(_wait(process, log, lambda: _port_line(log)))
        yield Server(port, "/predict", json.dumps(GUIDE_EVENT).encode())


@contextmanager
def mlflow(bench: Bench) -> Iterator[Server]:
    """`mlflow models serve`, one worker."""
    python = environment(MLFLOW)
    model, port = bench.folder / "mlflow-model", _free_port()
    command = [str(python), str(PEERS / "mlflow_model.py"), str(_model_file(bench)), str(model)]
    subprocess.run(command, check=True, capture_output=True, env=_environment(bench, python, {}))  # noqa: S603  # the project's own script
    command = [str(python.with_name("mlflow")), "models", "serve", "--model-uri", str(model), "--env-manager", "local"]
    options = ["--host", _HOST, "--port", str(port), "--workers", "1"]
    more = _environment(bench, python, {"MLFLOW_DISABLE_TELEMETRY": "true"})
    with running([*command, *options], bench.folder / "mlflow.log", more, cwd=bench.folder) as (process, log):
        _wait(process, log, lambda: _answers(port, "/ping"))
        body = {"dataframe_split": {"columns": list(FEATURES), "data": [_ROW]}}
        yield Server(port, "/invocations", json.dumps(body).encode())


@contextmanager
def bentoml(bench: Bench) -> Iterator[Server]:
    """`bentoml serve`, one worker."""
    python, port = environment(BENTOML), _free_port()
    more = _environment(bench, python, {"BENTOML_DO_NOT_TRACK": "True", "MODEL_FILE": str(_model_file(bench))})
    command = [str(python.with_name("bentoml")), "serve", "bentoml_service:Model", "--host", _HOST, "--port", str(port)]
    with running(command, bench.folder / "bentoml.log", more, cwd=PEERS) as (process, log):
        _wait(process, log, lambda: _answers(port, "/readyz"))
        yield Server(port, "/predict", json.dumps({"rows": [_ROW]}).encode())


@contextmanager
def running(
    command: list[str], log: Path, variables: Mapping[str, str], cwd: Path
) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A server for the length of the block; it and the processes that it made are ended by their ids."""
    clean = {"PATH": os.defpath, "LANG": "C.UTF-8", "PYTHONWARNINGS": "ignore", **ONE_THREAD}
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603  # the benchmark's own commands
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**clean, **variables},
            cwd=cwd,
        )
    try:
        yield process, log
    finally:
        workers = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
        for worker in psutil.wait_procs(workers, timeout=1)[1]:
            with suppress(psutil.NoSuchProcess):
                worker.kill()
        process.kill()
        process.wait()


def _environment(bench: Bench, python: Path, more: Mapping[str, str]) -> dict[str, str]:
    path = f"{python.parent}{os.pathsep}{os.defpath}"  # both start further programs of their environment
    return {"PATH": path, "HOME": str(bench.folder), "DO_NOT_TRACK": "true", "NO_PROXY": _HOST, **more}


def _model_file(bench: Bench) -> Path:
    path = bench.folder / MODEL_FILE
    joblib.dump(bench.estimator, path)
    return path


def _wait(process: subprocess.Popen[bytes], log: Path, ready: Callable[[], object]) -> str:
    """Wait until `ready` returns something, and return it as text; RuntimeError with the log's end if it never does."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if found := ready():
            return str(found)
        time.sleep(0.05)
    raise RuntimeError(f"{process.args!r} did not come up: {log.read_text(errors='replace')[-2000:]}")


def _port_line(log: Path) -> str | None:
    return next((line for line in log.read_text().splitlines() if line.isdecimal()), None)


def _answers(port: int, path: str) -> bool:
    with closing(HTTPConnection(_HOST, port, timeout=1)) as connection, suppress(OSError):
        connection.request("GET", path)
        return connection.getresponse().status == 200  # noqa: PLR2004  # HTTP's OK
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])
