"""What can go wrong in a registry; each message states the fact, the value and the remedy.

RegistryError
├── InvalidNameError        a model name, tag, reference or bucket URL that is not well formed
├── NotFoundError           a model, version or tag that the registry does not hold
├── ConflictError           another writer was first; nothing was changed
├── IntegrityError          bytes that are not the ones whose digest was recorded
├── FormatError             a manifest or tag object that this release cannot read
├── PublishError            an object that cannot be published: no estimator, unfitted, not importable elsewhere
├── FileError               a local file that cannot be read or written
├── InputError              request values that do not fit the model's signature
└── StorageError            the bucket could not be used
    ├── BucketNotFoundError
    ├── AccessDeniedError
    └── CredentialsError
"""


class RegistryError(Exception):
    """Root of everything that this package raises on purpose."""


class InvalidNameError(RegistryError):
    """A model name, tag, reference or bucket URL that is not well formed."""


class NotFoundError(RegistryError):
    """The registry holds no such model, version or tag."""


class ConflictError(RegistryError):
    """Another writer was first; nothing was changed."""


class IntegrityError(RegistryError):
    """The bytes are not the ones whose digest was recorded."""


class FormatError(RegistryError):
    """A manifest or tag object that this release cannot read."""


class PublishError(RegistryError):
    """The object cannot be published as a model."""


class FileError(RegistryError):
    """A local file cannot be read or written."""


class InputError(RegistryError):
    """Request values do not fit the signature.

    `problems` lists every wrong value: each has a `detail` for people and either a `pointer` (JSON
    pointer fragment into the body, RFC 6901) or a `parameter` (query string).
    """

    def __init__(self, problems: list[dict[str, str]]) -> None:
        self.problems = problems
        super().__init__("; ".join(_named(problem) for problem in problems))


def _named(problem: dict[str, str]) -> str:
    place = problem.get("pointer") or problem.get("parameter")
    return f"{place}: {problem['detail']}" if place else problem["detail"]


class StorageError(RegistryError):
    """The bucket could not be used."""


class BucketNotFoundError(StorageError):
    """No such bucket at this endpoint."""


class AccessDeniedError(StorageError):
    """The credentials do not allow this."""


class CredentialsError(StorageError):
    """There are no credentials, or they cannot be read."""
