"""A model in the form of skops: read without unpickling, from types that the reader trusts.

The function imports this module when its stack asks for that format, so it is light: skops, an extra, is imported only
where a model is written or read. skops trusts scikit-learn's estimators and numpy's types by itself; every other type
has to be named by whoever loads the model, and never by the file.
"""

import warnings
from collections.abc import Sequence
from typing import Any

from model_runtime.errors import ModelFormatError, PublishError

NO_SKOPS = "models in the form of skops need the package skops: `pip install 'sklearn-on-lambda[skops]'`"

_LARGEST_BYTES = 10_240_000_000
"""More than Lambda's largest function has memory for (AWS Lambda Developer Guide, "Lambda quotas": 10,240 MB)."""

PACKAGES = ("skops", "packaging")
"""What loading needs beside the estimator's own packages; prettytable, which skops requires too, is for model cards."""


def parse_trusted_types(text: str) -> tuple[str, ...]:
    """Read names of types, `package.module.Type`, separated by commas; ModelFormatError for one that is malformed."""
    names = tuple(part.strip() for part in text.split(",")) if text else ()
    for name in names:
        if "." not in name or not all(part.isidentifier() for part in name.split(".")):
            raise ModelFormatError(
                f"{name!r} is not the name of a type: write package.module.Type, several separated by commas, as "
                "`show` lists those that a version needs"
            )
    return names


def dump(estimator: Any) -> bytes:
    """Write the estimator as a skops archive; PublishError where skops cannot."""
    _require_skops(PublishError)
    import zipfile

    import skops.io

    try:
        # Compressed: a forest is many small arrays, of which the archive is a tenth then.
        data: bytes = skops.io.dumps(estimator, compression=zipfile.ZIP_DEFLATED)
    except Exception as error:  # an estimator's own __getstate__ can raise anything
        raise PublishError(
            f"skops cannot write this {type(estimator).__name__} ({type(error).__name__}: {error}): leave out `--skops`"
        ) from error
    return data


def untrusted_types(data: bytes) -> tuple[str, ...]:
    """The types in an archive that skops does not trust by itself, sorted; nothing is loaded or imported for it."""
    _require_skops(ModelFormatError)
    import skops.io

    _check_size(data)
    return tuple(skops.io.get_untrusted_types(data=data))


def load(data: bytes, trusted: Sequence[str], *, what: str) -> Any:
    """Load an archive, whose digest the caller has checked; ModelFormatError where it holds types that are not trusted.

    InconsistentVersionWarning is raised where another scikit-learn wrote it. `what` names the file in messages.
    """
    _require_skops(ModelFormatError)
    import skops.io
    from sklearn.exceptions import InconsistentVersionWarning
    from skops.io.exceptions import UntrustedTypesFoundException

    _check_size(data, what)
    with warnings.catch_warnings():
        warnings.simplefilter("error", InconsistentVersionWarning)
        try:
            return skops.io.loads(data, trusted=list(trusted))
        except UntrustedTypesFoundException as error:
            raise not_trusted(untrusted_types(data), trusted, what=what) from error


def _check_size(data: bytes, what: str = "the skops archive") -> None:
    """Raise ModelFormatError for what is no archive, or would take more memory than any function has."""
    import io
    import zipfile

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except zipfile.BadZipFile as error:
        raise ModelFormatError(f"{what} is not a skops archive ({error}): publish it again with `--skops`") from error
    if unpacked > _LARGEST_BYTES:
        raise ModelFormatError(
            f"{what} has {unpacked:,} bytes once it is unpacked, {_LARGEST_BYTES:,} are read: do not use it, and find "
            "out who published it"
        )


def not_trusted(types: Sequence[str], trusted: Sequence[str], *, what: str) -> ModelFormatError:
    """The error for a file with types of which some are not trusted."""
    missing = [name for name in types if name not in trusted]
    return ModelFormatError(
        f"{what} holds types that are not trusted: {', '.join(missing)}. If you trust them from whoever published it, "
        f"say so: `pulumi config set trustedTypes {','.join([*trusted, *missing])}`, or trusted=[...] in Python "
        "(docs/formats.md)"
    )


def _require_skops(kind: type[ModelFormatError | PublishError]) -> None:
    try:
        import skops  # noqa: F401  # only to say how it is installed
    except ImportError as error:
        raise kind(NO_SKOPS) from error
