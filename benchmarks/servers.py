"""One row a request, one worker: our handler against the servers of MLflow and BentoML over HTTP.

All listen on loopback and are asked by one client, one request after the other on a connection that is kept. Each gets
the same row in its own form, and what it answers is compared with what the estimator says.
"""

import json
import math
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
from typing import Any

import joblib
import pandas as pd
import psutil
from sklearn.datasets import load_iris

from benchmarks.alone import checked
from benchmarks.bench import BUCKET, Bench
from benchmarks.environments import ROOT, environment
from benchmarks.guide import ONE_THREAD
from benchmarks.measured import Measured, interleaved
from benchmarks.models import FRAME, FULL_TEXTS, QUICK_TREES, TREES, by_name, frames, publish
from benchmarks.page import Goal, Section, at_most
from benchmarks.warm import post_event
from infra.function_code import variables
from model_registry import Release
from model_runtime.errors import PublishError
from model_runtime.manifest import FormatName
from training.train_iris import FEATURES, GUIDE_EVENT

MLFLOW, BENTOML = "mlflow==3.17.2", "bentoml==1.4.40"
PEERS = Path(__file__).with_name("peers")
# Few calls in a round: servers end a connection that is idle for some seconds.
ROUNDS, QUICK_ROUNDS = 25, 1
CALLS, QUICK_CALLS = 20, 5
IRIS = "Iris forest"
MOST_OF_PEER = 0.1
"""For our handler without HTTP, as in Lambda the gateway has that part."""
MOST_OF_PEER_OVER_HTTP: Mapping[str, tuple[FormatName, float]] = {FRAME: ("joblib", 0.3), FULL_TEXTS: ("onnx", 0.1)}
"""By model: our format, and the limit for ours over HTTP too."""
_HOST = "127.0.0.1"
_START_SECONDS, _STOP_SECONDS = 90, 10
_COMPARED = 10
"""Rows with the most gaps that each side answers before it is measured, and as many of those with the fewest."""

Row = Mapping[str, Any]
"""A row by name; None is a gap."""


@dataclass(frozen=True)
class Model:
    """A model to be served, the formats that ours is measured in, and rows with what its `predict` says of them."""

    name: str
    estimator: Any
    release: Release
    formats: Sequence[FormatName]
    rows: Sequence[Row]
    """The first one is measured."""
    numbers: Sequence[int]
    """Numbers of classes."""

    def number(self, answer: Mapping[str, Any]) -> int:
        """The number of the class that an answer of ours names."""
        names = self.release.manifest.signature.labels or ()
        number: int = self.estimator.classes_[names.index(answer["label"])]
        return number


@dataclass(frozen=True)
class Server:
    """A server that was started, how it takes a row, and the number of the class in its answer."""

    port: int
    path: str
    form: Callable[[Row], object]
    number: Callable[[Any], int]


def measure(bench: Bench) -> Section:
    """Ask the servers of one model after the other, and call the handler without a server as well."""
    rounds, calls = (QUICK_ROUNDS, QUICK_CALLS) if bench.quick else (ROUNDS, CALLS)
    table = [["model", "side", "p50", "p99", "requests per second"]]
    goals: list[Goal] = []
    for name in (IRIS, FRAME, FULL_TEXTS):
        bench.say(f"servers: {name}")
        try:
            model = _iris(bench) if name == IRIS else _framed(bench, name)
        except PublishError as error:
            model_format, most = MOST_OF_PEER_OVER_HTTP[name]
            goals.append(Goal(_what(name, model_format), f"at most {most:g}", str(error), None))
            continue
        found = _asked(bench, model, rounds, calls)
        table += _lines(name, found)
        goals += _goals(model, found)
    note = (
        f"One worker, one connection, {rounds} rounds of {calls} requests to each side in turn after a round that is "
        f"not counted. Versions: {', '.join(peer.replace('==', ' ') for peer in (MLFLOW, BENTOML))}."
    )
    return Section("servers", [table], note, goals)


