"""What is asked of a verification in the account, and what it answers: the command and the build share this."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from model_registry.reference import VersionRef, parse
from model_registry.release import Release
from model_registry.verification import Verification
from model_runtime.errors import InvalidNameError, VerifierError
from model_runtime.manifest import FORMAT_FILES

_VERSION, _MANIFEST, _FORMAT = "VERIFY_VERSION", "VERIFY_MANIFEST_SHA256", "VERIFY_FORMAT"
VARIABLES = (_VERSION, _MANIFEST, _FORMAT)
"""The only environment variables that a caller gives a build, and so the only way in."""

_MARK = "verification: "
"""Begins the line of the log that has the answer."""


@dataclass(frozen=True)
class VerifyRequest:
    """An exact version by the digest of its manifest: what a tag points at may change before the build begins."""

    version: VersionRef
    manifest_sha256: str
    model_format: str | None = None

    @classmethod
    def of(cls, release: Release, model_format: str | None = None) -> "VerifyRequest":
        """The request for a version; ModelFormatError where it lacks the format."""
        if model_format is not None:
            release.manifest.model_format(model_format)
        version = VersionRef(release.manifest.name, release.manifest.version)
        return cls(version, release.manifest_sha256, model_format)

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> "VerifyRequest":
        """Read a request from environment variables; InvalidNameError where one of them is not what it must be."""
        version, digest = parse(variables.get(_VERSION, "")), variables.get(_MANIFEST, "")
        if not isinstance(version, VersionRef):
            raise InvalidNameError(f"{_VERSION} is {version}, a tag: give the version that it points at")
        if not re.fullmatch(r"[0-9a-f]{64}", digest):
            raise InvalidNameError(f"{_MANIFEST} is {digest!r}, not a SHA-256 in hex: take that of the manifest")
        model_format = variables.get(_FORMAT) or None
        if model_format not in {None, *FORMAT_FILES}:
            raise InvalidNameError(f"{_FORMAT} is {model_format!r}: take one of {', '.join(FORMAT_FILES)}")
        return cls(version, digest, model_format)

    @property
    def variables(self) -> dict[str, str]:
        """The request as environment variables."""
        asked = {_VERSION: str(self.version), _MANIFEST: self.manifest_sha256}
        return {**asked, _FORMAT: self.model_format} if self.model_format else asked


class VerifyAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a build found: the version was verified, it is faulty, or it could not be verified (an error)."""

    manifest_sha256: str
    verified: Verification | None = None
    fault: str = ""
    error: str = ""

    @property
    def line(self) -> str:
        """The answer as a line of the log."""
        return _MARK + msgspec.json.encode(self).decode()

    @classmethod
    def find(cls, log: str) -> "VerifyAnswer | None":
        """The last answer in a log; None where it has none.

        Raises:
            VerifierError: The line is of another release.

        """
        lines = [line for line in log.splitlines() if line.startswith(_MARK)]
        if not lines:
            return None
        try:
            return msgspec.json.decode(lines[-1].removeprefix(_MARK), type=cls)
        except msgspec.DecodeError as error:
            raise VerifierError(
                f"the answer of the build cannot be read ({error}): update the stack `registry` by this release"
            ) from error
