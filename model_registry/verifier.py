"""What the build runs, `python -m model_registry.verifier`: one version is verified, and an answer is printed.

All that it is told is in environment variables: no argument of a caller reaches a shell.
"""

import os
import sys
from collections.abc import Mapping

from model_registry.registry import Registry
from model_registry.verification import verify_version
from model_registry.verify_request import VerifyAnswer, VerifyRequest
from model_runtime.errors import IntegrityError, RegistryError, VerificationError
from model_runtime.storage import Storage

BUCKET = "MODEL_REGISTRY"
"""The variable with the registry's bucket; the project has it, and no caller gives it."""
FAULTY, FAILED = 3, 1
"""Exit codes, those of the command `verify`."""


def answer(variables: Mapping[str, str]) -> VerifyAnswer:
    """Verify what the variables ask for, telling each step on stdout."""
    digest = ""
    try:
        request = VerifyRequest.read(variables)
        digest = request.manifest_sha256
        registry = Registry(Storage.open(variables.get(BUCKET, "")), actor="verifier")
        release = registry.resolve(request.version)
        if release.manifest_sha256 != digest:
            fault = f"the manifest of {request.version} has the SHA-256 {release.manifest_sha256}, not {digest}"
            return VerifyAnswer(digest, fault=f"{fault}: it was changed since it was looked at")
        verified = verify_version(registry, release, model_format=request.model_format, progress=_say)
    except (IntegrityError, VerificationError) as error:
        return VerifyAnswer(digest, fault=str(error))
    except RegistryError as error:
        return VerifyAnswer(digest, error=str(error))
    return VerifyAnswer(digest, verified=verified)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """Run in a build; exit code as `verify` has it."""
    found = answer(os.environ)
    _say(found.line)
    sys.exit(FAULTY if found.fault else FAILED if found.error else None)


if __name__ == "__main__":
    main()
