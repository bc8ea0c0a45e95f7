"""What outlives the local AWS in its state folder: the registry's objects and the port."""

import shutil
from pathlib import Path

from botocore.exceptions import ClientError

from local.ministack import LocalAws


def keep(aws: LocalAws, state: Path, bucket: str) -> None:
    """Write the port and every object of the bucket into the state folder, for its owner alone."""
    s3, new = aws.client("s3"), state / "registry.writing"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    (state / "port").write_text(str(aws.port))
    try:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    except ClientError:  # no registry was deployed yet
        shutil.rmtree(new)
        return
    for key in keys:
        path = new / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    shutil.rmtree(state / "registry", ignore_errors=True)
    new.rename(state / "registry")


def bring_back(aws: LocalAws, state: Path, bucket: str) -> int:
    """Write what was kept into a bucket that has nothing yet; how many objects there are."""
    s3, folder = aws.client("s3"), state / "registry"
    if not folder.is_dir() or s3.list_objects_v2(Bucket=bucket, Prefix="models/").get("KeyCount"):
        return 0
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    for path in paths:
        s3.put_object(Bucket=bucket, Key=path.relative_to(folder).as_posix(), Body=path.read_bytes())
    return len(paths)


def kept_port(state: Path) -> int | None:
    """The port on which the last one listened; None where none is known."""
    try:
        return int((state / "port").read_text())
    except (FileNotFoundError, ValueError):
        return None
