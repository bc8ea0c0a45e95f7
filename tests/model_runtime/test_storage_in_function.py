"""Where the function's credentials come from: the environment, or under SnapStart the container endpoint.

Source: "Container credential provider" in the AWS SDKs and tools reference guide. The endpoint is a stand-in; the S3
is real, and takes no other credentials than those that the endpoint gave.
"""

import gc
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from local.ministack import LocalAws
from model_runtime.errors import CredentialsError
from model_runtime.storage import Storage

PROJECT = Path(__file__).parents[2]
TOKEN = "the endpoint's token"  # noqa: S105  # of a stand-in


class Endpoint(ThreadingHTTPServer):
    """Gives credentials to whoever has the token."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.credentials: dict[str, str] = {}
        self.lifetime = timedelta(hours=1)
        self.given = 0
        self.refused = 0

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/2021-04-23/credentials"


class _Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_GET(self) -> None:
        if self.headers["Authorization"] != TOKEN or self.path != "/2021-04-23/credentials":
            self.server.refused += 1
            self._send(403, b"{}")
            return
        self.server.given += 1
        expires = datetime.now(UTC) + self.server.lifetime
        document = {**self.server.credentials, "Expiration": expires.strftime("%Y-%m-%dT%H:%M:%SZ")}
        self._send(200, json.dumps(document).encode())

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class's name
        pass


def role_credentials(aws: LocalAws, bucket: str) -> dict[str, str]:
    """Temporary credentials of a role that may read the bucket, as the endpoint writes them."""
    iam, name = aws.client("iam"), f"role-of-{bucket}"
    document = {"Version": "2012-10-17"}
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({**document, "Statement": [trust]}))
    read = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    iam.put_role_policy(RoleName=name, PolicyName="read", PolicyDocument=json.dumps({**document, "Statement": [read]}))
    given = aws.client("sts").assume_role(RoleArn=role["Role"]["Arn"], RoleSessionName="function")["Credentials"]
    return {
        "AccessKeyId": given["AccessKeyId"],
        "SecretAccessKey": given["SecretAccessKey"],
        "Token": given["SessionToken"],
    }


@pytest.fixture
def endpoint(aws: LocalAws, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    """The environment is that of a function under SnapStart: an endpoint and its token, and no keys."""
    aws.client("s3").put_object(Bucket=bucket, Key="a", Body=b"1")
    with Endpoint() as server:
        server.credentials = role_credentials(aws, bucket)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", server.uri)
        monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", TOKEN)
        yield server
        server.shutdown()
        thread.join()


def content(storage: Storage) -> bytes:
    stored = storage.read("a")
    assert stored is not None
    return stored.data


def test_the_container_endpoint_s_credentials_are_used_until_they_expire(endpoint: Endpoint, bucket: str) -> None:
    storage = Storage.in_function(bucket, seconds=60)
    assert [content(storage) for _ in range(3)] == [b"1"] * 3
    assert (endpoint.given, endpoint.refused) == (1, 0)


def test_credentials_that_expire_are_asked_for_again(endpoint: Endpoint, bucket: str) -> None:
    endpoint.lifetime = timedelta(seconds=1)
    storage = Storage.in_function(bucket, seconds=60)
    until = time.monotonic() + 60
    while endpoint.given < 3 and time.monotonic() < until:
        assert content(storage) == b"1"
    assert endpoint.given == 3


@pytest.mark.parametrize(
    "wrong",
    [{"SecretAccessKey": "another"}, {"AccessKeyId": "ASIANOBODY"}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_the_s3_takes_nothing_else(endpoint: Endpoint, bucket: str, wrong: dict[str, str]) -> None:
    endpoint.credentials = {**endpoint.credentials, **wrong}
    with pytest.raises(CredentialsError, match="the credentials were refused"):
        content(Storage.in_function(bucket, seconds=60))


def test_a_wrong_token_is_an_error_of_the_credentials_and_shows_no_token(
    endpoint: Endpoint, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "a secret")
    with pytest.raises(CredentialsError, match="gives no credentials") as caught:
        content(Storage.in_function(bucket, seconds=60))
    assert endpoint.uri in str(caught.value)
    assert "a secret" not in str(caught.value)


def test_no_endpoint_is_an_error_of_the_credentials(
    endpoint: Endpoint, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", endpoint.uri.replace(str(endpoint.server_port), "9"))
    with pytest.raises(CredentialsError, match="gives no credentials"):
        content(Storage.in_function(bucket, seconds=0.5))


def test_the_token_is_in_no_file_and_gone_with_the_storage(endpoint: Endpoint, bucket: str) -> None:
    before = _memory_files()
    storage = Storage.in_function(bucket, seconds=60)
    content(storage)
    assert endpoint.given == 1
    assert _memory_files() == before + 1
    del storage
    assert _memory_files() == before


def test_neither_way_needs_boto3(endpoint: Endpoint, bucket: str) -> None:
    """It takes longer to import than everything else that fetching needs."""
    assert endpoint.given == 0
    program = (
        "import sys; from model_runtime.storage import Storage; "
        f"Storage.in_function({bucket!r}, seconds=60).read('a'); "
        "print('boto3' in sys.modules, 'botocore' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=PROJECT)
    assert done.stdout.strip() == "False False"


def _memory_files() -> int:
    gc.collect()
    links = []
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the one that lists the folder
            links.append(str(entry.readlink()))
    return sum(link.startswith("/memfd:token") for link in links)