def _iris(bench: Bench) -> Model:
    """The guide's forest and its event, with every eighth row of Iris."""
    X = pd.DataFrame([GUIDE_EVENT.values(), *load_iris().data[::8]], columns=list(FEATURES))
    return Model(
        IRIS, bench.estimator, bench.release, bench.formats, X.to_dict("records"), bench.estimator.predict(X).tolist()
    )


def _framed(bench: Bench, name: str) -> Model:
    """A forest on a frame by name; a row with the most gaps comes first."""
    case = frames(QUICK_TREES if bench.quick else TREES)[name]
    order = case.X.isna().sum(axis=1).sort_values(ascending=False, kind="stable").index
    X = case.X.loc[[*order[:_COMPARED], *order[-_COMPARED:]]]
    model_format, _ = MOST_OF_PEER_OVER_HTTP[name]
    release = publish(bench, name, case)
    return Model(name, case.estimator, release, [model_format], by_name(X, list(X)), case.estimator.predict(X).tolist())


def _asked(bench: Bench, model: Model, rounds: int, calls: int) -> dict[str, Measured]:
    """Start every side, compare its answers, and measure them in turn."""
    with ExitStack() as stack:
        asked: dict[str, Callable[[], object]] = {}
        for model_format in model.formats:
            asked[_alone(model_format)] = in_process(bench, model, model_format)
            asked[_over_http(model_format)] = asking(
                stack.enter_context(ours(bench, model, model_format)), model, stack
            )
        if not bench.quick:
            for name, start in {"MLflow's scoring server": mlflow, "BentoML's server": bentoml}.items():
                bench.say(f"starting {name}")
                asked[name] = asking(stack.enter_context(start(bench, model)), model, stack)
        return interleaved({name: (calls, call) for name, call in asked.items()}, rounds)


def _alone(model_format: str) -> str:
    return f"our handler, {model_format} format, no HTTP"


def _over_http(model_format: str) -> str:
    return f"our handler, {model_format} format, behind a thin HTTP server"


def _what(name: str, model_format: str) -> str:
    return f"over HTTP, {name}, {model_format} format, p50 of the better of MLflow and BentoML"


def _lines(model: str, found: Mapping[str, Measured]) -> Iterator[list[str]]:
    for name, measured in found.items():
        p50, p99 = (f"{1000 * measured.percentile(percent):.2f} ms" for percent in (50, 99))
        yield [model, name, p50, p99, f"{len(measured.seconds) / sum(measured.seconds):,.0f}"]


def _goals(model: Model, found: Mapping[str, Measured]) -> Iterator[Goal]:
    peers = [measured.median for name, measured in found.items() if not name.startswith("our ")]
    for model_format in model.formats if peers else ():
        if model.name == IRIS:
            what = f"handler p50, {model_format} format, of the better of MLflow and BentoML"
            yield at_most(what, found[_alone(model_format)].median / min(peers), MOST_OF_PEER)
        else:
            _, most = MOST_OF_PEER_OVER_HTTP[model.name]
            part = found[_over_http(model_format)].median / min(peers)
            yield at_most(_what(model.name, model_format), part, most)


def in_process(bench: Bench, model: Model, model_format: FormatName) -> Callable[[], None]:
    """The handler in this process, whose answers are right, and what calls it once."""
    app = bench.app(model_format, model.release)
    for row, number in zip(model.rows, model.numbers, strict=True):
        _compare(model.number(json.loads(app(post_event(row), None)["body"])), number, model_format)
    return partial(checked, app, post_event(model.rows[0]))


