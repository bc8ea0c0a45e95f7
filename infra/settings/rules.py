"""Combinations of settings that AWS refuses, or that could never do what they say.

Each rule is a function of the settings that returns the refusal, or None. The first line of its docstring is the
combination, the last its source: `docs/settings.md` is made from them.
"""

import re
from collections.abc import Callable

from infra.settings import closing, parsing
from infra.settings.errors import SettingsError
from infra.settings.field import fields, remedy, shown
from infra.settings.forms import EVERY_ORIGIN
from infra.settings.schema import NO_EXTRA_STORAGE, NOT_RESERVED, AccountSettings, RegistrySettings, Settings
from model_runtime.errors import InvalidNameError

Rule = Callable[[Settings], str | None]

# A bucket's name holds 63 characters: 25 go to "-artifacts-bucket-" and Pulumi's seven random ones.
_SERVICE_NAME_MAX = 38
_NAME = re.compile("[a-z0-9]+(-[a-z0-9]+)*")
# Importing scikit-learn takes 125 MB beside the runtime; onnxruntime takes 56 MB.
_MEMORY_FOR_SCIKIT_LEARN = 256
_GATEWAY_TIMEOUT_MAX = 300
_SNAP_START_PYTHON = (3, 12)
_WITHOUT_SNAP_START = frozenset({"ap-east-2", "ap-southeast-6"})


def check_combinations(settings: Settings) -> None:
    """Raise SettingsError for the first combination that is refused."""
    check_account(settings)
    for rule in RULES:
        _raise(rule(settings))


def check_account(settings: AccountSettings) -> None:
    """Raise SettingsError for what is refused in any stack."""
    _raise(own_region(settings))


def check_registry(settings: RegistrySettings) -> None:
    """Raise SettingsError for what is refused in the stack `registry`."""
    check_account(settings)
    _raise(lock_period(settings))


def check_name(name: str) -> None:
    """Raise SettingsError for the name of a component after which nothing in AWS can be named."""
    if not _NAME.fullmatch(name) or len(name) > _SERVICE_NAME_MAX:
        raise SettingsError(
            f"the component's name is {name!r}, resources are named after it: take lower case letters, digits and "
            f"single hyphens between them, {_SERVICE_NAME_MAX} characters at most"
        )


def check_python(settings: Settings, python: str) -> None:
    """Raise SettingsError where a setting needs another Python than the model's, `python` as in `3.12`."""
    _raise(snap_start_python(settings, python))


def own_region(settings: AccountSettings) -> str | None:
    """An ARN of another region than `aws:region`.

    Source: the resources are the stack's, and each service takes a key, topic or certificate of its own region only.
    """
    for field in fields(type(settings)):
        arn = getattr(settings, field.name)
        # An output's region is not known yet, and its resource is the program's own.
        found = arn.split(":")[3] if field.own_region and isinstance(arn, str) and arn.startswith("arn:") else ""
        if found and settings.region and found != settings.region:
            return (
                f"{field.key} is {arn!r}, of the region {found}, and aws:region is {settings.region}: name one of the "
                "stack's own region"
            )
    return None


def lock_period(settings: RegistrySettings) -> str | None:
    """`objectLockMode` `compliance` without `objectLockDays`.

    Source: Amazon S3 API Reference, DefaultRetention: a mode needs a period.
    """
    if settings.object_lock_mode == "governance" or settings.object_lock_days:
        return None
    return (
        "objectLockMode is compliance and objectLockDays is 0, so nothing is locked: `pulumi config set "
        "objectLockDays NUMBER`, or `pulumi config rm objectLockMode`"
    )


def stack_name(settings: Settings) -> str | None:
    """A stack whose name is not lower case letters, digits and single hyphens.

    Source: docs/registry-format.md: it is the tag that the stack follows, and names of resources begin with it.
    """
    try:
        parsing.slug(settings.stack)
    except InvalidNameError as error:
        return f"stack: {error}"
    return None


def name_length(settings: Settings) -> str | None:
    """`model` and stack whose names together are longer than 38 characters.

    Source: Amazon S3 User Guide, "General purpose bucket naming rules": 63 characters, of which 25 are added.
    """
    if len(settings.service) <= _SERVICE_NAME_MAX:
        return None
    return (
        f"model {settings.model!r} and stack {settings.stack!r} make the name {settings.service!r} of "
        f"{len(settings.service)} characters, {_SERVICE_NAME_MAX} fit into AWS names: use a shorter stack name"
    )


