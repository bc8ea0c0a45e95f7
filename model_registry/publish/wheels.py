"""Wheels of packages that no index has, put together again from what is installed.

They hold what the model was trained with, whatever has become of the folder, file or repository that it was installed
from; nothing is built for it, so no code of a package runs, and the same installation gives the same bytes
(docs/decisions/0013-wheels-from-what-is-installed.md).
"""

import base64
import csv
import email
import hashlib
import io
import json
from collections.abc import Collection, Iterator, Mapping
from importlib import metadata
from pathlib import Path, PurePosixPath

from packaging.utils import canonicalize_name

from model_registry.lambda_packages.errors import IndexUnreachableError
from model_registry.lambda_packages.platform import RUNTIMES
from model_registry.lambda_packages.wheels import without_wheel
from model_registry.publish.archive import zipped
from model_registry.stored_wheels import keep
from model_runtime.errors import PublishError
from model_runtime.manifest import Environment

# What installers add beside the wheel's own files (PEP 376, PEP 610; uv's notes for its cache).
_OF_INSTALLATION = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json"})


def wheels_of(packages: Mapping[str, str], more: Collection[str] = ()) -> tuple[Path, ...]:
    """Wheels of those packages that were installed from a folder, a file or a repository, and of `more` of them.

    A package in another version than the one that is installed must come from an index.

    Raises:
        PublishError: a package has compiled modules that were built for this machine, or files that are gone.

    """
    return tuple(
        _wheel(name)
        for name, version in packages.items()
        if (name in more or is_from_elsewhere(name)) and metadata.version(name) == version
    )


def unpublished(environment: Environment) -> frozenset[str]:
    """Packages that an index has as sources only, and that are installed here as pure Python."""
    runtime = RUNTIMES.get(environment.python)
    if runtime is None:
        return frozenset()
    pure = [(name, version) for name, version in environment.packages.items() if _is_pure(name, version)]
    try:
        return frozenset(name for name, _ in without_wheel(pure, runtime, "x86_64"))
    except IndexUnreachableError:
        return frozenset()


def is_from_elsewhere(name: str) -> bool:
    """Whether a distribution was installed from a folder, a file or a repository: an index does not have these bytes.

    PEP 610 has it recorded. Conda's packages have the folder that they were built in, and are on an index too.
    """
    try:
        found = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    installer = (found.read_text("INSTALLER") or "").strip()
    return found.read_text("direct_url.json") is not None and installer != "conda"


def is_editable(name: str) -> bool:
    """Whether a distribution is installed as editable: it has none of its modules, which are its owner's own code."""
    try:
        text = metadata.distribution(name).read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        return False
    return bool(text and json.loads(text).get("dir_info", {}).get("editable"))


def _is_pure(name: str, version: str) -> bool:
    try:
        found = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return found.version == version and all(tag.endswith("-none-any") for tag in _tags(found) or ("",))


def _wheel(name: str) -> Path:
    found = metadata.distribution(name)
    tag = _tag(found)
    return keep(_zipped(found), f"{_info(found).removesuffix('.dist-info')}-{tag}.whl")


def _tag(found: metadata.Distribution) -> str:
    """The tags of its wheel in one, as a wheel's name has them."""
    tags = [tag.split("-") for tag in _tags(found)]
    if not any(parts[-1] == "any" or parts[-1].startswith("manylinux") for parts in tags):
        raise PublishError(
            f"the model needs {found.name} {found.version}, whose compiled modules were built for this machine "
            f"({', '.join('-'.join(parts) for parts in tags) or 'without a wheel'}): install a wheel for manylinux, "
            "or take it from an index that has one"
        )
    return "-".join(".".join(dict.fromkeys(parts)) for parts in zip(*tags, strict=True))


def _tags(found: metadata.Distribution) -> list[str]:
    return email.message_from_string(found.read_text("WHEEL") or "").get_all("Tag", [])


def _info(found: metadata.Distribution) -> str:
    return next(path.parts[0] for path in found.files or () if path.match("*.dist-info/METADATA"))


def _zipped(found: metadata.Distribution) -> bytes:
    content = dict(_content(found))
    info = _info(found)
    rows = io.StringIO()
    writer = csv.writer(rows, lineterminator="\n")
    for name, data in content.items():
        hashed = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        writer.writerow([name, f"sha256={hashed}", len(data)])
    writer.writerow([f"{info}/RECORD", "", ""])
    return zipped({**content, f"{info}/RECORD": rows.getvalue().encode()})


def _content(found: metadata.Distribution) -> Iterator[tuple[str, bytes]]:
    """Its files below site-packages by their names, sorted: programs and data elsewhere are not loaded to predict."""
    for path in sorted(found.files or ()):
        inside = PurePosixPath(path.as_posix())
        of_installation = inside.parts[0].endswith(".dist-info") and inside.name in _OF_INSTALLATION
        if ".." in inside.parts or "__pycache__" in inside.parts or inside.is_absolute() or of_installation:
            continue
        try:
            yield inside.as_posix(), Path(str(found.locate_file(path))).read_bytes()
        except OSError as error:
            raise PublishError(
                f"the model needs {canonicalize_name(found.name)} {found.version}, and its file {inside} cannot be "
                f"read ({error.strerror}): install it again"
            ) from error
