"""A published version of the function is called before callers reach it (docs/decisions/0012).

The call is a hook of the alias: the engine makes it right before it creates or moves the alias, and not in a preview.
Where it fails, the alias stays as it is and the update ends, before anything that depends on the alias is touched.
"""

import asyncio
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import pulumi
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, WaiterError

from infra import aws_account
from infra.settings import Settings, SettingsError
from infra.settings.schema import NOT_RESERVED
from model_registry.release import Release

PATIENCE_SECONDS = 60.0
"""For how long a call that may pass later is made again: a new role's rights take seconds to arrive, sometimes more."""

_PAUSE_SECONDS = 2.0
_START_SECONDS = 60  # what a call may take beside the function's timeout: Lambda starts the environment first
# A version waits for its network interfaces or its snapshot, which is made within some minutes.
_ACTIVE = {"Delay": 2, "MaxAttempts": 450}
# Lambda API Reference, Invoke: what may pass by itself.
_PASSING = frozenset(
    {
        "EC2ThrottledException",
        "ResourceConflictException",
        "ResourceNotReadyException",
        "ServiceException",
        "SnapStartNotReadyException",
    }
)
# A failed version stays failed, and nothing new is published while nothing changes.
_ANOTHER_SNAPSHOT = (
    "`pulumi config set snapStart false` and `pulumi up`, then `pulumi config set snapStart true` and `pulumi up`"
)
_SELF_CHECK = {"selfCheck": True, "raise": True}
_WARM_UP = {"source": "pulumi", "detail-type": "check", "detail": {}}


@dataclass(frozen=True)
class Failure:
    """Why a version does not serve, and what to do. `passes`: whether the same call may succeed a moment later."""

    reason: str
    remedy: str = ""
    passes: bool = False


def is_checked(settings: Settings, outputs: Mapping[str, Any]) -> bool:
    """Whether Lambda lets a version be called that no alias points at; where it does not, that is said.

    What is provisioned for the alias counts against what is reserved for the function: where it is all of that, nothing
    but the alias is served.

    Source: AWS Lambda Developer Guide, "Configuring provisioned concurrency for a function".
    """
    provisioned_now = int((outputs.get("capacity") or {}).get("provisionedConcurrency", 0))
    reserved = settings.reserved_concurrency
    if reserved == NOT_RESERVED or reserved > provisioned_now:
        return True
    pulumi.log.warn(
        f"a new version is not called before it gets traffic: reservedConcurrency is {reserved}, of which "
        f"{provisioned_now} are provisioned for the alias, so that Lambda would refuse the call"
    )
    return False


def hooks(settings: Settings, release: Release) -> pulumi.ResourceHookBinding:
    """The hooks of an alias that call the version which it is about to point at."""

    async def call(args: pulumi.ResourceHookArgs, *, is_first: bool) -> None:
        inputs = args.new_inputs or {}
        check = VersionCheck(settings, release, str(inputs["functionName"]), str(inputs["functionVersion"]))
        await asyncio.to_thread(check.run, is_first=is_first)

    async def first(args: pulumi.ResourceHookArgs) -> None:
        await call(args, is_first=True)

    async def further(args: pulumi.ResourceHookArgs) -> None:
        await call(args, is_first=False)

    return pulumi.ResourceHookBinding(before_create=[first], before_update=[further])


