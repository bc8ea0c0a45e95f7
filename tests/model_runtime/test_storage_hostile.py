"""Services that do not answer, lie, refuse or fail: within seconds, in one line, with the cause and the remedy."""

import ipaddress
import json
import multiprocessing
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from obstore.store import MemoryStore

from model_runtime.errors import (
    AccessDeniedError,
    ConflictError,
    CredentialsError,
    InvalidNameError,
    RegistryError,
    StorageError,
)
from model_runtime.storage import Storage

Answer = tuple[int, bytes]
MINE = "mine"
NOT_FOUND: Answer = (404, b"<Error><Code>NoSuchKey</Code><Message>none</Message></Error>")


class Service(ThreadingHTTPServer):
    """An S3 endpoint that answers as `answer` says; objects that were put are kept in `objects`."""

    daemon_threads = True
    answer: Callable[[str, str, Any], Answer | None]

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.objects: dict[str, bytes] = {}
        self.tokens: dict[str, str] = {}
        self.requests: list[str] = []
        self.answer = lambda _method, _path, _headers: None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    """Keeps objects without looking at any condition, but for what `Service.answer` says."""

    server: Service
    protocol_version = "HTTP/1.1"

    def _handle(self) -> None:
        self.server.requests.append(f"{self.command} {self.path}")
        answered = self.server.answer(self.command, self.path, self.headers)
        if answered is not None and answered[0] == 0:  # before the body is read, and gone
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        extra = {"ETag": '"1"', "Last-Modified": "Thu, 26 Nov 2026 07:00:00 GMT"}
        if answered is None:
            if self.command == "PUT":
                self.server.objects[self.path] = body
                self.server.tokens[self.path] = self.headers.get("x-amz-meta-writer", "")
                answered = (200, b"")
            elif self.command == "POST":  # of several objects
                keys = re.findall(rb"<Key>([^<]+)</Key>", body)
                for key in keys:
                    self.server.objects.pop(f"{self.path.partition('?')[0]}/{key.decode()}", None)
                done = b"".join(b"<Deleted><Key>%b</Key></Deleted>" % key for key in keys)
                answered = (200, b"<DeleteResult>%b</DeleteResult>" % done)
            elif self.path in self.server.objects:
                extra["x-amz-meta-writer"] = self.server.tokens.get(self.path, "")
                answered = (200, self.server.objects[self.path])
            else:
                answered = NOT_FOUND
        status, data = answered
        self.send_response(status)
        for name, value in extra.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD" and status != 204:
            self.wfile.write(data)

    do_GET = do_PUT = do_HEAD = do_POST = _handle  # noqa: N815  # names of http.server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # its name in http.server
        """Say nothing."""


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    with Service() as running:
        threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", running.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
        monkeypatch.setenv("AWS_REGION", "eu-central-1")
        yield running
        running.shutdown()


def error_of(code: str, message: str, status: int, more: str = "") -> Answer:
    text = f'<?xml version="1.0"?>\n<Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>'
    return status, text.encode()


# -- services that ignore conditions -------------------------------------------------------------------------


def test_a_service_that_ignores_conditions_is_refused_before_anything_is_written(service: Service) -> None:
    with pytest.raises(StorageError, match="the service ignores `If-None-Match: \\*`"):
        Storage.open("models").create("models/iris/counter.json", b"{}")
    assert [key for key in service.objects if "iris" in key] == []


def test_a_service_that_ignores_if_match_alone_is_refused_too(service: Service) -> None:
    def answer(method: str, path: str, headers: Any) -> Answer | None:
        taken = method == "PUT" and headers.get("If-None-Match") and path in service.objects
        return error_of("PreconditionFailed", "it exists", 412) if taken else None

    service.answer = answer
    with pytest.raises(StorageError, match="the service ignores `If-Match`"):
        Storage.open("models").create("models/iris/counter.json", b"{}")


def test_a_service_is_tried_once(service: Service) -> None:
    def answer(method: str, path: str, headers: Any) -> Answer | None:
        refused = headers.get("If-Match") or (headers.get("If-None-Match") and path in service.objects)
        return error_of("PreconditionFailed", "no", 412) if method == "PUT" and refused else None

    service.answer = answer
    for key in ("a", "b"):
        Storage.open("models").create(key, b"")
    assert sum("PUT" in request and ".probe" in request for request in service.requests) == 4
    service.requests.clear()
    Storage.open("models").create("c", b"")
    assert len(service.requests) == 2


# -- services that fail --------------------------------------------------------------------------------------

