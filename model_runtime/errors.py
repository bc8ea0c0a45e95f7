"""What can go wrong in a registry; each message states the fact, the value and the remedy.

RegistryError
├── ArgumentError           an argument of another type than a method takes
├── InvalidNameError        a model name, tag, reference or bucket URL that is not well formed
├── NotFoundError           a model, version or tag that the registry does not hold
├── ConflictError           another writer was first; nothing was changed
├── IntegrityError          bytes that are not the ones whose digest was recorded
├── RecordError             a manifest or tag object that this release cannot read
├── SigningError          a manifest that no trusted key signed, or a key that cannot be used
├── PublishError            an object that cannot be published: no estimator, unfitted, not importable elsewhere
├── ProofError              a version that does not answer as the estimator answers to its owner; nothing was written
├── ModelFormatError             a form of the model that a version lacks, or that cannot be loaded as it was asked for
├── EnvironmentMismatchError  a model that this environment cannot load as it was published
├── EnvironmentBuildError   an environment that cannot be made from a version's packages
│   ├── UvNotFoundError
│   └── InterpreterNotFoundError
├── VerificationError       a version that does not answer as recorded, in an environment made for it
├── VerifierError           a verification in the account that came to no answer
├── InvalidGateError        a gate that is not well formed
├── GateError               a move that does not pass its gates; nothing was changed
├── FileError               a local file that cannot be read or written
├── NoticeError             a move that could not be announced; it was made nevertheless
├── InputError              request values that do not fit the model's signature
├── OutputError             what a model gave is not what its signature promises
└── StorageError            the bucket could not be used
    ├── BucketNotFoundError
    ├── BucketOwnerError      a bucket of another account than was said
    ├── AccessDeniedError
    └── CredentialsError
UploadError                 how an upload failed; the storage makes a StorageError of it
└── TakenError
"""


class RegistryError(Exception):
    """Root of everything that this package raises on purpose."""


class ArgumentError(RegistryError, TypeError):
    """An argument of another type than a method takes."""


class InvalidNameError(RegistryError):
    """A model name, tag, reference or bucket URL that is not well formed."""


class NotFoundError(RegistryError):
    """The registry holds no such model, version or tag."""


class ConflictError(RegistryError):
    """Another writer was first; nothing was changed."""


class IntegrityError(RegistryError):
    """The bytes are not the ones whose digest was recorded."""


class RecordError(RegistryError):
    """A manifest or tag object that this release cannot read."""


class SigningError(RegistryError):
    """No trusted key signed the manifest, or a key cannot be used."""


class PublishError(RegistryError):
    """The object cannot be published as a model."""


class ProofError(PublishError):
    """The version does not answer as the estimator answers to its owner."""


class ModelFormatError(RegistryError):
    """The version lacks this form of the model, or it cannot be loaded as it was asked for."""


class EnvironmentMismatchError(RegistryError):
    """The model needs another Python or other packages than there are here."""


class EnvironmentBuildError(RegistryError):
    """The environment cannot be made from its packages."""


class UvNotFoundError(EnvironmentBuildError):
    """The uv program is not installed."""


class InterpreterNotFoundError(EnvironmentBuildError):
    """There is no interpreter of that Python minor version on this machine."""


class VerificationError(RegistryError):
    """The version does not answer as recorded, or the environment that it names cannot be made."""


class VerifierError(RegistryError):
    """A verification in the account could not be started, or came to no answer."""


class InvalidGateError(RegistryError):
    """A gate that is not well formed."""


class GateError(RegistryError):
    """A move does not pass its gates; nothing was changed. `failures` has a sentence for each, with its numbers."""

    def __init__(self, target: str, failures: list[str]) -> None:
        self.failures = failures
        super().__init__(f"{target} was not moved: {'; '.join(failures)}")


class NoticeError(RegistryError):
    """A move could not be announced; it was made nevertheless."""


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


class OutputError(RegistryError):
    """What the model gave is not what its signature promises: no finite number, or not one answer a row."""


def _named(problem: dict[str, str]) -> str:
    place = problem.get("pointer") or problem.get("parameter")
    return f"{place}: {problem['detail']}" if place else problem["detail"]


class StorageError(RegistryError):
    """The bucket could not be used."""


class BucketNotFoundError(StorageError):
    """No such bucket at this endpoint."""


class BucketOwnerError(StorageError):
    """The bucket is not the account's that was said to own it."""


class AccessDeniedError(StorageError):
    """The credentials do not allow this."""


class CredentialsError(StorageError):
    """There are no credentials, or they cannot be read."""


class UploadError(Exception):
    """An upload failed; the text has status, code and message as the service gave them, or why there was no answer."""


class TakenError(UploadError):
    """What was uploaded has not been written, as something has its key already."""
