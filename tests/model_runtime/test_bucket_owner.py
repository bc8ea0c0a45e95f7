"""The account that must own a bucket, `s3://NAME?owner=ACCOUNT`, on MiniStack behind a front that looks at it.

MiniStack and moto ignore `x-amz-expected-bucket-owner`. versitygw does not, and is asked in
tests/model_registry/services.
"""

from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from benchmarks.proxy import Proxy, running
from local.ministack import LocalAws
from model_registry import Registry, Storage
from model_registry.audit import audit
from model_registry.cli import app
from model_registry.purge import purge
from model_registry.reference import VersionRef
from model_registry.trail import Trail
from model_runtime import s3_requests, uploads
from model_runtime.errors import (
    AccessDeniedError,
    BucketNotFoundError,
    BucketOwnerError,
    InvalidNameError,
    StorageError,
)
from tests.conftest import new_bucket
from tests.model_registry.processes import add

OURS, ANOTHERS = "000000000000", "210987654321"
_DENIED = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
_ANSWER = b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n%b"
_HEADER = b"\r\nx-amz-expected-bucket-owner: "


class Owned(Proxy):
    """Refuses what S3 refuses: a request that expects another owner than this account."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.owner = OURS
        self.expected: list[str] = []
        """Of each request: whom it expects, empty for nobody."""

    def answer(self, method: str, path: str, data: bytes) -> bytes | None:
        head = data.partition(b"\r\n\r\n")[0]
        _, found, rest = head.replace(b"X-Amz-Expected-Bucket-Owner", b"x-amz-expected-bucket-owner").partition(_HEADER)
        self.expected.append(rest.partition(b"\r\n")[0].decode() if found else "")
        if found:
            assert b"x-amz-expected-bucket-owner" in head.partition(b"SignedHeaders=")[2].partition(b",")[0]
        if self.expected[-1] not in {"", self.owner}:
            return _ANSWER % (len(_DENIED), _DENIED)
        return super().answer(method, path, data)


@pytest.fixture
def service(aws: LocalAws, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Owned]:  # noqa: ARG001  # sets the credentials
    with running(Owned(aws.port)) as front:
        monkeypatch.setenv("AWS_ENDPOINT_URL", front.url)
        yield front


def test_a_bucket_of_another_account_is_neither_read_nor_written(service: Owned, bucket: str) -> None:
    service.owner = ANOTHERS
    with pytest.raises(BucketOwnerError) as refused:
        Storage.open(f"s3://{bucket}?owner={OURS}")
    assert str(refused.value) == (
        f"s3://{bucket} is not a bucket of the account {OURS}, nothing was read or written: correct the name or the "
        "account; where both are right, the bucket was deleted and somebody else has its name now"
    )
    assert {path.partition("?")[0] for _, path in service.requests} == {f"/{bucket}"}
    assert {method for method, _ in service.requests} == {"GET"}
    said = CliRunner().invoke(app, ["list", "-b", f"s3://{bucket}?owner={OURS}"])
    assert said.exit_code == 1
    assert said.stderr == f"error: {refused.value}\n"


def test_the_owner_is_asked_once_and_all_verbs_work(service: Owned, bucket: str) -> None:
    storage = Storage.open(f"s3://{bucket}?owner={OURS}")
    assert service.expected == ["111111111111", OURS], "whether it looks at the owner at all, then whose it is"
    registry = Registry(storage, actor="the tests")
    add(storage, "iris", b"first")
    registry.tag("iris/1", "prod")
    assert registry.resolve("iris@prod").manifest.version == 1
    assert storage.location == f"s3://{bucket}"
    assert service.expected[2:] == [""] * len(service.expected[2:])


def test_what_boto3_does_says_whose_the_bucket_is(
    aws: LocalAws, service: Owned, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = f"s3://{bucket}?owner={OURS}"
    storage = Storage.open(place)
    add(storage, "iris", b"first")
    Registry(storage, actor="the tests").tag("iris/1", "prod")
    service.expected.clear()
    assert audit(place, "iris@prod") == []
    logs = new_bucket(aws)
    assert "has seen no write" in audit(place, "iris@prod", trail=Trail.parse(f"s3://{logs}/x?owner={OURS}"))[0]
    assert purge(place, VersionRef("iris", 1)).removed
    monkeypatch.setattr(uploads, "PART", 5 << 20)
    storage.create("large", bytes((5 << 20) + 1))
    assert len(service.expected) > 10
    assert set(service.expected) == {OURS}
    with pytest.raises(AccessDeniedError):
        audit(f"s3://{bucket}?owner={ANOTHERS}", "iris@prod")
    with pytest.raises(AccessDeniedError):
        audit(place, "iris@prod", trail=Trail.parse(f"s3://{logs}?owner={ANOTHERS}"))


def test_a_service_that_does_not_look_at_the_owner_is_not_believed(aws: LocalAws, bucket: str) -> None:
    with pytest.raises(StorageError) as refused:
        Storage.open(f"s3://{bucket}?owner={OURS}")
    assert str(refused.value) == (
        f"s3://{bucket}: {aws.url} ignores `x-amz-expected-bucket-owner` and does not say whether {OURS} owns the "
        "bucket: leave `?owner=` out"
    )


@pytest.mark.usefixtures("service", "outsider")
def test_who_may_not_list_is_told_so(bucket: str) -> None:
    with pytest.raises(AccessDeniedError, match=f"not allowed to list the bucket, which tells whether {OURS} owns it"):
        Storage.open(f"s3://{bucket}?owner={OURS}")


@pytest.mark.usefixtures("service")
def test_a_bucket_that_is_not_there_is_said_as_ever() -> None:
    with pytest.raises(BucketNotFoundError, match="there is no such bucket"):
        Storage.open(f"s3://there-is-none-of-this-name?owner={OURS}")


@pytest.mark.usefixtures("bucket")
def test_a_service_that_is_not_there_is_said_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_requests, "_TRIES", 1)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(StorageError, match=r"cannot ask whose it is: nothing listens there \(http://127.0.0.1:1\)"):
        Storage.open(f"s3://models?owner={OURS}")


@pytest.mark.parametrize("query", ["owner=1234", "owner=", "", "account=123456789012", "owner=123456789012&x=1"])
def test_what_names_no_account_is_refused(query: str) -> None:
    with pytest.raises(InvalidNameError, match=r"does not say whose bucket s3://models is: write 's3://models\?owner="):
        Storage.open(f"s3://models?{query}")
