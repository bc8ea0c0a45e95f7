"""What is wrong with a whole registry. Reads every object once, changes nothing of it, and unpickles nothing.

An object that cannot be read is a finding, and never hides what is wrong with another.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Literal

from model_registry import history
from model_registry.records import (
    DELETED_FILE,
    DEPRECATED_FILE,
    Move,
    counter_key,
    decode_counter,
    decode_mark,
    decode_rules,
    decode_tag,
    tag_key,
)
from model_registry.reference import TagRef, VersionRef, is_slug, is_version
from model_registry.tags import Tags
from model_registry.versions import files_of
from model_runtime.errors import AccessDeniedError, IntegrityError, RecordError, StorageError
from model_runtime.manifest import (
    CODE_FILE,
    FORMAT_FILES,
    GOLDEN_FILE,
    MANIFEST_FILE,
    MODEL_FILE,
    REPORT_FILE,
    SBOM_FILE,
    Artifact,
    decode_manifest,
    digest,
    version_key,
)
from model_runtime.signing import SIGNING_FILE
from model_runtime.storage import PROBES, Storage

Severity = Literal["error", "warning", "note"]

_OF_MODEL = re.compile(r"models/(?P<name>[^/]+)/(?P<rest>.*)", re.DOTALL)
_SEGMENT_FILE = re.compile(r"history/[^/]+/[0-9]{9}\.json")
_OWN_FILES = frozenset({MANIFEST_FILE, DEPRECATED_FILE, DELETED_FILE, SIGNING_FILE})
_FILES = _OWN_FILES | set(FORMAT_FILES.values()) | {GOLDEN_FILE, CODE_FILE, REPORT_FILE, SBOM_FILE}
_RESTORE = "restore the object from the bucket's versions"
_AT_ONCE = 16
"""So many versions are read at once: a request mostly waits."""


@dataclass(frozen=True)
class Finding:
    """A fact that somebody should know, about the object at `key`, and what to do.

    An `error` is something that cannot be used or trusted; a `warning` is what a process that was cut off left; a
    `note` is not a fault of the registry.
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
    rules: str = ""
    is_counter: bool = False
    is_segment: bool = False


Pins = dict[int, dict[str, list[str]]]
"""For each version the digests that histories recorded of its manifest, and the moves that did."""


def findings(storage: Storage, *, check_bytes: bool = True) -> Iterator[Finding]:
    """Everything that is wrong, model by model, as it is found.

    With `check_bytes` every model is downloaded and its SHA-256 compared with the manifest's; without, it only has to
    be there.
    """
    yield from _service(storage)
    entries = (_parse(key, modified) for key, modified in storage.entries("") if not key.startswith(PROBES))
    for name, of_model in groupby(entries, lambda entry: entry.name):
        if not name:
            yield from (_foreign(entry.key) for entry in of_model)
        else:
            yield from _Model(storage, name, check_bytes=check_bytes).findings(of_model)


def _service(storage: Storage) -> Iterator[Finding]:
    try:
        storage.require_conditional_writes()
    except AccessDeniedError:
        return  # whoever may only read cannot try it, and does no harm
    except StorageError as error:
        yield _unreadable(PROBES, "the service", error)


def _parse(key: str, modified: datetime) -> _Entry:
    match = _OF_MODEL.fullmatch(key)
    if match is None or not is_slug(match["name"]):
        return _Entry(key, modified)
    name = match["name"]
    kind, _, rest = match["rest"].partition("/")
    stem, dot, suffix = rest.rpartition(".")
    if kind == "versions":
        version, _, file = rest.partition("/")
        if is_version(version) and file and "/" not in file:
            return _Entry(key, modified, name, version=int(version), file=file)
    elif dot and suffix == "json" and is_slug(stem) and kind in {"tags", "policies"}:
        is_tag = kind == "tags"
        return _Entry(key, modified, name, tag=stem if is_tag else "", rules="" if is_tag else stem)
    is_segment = _SEGMENT_FILE.fullmatch(match["rest"]) is not None
    return _Entry(key, modified, name, is_counter=key == counter_key(name), is_segment=is_segment)


