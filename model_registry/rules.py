"""The promotion rules of a bucket: the gates that `tag` and `promote` ask, one object for each tag."""

from model_registry.records import PromotionRules, decode_rules, rules_key
from model_registry.reference import TagRef
from model_runtime.errors import ConflictError, StorageError
from model_runtime.manifest import encode
from model_runtime.storage import Storage, Stored


class RulesOfTags:
    """Reads and writes promotion rules."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def read(self, ref: TagRef) -> PromotionRules | None:
        """A tag's promotion rules, in one request; None where it has none."""
        stored = self._stored(ref)
        return None if stored is None else decode_rules(stored.data)

    def write(self, ref: TagRef, rules: PromotionRules) -> None:
        """Replace a tag's rules; ConflictError where another writer was first.

        Rules that cannot be read are replaced too: this is how a damaged object is mended.
        """
        key, data = rules_key(ref.name, ref.tag), encode(rules)
        stored = self._stored(ref)
        try:
            if stored is None:
                self._storage.create(key, data)
            else:
                self._storage.replace(key, data, stored.etag)
        except (ConflictError, StorageError) as error:
            # A write whose answer was lost may have happened: the time in it makes these bytes ours.
            there = self._stored(ref)
            if there is not None and there.data == data:
                return
            if isinstance(error, ConflictError):
                raise ConflictError(
                    f"the promotion rules of {ref} were set by another writer meanwhile, nothing was written: "
                    "look at it, then decide again"
                ) from error
            raise

    def _stored(self, ref: TagRef) -> Stored | None:
        return self._storage.read(rules_key(ref.name, ref.tag))
