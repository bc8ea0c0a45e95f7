"""What is wrong with a whole registry. Reads every object once, changes nothing, and unpickles nothing."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Literal

from model_registry import history
from model_registry.records import DELETED_FILE, DEPRECATED_FILE, decode_mark, decode_policy, decode_tag, tag_key
from model_registry.reference import TagRef, VersionRef
from model_runtime.errors import RecordError
from model_runtime.manifest import (
    FORMAT_FILES,
    MANIFEST_FILE,
    MODEL_FILE,
    Artifact,
    decode_manifest,
    digest,
    version_key,
)
from model_runtime.signing import SIGNING_FILE
from model_runtime.storage import Storage

Severity = Literal["error", "warning", "note"]

_SLUG = "[a-z0-9]+(?:-[a-z0-9]+)*"
_OF_MODEL = re.compile(rf"models/(?P<name>{_SLUG})/.*", re.DOTALL)
_VERSION_FILE = re.compile(rf"models/(?P<name>{_SLUG})/versions/(?P<version>[1-9][0-9]*)/(?P<file>[^/]+)")
_TAG_FILE = re.compile(rf"models/(?P<name>{_SLUG})/tags/(?P<tag>{_SLUG})\.json")
_POLICY_FILE = re.compile(rf"models/(?P<name>{_SLUG})/policies/(?P<tag>{_SLUG})\.json")
_OWN_FILES = frozenset({MANIFEST_FILE, DEPRECATED_FILE, DELETED_FILE, SIGNING_FILE})
_FILES = _OWN_FILES | set(FORMAT_FILES.values())
_RESTORE = "restore the object from the bucket's versions"


@dataclass(frozen=True)
class Finding:
    """A fact that somebody should know, about the object at `key`, and what to do.

    An `error` is something that cannot be used or trusted; a `warning` is what a process that was cut off left; a
    `note` is no fault of the registry.
    """

    severity: Severity
    key: str
    fact: str
    remedy: str


@dataclass(frozen=True)
class _Entry:
    """A listed object with what its key says."""

    key: str
    modified: datetime
    name: str = ""
    version: int = 0
    file: str = ""
    tag: str = ""
    policy: str = ""


def findings(storage: Storage, *, check_bytes: bool = True) -> Iterator[Finding]:
    """Everything that is wrong, model by model, as it is found.

    With `check_bytes` every model is downloaded and its SHA-256 compared with the manifest's; without, it only has to
    be there.
    """
    entries = (_parse(key, modified) for key, modified in storage.entries(""))
    for name, of_model in groupby(entries, lambda entry: entry.name):
        if not name:
            yield from (_foreign(entry.key) for entry in of_model)
        else:
            yield from _model(storage, name, of_model, check_bytes=check_bytes)


def _parse(key: str, modified: datetime) -> _Entry:
    if match := _VERSION_FILE.fullmatch(key):
        return _Entry(key, modified, match["name"], version=int(match["version"]), file=match["file"])
    if match := _TAG_FILE.fullmatch(key):
        return _Entry(key, modified, match["name"], tag=match["tag"])
    if match := _POLICY_FILE.fullmatch(key):
        return _Entry(key, modified, match["name"], policy=match["tag"])
    match = _OF_MODEL.fullmatch(key)
    return _Entry(key, modified, match["name"] if match else "")


def _model(storage: Storage, name: str, entries: Iterator[_Entry], *, check_bytes: bool) -> Iterator[Finding]:
    # S3 lists in the order of the keys: all of a version's files together, and the tags before the versions.
    committed: set[int] = set()
    deleted: set[int] = set()
    targets: dict[str, int] = {}
    for version, group in groupby(entries, lambda entry: entry.version):
        if not version:
            for entry in group:
                if entry.tag:
                    yield from _tag(storage, TagRef(name, entry.tag), targets)
                elif entry.policy:
                    yield from _policy(storage, entry.key, TagRef(name, entry.policy))
                else:
                    yield _foreign(entry.key)
            continue
        files = {entry.file: entry.modified for entry in group}
        if DELETED_FILE in files:
            deleted.add(version)
        if MANIFEST_FILE in files:
            committed.add(version)
            yield from _committed(storage, VersionRef(name, version), files, check_bytes=check_bytes)
        else:
            yield from _uncommitted(VersionRef(name, version), files)
        yield from _marks(storage, VersionRef(name, version), files)
    for tag, version in targets.items():
        if version not in committed:
            what = "was deleted" if version in deleted else "does not exist"
            yield Finding(
                "error",
                tag_key(name, tag),
                f"{name}@{tag} points at {name}/{version}, which {what}",
                f"move the tag, say by `rollback {name}@{tag}`, or restore the version's objects",
            )


def _tag(storage: Storage, ref: TagRef, targets: dict[str, int]) -> Iterator[Finding]:
    key = tag_key(ref.name, ref.tag)
    tag = None
    try:
        stored = storage.read(key)
        tag = decode_tag(stored.data) if stored else None
    except RecordError as error:
        yield _unreadable(key, str(ref), error)
    if tag is None:
        return
    for fault in history.faults(ref, tag):
        yield Finding("error", key, fault, _RESTORE)
    if tag.version is not None:
        targets[ref.tag] = tag.version


def _policy(storage: Storage, key: str, ref: TagRef) -> Iterator[Finding]:
    stored = storage.read(key)
    try:
        if stored:
            decode_policy(stored.data)
    except RecordError as error:
        yield _unreadable(key, f"the gates of {ref}", error)


def _committed(
    storage: Storage, ref: VersionRef, files: dict[str, datetime], *, check_bytes: bool
) -> Iterator[Finding]:
    key = version_key(ref.name, ref.version, MANIFEST_FILE)
    known = _FILES
    if DELETED_FILE in files:
        yield Finding(
            "error",
            key,
            f"{ref} is marked as deleted, and its manifest is still there: a deletion was cut off",
            f"`delete {ref}` again",
        )
    try:
        stored = storage.read(key)
        manifest = decode_manifest(stored.data) if stored else None
    except RecordError as error:
        yield _unreadable(key, str(ref), error)
    else:
        if manifest is None:
            return  # deleted since it was listed
        artifacts = [manifest.model_format(model_format).artifact for model_format in manifest.format_names]
        known = _OWN_FILES | {artifact.file for artifact in artifacts}
        if manifest.reference != str(ref):
            yield Finding("error", key, f"the manifest of {ref} says that it is {manifest.reference}", _RESTORE)
        for artifact in artifacts:
            yield from _artifact(storage, ref, artifact, files, check_bytes=check_bytes)
    yield from _foreign_files(ref, files, known)


def _artifact(
    storage: Storage, ref: VersionRef, artifact: Artifact, files: dict[str, datetime], *, check_bytes: bool
) -> Iterator[Finding]:
    key = version_key(ref.name, ref.version, artifact.file)
    restore = f"do not load it; {_RESTORE}, or publish again"
    if artifact.file not in files:
        yield Finding("error", key, f"{ref} has lost its {artifact.file}", f"{_RESTORE}, or publish again")
        return
    stored = storage.read(key) if check_bytes else None
    if stored is None:
        return
    if len(stored.data) != artifact.size:
        fact = f"{artifact.file} of {ref} has {len(stored.data)} bytes, its manifest says {artifact.size}"
        yield Finding("error", key, fact, restore)
    elif (found := digest(stored.data)) != artifact.sha256:
        fact = f"{artifact.file} of {ref} has SHA-256 {found}, its manifest says {artifact.sha256}"
        yield Finding("error", key, fact, restore)


def _uncommitted(ref: VersionRef, files: dict[str, datetime]) -> Iterator[Finding]:
    key = version_key(ref.name, ref.version, MODEL_FILE)
    if MODEL_FILE in files and DELETED_FILE in files:
        yield Finding("warning", key, f"{ref} is deleted, its model is still there: a deletion was cut off", "`gc`")
    elif MODEL_FILE in files:
        age = str(datetime.now(UTC) - files[MODEL_FILE]).partition(".")[0]
        fact = f"{ref} has a model and no manifest: a publish {age} ago was cut off, or is under way"
        yield Finding("warning", key, fact, "`gc`, once the publish cannot be under way any more")
    elif DEPRECATED_FILE in files and DELETED_FILE not in files:
        mark = version_key(ref.name, ref.version, DEPRECATED_FILE)
        yield Finding(
            "warning", mark, f"{ref} is marked as deprecated, and there is no such version", "delete the mark"
        )
    yield from _foreign_files(ref, files, _FILES)


def _marks(storage: Storage, ref: VersionRef, files: dict[str, datetime]) -> Iterator[Finding]:
    for file in (DEPRECATED_FILE, DELETED_FILE):
        key = version_key(ref.name, ref.version, file)
        stored = storage.read(key) if file in files else None
        try:
            if stored:
                decode_mark(stored.data)
        except RecordError as error:
            yield _unreadable(key, f"{file} of {ref}", error)


def _foreign_files(ref: VersionRef, files: dict[str, datetime], known: frozenset[str]) -> Iterator[Finding]:
    return (_foreign(version_key(ref.name, ref.version, file)) for file in files if file not in known)


def _unreadable(key: str, what: str, error: RecordError) -> Finding:
    fact, _, remedy = str(error).rpartition(": ")
    return Finding("error", key, f"{what}: {fact}", remedy)


def _foreign(key: str) -> Finding:
    return Finding("note", key, "is no object of the registry, which does not look at it", "keep it in another bucket")