class _Model:
    """One model, read once: its tags first, then its versions, several at a time."""

    def __init__(self, storage: Storage, name: str, *, check_bytes: bool) -> None:
        self._storage = storage
        self._name = name
        self._check_bytes = check_bytes
        self._committed: set[int] = set()
        self._deleted: set[int] = set()
        self._targets: dict[str, int] = {}
        self._pins: Pins = {}

    def findings(self, entries: Iterable[_Entry]) -> Iterator[Finding]:
        # S3 lists in the order of the keys: all of a version's files together, and the tags before the versions.
        pool = ThreadPoolExecutor(_AT_ONCE)
        try:
            for is_version_, group in groupby(entries, lambda entry: entry.version > 0):
                if is_version_:
                    versions = [
                        (VersionRef(self._name, version), {entry.file: entry.modified for entry in of_version})
                        for version, of_version in groupby(group, lambda entry: entry.version)
                    ]
                    for found in pool.map(lambda one: list(self._version(*one)), versions):
                        yield from found
                else:
                    for entry in group:
                        yield from self._beside(entry)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        yield from self._dangling()

    def _beside(self, entry: _Entry) -> Iterator[Finding]:
        if entry.tag:
            yield from self._tag(TagRef(self._name, entry.tag))
        elif entry.rules:
            what = f"the promotion rules of {TagRef(self._name, entry.rules)}"
            yield from _readable(self._storage, entry.key, what, decode_rules)
        elif entry.is_counter:
            yield from _readable(self._storage, entry.key, f"the counter of {self._name}", decode_counter)
        elif not entry.is_segment:  # those are read with their tag
            yield _foreign(entry.key)

    def _tag(self, ref: TagRef) -> Iterator[Finding]:
        key = tag_key(ref.name, ref.tag)
        try:
            stored = self._storage.read(key)
            tag = decode_tag(stored.data) if stored else None
        except RecordError as error:
            yield _unreadable(key, str(ref), error)
            return
        if tag is None:
            return
        faults = list(history.faults(ref, tag))
        yield from (Finding("error", key, fault, _RESTORE) for fault in faults)
        if tag.version is not None:
            self._targets[ref.tag] = tag.version
        for move in tag.history:
            self._record(ref, move)
        if faults:
            return  # where the sealed moves would have to end is not known
        try:
            for move in Tags(self._storage).newest_first(tag):
                if move.sequence <= tag.sealed:
                    self._record(ref, move)
        except (IntegrityError, RecordError) as error:
            yield _unreadable(key, str(ref), error)

    def _record(self, ref: TagRef, move: Move) -> None:
        if move.to_version is not None and move.manifest_sha256 is not None:
            moves = self._pins.setdefault(move.to_version, {}).setdefault(move.manifest_sha256, [])
            moves.append(f"move {move.sequence} of {ref}")

    def _version(self, ref: VersionRef, files: Mapping[str, datetime]) -> Iterator[Finding]:
        known = _FILES
        if MANIFEST_FILE in files:
            self._committed.add(ref.version)
            known, found = self._manifest(ref, files)
            yield from found
        else:
            yield from _uncommitted(ref, files)
        marks = {file: version_key(ref.name, ref.version, file) for file in (DEPRECATED_FILE, DELETED_FILE)}
        for file, key in marks.items():
            if file in files:
                yield from _readable(self._storage, key, f"{file} of {ref}", decode_mark)
        if DELETED_FILE in files and not self._is_withdrawn(marks[DELETED_FILE]):
            self._deleted.add(ref.version)
            if MANIFEST_FILE in files:
                yield Finding(
                    "error",
                    version_key(ref.name, ref.version, MANIFEST_FILE),
                    f"{ref} is marked as deleted, and its manifest is still there: a deletion was cut off",
                    f"`delete {ref}` again",
                )
        # What a publish that was cut off left may be wheels; a manifest that cannot be read knows none either.
        may_be_wheels = known is _FILES
        foreign = [file for file in files if file not in known and not (may_be_wheels and file.endswith(".whl"))]
        yield from (_foreign(version_key(ref.name, ref.version, file)) for file in foreign)

    def _manifest(self, ref: VersionRef, files: Mapping[str, datetime]) -> tuple[frozenset[str], list[Finding]]:
        """The files that belong to a version, and what is wrong with its manifest or with them."""
        key = version_key(ref.name, ref.version, MANIFEST_FILE)
        try:
            stored = self._storage.read(key)
            manifest = decode_manifest(stored.data) if stored else None
            artifacts = files_of(manifest) if manifest else []
        except RecordError as error:
            return _FILES, [_unreadable(key, str(ref), error)]
        if stored is None or manifest is None:
            return _FILES, []  # deleted since it was listed
        found = []
        if manifest.reference != str(ref):
            fact = f"the manifest of {ref} says that it is {manifest.reference}"
            found.append(Finding("error", key, fact, _RESTORE))
        sha256 = digest(stored.data)
        for recorded, moves in self._pins.get(ref.version, {}).items():
            if recorded != sha256:
                fact = f"the manifest of {ref} has SHA-256 {sha256}, {moves[0]} recorded {recorded}: it was replaced"
                found.append(Finding("error", key, fact, f"do not load it; {_RESTORE}"))
        for artifact in artifacts:
            found += self._artifact(ref, artifact, files)
        return _OWN_FILES | {artifact.file for artifact in artifacts}, found

    def _artifact(self, ref: VersionRef, artifact: Artifact, files: Mapping[str, datetime]) -> Iterator[Finding]:
        key = version_key(ref.name, ref.version, artifact.file)
        restore = f"do not load it; {_RESTORE}, or publish again"
        if artifact.file not in files:
            yield Finding("error", key, f"{ref} has lost its {artifact.file}", f"{_RESTORE}, or publish again")
            return
        chunks = self._storage.chunks(key) if self._check_bytes else None
        if chunks is None:
            return
        size, sha256 = 0, hashlib.sha256()
        for chunk in chunks:
            size += len(chunk)
            sha256.update(chunk)
        if size != artifact.size:
            fact = f"{artifact.file} of {ref} has {size} bytes, its manifest says {artifact.size}"
            yield Finding("error", key, fact, restore)
        elif sha256.hexdigest() != artifact.sha256:
            fact = f"{artifact.file} of {ref} has SHA-256 {sha256.hexdigest()}, its manifest says {artifact.sha256}"
            yield Finding("error", key, fact, restore)

    def _is_withdrawn(self, key: str) -> bool:
        try:
            stored = self._storage.read(key)
            return stored is not None and decode_mark(stored.data).withdrawn
        except RecordError:
            return False

    def _dangling(self) -> Iterator[Finding]:
        for tag, version in self._targets.items():
            if version not in self._committed:
                what = "was deleted" if version in self._deleted else "does not exist"
                yield Finding(
                    "error",
                    tag_key(self._name, tag),
                    f"{self._name}@{tag} points at {self._name}/{version}, which {what}",
                    f"move the tag, for example by `rollback {self._name}@{tag}`, or restore the version's objects",
                )


def _uncommitted(ref: VersionRef, files: Mapping[str, datetime]) -> Iterator[Finding]:
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


def _readable(storage: Storage, key: str, what: str, decode: Callable[[bytes], object]) -> Iterator[Finding]:
    try:
        stored = storage.read(key)
        if stored:
            decode(stored.data)
    except RecordError as error:
        yield _unreadable(key, what, error)


def _unreadable(key: str, what: str, error: Exception) -> Finding:
    fact, _, remedy = str(error).rpartition(": ")
    return Finding("error", key, fact if fact.startswith(what) else f"{what}: {fact}", remedy)


def _foreign(key: str) -> Finding:
    return Finding("note", key, "is not an object of the registry, which ignores it", "keep it in another bucket")
