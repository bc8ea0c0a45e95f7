"""Have a version verified in the account of its registry, by a build of the project that the stack `registry` makes.

The model's code runs there, as a role that reads the registry and writes its own log, and not on the caller's machine.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from model_registry.release import Release
from model_registry.verification import Verification
from model_registry.verify_request import VerifyAnswer, VerifyRequest
from model_runtime.aws import aws_session, bucket_address
from model_runtime.errors import CredentialsError, VerificationError, VerifierError

Progress = Callable[[str], None]

_LOG = logging.getLogger("model_registry.in_account")

_POLL_SECONDS = 5.0
_LOG_SECONDS = 60.0
"""So long the end of a build's log is waited for: CodeBuild may end a build before all of its log can be read."""
_TURN_SECONDS = 1800.0
_UNDER_WAY, _RAN = "IN_PROGRESS", {"SUCCEEDED", "FAILED"}
_DENIED = {"AccessDeniedException", "AccessDenied"}
_BUSY = {"AccountLimitExceededException", "ThrottlingException"}
_PHASES: Mapping[str, str] = {
    "SUBMITTED": "waiting for a machine",
    "QUEUED": "waiting for a machine",
    "PROVISIONING": "starting a machine",
    "DOWNLOAD_SOURCE": "fetching the verifier",
    "INSTALL": "installing the verifier",
    "BUILD": "rebuilding the environment and replaying the golden examples",
}
"""What a build does. Source: CodeBuild API Reference, BuildPhase."""


def project_name(bucket: str) -> str:
    """The name of the project for a registry; names of projects have no dots, and names of buckets no underscores."""
    return f"model-verifier-{bucket_address(bucket).name.replace('.', '_')}"


def log_group(bucket: str) -> str:
    """The log group of the project."""
    return f"/aws/codebuild/{project_name(bucket)}"


@dataclass(frozen=True)
class AccountVerifier:
    """Starts builds for the registry in this bucket, and follows them to their end."""

    bucket: str
    profile: str | None = None
    poll_seconds: float = _POLL_SECONDS
    log_seconds: float = _LOG_SECONDS
    turn_seconds: float = _TURN_SECONDS

    def __call__(
        self, release: Release, *, model_format: str | None = None, progress: Progress = lambda _line: None
    ) -> Verification:
        """Verify a version as `verify_version` does, elsewhere; what ends the wait, as Ctrl-C, stops the build.

        Args:
            release: The version; the build takes none with another manifest.
            model_format: Only this format is loaded.
            progress: Gets a line for each step.

        Raises:
            VerificationError: The version does not answer as recorded, or is not the one that was published.
            VerifierError: The build could not be started, or did not come to an answer.
            CredentialsError: The AWS credentials or the region are missing.
            ModelFormatError: The version does not have the format.

        """
        request, project = VerifyRequest.of(release, model_format), project_name(self.bucket)
        what = f"verifying {request.version} in the account"
        overrides = [{"name": name, "value": text, "type": "PLAINTEXT"} for name, text in request.variables.items()]
        progress(what)
        with _codebuild_errors(project):
            session = aws_session(self.profile)
            builds, logs = session.client("codebuild"), session.client("logs")
            build = self._start(builds, project, overrides, lambda state: progress(f"{what}: {state}"))
            try:
                while build["buildStatus"] == _UNDER_WAY:
                    progress(f"{what}: {_PHASES.get(build.get('currentPhase', ''), 'ending')} ({build['id']})")
                    time.sleep(self.poll_seconds)
                    (build,) = builds.batch_get_builds(ids=[build["id"]])["builds"]
            except BaseException:  # Ctrl-C, too: nobody waits for it any more, and it would keep others from theirs
                _stop(builds, build["id"])
                raise
            answer = self._answer(logs, build)
        if answer is None or answer.manifest_sha256 != request.manifest_sha256:
            raise VerifierError(f"{_ended(project, build)}: {_remedy(build)}")
        if answer.error:
            raise VerifierError(f"the build {build['id']} could not verify {request.version}: {answer.error}")
        if answer.verified is None or build["buildStatus"] != "SUCCEEDED":
            raise VerificationError(answer.fault or f"{_ended(project, build)}: {_remedy(build)}")
        return answer.verified

    def _start(self, builds: Any, project: str, overrides: list[dict[str, str]], say: Progress) -> Mapping[str, Any]:
        """Start a build; while the project has as many as it may have, wait for its turn."""
        until = time.monotonic() + self.turn_seconds
        while True:
            try:
                started = builds.start_build(projectName=project, environmentVariablesOverride=overrides)
            except builds.exceptions.AccountLimitExceededException:
                if time.monotonic() > until:
                    raise
                say("waiting for another build to end")
                time.sleep(self.poll_seconds)
            else:
                return dict(started["build"])

    def _answer(self, logs: Any, build: Mapping[str, Any]) -> VerifyAnswer | None:
        """What a build that has ended says, as soon as its log has it; None where it did not come so far."""
        place, until = build.get("logs", {}), time.monotonic() + self.log_seconds
        stream = {"logGroupName": place.get("groupName"), "logStreamName": place.get("streamName")}
        ran = build["buildStatus"] in _RAN and _failed_phase(build)[0] in {"", "BUILD"}
        while ran and all(stream.values()):
            try:
                events = logs.get_log_events(**stream)["events"]
            except logs.exceptions.ResourceNotFoundException:  # nothing was written yet
                events = []
            found = VerifyAnswer.find("\n".join(event["message"].rstrip("\n") for event in events))
            if found or time.monotonic() > until:
                return found
            time.sleep(self.poll_seconds)
        return None