def asking(server: Server, model: Model, stack: ExitStack) -> Callable[[], None]:
    """A connection to a server whose answers are right, and what sends one request on it and reads the answer."""
    connection = HTTPConnection(_HOST, server.port, timeout=30)
    stack.callback(connection.close)

    def send(body: bytes) -> HTTPResponse:
        connection.request("POST", server.path, body, {"Content-Type": "application/json"})
        return connection.getresponse()

    def ask(body: bytes, number: int) -> None:
        try:
            response = send(body)
        except ConnectionError:  # ended by the server while the others were asked
            connection.close()
            response = send(body)
        answer = response.read()
        if response.status != 200:  # noqa: PLR2004  # HTTP's OK
            raise RuntimeError(f"{server.path} answered {response.status}: {answer[:500]!r}")
        _compare(server.number(json.loads(answer)), number, server.path)

    bodies = [json.dumps(server.form(row)).encode() for row in model.rows]
    for body, number in zip(bodies, model.numbers, strict=True):
        ask(body, number)
    return partial(ask, bodies[0], model.numbers[0])


def _compare(found: int, expected: int, side: str) -> None:
    if found != expected:
        raise RuntimeError(f"{side} answered class {found} where the estimator says {expected}")


@contextmanager
def ours(bench: Bench, model: Model, model_format: FormatName) -> Iterator[Server]:
    """The function's entry point behind `benchmarks.shim`."""
    more = {**bench.aws.environment(), **variables(BUCKET, model.release, model_format=model_format)}
    command = [sys.executable, "-m", "benchmarks.shim"]
    with running(command, bench.folder / f"shim-{model_format}.log", more, cwd=ROOT) as (process, log):
        port = int(_wait(process, log, lambda: _port_line(log)))
        yield Server(port, "/predict", lambda row: row, model.number)


@contextmanager
def mlflow(bench: Bench, model: Model) -> Iterator[Server]:
    """`mlflow models serve`, one worker."""
    python = environment(MLFLOW)
    folder, port = bench.folder / "mlflow" / model.release.manifest.name, _free_port()
    command = [str(python), str(PEERS / "mlflow_model.py"), str(_model_file(bench, model)), str(folder)]
    done = subprocess.run(command, check=False, capture_output=True, env=_environment(bench, python, {}))  # noqa: S603  # the project's own script
    if done.returncode:
        raise RuntimeError(f"{MLFLOW} did not save the model: {done.stderr.decode()[-2000:]}")
    command = [str(python.with_name("mlflow")), "models", "serve", "--model-uri", str(folder), "--env-manager", "local"]
    options = ["--host", _HOST, "--port", str(port), "--workers", "1"]
    more = _environment(bench, python, {"MLFLOW_DISABLE_TELEMETRY": "true"})

    def split(row: Row) -> object:
        # Of null it makes None, in texts no gap to scikit-learn's imputers; it reads NaN, as Python's JSON has it.
        values = [math.nan if value is None else value for value in row.values()]
        return {"dataframe_split": {"columns": list(row), "data": [values]}}

    with running([*command, *options], bench.folder / "mlflow.log", more, cwd=bench.folder) as (process, log):
        _wait(process, log, lambda: _answers(port, "/ping"))
        yield Server(port, "/invocations", split, lambda answer: answer["predictions"][0])


@contextmanager
def bentoml(bench: Bench, model: Model) -> Iterator[Server]:
    """`bentoml serve`, one worker."""
    python, port = environment(BENTOML), _free_port()
    more = _environment(bench, python, {"BENTOML_DO_NOT_TRACK": "True", "MODEL_FILE": str(_model_file(bench, model))})
    service = "bentoml_service:Rows" if model.name == IRIS else "bentoml_service:Frame"
    command = [str(python.with_name("bentoml")), "serve", service, "--host", _HOST, "--port", str(port)]

    def rows(row: Row) -> object:
        return {"rows": [list(row.values()) if model.name == IRIS else row]}

    with running(command, bench.folder / "bentoml.log", more, cwd=PEERS) as (process, log):
        _wait(process, log, lambda: _answers(port, "/readyz"))
        yield Server(port, "/predict", rows, lambda answer: answer[0])


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


def _model_file(bench: Bench, model: Model) -> Path:
    path = bench.folder / f"{model.release.manifest.name}.joblib"
    joblib.dump(model.estimator, path)
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
