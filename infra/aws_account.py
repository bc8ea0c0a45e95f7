"""What the account has already, read before anything is declared; nothing is created or changed here but versions.

Each question is one request. What may not be asked is not known: it is said, and the deployment goes on.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import boto3
import pulumi
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from infra.settings import Settings, SettingsError

_Answer = TypeVar("_Answer")

# AWS Lambda Developer Guide, "Understanding Lambda function scaling": what must stay for all other functions.
UNRESERVED_MIN = 100
# AWS Lambda Developer Guide, "Lambda quotas": concurrent executions of most accounts; "new AWS accounts have reduced
# concurrency and memory quotas", the latter of which CreateFunction's refusals give as 3008.
DEFAULT_CONCURRENCY, NEW_ACCOUNT_MEMORY = 1_000, 3_008
_ROLE_OF_OURS = "api-logging-role-"
_HALF_WRITTEN = "failed to load checkpoint: EOF"
_PAUSES = (0.02, 0.1, 0.5, 1.0)  # seconds


def client(service: str, config: Config | None = None) -> Any:
    """A client of the account and region that the stack is deployed to."""
    provider = pulumi.Config("aws")
    return boto3.session.Session(profile_name=provider.get("profile"), region_name=provider.get("region")).client(
        service, config=config
    )


def own_outputs() -> dict[str, Any]:
    """Read the outputs of this stack's last successful update; empty before the first.

    The engine's own function, by which StackReference reads, gives them at once and copies them nowhere.
    """
    return dict(_of_the_engine("readStackOutputs", name=_own_name())["outputs"])


def deployed_outputs(kind: str, name: str, before: str) -> dict[str, Any]:
    """Read what a component of this stack had as outputs after its last successful update; empty before the first.

    Args:
        kind: the type of the component.
        name: its name in the program.
        before: type of the resource of this name that earlier releases had in the component's place, without one
            around it: the outputs were those of the stack then.

    """
    resources: Mapping[str, Any] = _of_the_engine("readStackResourceOutputs", stackName=_own_name())["outputs"]
    found = [one for urn, one in resources.items() if urn.endswith(f"{kind}::{name}")]
    if not found and any(urn.endswith(f"::{before}::{name}") for urn in resources):
        return own_outputs()
    return dict(found[0]["outputs"]) if len(found) == 1 else {}


def _own_name() -> str:
    return f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"


def _of_the_engine(function: str, **arguments: str) -> Mapping[str, Any]:
    """Ask the engine for what is in its state.

    An engine whose state is in a folder writes the state of this very update meanwhile, and the attributes beside the
    state not in one step (gocloud.dev/blob/fileblob, setAttrs): who reads in between is told `EOF`, and reads again.
    """
    for pause in _PAUSES:
        try:
            return _asked(function, arguments)
        except Exception as error:  # pulumi raises nothing narrower
            if not str(error).endswith(_HALF_WRITTEN):
                raise
            time.sleep(pause)
    return _asked(function, arguments)


def _asked(function: str, arguments: Mapping[str, str]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = pulumi.runtime.invoke(f"pulumi:pulumi:{function}", dict(arguments)).value
    return found


def check_account(settings: Settings, outputs: Mapping[str, Any]) -> None:
    """Refuse what the account or region lacks, with the command that mends it.

    Raises:
        SettingsError: API Gateway may not write logs, or concurrency is missing.

    """
    if settings.api == "rest" and settings.access_log != "off":
        _check_logging()
    if settings.reserved_concurrency > 0 or settings.memory > NEW_ACCOUNT_MEMORY:
        limits = known("lambda:GetAccountSettings", lambda: client("lambda").get_account_settings()["AccountLimit"])
        if limits is not None:
            _warn_of_memory(settings, limits)
            _check_concurrency(settings, limits, int(outputs.get("capacity", {}).get("reservedConcurrency", 0)))


def logging_is_theirs(outputs: Mapping[str, Any]) -> str | None:
    """The role by which API Gateway writes logs, if this stack did not make it; None where it is this stack's matter.

    `outputs` are those of the stack `registry`: releases of this project without the output `apiLogging` made one too.
    """
    if "apiLogging" in outputs:
        return None if outputs["apiLogging"] == "created" else str(outputs["apiLogging"])
    role = known("apigateway:GET on /account", _logging_role)
    made_before = outputs and role and role.rpartition("/")[2].startswith(_ROLE_OF_OURS)
    return None if made_before else role


def _logging_role() -> str | None:
    found = client("apigateway").get_account().get("cloudwatchRoleArn")
    return str(found) if found else None


def _check_logging() -> None:
    role = known("apigateway:GET on /account", lambda: _logging_role() or "")
    if role == "":
        raise SettingsError(
            "API Gateway may not write logs in this account and region, a stage with an access log would be refused: "
            "`pulumi up --stack registry` gives it the right; in a further region `aws apigateway update-account "
            "--patch-operations op=replace,path=/cloudwatchRoleArn,value=ROLE_ARN` with the role of the first; or "
            "`pulumi config set accessLog off`"
        )


def check_region(settings: Settings) -> None:
    """Refuse a registry's bucket of another region than the stack's.

    Raises:
        SettingsError: the message names both regions.

    """
    s3 = client("s3")

    def region() -> str:
        try:
            return str(s3.head_bucket(Bucket=settings.registry_bucket).get("BucketRegion", ""))
        except ClientError as error:  # S3 names the region with a refusal too
            return str(error.response["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region", ""))

    found = known("s3:ListBucket on the registry's bucket", region)
    if found and found != s3.meta.region_name:
        raise SettingsError(
            f"registryBucket {settings.registry_bucket} is in {found} and the stack in {s3.meta.region_name}, a "
            f"function reads models of its own region: `pulumi config set aws:region {found}`, or take a registry "
            "of the stack's region"
        )


def _warn_of_memory(settings: Settings, limits: Mapping[str, Any]) -> None:
    """Tell that the account may have less memory for a function, which no API says: its concurrency gives it away."""
    if settings.memory > NEW_ACCOUNT_MEMORY and limits["ConcurrentExecutions"] < DEFAULT_CONCURRENCY:
        pulumi.log.warn(
            f"memory is {settings.memory} MB and the account runs {limits['ConcurrentExecutions']} functions at once, "
            f"where most run {DEFAULT_CONCURRENCY:,} or more: new accounts have {NEW_ACCOUNT_MEMORY} MB at most, and "
            f"the function would be refused then; `pulumi config set memory {NEW_ACCOUNT_MEMORY}`, or ask AWS Support "
            "to raise the account's memory"
        )


def _check_concurrency(settings: Settings, limits: Mapping[str, Any], reserved_now: int) -> None:
    free = int(limits["UnreservedConcurrentExecutions"]) + max(reserved_now, 0) - UNRESERVED_MIN
    if settings.reserved_concurrency > max(free, 0):
        raise SettingsError(
            f"reservedConcurrency is {settings.reserved_concurrency} and the account has {max(free, 0)} to reserve, as "
            f"{UNRESERVED_MIN} of its {limits['ConcurrentExecutions']} must stay for other functions: reserve less, or "
            "ask for more with `aws service-quotas request-service-quota-increase --service-code lambda --quota-code "
            "L-B99A9384 --desired-value NUMBER`"
        )


def interfaces_remain(function: str) -> bool:
    """Whether there are network interfaces that Lambda has made for a function, or nobody may know.

    Lambda removes them some minutes after the last version that used them, with the rights of the function's role.
    Source: AWS Lambda Developer Guide, "Giving Lambda functions access to resources in an Amazon VPC".
    """
    names = [f"AWS Lambda VPC ENI-{function}-*"]
    found = known(
        "ec2:DescribeNetworkInterfaces",
        lambda: client("ec2").describe_network_interfaces(Filters=[{"Name": "description", "Values": names}]),
    )
    return found is None or bool(found["NetworkInterfaces"])


def known(right: str, ask: Callable[[], _Answer]) -> _Answer | None:
    """The answer, or None with a warning where AWS cannot be asked."""
    try:
        return ask()
    except (BotoCoreError, ClientError) as error:
        pulumi.log.warn(f"not checked before the deployment, {right} failed: {error}")
        return None
