"""The start against an S3 that is slow, broken or absent: it ends in time, and says what happened."""

import gc
import importlib
import math
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from handler import BEGAN, log
from handler.app import App
from model_runtime import start as model
from model_runtime.download import REFUSED_SECONDS, LoadError
from model_runtime.errors import StorageError
from model_runtime.pin import Pin
from model_runtime.start import Deployment, ServedModel, load, phase_of
from model_runtime.storage import Storage
from tests.handler.conftest import strict

DEPLOYMENT = Deployment("models", Pin("made", 1, "0" * 64))
SECONDS = 2.0
"""What the start may fetch for in these tests; in the function it is four times as much."""
NEVER = 30
"""What has not ended by then, on a busy machine too, does not end."""

Answer = Callable[[socket.socket, threading.Event, bytes], None]
"""Answers on a connection, at most until the event, a request for a path."""

HEAD = b'HTTP/1.1 200 OK\r\ncontent-length: 1000\r\nETag: "a"\r\nLast-Modified: Wed, 25 Nov 2026 07:28:00 GMT\r\n\r\n'


def silent(_connection: socket.socket, ended: threading.Event, _path: bytes) -> None:
    ended.wait()


def dropped(_connection: socket.socket, _ended: threading.Event, _path: bytes) -> None:
    """The connection ends without an answer."""


def busy(connection: socket.socket, _ended: threading.Event, _path: bytes) -> None:
    connection.sendall(b"HTTP/1.1 503 Slow Down\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")


def absent(connection: socket.socket, _ended: threading.Event, _path: bytes) -> None:
    connection.sendall(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")


def half(connection: socket.socket, ended: threading.Event, _path: bytes) -> None:
    connection.sendall(HEAD + b"x" * 500)
    ended.wait()


def dripping(connection: socket.socket, ended: threading.Event, _path: bytes) -> None:
    """A byte now and then: never silent for long, and never done."""
    connection.sendall(HEAD)
    while not ended.wait(0.05):
        connection.sendall(b"x")


class Broken:
    """An S3 that answers every request in one way, or only the first few; then it lacks what is asked for."""

    def __init__(self, answer: Answer) -> None:
        self.requests = 0
        self.first: float = math.inf
        self._answer = answer
        self._ended = threading.Event()
        self._server = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.getsockname()[1]}"

    def close(self) -> None:
        self._ended.set()
        self._server.shutdown(socket.SHUT_RDWR)  # wakes accept
        for thread in self._threads:
            thread.join()
        self._server.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                thread = threading.Thread(target=self._serve, args=(connection,))
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            if request := connection.recv(65536):
                self.requests += 1
                answer = self._answer if self.requests <= self.first else absent
                answer(connection, self._ended, request.split(b" ")[1])


@contextmanager
def serving(answer: Answer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Broken]:
    """Make such an S3 the environment's."""
    server = Broken(answer)
    for name, value in {
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_ENDPOINT_URL": server.url,
    }.items():
        monkeypatch.setenv(name, value)
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def broken(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Broken]:
    with serving(request.param, monkeypatch) as server:
        yield server


@pytest.mark.parametrize("broken", [silent, dropped, busy, half, dripping], indirect=True)
def test_the_start_ends_in_time_whatever_s3_does(broken: Broken) -> None:
    started = time.perf_counter()
    with pytest.raises((LoadError, StorageError), match="models/made/versions/1/"):
        load(DEPLOYMENT, seconds=SECONDS)
    assert time.perf_counter() - started < NEVER
    assert broken.requests >= 2, "manifest and model are fetched at the same time"


@pytest.mark.parametrize("broken", [silent, dropped, busy], indirect=True)
def test_what_may_pass_is_tried_again(broken: Broken) -> None:
    broken.first = 2  # manifest and model once each
    with pytest.raises((LoadError, StorageError), match="does not exist"):
        load(DEPLOYMENT, seconds=NEVER)
    assert broken.requests >= 3


@pytest.mark.parametrize("broken", [dripping], indirect=True)
def test_a_download_that_never_ends_is_given_up(broken: Broken, capsys: pytest.CaptureFixture[str]) -> None:
    """Callers get 503 then, and the log says what was not fetched."""
    app = App(lambda: load(DEPLOYMENT, seconds=SECONDS))
    app.start()
    reason = strict(capsys.readouterr().out)["reason"]
    assert "s3://models/models/made/versions/1/manifest.json" in reason
    assert broken.requests == 2


@pytest.mark.parametrize("broken", [silent], indirect=True)
def test_the_deadline_holds_whatever_the_client_does(broken: Broken) -> None:
    """A client may try for the last time just before the deadline, or wait for a name that is not resolved."""
    patient = Storage.in_function(DEPLOYMENT.bucket, seconds=60)
    with pytest.raises(LoadError, match=r"manifest.json was not fetched within 2.0 s: S3 was too slow"):
        load(DEPLOYMENT, patient, seconds=SECONDS)
    assert broken.requests == 2