def memory_for_format(settings: Settings) -> str | None:
    """`memory` below 256 with another `format` than `onnx`.

    Source: measured, importing scikit-learn takes 125 MB beside the runtime.
    """
    if settings.model_format == "onnx" or settings.memory >= _MEMORY_FOR_SCIKIT_LEARN:
        return None
    return (
        f"memory is {settings.memory} and format {settings.model_format}, which needs {_MEMORY_FOR_SCIKIT_LEARN} MB "
        f"for scikit-learn: `pulumi config set memory {_MEMORY_FOR_SCIKIT_LEARN}` or more"
    )


def snap_start_python(settings: Settings, python: str) -> str | None:
    """`snapStart` with a model trained with Python 3.11 or earlier.

    Source: AWS Lambda Developer Guide, "Improving startup performance with Lambda SnapStart", Supported features.
    """
    major, minor = python.split(".")[:2]
    if not settings.snap_start or (int(major), int(minor)) >= _SNAP_START_PYTHON:
        return None
    return (
        f"snapStart is true and the model was trained with Python {python}, SnapStart is for 3.12 and later: train it "
        f"with a later Python, or `pulumi config set snapStart false`"
    )


def snap_start_provisioned(settings: Settings) -> str | None:
    """`snapStart` with `provisionedConcurrency`.

    Source: AWS Lambda Developer Guide, "Improving startup performance with Lambda SnapStart", Supported features.
    """
    if not (settings.snap_start and settings.provisioned_concurrency):
        return None
    return (
        f"snapStart is true and provisionedConcurrency is {settings.provisioned_concurrency}, Lambda has one or the "
        f"other: `pulumi config set provisionedConcurrency 0`, or `pulumi config set snapStart false`"
    )


def snap_start_storage(settings: Settings) -> str | None:
    """`snapStart` with more `ephemeralStorage` than 512 MB.

    Source: AWS Lambda Developer Guide, "Improving startup performance with Lambda SnapStart", Supported features.
    """
    if not settings.snap_start or settings.ephemeral_storage == NO_EXTRA_STORAGE:
        return None
    return (
        f"snapStart is true and ephemeralStorage is {settings.ephemeral_storage} MB, SnapStart takes "
        f"{NO_EXTRA_STORAGE}: `pulumi config set ephemeralStorage {NO_EXTRA_STORAGE}`"
    )


def snap_start_region(settings: Settings) -> str | None:
    """`snapStart` in Asia Pacific (New Zealand) or Asia Pacific (Taipei).

    Source: AWS Lambda Developer Guide, "Improving startup performance with Lambda SnapStart", Supported Regions, as of
    November 2026; both architectures are supported elsewhere.
    """
    if not settings.snap_start or settings.region not in _WITHOUT_SNAP_START:
        return None
    return (
        f"snapStart is true and aws:region is {settings.region}, which has no SnapStart: `pulumi config set snapStart "
        "false`, or another region"
    )


def provisioned_within_reserved(settings: Settings) -> str | None:
    """More `provisionedConcurrency` than `reservedConcurrency`.

    Source: AWS Lambda Developer Guide, "Configuring provisioned concurrency for a function".
    """
    reserved, provisioned = settings.reserved_concurrency, settings.provisioned_concurrency
    if reserved == NOT_RESERVED or provisioned <= reserved:
        return None
    return (
        f"provisionedConcurrency is {provisioned} and reservedConcurrency only {reserved}: "
        f"`pulumi config set reservedConcurrency {provisioned}` or more, or -1"
    )


def whole_network(settings: Settings) -> str | None:
    """`subnetIds` without `securityGroupIds`, or the other way round.

    Source: Lambda API Reference, VpcConfig; AWS Lambda Developer Guide, "Giving Lambda functions access to resources in
    an Amazon VPC".
    """
    if bool(settings.subnet_ids) == bool(settings.security_group_ids):
        return None
    given, missing = ("subnetIds", "securityGroupIds") if settings.subnet_ids else ("securityGroupIds", "subnetIds")
    values = shown(settings.subnet_ids or settings.security_group_ids)
    return f"{given} is {values} and {missing} is empty, a VPC needs both: {remedy(missing, item=0)}"


def usage_needs_key(settings: Settings) -> str | None:
    """`usageRate`, `usageBurst` or `usageQuota` without `apiKey`.

    Source: API Gateway Developer Guide, "Usage plans and API keys for REST APIs": a plan's limits are those of a key.
    """
    given = {"usageRate": settings.usage_rate, "usageBurst": settings.usage_burst, "usageQuota": settings.usage_quota}
    for name, value in given.items():
        if value and not settings.api_key:
            return f"{name} is {value} and apiKey is false, the limit is that of a key: `pulumi config set apiKey true`"
    return None