FAILURES: dict[str, tuple[Answer, type[RegistryError], str]] = {
    "wrong region": (
        error_of("AuthorizationHeaderMalformed", "region", 400, "<Region>us-west-2</Region>"),
        StorageError,
        r"\(AuthorizationHeaderMalformed: region\): the bucket is in us-west-2, set AWS_REGION=us-west-2",
    ),
    "a key that is not granted": (
        error_of("AccessDenied", "User is not authorized to perform: kms:Decrypt", 403),
        AccessDeniedError,
        "kms:Decrypt.*have the bucket's KMS key granted",
    ),
    "a wrong clock": (error_of("RequestTimeTooSkewed", "too large", 403), StorageError, "set this machine's clock"),
    "a denied action": (
        error_of("AccessDenied", "not authorized to perform: s3:GetObject", 403),
        AccessDeniedError,
        r"not allowed to read a \(AccessDenied: not authorized to perform: s3:GetObject\)",
    ),
    "an expired token": (error_of("ExpiredToken", "expired", 400), CredentialsError, "the credentials were refused"),
    "another refusal": (error_of("InvalidArgument", "no", 400), StorageError, r"cannot read a \(InvalidArgument: no\)"),
}


@pytest.mark.parametrize("case", FAILURES)
def test_what_the_service_says_is_passed_on_with_a_remedy_for_it(service: Service, case: str) -> None:
    answer, kind, words = FAILURES[case]
    service.answer = lambda _method, _path, _headers: answer
    with pytest.raises(kind, match=words) as raised:
        Storage.open("models").read("a")
    assert "\n" not in str(raised.value)
    assert "<" not in str(raised.value)


def test_a_service_that_is_busy_for_seconds_is_asked_again(service: Service) -> None:
    service.objects["/models/a"] = b"content"
    until = time.monotonic() + 2

    def answer(_method: str, _path: str, _headers: Any) -> Answer | None:
        return error_of("SlowDown", "slow", 503) if time.monotonic() < until else None

    service.answer = answer
    stored = Storage.open("models").read("a")
    assert stored is not None
    assert stored.data == b"content"
    assert len(service.requests) < 20, "with pauses in between"


