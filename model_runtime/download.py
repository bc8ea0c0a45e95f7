"""Fetching one file of a version while a function starts: tried until it is there, or until the time is up."""

import hashlib
import time
from collections.abc import Iterable
from threading import Event, Thread

from model_runtime.errors import AccessDeniedError, BucketNotFoundError, CredentialsError, StorageError
from model_runtime.manifest import version_key
from model_runtime.pin import Pin
from model_runtime.storage import Storage

REFUSED_SECONDS = 5.0
"""How long refused credentials and refused access are tried again: a new role and its policy take seconds to arrive."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
"""Seconds between two tries: twice as long each time, and a random part of that less."""


class LoadError(Exception):
    """The model was not loaded; the message says which check failed."""


class Download:
    """Fetches one file of the pinned version, beginning at once. Nothing waits for it longer than to the deadline."""

    def __init__(
        self, store: Storage, pin: Pin, file: str, *, deadline: float, refused_seconds: float = REFUSED_SECONDS
    ) -> None:
        """Begin; `deadline` is a moment of `time.perf_counter`, and a refusal is tried again for `refused_seconds`."""
        self._store = store
        self._pin = pin
        self._file = file
        self._key = version_key(pin.name, pin.version, file)
        self._deadline = deadline
        self._refused_seconds = refused_seconds
        self._pieces: tuple[list[bytes], str] | None = None
        self._error: Exception | None = None
        self._tries = 0
        self._began = time.perf_counter()
        self._given_up = Event()
        self._thread = Thread(target=self._fetch, daemon=True)  # one that hangs does not keep the process
        self._thread.start()

    def result(self) -> bytes:
        """The file's bytes; LoadError where there is none, or where it is not there by the deadline."""
        return b"".join(self._fetched()[0])

    def pieces(self) -> tuple[list[bytes], str]:
        """The same in pieces, with their SHA-256 in hex. Nothing of them is kept: whoever reads can let go of each."""
        found, self._pieces = self._fetched(), None
        return found

    def _fetched(self) -> tuple[list[bytes], str]:
        self._thread.join(max(0.0, self._deadline - time.perf_counter()))
        self._given_up.set()
        if self._thread.is_alive() and self._error is None:
            raise LoadError(f"{self._place} was not fetched within {self._seconds} s: S3 was too slow")
        if self._error is not None:
            raise self._explained(self._error) from self._error
        if self._pieces is None:
            raise LoadError(
                f"{self._place} does not exist: the version was deleted, or lacks this format; restore the object from "
                "the bucket's versions, or deploy a version that has it with `pulumi up`"
            )
        return self._pieces

    @property
    def _place(self) -> str:
        return f"{self._store.location}/{self._key}"

    @property
    def _seconds(self) -> str:
        return f"{self._deadline - self._began:.1f}"

    def _fetch(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            self._tries += 1
            try:
                chunks = self._store.chunks(self._key)
                self._pieces = None if chunks is None else _read(chunks)
            except Exception as error:  # noqa: BLE001  # it is raised where the result is wanted
                self._error = error
            else:
                self._error = None
                return
            import random  # here, as a start that goes well needs none

            wait = pause * random.uniform(0.5, 1)  # noqa: S311  # so that environments do not try in step
            if not self._may_pass(self._error, time.perf_counter() + wait) or self._given_up.wait(wait):
                return
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _may_pass(self, error: Exception | None, again: float) -> bool:
        """Whether a try at the moment `again` is worth it."""
        if not isinstance(error, StorageError) or isinstance(error, BucketNotFoundError) or again >= self._deadline:
            return False
        is_refusal = isinstance(error, AccessDeniedError | CredentialsError)
        return not is_refusal or again < self._began + self._refused_seconds

    def _explained(self, error: Exception) -> Exception:
        """The error as it concerns whoever runs a function: its role has no credentials that could be refreshed."""
        tries = f"({self._tries} tries in {time.perf_counter() - self._began:.1f} s)"
        if isinstance(error, AccessDeniedError):
            return LoadError(
                f"S3 does not let the function's role read {self._place} {tries}: either {self._file} of {self._pin} "
                "was deleted, which S3 does not tell a role that may not list the bucket, or the role, the bucket's "
                "policy or the KMS key was changed; check that the object is there, then run `pulumi up`"
            )
        if isinstance(error, CredentialsError):
            return LoadError(
                f"S3 refuses the credentials of the function's role for {self._place} {tries}: the role was deleted or "
                "made anew, or its session ended; deploy the function again with `pulumi up`"
            )
        if isinstance(error, BucketNotFoundError):
            return LoadError(
                f"the registry's bucket {self._store.location} does not exist: restore it, or set `registryBucket` to "
                "where the models are, then run `pulumi up`"
            )
        if isinstance(error, StorageError):
            return LoadError(f"{self._place} was not fetched {tries}: {error}")
        return error


def _read(chunks: Iterable[bytes]) -> tuple[list[bytes], str]:
    """All pieces and their digest, made while others arrive."""
    found, pieces = hashlib.sha256(), []
    for chunk in chunks:
        found.update(chunk)
        pieces.append(chunk)
    return pieces, found.hexdigest()
