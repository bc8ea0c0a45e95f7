"""Mends what `doctor` finds, without losing anything that somebody may want: what was cut off is finished."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from model_registry.doctor import Finding
from model_registry.numbers import Numbers
from model_registry.records import DEPRECATED_FILE, Mark, counter_key
from model_registry.reference import VersionRef
from model_registry.registry import Registry
from model_registry.removal import standing_mark
from model_registry.versions import Versions
from model_runtime.errors import ConflictError
from model_runtime.manifest import MANIFEST_FILE, version_key
from model_runtime.storage import Storage


def mend(storage: Storage, found: Iterable[Finding], *, actor: str) -> Iterator[str]:
    """Mend what can be mended safely, and say of each what was done.

    Deletions that were cut off are finished, what a publish left that was cut off more than a day ago is removed, a
    mark of deprecation without a version is deleted, and a counter that cannot be read is counted anew. All else is for
    people, as it may have to be restored.
    """
    for one in found:
        name, _, rest = one.key.removeprefix("models/").partition("/")
        version, _, file = rest.removeprefix("versions/").partition("/")
        if one.key == counter_key(name):
            Numbers(storage).recount(name)
            yield f"{one.key} was counted anew"
        elif file == DEPRECATED_FILE and one.severity == "warning":
            storage.delete(one.key)
            yield f"{one.key} was deleted: there is no such version"
        elif file == MANIFEST_FILE and standing_mark(storage, ref := VersionRef(name, int(version))) is not None:
            mark = Mark(by=actor, at=datetime.now(UTC), reason="finished by `doctor --fix`")
            try:
                Versions(storage).delete(ref, mark)
            except ConflictError as error:  # a tag points there: that is for people
                yield f"{ref} was not deleted: {error}"
            else:
                yield f"the deletion of {ref} was finished"
    for removed in Registry(storage, actor=actor).gc():
        yield f"{version_key(removed.name, removed.version, '')} was removed, as it was cut off"