def whole_usage_limits(settings: Settings) -> str | None:
    """`usageRate` without `usageBurst`, or the other way round.

    Source: API Gateway API Reference, ThrottleSettings: a bucket has a rate and a size.
    """
    return _whole("usage", settings.usage_rate, settings.usage_burst)


def every_origin_alone(settings: Settings) -> str | None:
    """`*` in `corsOrigins` beside other origins.

    Source: the Fetch standard, "CORS check": `Access-Control-Allow-Origin` is `*` or one origin.
    """
    origins = settings.cors_origins
    if EVERY_ORIGIN not in origins or len(origins) == 1:
        return None
    return f"corsOrigins is {', '.join(origins)}, * is every origin and stands alone: remove it, or the others"


def timeout_within_gateway(settings: Settings) -> str | None:
    """More `timeout` than `gatewayTimeout`: the caller's answer would be 504 while the function goes on.

    Source: Amazon API Gateway quotas for REST APIs: maximum integration timeout in milliseconds.
    """
    if settings.api == "none" or settings.timeout <= settings.gateway_timeout:
        return None
    raised = (
        ""
        if settings.timeout > _GATEWAY_TIMEOUT_MAX
        else f", `pulumi config set gatewayTimeout {settings.timeout}` where the account's quota was raised"
    )
    return (
        f"timeout is {settings.timeout} seconds and API Gateway answers 504 after gatewayTimeout, "
        f"{settings.gateway_timeout}: `pulumi config set timeout {settings.gateway_timeout}`{raised}, or "
        "`pulumi config set api none`"
    )


def without_api(settings: Settings) -> str | None:
    """`api` `none` with a setting of the API.

    Source: the setting would change nothing: `apiKey`, `authorization`, `corsOrigins`, `domainName`, `throttle`,
    `vpcEndpointIds` and `webAclArn` are properties of a REST API.
    """
    if settings.api == "rest":
        return None
    given = {
        "apiKey": settings.api_key and "true",
        "authorization": settings.authorization != "none" and settings.authorization,
        "corsOrigins": ", ".join(settings.cors_origins),
        "domainName": settings.domain_name,
        "throttle": settings.throttle != "on" and settings.throttle,
        "vpcEndpointIds": ", ".join(settings.vpc_endpoint_ids),
        "webAclArn": settings.web_acl_arn,
    }
    for name, value in given.items():
        if value:
            return f"api is none and {name} is {value}, which is a matter of the API: `pulumi config rm {name}`"
    return None


def alarm_within_timeout(settings: Settings) -> str | None:
    """`alarmDurationMs` at or above the `timeout`: no call lasts longer, the alarm could never rise.

    Source: AWS Lambda Developer Guide, "Configure Lambda function timeout".
    """
    limit = settings.timeout * 1000
    if not settings.alarm_topic_arn or settings.alarm_duration_ms < limit:
        return None
    return (
        f"alarmDurationMs is {settings.alarm_duration_ms} and timeout {settings.timeout} s ends each call before: "
        f"`pulumi config set alarmDurationMs` to less than {limit}"
    )


def trusted_types_format(settings: Settings) -> str | None:
    """`trustedTypes` with another `format` than `skops`.

    Source: formats.md in this folder: the other formats do not ask for it.
    """
    if not settings.trusted_types or settings.model_format == "skops":
        return None
    return (
        f"trustedTypes is set, and the format is {settings.model_format}, which does not ask for it: `pulumi config "
        "set format skops`, or `pulumi config rm trustedTypes`"
    )


def _whole(name: str, rate: int, burst: int) -> str | None:
    if bool(rate) == bool(burst):
        return None
    given, value, missing = (f"{name}Rate", rate, f"{name}Burst") if rate else (f"{name}Burst", burst, f"{name}Rate")
    return f"{given} is {value} and {missing} is 0, one needs the other: {remedy(missing)}"


def _raise(refusal: str | None) -> None:
    if refusal:
        raise SettingsError(refusal)


RULES: tuple[Rule, ...] = (
    stack_name,
    name_length,
    memory_for_format,
    snap_start_provisioned,
    snap_start_storage,
    snap_start_region,
    provisioned_within_reserved,
    whole_network,
    usage_needs_key,
    whole_usage_limits,
    closing.throttle_is_lifted,
    closing.domain_with_certificate,
    closing.private_without_domain,
    closing.default_endpoint_beside_domain,
    closing.truststore_of_domain,
    closing.truststore_alone,
    every_origin_alone,
    timeout_within_gateway,
    without_api,
    alarm_within_timeout,
    trusted_types_format,
)
