import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from local.ministack import LocalAws
from model_registry import Storage
from model_runtime.aws import bucket_address
from model_runtime.errors import (
    AccessDeniedError,
    BucketNotFoundError,
    ConflictError,
    CredentialsError,
    InvalidNameError,
    StorageError,
)
from model_runtime.storage import bucket_name

OPERATIONS: dict[str, Callable[[Storage], object]] = {
    "read": lambda storage: storage.read("a/b"),
    "create": lambda storage: storage.create("a/b", b""),
    "replace": lambda storage: storage.replace("a/b", b"", '"etag"'),
    "keys": lambda storage: list(storage.keys("a/")),
    "folders": lambda storage: storage.folders("a/"),
}
every_operation = pytest.mark.parametrize("operate", OPERATIONS.values(), ids=OPERATIONS)


def content(storage: Storage, key: str) -> bytes:
    stored = storage.read(key)
    assert stored is not None
    return stored.data


def test_what_was_created_is_read_back(storage: Storage) -> None:
    data = bytes(range(256)) * 5000
    storage.create("a/b", data)
    assert content(storage, "a/b") == data


def test_nothing_is_read_where_nothing_is(storage: Storage) -> None:
    assert storage.read("a/b") is None


def test_create_never_overwrites(storage: Storage) -> None:
    storage.create("a/b", b"first")
    with pytest.raises(ConflictError, match="a/b exists already, nothing was written"):
        storage.create("a/b", b"second")
    assert content(storage, "a/b") == b"first"


def test_of_many_creators_of_a_key_exactly_one_wins(storage: Storage) -> None:
    def won(number: int) -> int | None:
        try:
            storage.create("a/b", str(number).encode())
        except ConflictError:
            return None
        return number

    with ThreadPoolExecutor(16) as pool:
        winners = [number for number in pool.map(won, range(16)) if number is not None]
    assert [int(content(storage, "a/b"))] == winners


def test_replace_needs_the_current_etag(storage: Storage) -> None:
    storage.create("a", b"1")
    first = storage.read("a")
    assert first is not None
    storage.replace("a", b"2", first.etag)
    with pytest.raises(ConflictError, match="a was changed by another writer, nothing was written"):
        storage.replace("a", b"3", first.etag)
    assert content(storage, "a") == b"2"


def test_keys_are_listed_over_several_pages(storage: Storage) -> None:
    names = [f"many/{number:04}" for number in range(1005)]  # S3 gives 1000 a page
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda name: storage.create(name, b""), names))
    assert sorted(storage.keys("many/")) == names


def test_folders_are_the_names_directly_below(storage: Storage) -> None:
    for key in ("m/b/1/x", "m/b/2/x", "m/a/x", "m/file", "other/z/x"):
        storage.create(key, b"")
    assert storage.folders("m/") == ["a", "b"]


@every_operation
@pytest.mark.usefixtures("bucket")
def test_a_missing_bucket_is_named_with_a_remedy(operate: Callable[[Storage], object]) -> None:
    with pytest.raises(BucketNotFoundError, match="s3://there-is-none: there is no such bucket: check the name"):
        operate(Storage.open("there-is-none"))


@every_operation
@pytest.mark.usefixtures("outsider")
def test_a_user_without_rights_is_told_so(bucket: str, operate: Callable[[Storage], object]) -> None:
    with pytest.raises(AccessDeniedError, match=rf"s3://{bucket}: not allowed to (read|write|list) a/.*: use cred"):
        operate(Storage.open(bucket))


def test_rights_on_one_model_are_not_rights_on_another(
    aws: LocalAws, bucket: str, storage: Storage, outsider: str
) -> None:
    """IAM is really enforced here: what a policy allows works, and the rest does not."""
    storage.create("models/iris/x", b"1")
    storage.create("models/wine/x", b"1")
    allow = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/models/iris/*"}
    aws.client("iam").put_user_policy(
        UserName=outsider,
        PolicyName="iris",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allow]}),
    )
    theirs = Storage.open(bucket)
    assert content(theirs, "models/iris/x") == b"1"
    with pytest.raises(AccessDeniedError):
        theirs.read("models/wine/x")
    with pytest.raises(AccessDeniedError):
        theirs.create("models/iris/y", b"")


def test_without_credentials_the_message_says_how_to_get_some() -> None:
    with pytest.raises(CredentialsError, match=r"no AWS credentials to open s3://models: run `aws configure`"):
        Storage.open("models", region="eu-central-1")


def test_an_unknown_profile_is_named() -> None:
    with pytest.raises(CredentialsError, match="nobody-s"):
        Storage.open("models", profile="nobody-s")


def test_without_a_region_the_message_says_how_to_give_one(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(CredentialsError, match=r"no AWS region .* set AWS_REGION"):
        Storage.open(bucket)


@pytest.mark.parametrize("unset", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_either_region_variable_is_enough(bucket: str, monkeypatch: pytest.MonkeyPatch, unset: str) -> None:
    """boto3 alone reads only the second of them."""
    monkeypatch.delenv(unset)
    assert Storage.open(bucket).read("a") is None


@pytest.mark.usefixtures("bucket")
def test_an_unreachable_service_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(StorageError) as caught:
        Storage.open("models").create("a", b"")
    assert str(caught.value).startswith("s3://models: cannot write a: ")
    assert "\n" not in str(caught.value)


def test_the_function_opens_the_bucket_with_what_lambda_puts_into_the_environment(bucket: str) -> None:
    assert "AWS_CONTAINER_CREDENTIALS_FULL_URI" not in os.environ
    Storage.in_function(bucket, seconds=60).create("a", b"1")
    assert content(Storage.open(bucket), "a") == b"1"


@pytest.mark.parametrize("text", ["models", "models/", "s3://models", "s3://models/"])
def test_a_bucket_may_be_given_as_name_or_as_url(text: str) -> None:
    assert bucket_name(text) == bucket_address(text).name == "models"


@pytest.mark.parametrize(
    "text", ["", "ab", "s3://", "s3://models/iris", "Models", "mo_dels", "-models", "a" * 64, "https://models"]
)
def test_what_is_no_bucket_is_refused(text: str) -> None:
    with pytest.raises(InvalidNameError, match="is not a bucket name: write s3://NAME"):
        bucket_name(text)


@pytest.mark.usefixtures("outsider")
def test_a_wrong_secret_is_told_from_a_missing_right(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    with pytest.raises(CredentialsError, match="the credentials were refused"):
        Storage.open(bucket).read("anything")