def test_a_refused_port_is_named_with_the_remedy(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    del service
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(StorageError, match=r"nothing listens there \(http://127.0.0.1:1\): check the endpoint"):
        Storage.open("models").read("a")


def test_tls_against_a_plain_port_is_named_with_the_remedy(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", service.url.replace("http", "https"))
    with pytest.raises(StorageError, match=r"it does not speak TLS .*: write http:// in the endpoint"):
        Storage.open("models").read("a")


@pytest.mark.parametrize("endpoint", ["127.0.0.1:9000", "ftp://x", "http://"])
def test_an_endpoint_that_is_no_url_is_one_line(
    service: Service, monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    del service
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(InvalidNameError, match="is not a URL: write http://HOST:PORT"):
        Storage.open("models").read("a")


def test_a_large_object_that_is_refused_unread_is_a_conflict(service: Service) -> None:
    """As versitygw does: 412 and the connection closed before the body was read, so that no answer arrives."""
    service.objects |= {"/models/model": b"another", "/models/models/.probe/conditional-writes": b""}
    service.tokens |= {"/models/model": "another", "/models/models/.probe/conditional-writes": ""}
    service.answer = lambda method, _path, _headers: (0, b"") if method == "PUT" else None
    with pytest.raises(ConflictError, match="exists already"):
        Storage.open("models").create("model", b"x" * 3_000_000, token=MINE)
    del service.objects["/models/model"]
    with pytest.raises(StorageError, match="the connection was cut"):
        Storage.open("models").create("model", b"x" * 3_000_000, token=MINE)
    service.objects["/models/model"], service.tokens["/models/model"] = b"", "mine"
    Storage.open("models").create("model", b"x" * 3_000_000, token=MINE)


# -- services that are silent --------------------------------------------------------------------------------


@pytest.fixture
def silent(service: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A port that takes connections and never answers."""
    del service
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        yield url


@pytest.mark.usefixtures("silent")
def test_a_service_that_never_answers_is_given_up() -> None:
    with pytest.raises(StorageError, match="it did not answer in time"):
        Storage.open("models").read("a")


@pytest.mark.usefixtures("silent")
def test_ctrl_c_ends_the_waiting_at_once() -> None:
    program = "import sys; from model_registry.cli import main; print('begins', file=sys.stderr, flush=True); main()"
    arguments = [sys.executable, "-c", program, "resolve", "iris/1", "--bucket", "s3://models"]
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True, env={**os.environ}) as process:
        assert process.stderr
        assert process.stderr.readline() == "begins\n"
        time.sleep(3)  # it waits for the service, for seven more seconds at least
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
        assert process.wait(60) in {1, 130}
        took = time.monotonic() - began
    assert "Traceback" not in said
    assert "did not answer" not in said, f"ended by Ctrl-C, after {took:.1f} s"


# -- memory --------------------------------------------------------------------------------------------------

STREAMED = """
import resource
from model_runtime.storage import Storage
storage = Storage.open("models")
storage.read("small")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
size = sum(len(chunk) for chunk in storage.chunks("large"))
print(size, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_memory_does_not_grow_with_what_is_streamed(service: Service) -> None:
    size = 256 << 20
    service.objects |= {"/models/large": bytes(size), "/models/small": b"x"}
    done = subprocess.run([sys.executable, "-c", STREAMED], capture_output=True, text=True, check=True)
    received, kilobytes = map(int, done.stdout.split())
    assert received == size
    assert kilobytes < 96 << 10, f"{kilobytes >> 10} MB more, for pieces of 8 MB"


# -- processes -----------------------------------------------------------------------------------------------


def _read_in_child(storage: Storage, answers: Any) -> None:
    try:
        storage.read("a")
    except StorageError as error:
        answers.put(str(error))
    else:
        answers.put("read")


def _use_and_fork(answers: Any) -> None:
    storage = Storage(MemoryStore(), "memory")
    storage.read("a")
    child = multiprocessing.get_context("fork").Process(target=_read_in_child, args=(storage, answers))
    child.start()
    child.join(60)
    child.kill()


def test_a_process_that_is_forked_after_the_storage_was_used_raises_at_once() -> None:
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    process = context.Process(target=_use_and_fork, args=(answers,))
    process.start()
    assert "was forked from one that had used a registry already" in answers.get(timeout=120)
    process.join(60)


# -- what the profile says -----------------------------------------------------------------------------------


def test_the_profiles_endpoint_and_certificates_are_used(
    service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    config = tmp_path / "config"
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    service.objects["/models/a"] = b"private"
    service.tokens["/models/a"] = ""
    config.write_text(f"[default]\nendpoint_url = {service.url}\n")
    stored = Storage.open("models").read("a")
    assert stored is not None
    assert stored.data == b"private"
    config.write_text(f"[default]\nendpoint_url = {service.url}\nca_bundle = {tmp_path}/none.pem\n")
    with pytest.raises(CredentialsError, match=r"none.pem cannot be read .*: correct AWS_CA_BUNDLE or the profile's"):
        Storage.open("models")


def private_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that no machine trusts, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a private service")])
    now = datetime.now(UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, private = folder / "service.pem", folder / "service.key"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return pem, private


@pytest.mark.parametrize("setting", ["variable", "profile"])
def test_a_private_authority_is_trusted_by_one_setting(
    service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, setting: str
) -> None:
    pem, private = private_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, private)
    service.socket = context.wrap_socket(service.socket, server_side=True)
    service.objects["/models/a"] = b"private"
    monkeypatch.setenv("AWS_ENDPOINT_URL", service.url.replace("http", "https"))
    with pytest.raises(StorageError, match=r"its certificate is not trusted .*: name the file .* in AWS_CA_BUNDLE"):
        Storage.open("models").read("a")
    if setting == "variable":
        monkeypatch.setenv("AWS_CA_BUNDLE", str(pem))
    else:
        (tmp_path / "config").write_text(f"[default]\nca_bundle = {pem}\n")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    stored = Storage.open("models").read("a")
    assert stored is not None
    assert stored.data == b"private"
    service.objects["/models/models/.probe/conditional-writes"] = b""
    Storage.open("models").create("large", bytes(3_000_000))
    assert len(service.objects["/models/large"]) == 3_000_000, "boto3, which uploads, trusts it too"


def test_a_credential_process_that_prints_no_json_is_one_line(
    service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    del service
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    config = tmp_path / "config"
    config.write_text("[default]\ncredential_process = echo no JSON\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    with pytest.raises(CredentialsError, match="the AWS credentials cannot be used"):
        Storage.open("models").read("a")


@pytest.mark.parametrize("style", ["virtual", "path"])
def test_the_bucket_is_in_the_host_or_in_the_path_as_the_profile_says(
    service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, style: str
) -> None:
    """The service is the proxy for a host that does not exist: what is asked for is the whole URL."""
    config = tmp_path / "config"
    config.write_text(f"[default]\ns3 =\n  addressing_style = {style}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://s3.test:9000")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, service.url)
    base = "http://models.s3.test:9000/" if style == "virtual" else "http://s3.test:9000/models/"
    service.objects |= {f"{base}models/.probe/conditional-writes": b""}
    storage = Storage.open("models")
    storage.create("small", b"1")
    storage.create("large", bytes(3_000_000))
    assert set(service.requests) >= {f"PUT {base}small", f"PUT {base}large"}


def test_what_a_credential_process_gives_is_used_with_its_session_token(
    service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given = {"Version": 1, "AccessKeyId": "id", "SecretAccessKey": "secret", "SessionToken": "the-token"}
    (tmp_path / "given.json").write_text(json.dumps(given))
    (tmp_path / "config").write_text(f"[profile base]\ncredential_process = cat {tmp_path / 'given.json'}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    service.objects |= {"/models/models/.probe/conditional-writes": b""}
    heard: list[tuple[str, str]] = []

    def answer(method: str, path: str, headers: Any) -> None:
        heard.append((method + path.partition("?")[0], headers.get("x-amz-security-token", "")))

    service.answer = answer
    storage = Storage.open("models", profile="base")
    storage.create("small", b"1")
    storage.create("large", bytes(3_000_000))
    assert {("PUT/models/small", "the-token"), ("PUT/models/large", "the-token")} <= set(heard)