@pytest.mark.parametrize(("initialization", "seconds"), [(None, 8), ("on-demand", 8), ("provisioned-concurrency", 20)])
def test_the_init_phase_and_requests_fetch_for_as_long_as_lambda_and_the_gateway_wait(
    initialization: str | None, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """10 s and 29 s, of which something is left for loading. A large model that init cannot fetch a request can."""
    given: list[tuple[float | None, float]] = []

    def fail(_deployment: Deployment, *, since: float | None, seconds: float, refused_seconds: float) -> ServedModel:
        assert refused_seconds == REFUSED_SECONDS
        given.append((since, seconds))
        raise LoadError("not now")

    variables = {"MODEL_BUCKET": "b", "MODEL_NAME": "n", "MODEL_VERSION": "3", "MODEL_MANIFEST_SHA256": "d"}
    if initialization:
        variables["AWS_LAMBDA_INITIALIZATION_TYPE"] = initialization
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(model, "load", fail)
    monkeypatch.setattr(
        log, "records_without_messages", lambda: None
    )  # for good, and pytest's handlers would be changed
    monkeypatch.delitem(sys.modules, "handler.function", raising=False)
    handler = importlib.import_module("handler.function").handler
    monkeypatch.delitem(sys.modules, "handler.function")
    assert handler({}, None)["statusCode"] == 503
    assert gc.isenabled()
    assert given == [(BEGAN, seconds), (None, 20)]


def test_the_init_phase_of_a_snapshot_waits_for_a_new_roles_rights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lambda gives it 130 s, and the version stays failed if it fails."""
    given: list[dict[str, float]] = []

    def fail(_deployment: Deployment, *, since: float | None, **times: float) -> ServedModel:
        assert since == BEGAN
        given.append(times)
        raise LoadError("not now")

    variables = {"MODEL_BUCKET": "b", "MODEL_NAME": "n", "MODEL_VERSION": "3", "MODEL_MANIFEST_SHA256": "d"}
    for name, value in {**variables, "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(model, "load", fail)
    monkeypatch.setattr(
        log, "records_without_messages", lambda: None
    )  # for good, and pytest's handlers would be changed
    monkeypatch.delitem(sys.modules, "handler.function", raising=False)
    with pytest.raises(LoadError):
        importlib.import_module("handler.function")
    assert given == [{"seconds": 90, "refused_seconds": 90}]


class Recovering:
    """Answers a number of requests for each file in one way, and then with the file."""

    def __init__(self, answer: bytes, times: int) -> None:
        self._answer = answer
        self._times = times
        self._counts: Counter[bytes] = Counter()

    def __call__(self, connection: socket.socket, _ended: threading.Event, path: bytes) -> None:
        self._counts[path] += 1
        if self._counts[path] <= self._times:
            connection.sendall(self._answer)
        else:
            connection.sendall(HEAD.replace(b"1000", b"2") + b"{}")


def refusing(code: bytes) -> bytes:
    body = b"<?xml version='1.0'?><Error><Code>" + code + b"</Code><Message>no</Message></Error>"
    return b"HTTP/1.1 403 Forbidden\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s" % (len(body), body)


SLOW_DOWN = b"HTTP/1.1 503 Slow Down\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
"""Four tries of obstore's own, which take half a second, are over long before the sixteenth."""


@pytest.mark.parametrize(
    ("answer", "times"),
    [(SLOW_DOWN, 16), (refusing(b"InvalidAccessKeyId"), 3), (refusing(b"AccessDenied"), 3)],
    ids=["busy", "unknown key", "no permission"],
)
def test_tries_go_on_while_there_is_time(answer: bytes, times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """S3 that is busy for seconds; a role that was made with the function, which S3 knows seconds later."""
    with serving(Recovering(answer, times), monkeypatch):
        with pytest.raises(LoadError, match=r"manifest\.json of made/1 has SHA-256") as caught:
            load(DEPLOYMENT, seconds=NEVER)
        assert phase_of(caught.value) == "fetch", "what was fetched is judged then"


@pytest.mark.parametrize("broken", [busy], indirect=True)
def test_tries_end_with_the_time_and_say_how_many_there_were(broken: Broken) -> None:
    with pytest.raises(LoadError, match=r"manifest\.json was not fetched \(\d+ tries in \d\.\d s\): s3://models: "):
        load(DEPLOYMENT, seconds=2)
    assert broken.requests > 8, "obstore alone makes four for each file"


@pytest.mark.parametrize("code", [b"AccessDenied", b"InvalidAccessKeyId"])
def test_what_stays_refused_is_not_tried_as_long_as_a_busy_s3(code: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each request would wait for it."""
    started = time.perf_counter()
    answer = refusing(code)
    with (
        serving(lambda connection, *_: connection.sendall(answer), monkeypatch),
        pytest.raises(LoadError, match="pulumi up"),
    ):
        load(DEPLOYMENT, seconds=4 * NEVER, refused_seconds=0.5)
    assert time.perf_counter() - started < NEVER