class VersionCheck:
    """Calls one published version of a function with the handler's self-check."""

    def __init__(self, settings: Settings, release: Release, function: str, version: str) -> None:
        self._settings = settings
        self._manifest = release.manifest
        self._place = {"FunctionName": function, "Qualifier": version}
        self._payload = question(feature.name for feature in release.manifest.signature.features)
        config = Config(
            read_timeout=settings.timeout + _START_SECONDS, retries={"total_max_attempts": 1}, tcp_keepalive=True
        )
        self._lambda = aws_account.client("lambda", config)

    def run(self, *, is_first: bool) -> None:
        """Return once the version has answered; `is_first`: there is no alias yet.

        Raises:
            SettingsError: it does not answer as it should; the message says why, and what to do.

        """
        failure = self._wait() or self._call()
        until = time.monotonic() + PATIENCE_SECONDS
        while failure and failure.passes and time.monotonic() < until:
            time.sleep(_PAUSE_SECONDS)
            failure = self._call()
        if failure:
            raise SettingsError(self._told(failure, is_first=is_first))

    def _wait(self) -> Failure | None:
        """Until the version can be called at all: pulumi-aws does not wait for the first one.

        Source: terraform-provider-aws issue 42693.
        """
        try:
            self._lambda.get_waiter("published_version_active").wait(**self._place, WaiterConfig=_ACTIVE)
        except WaiterError as error:
            found = error.last_response
            state = f"{found.get('State', 'unknown')}: {found.get('StateReason', error)}"
            return Failure(
                f"Lambda did not make it ready, its state is {state}",
                _ANOTHER_SNAPSHOT if self._settings.snap_start else "",
            )
        except (BotoCoreError, ClientError) as error:
            return _unasked(error)
        return None

    def _call(self) -> Failure | None:
        try:
            answer = self._lambda.invoke(**self._place, Payload=self._payload)
            return read_answer(answer["Payload"].read())
        except (BotoCoreError, ClientError) as error:
            return _unasked(error)

    def _told(self, failure: Failure, *, is_first: bool) -> str:
        settings, manifest = self._settings, self._manifest
        stays = "nobody reaches it" if is_first else "callers go on reaching the version before it"
        move = (
            f"tag {manifest.name}/VERSION {settings.followed_tag}"
            if is_first
            else f"rollback {manifest.name}@{settings.followed_tag}"
        )
        back = f"`python -m model_registry {move} --bucket s3://{settings.registry_bucket}` and `pulumi up`"
        return (
            f"{manifest.reference} does not serve, it was called as version {self._place['Qualifier']} of "
            f"{self._place['FunctionName']} before it gets traffic: {failure.reason}; {stays}: "
            f"{failure.remedy}{', or ' if failure.remedy else ''}go to a version that serves with {back}"
        )


def question(features: Iterable[str]) -> bytes:
    """The event of the call: a self-check, or a warm-up where a feature has the name of the self-check."""
    return json.dumps(_WARM_UP if _SELF_CHECK.keys() & set(features) else _SELF_CHECK).encode()


def read_answer(payload: bytes) -> Failure | None:
    """What Lambda answered: None where the version serves.

    Source: AWS Lambda Developer Guide, "Python errors in Lambda" and "Troubleshoot invocation issues in Lambda".
    """
    answer = json.loads(payload)
    if "statusCode" in answer:  # of a warm-up, which raises nothing
        status = answer["statusCode"]
        problem = json.loads(answer["body"])
        unavailable = status == HTTPStatus.SERVICE_UNAVAILABLE
        return None if status == HTTPStatus.OK else Failure(str(problem["detail"]), passes=unavailable)
    message, kind = str(answer.get("errorMessage", "")), str(answer.get("errorType", ""))
    if (own := _of_the_handler(message)) is not None:
        phase = f" ({own['phase']})" if "phase" in own else ""
        return Failure(f"{own['detail']}{phase}", passes=own.get("phase") == "fetch")
    if "Task timed out" in message:
        return Failure(message, "give it more time with `pulumi config set timeout SECONDS` and `pulumi up`")
    if kind == "Runtime.ExitError":
        return Failure(message, "give it more memory with `pulumi config set memory MB` and `pulumi up`")
    return Failure(f"{kind}: {message}")


def _of_the_handler(message: str) -> dict[str, Any] | None:
    """The document that a failed self-check raises; None where Lambda itself says why a call failed."""
    try:
        document = json.loads(message)
    except ValueError:
        return None
    return document if isinstance(document, dict) and "detail" in document else None


def _unasked(error: BotoCoreError | ClientError) -> Failure:
    code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
    if code == "TooManyRequestsException":
        return Failure(str(error), "reserve more with `pulumi config set reservedConcurrency NUMBER`", passes=True)
    if "AccessDenied" in code:
        return Failure(
            str(error), "give whoever deploys lambda:InvokeFunction and lambda:GetFunctionConfiguration, `pulumi up`"
        )
    return Failure(str(error), "`pulumi up` tries again", passes=code in _PASSING)
