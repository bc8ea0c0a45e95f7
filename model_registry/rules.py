"""The policies of a bucket: the gates that a tag's moves meet, one object for each tag."""

from model_registry.records import Policy, decode_policy, policy_key
from model_registry.reference import TagRef
from model_runtime.errors import ConflictError, StorageError
from model_runtime.manifest import encode
from model_runtime.storage import Storage, Stored


class Policies:
    """Reads and writes policy objects."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def read(self, ref: TagRef) -> Policy | None:
        """A tag's policy, in one request; None where it has none."""
        stored = self._stored(ref)
        return None if stored is None else decode_policy(stored.data)

    def write(self, ref: TagRef, policy: Policy) -> None:
        """Put a policy in the place of the one there is; ConflictError where another writer was first.

        One that cannot be read any more is replaced too: this is how a damaged policy is mended.
        """
        key, data = policy_key(ref.name, ref.tag), encode(policy)
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
                    f"the policy of {ref} was set by another writer meanwhile, nothing was written: "
                    "look at it, then decide again"
                ) from error
            raise

    def _stored(self, ref: TagRef) -> Stored | None:
        return self._storage.read(policy_key(ref.name, ref.tag))