def _stop(builds: Any, build_id: str) -> None:
    """Stop a build if that can be done; otherwise a warning says how."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        builds.stop_build(id=build_id)
    except (BotoCoreError, ClientError) as error:
        _LOG.warning(
            "the build %s goes on, as it could not be stopped (%s): `aws codebuild stop-build --id %s`",
            build_id,
            error,
            build_id,
        )


def _failed_phase(build: Mapping[str, Any]) -> tuple[str, str]:
    """The phase in which a build failed, and what CodeBuild says of it; empty where none did."""
    for phase in build.get("phases", ()):
        if phase.get("phaseStatus", "SUCCEEDED") not in {"SUCCEEDED", _UNDER_WAY}:
            said = "; ".join(context["message"] for context in phase.get("contexts", ()) if context.get("message"))
            return phase["phaseType"], said
    return "", ""


def _ended(project: str, build: Mapping[str, Any]) -> str:
    phase, said = _failed_phase(build)
    where = f" in the phase {phase}" if phase else ""
    return f"the build {build['id']} of {project} ended as {build['buildStatus']}{where}" + (
        f" ({said})" if said else ""
    )


def _remedy(build: Mapping[str, Any]) -> str:
    place = build.get("logs", {})
    log = place.get("deepLink") or f"the log stream {place.get('streamName')} of {place.get('groupName')}"
    return f"read its log, {log}"


@contextmanager
def _codebuild_errors(project: str) -> Iterator[None]:
    """Raise what boto3 raises as VerifierError, with the remedy."""
    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
        NoCredentialsError,
        NoRegionError,
        ProfileNotFound,
    )

    try:
        yield
    except (NoCredentialsError, NoRegionError, ProfileNotFound) as error:
        raise CredentialsError(f"the AWS credentials cannot be used: {error}") from error
    except ClientError as error:
        code, operation = error.response.get("Error", {}).get("Code", ""), error.operation_name
        if code == "ResourceNotFoundException":
            raise VerifierError(
                f"this account and region have no CodeBuild project {project}: set `verifier` in the stack `registry` "
                "(docs/registry.md), or name its region in AWS_REGION"
            ) from error
        if code in _DENIED:
            raise VerifierError(
                f"{project}: not allowed to {operation}: take a role that may (`policies promoter --in-account`)"
            ) from error
        if code in _BUSY:
            raise VerifierError(
                f"{project} takes no build now ({error}): try it again once others have ended"
            ) from error
        raise VerifierError(f"{project} cannot {operation} ({error}): try it again, or look at the project") from error
    except BotoCoreError as error:
        raise VerifierError(f"{project} cannot be reached ({error}): check the network and AWS_REGION") from error
