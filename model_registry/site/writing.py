"""Writes the pages as files: to a folder, or to a bucket that some web server or CloudFront reads."""

from collections.abc import Callable
from pathlib import Path

from model_runtime.aws import aws_session
from model_runtime.errors import InvalidNameError, StorageError

HTML = "text/html; charset=utf-8"
Write = Callable[[str, str], None]
"""Takes a page's path and the page."""


def writer(place: str, profile: str | None) -> Write:
    """What writes pages to `s3://BUCKET/PREFIX`, or to a folder."""
    return _to_bucket(place, profile) if place.startswith("s3://") else _to_folder(Path(place))


def _to_folder(folder: Path) -> Write:
    def write(path: str, page: str) -> None:
        file = folder / path
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(page, encoding="utf-8")
        except OSError as error:
            raise StorageError(
                f"cannot write {file} ({error.strerror}): name a folder that you may write to"
            ) from error

    return write


def _to_bucket(place: str, profile: str | None) -> Write:
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, _, prefix = place.removeprefix("s3://").strip("/").partition("/")
    if not bucket:
        raise InvalidNameError(f"{place!r} names no bucket: write s3://BUCKET or s3://BUCKET/PREFIX")
    client = aws_session(profile).client("s3")

    def write(path: str, page: str) -> None:
        key = f"{prefix}/{path}" if prefix else path
        try:
            client.put_object(Bucket=bucket, Key=key, Body=page.encode(), ContentType=HTML)
        except (BotoCoreError, ClientError) as error:
            raise StorageError(
                f"cannot write s3://{bucket}/{key} ({error}): check the bucket and your rights"
            ) from error

    return write
