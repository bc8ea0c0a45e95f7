"""Uploads of large files: read piece by piece, so that memory does not grow with them, and only where nothing is yet.

boto3 does it: obstore holds what it writes under a condition in memory, and has no condition for uploads in parts.
"""

import base64
import hashlib
import io
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from typing import IO, Any

from model_runtime.errors import TakenError, UploadError
from model_runtime.s3_requests import S3Requests

PART = 64 << 20
"""Bytes of a part, and of the largest file that goes without parts where the service can do them."""
LARGEST = 5 << 30
"""Bytes that one request can write: Amazon S3 User Guide, "Uploading objects"."""
_MOST_PARTS = 10_000
"""The same, "Amazon S3 multipart upload limits"."""
_READ = 1 << 20


class _Piece(io.RawIOBase):
    """A part of a file, which tells how far it was read once it is being sent: before that it is read to be signed."""

    def __init__(self, file: IO[bytes], start: int, size: int, sent: Callable[[int], None]) -> None:
        super().__init__()
        self._file, self._start, self._size, self._sent = file, start, size, sent
        self._position = 0
        self.is_sent = False

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        return self._position

    def read(self, size: int = -1) -> bytes:
        left = self._size - self._position
        self._file.seek(self._start + self._position)
        data = self._file.read(left if size < 0 else min(size, left))
        self._position += len(data)
        if self.is_sent:
            self._sent(self._start + self._position)
        return data


class Uploads:
    """Writes large files to a bucket."""

    def __init__(self, requests: S3Requests) -> None:
        self._requests = requests
        self._does_parts = None if requests.service.endpoint else True

    @cached_property
    def _ask(self) -> Callable[..., Any]:
        self._requests.client.meta.events.register("before-send.s3", _note_sending)
        return self._requests.ask

    def create(
        self, key: str, file: IO[bytes], size: int, *, metadata: dict[str, str], there: str, sent: Callable[[int], None]
    ) -> None:
        """Write a file of so many bytes under a key that must not exist yet; `sent` hears how many were sent.

        `there` is a key that does exist: by it the service is tried for parts under a condition.

        Raises:
            TakenError: something has the key.
            UploadError: the service refused it, did not answer, or cannot take a file of this size.

        """
        if size <= PART or not self._can_do_parts(there):
            if size > LARGEST:
                raise UploadError(
                    f"the file has {size:,} bytes, and this service cannot complete an upload in parts under a "
                    f"condition: keep models of more than {LARGEST:,} bytes in another"
                )
            body = _Piece(file, 0, size, sent)
            self._ask(
                "put_object",
                Key=key,
                Body=body,
                ContentLength=size,
                ContentMD5=_md5(body),
                Metadata=metadata,
                IfNoneMatch="*",
            )  # which is not sent at all where the service answers at once: Expect: 100-continue
            return
        upload = self._ask("create_multipart_upload", Key=key, Metadata=metadata)["UploadId"]
        try:
            step, parts = max(PART, -(-size // _MOST_PARTS)), []
            for number, start in enumerate(range(0, size, step), 1):
                body = _Piece(file, start, min(step, size - start), sent)
                parts.append(self._part(key, upload, number, body))
            self._complete(key, upload, parts)
        except BaseException:
            self._abort(key, upload)
            raise

    def _can_do_parts(self, there: str) -> bool:
        """Whether the service completes an upload in parts only where nothing has the key; found out once."""
        if self._does_parts is None:
            self._does_parts = self.refuses_parts_of(there)
        return self._does_parts

    def refuses_parts_of(self, there: str) -> bool:
        """Whether completing parts under a key that exists is refused, as it must be."""
        try:
            upload = self._ask("create_multipart_upload", Key=there)["UploadId"]
        except UploadError:
            return False
        try:
            self._complete(there, upload, [self._part(there, upload, 1, io.BytesIO(b"honoured\n"))])
        except TakenError:
            return True
        except UploadError:
            return False
        finally:
            self._abort(there, upload)
        return False

    def _part(self, key: str, upload: str, number: int, body: Any) -> dict[str, Any]:
        answer = self._ask("upload_part", Key=key, UploadId=upload, PartNumber=number, Body=body, ContentMD5=_md5(body))
        return {"PartNumber": number, "ETag": answer["ETag"]}

    def _complete(self, key: str, upload: str, parts: list[dict[str, Any]]) -> None:
        self._ask(
            "complete_multipart_upload", Key=key, UploadId=upload, MultipartUpload={"Parts": parts}, IfNoneMatch="*"
        )

    def _abort(self, key: str, upload: str) -> None:
        with suppress(Exception):  # what is left costs a little, until the bucket's lifecycle rule removes it
            self._ask("abort_multipart_upload", Key=key, UploadId=upload)


def _md5(body: Any) -> str:
    """A body's checksum as every service knows it, without which a bucket that locks its objects takes none."""
    found = hashlib.md5(usedforsecurity=False)
    while piece := body.read(_READ):
        found.update(piece)
    body.seek(0)
    return base64.b64encode(found.digest()).decode()


def _note_sending(request: Any, **_: Any) -> None:
    if isinstance(request.body, _Piece):
        request.body.is_sent = True
