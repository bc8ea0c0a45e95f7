"""The only place that talks to object storage.

obstore does the work: it imports in a few milliseconds, which counts at a function's cold start, releases the GIL
while it downloads, and knows conditional writes. boto3 is asked for credentials where people use profiles or SSO;
in a function obstore finds them itself.
"""

import io
import os
import uuid
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import S3Store

from model_runtime.aws import (
    aws_session,
    bucket_address,
    bucket_name,
    configured_service,
    environment_endpoint,
    read_certificates,
    store_options,
)
from model_runtime.errors import (
    AccessDeniedError,
    ConflictError,
    CredentialsError,
    RecordError,
    RegistryError,
    StorageError,
    TakenError,
    UploadError,
)
from model_runtime.interruption import interruptible, was_forked

if TYPE_CHECKING:
    from pathlib import Path

    from obstore.store import ObjectStore

    from model_runtime.uploads import Uploads

__all__ = ["PROBES", "Storage", "Stored", "aws_session", "bucket_name"]

_TOKEN = "writer"  # noqa: S105  # not a password
"""Name of the user metadata (x-amz-meta-writer) that holds a writer's token."""

_CONTAINER = "AWS_CONTAINER_CREDENTIALS_FULL_URI"

PROBES = "models/.probe/"
"""Where objects lie by which the service is tried; no model has this name."""
_TRIED = f"{PROBES}conditional-writes"
"""There once the service was tried."""

_SILENCE = timedelta(seconds=10)
"""A request that gets no byte for so long has failed. Records are a few kilobytes; a model comes in many reads."""
_CHUNK = 8 << 20
LARGEST_RECORD = 32 << 20
"""Bytes of a manifest, tag or other record at most; the largest of real ones have some hundred kilobytes."""
_BULK = 1 << 20
"""What has more bytes than this is uploaded piece by piece, and may take longer than that to be answered."""

Content: TypeAlias = "bytes | Path"
"""What is stored: bytes, or a file, which is never held in memory as a whole."""
Watcher = Callable[[str, int, int], None]
"""Is told of a large object's key, how many bytes of it were transferred, and how many it has."""


class Stored(msgspec.Struct, frozen=True):
    """An object's bytes, and the ETag with which it can be replaced."""

    data: bytes
    etag: str | None


class Storage:
    """A bucket of immutable objects and of objects replaced by compare-and-swap."""

    def __init__(
        self,
        store: "ObjectStore",
        location: str,
        *,
        uploads: "Uploads | None" = None,
        endpoint: str | None = None,
    ) -> None:
        """Use any obstore store; `location` names it in messages.

        `uploads` does the large ones. A service at an `endpoint` that is not Amazon's is tried before the first
        write: one that ignores conditions on writes is refused.
        """
        self.watcher: Watcher = _unwatched
        self._store = store
        self._uploads = uploads
        self._endpoint = endpoint
        self._untried = endpoint is not None
        self.location = location

    @classmethod
    def open(cls, bucket: str, *, profile: str | None = None, region: str | None = None) -> "Storage":
        """Open a bucket (`NAME`, `s3://NAME`, `s3://NAME?owner=ACCOUNT`; a folder: `open_storage`) as the AWS CLI does.

        With an owner the service is asked once whose the bucket is, before anything is read or written. The endpoint of
        another S3-compatible service and the certificates to trust are from the environment (AWS_ENDPOINT_URL_S3,
        AWS_ENDPOINT_URL, AWS_CA_BUNDLE) or the profile. Raises InvalidNameError for a bad bucket name, CredentialsError
        where there are no credentials or no region, BucketOwnerError for a bucket of another account.
        """
        from botocore.exceptions import BotoCoreError, ClientError
        from obstore.auth.boto3 import Boto3CredentialProvider

        from model_runtime.s3_requests import S3Requests
        from model_runtime.uploads import Uploads

        address = bucket_address(bucket)
        name = address.name
        try:
            session = aws_session(profile, region)
            credentials = session.get_credentials()
            service = configured_service(session)
        except (
            BotoCoreError,
            ClientError,
            ValueError,
        ) as error:  # ValueError: a credential_process that prints no JSON
            raise CredentialsError(f"the AWS credentials cannot be used: {error}") from error
        if credentials is None:
            raise CredentialsError(
                f"no AWS credentials to open s3://{name}: run `aws configure` or `aws sso login`, or set AWS_PROFILE"
            )
        if session.region_name is None:
            raise CredentialsError(f"no AWS region to open s3://{name}: set AWS_REGION, or a region in the profile")
        endpoint = service.endpoint_of(name)
        options = store_options(
            session.region_name, endpoint, timedelta(seconds=5), timedelta(minutes=15), timedelta(seconds=8)
        )
        options["credential_provider"] = Boto3CredentialProvider(session)
        options["virtual_hosted_style_request"] = service.is_virtual
        # A bucket that locks its objects takes none without a checksum: Amazon S3 API Reference, PutObject.
        options["checksum_algorithm"] = "SHA256"
        options["client_options"]["read_timeout"] = _SILENCE
        if service.certificates:
            options["client_options"]["root_certificate"] = read_certificates(service.certificates)
        try:
            store = S3Store(name, **options)
            requests = S3Requests(session, address, service)
        except (BaseError, ValueError) as error:
            raise StorageError(
                f"s3://{name} cannot be opened at {endpoint or 'Amazon S3'}: {str(error).partition(chr(10))[0]}"
            ) from error
        storage = cls(store, f"s3://{name}", uploads=Uploads(requests), endpoint=endpoint)
        if address.owner:
            from model_runtime.bucket_owner import require_owner

            with storage._errors("ask whose it is"):
                require_owner(requests)
        return storage

    @classmethod
    def in_function(cls, bucket: str, *, seconds: float) -> "Storage":
        """Open a bucket from inside a Lambda function, with its role.

        Credentials are in the environment, except under SnapStart, where a container endpoint gives them and obstore
        renews them. A try that gets no connection is ended after an eighth of `seconds`, one that gets no byte after a
        quarter, and both are tried again while there is time; whoever reads still has to keep to `seconds` himself, as
        the last try may start late.
        """
        budget = timedelta(seconds=seconds)
        options = store_options(os.environ["AWS_REGION"], environment_endpoint(), budget / 8, budget, budget / 2)
        options["client_options"]["read_timeout"] = budget / 4
        uri = os.environ.get(_CONTAINER)
        if not uri:
            return cls(S3Store(bucket, **options), f"s3://{bucket}")
        # obstore takes the endpoint's token from a file only: one in memory, which is gone with the storage.
        token = os.memfd_create("token")
        os.write(token, os.environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN", "").encode())
        options["container_credentials_full_uri"] = uri
        options["container_authorization_token_file"] = f"/proc/self/fd/{token}"
        storage = cls(S3Store(bucket, **options), f"s3://{bucket}")
        weakref.finalize(storage, os.close, token)
        return storage

    def read(self, key: str) -> Stored | None:
        """Return the object, or None where there is none; RecordError where it is too large for a record."""

        def read() -> Stored:
            result = obstore.get(self._store, key)
            require_record_size(key, result.meta["size"])
            return Stored(result.bytes().to_bytes(), result.meta["e_tag"])

        with self._errors(f"read {key}"):
            try:
                return interruptible(read)
            except FileNotFoundError as error:
                if _is_missing_bucket(error):
                    raise
                return None

    def chunks(self, key: str) -> Iterator[bytes] | None:
        """An object's bytes piece by piece, so that memory does not grow with it; None where there is none."""
        with self._errors(f"read {key}"):
            try:
                result = interruptible(lambda: obstore.get(self._store, key))
            except FileNotFoundError as error:
                if _is_missing_bucket(error):
                    raise
                return None
        return self._streamed(key, iter(result.stream(min_chunk_size=_CHUNK)), result.meta["size"])

    def _streamed(self, key: str, stream: Iterator[Any], size: int) -> Iterator[bytes]:
        done = 0
        with self._errors(f"read {key}"):
            while (chunk := interruptible(lambda: next(stream, None))) is not None:
                done += len(chunk)
                self.watcher(key, done, size)
                yield bytes(chunk)

    def create(self, key: str, data: Content, *, token: str | None = None) -> None:
        """Write an object that must not exist yet; ConflictError where it does.

        `token`, unique to the caller, is kept with the object: a write whose answer was lost is known by it when it
        is tried again, and succeeds instead of being in conflict with itself.
        """
        self._try_service(key)
        with self._errors(f"write {key}"):
            try:
                interruptible(lambda: self._create(key, data, {_TOKEN: token} if token else {}))
            except (BaseError, FileNotFoundError, UploadError) as error:
                there = self._token(key) if token else None
                if there is not None and there == token:
                    return
                from model_runtime.storage_errors import is_unanswered

                # Some services refuse a large object before they have read it: then the answer does not arrive.
                refused_unheard = there is not None and is_unanswered(error)
                if isinstance(error, AlreadyExistsError | TakenError) or refused_unheard:
                    raise ConflictError(f"{self.location}/{key} exists already, nothing was written") from error
                raise

    def _create(self, key: str, data: Content, metadata: dict[str, str]) -> None:
        size = len(data) if isinstance(data, bytes) else data.stat().st_size
        if self._uploads is None or size <= _BULK:
            obstore.put(self._store, key, data, mode="create", attributes=metadata, use_multipart=False)
            return
        with io.BytesIO(data) if isinstance(data, bytes) else data.open("rb") as file:
            self._uploads.create(
                key, file, size, metadata=metadata, there=_TRIED, sent=lambda done: self.watcher(key, done, size)
            )

    def replace(self, key: str, data: bytes, etag: str | None) -> None:
        """Write over the object that has this ETag; ConflictError where it is another by now."""
        self._try_service(key)
        with self._errors(f"write {key}"):
            try:
                interruptible(lambda: obstore.put(self._store, key, data, mode={"e_tag": etag}))
            except (PreconditionError, FileNotFoundError) as error:
                if _is_missing_bucket(error):
                    raise
                raise ConflictError(
                    f"{self.location}/{key} was changed by another writer, nothing was written"
                ) from error

    def overwrite(self, key: str, data: bytes) -> None:
        """Write an object whatever there is; for what does not matter if two writers meet."""
        self._try_service(key)
        with self._errors(f"write {key}"):
            interruptible(lambda: obstore.put(self._store, key, data))

    def delete(self, key: str) -> None:
        """Delete an object; one that does not exist is deleted already."""
        with self._errors(f"delete {key}"), suppress(FileNotFoundError):
            interruptible(lambda: obstore.delete(self._store, key))

    def keys(self, prefix: str) -> Iterator[str]:
        """Every key below a prefix, page by page."""
        return (key for key, _ in self.entries(prefix))

    def entries(self, prefix: str) -> Iterator[tuple[str, datetime]]:
        """Every key below a prefix with the time of its last change, page by page."""
        with self._errors(f"list {prefix}"):
            pages = iter(obstore.list(self._store, prefix))
            while (page := interruptible(lambda: next(pages, None))) is not None:
                for entry in page:
                    yield entry["path"], entry["last_modified"]

    def folders(self, prefix: str) -> list[str]:
        """The names directly below a prefix that have keys below them, sorted as text."""
        with self._errors(f"list {prefix}"):
            result = interruptible(lambda: obstore.list_with_delimiter(self._store, prefix))
            return sorted(path.rstrip("/").rpartition("/")[2] for path in result["common_prefixes"])

    def now(self) -> datetime:
        """The time by the service's clock, from an object that is written and deleted."""
        key = f"{PROBES}{uuid.uuid4().hex}"
        with self._errors(f"write {key}"):
            interruptible(lambda: obstore.put(self._store, key, b"clock"))
        # From a listing: as exact as the times that it is compared with.
        times = [modified for listed, modified in self.entries(PROBES) if listed == key]
        self.delete(key)
        if not times:
            raise StorageError(f"{self.location} does not list {key}, which was just written: a registry needs that")
        return times[0]

    def holds(self, key: str, data: bytes) -> bool:
        """Whether an object has these bytes: a write that failed may have been done, its answer lost.

        False also where that cannot be found out: the failure is what is to be reported then.
        """
        with suppress(StorageError, RecordError):
            stored = self.read(key)
            return stored is not None and stored.data == data
        return False

    def require_conditional_writes(self) -> None:
        """StorageError where the service ignores the conditions of a write: then one writer overwrites another."""
        key, location = f"{PROBES}{uuid.uuid4().hex}", self.location
        remedy = "two writers would overwrite one another: keep the registry in a service that honours it"
        with self._errors(f"write {key}"):
            try:
                with suppress(AlreadyExistsError):  # by the same write, whose answer was lost
                    interruptible(lambda: obstore.put(self._store, key, b"1", mode="create"))
                with suppress(AlreadyExistsError, PreconditionError):
                    interruptible(lambda: obstore.put(self._store, key, b"2", mode="create"))
                    raise StorageError(f"{location}: the service ignores `If-None-Match: *` ({remedy})")
                with suppress(PreconditionError, AlreadyExistsError):
                    interruptible(lambda: obstore.put(self._store, key, b"3", mode={"e_tag": '"0"'}))
                    raise StorageError(f"{location}: the service ignores `If-Match` ({remedy})")
            finally:
                with suppress(StorageError):  # what was found out counts
                    self.delete(key)

    def _try_service(self, key: str) -> None:
        """Before the first write: look whether the service was tried already, and try it otherwise."""
        if not self._untried:
            return
        try:
            with self._errors(f"write {key}"):
                try:
                    interruptible(lambda: obstore.head(self._store, _TRIED))
                except FileNotFoundError:
                    self.require_conditional_writes()
                    interruptible(lambda: obstore.put(self._store, _TRIED, b"honoured\n"))
        except AccessDeniedError:
            pass  # credentials for some models only: whether the write itself is allowed shows there
        self._untried = False

    def _token(self, key: str) -> str | None:
        """The token of an object; empty where it has none, None where there is no object."""
        with suppress(BaseError, FileNotFoundError):
            result = interruptible(lambda: obstore.get(self._store, key, options={"head": True}))
            return str(result.attributes.get(_TOKEN, ""))
        return None

    @contextmanager
    def _errors(self, action: str) -> Iterator[None]:
        if was_forked():
            raise StorageError(
                f"{self.location}: cannot {action}: this process was forked from one that had used a registry already, "
                "and the threads of its storage are gone: start it by `spawn` or `forkserver`, or fork before"
            )
        try:
            yield
        except RegistryError:
            raise
        except Exception as error:  # obstore raises what a credential provider raises, too
            raise self._explained(error, action) from error

    def _explained(self, error: Exception, action: str) -> StorageError:
        container = os.environ.get(_CONTAINER)
        if container and container in str(error):
            first = str(error).partition("\n")[0]
            return CredentialsError(f"{self.location}: {container} gives no credentials: {first}")
        from model_runtime.storage_errors import explained  # here, as a start that goes well needs it not

        return explained(error, self.location, action, endpoint=self._endpoint)


def require_record_size(what: str, size: int) -> None:
    """RecordError for more bytes than a record has: whoever reads one holds all of it in memory."""
    if size > LARGEST_RECORD:
        raise RecordError(
            f"{what} has {size:,} bytes, a record has {LARGEST_RECORD:,} at most: restore the object from the bucket's "
            "versions"
        )


def _unwatched(_key: str, _done: int, _size: int) -> None:
    pass


def _is_missing_bucket(error: Exception) -> bool:
    from model_runtime.storage_errors import is_missing_bucket  # as above

    return is_missing_bucket(error)
