"""Combinations of settings that AWS refuses, or that could never do what they say.

Each rule is a function of the settings that returns the refusal, or None. The first line of its docstring is the
combination, the last its source: `docs/settings.md` is made from them.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from infra.cors import EVERY_ORIGIN
from infra.settings.checks import SettingsError, remedy
from infra.settings.function import EPHEMERAL_STORAGE, NOT_RESERVED

if TYPE_CHECKING:
    from infra.settings import Settings

Rule = Callable[["Settings"], str | None]

_SNAP_START_PYTHON = (3, 12)


def check_combinations(settings: "Settings") -> None:
    """Raise SettingsError for the first combination that is refused."""
    for rule in RULES:
        _raise(rule(settings))


def check_python(settings: "Settings", python: str) -> None:
    """Raise SettingsError where a setting needs another Python than the model's, `python` as in `3.12`."""
    _raise(snap_start_python(settings, python))


def snap_start_python(settings: "Settings", python: str) -> str | None:
    """`snapStart` with a model trained with Python 3.11 or earlier.

    Source: AWS Lambda Developer Guide, "Improving startup performance with Lambda SnapStart", Supported features.
    """
    major, minor = python.split(".")[:2]
    if not settings.capacity.snap_start or (int(major), int(minor)) >= _SNAP_START_PYTHON:
        return None
    return (
        f"snapStart is true and the model was trained with Python {python}, SnapStart is for 3.12 and later: train it "
        f"with a later Python, or `pulumi config set snapStart false`"
    )


def snap_start_provisioned(settings: "Settings") -> str | None:
    """`snapStart` with `provisionedConcurrency`.

    Source: AWS Lambda Developer Guide, "Improving startup performance with Lambda SnapStart", Supported features.
    """
    capacity = settings.capacity
    if not (capacity.snap_start and capacity.provisioned_concurrency):
        return None
    return (
        f"snapStart is true and provisionedConcurrency is {capacity.provisioned_concurrency}, Lambda has one or the "
        f"other: `pulumi config set provisionedConcurrency 0`, or `pulumi config set snapStart false`"
    )


def snap_start_storage(settings: "Settings") -> str | None:
    """`snapStart` with more `ephemeralStorage` than 512 MB.

    Source: AWS Lambda Developer Guide, "Improving startup performance with Lambda SnapStart", Supported features.
    """
    capacity = settings.capacity
    if not capacity.snap_start or capacity.ephemeral_storage == EPHEMERAL_STORAGE[0]:
        return None
    return (
        f"snapStart is true and ephemeralStorage is {capacity.ephemeral_storage} MB, SnapStart takes "
        f"{EPHEMERAL_STORAGE[0]}: `pulumi config set ephemeralStorage {EPHEMERAL_STORAGE[0]}`"
    )


def provisioned_within_reserved(settings: "Settings") -> str | None:
    """More `provisionedConcurrency` than `reservedConcurrency`.

    Source: AWS Lambda Developer Guide, "Configuring provisioned concurrency for a function".
    """
    reserved, provisioned = settings.capacity.reserved_concurrency, settings.capacity.provisioned_concurrency
    if reserved == NOT_RESERVED or provisioned <= reserved:
        return None
    return (
        f"provisionedConcurrency is {provisioned} and reservedConcurrency only {reserved}: "
        f"`pulumi config set reservedConcurrency {provisioned}` or more, or -1"
    )


def whole_network(settings: "Settings") -> str | None:
    """`subnetIds` without `securityGroupIds`, or the other way round.

    Source: Lambda API Reference, VpcConfig; AWS Lambda Developer Guide, "Giving Lambda functions access to resources in
    an Amazon VPC".
    """
    network = settings.network
    if bool(network.subnet_ids) == bool(network.security_group_ids):
        return None
    given, missing = ("subnetIds", "securityGroupIds") if network.subnet_ids else ("securityGroupIds", "subnetIds")
    values = ", ".join(network.subnet_ids or network.security_group_ids)
    return f"{given} is {values} and {missing} is empty, a VPC needs both: {remedy(missing, item=True)}"


def usage_needs_key(settings: "Settings") -> str | None:
    """`usageRate`, `usageBurst` or `usageQuota` without `apiKey`.

    Source: API Gateway Developer Guide, "Usage plans and API keys for REST APIs": a plan's limits are those of a key.
    """
    usage = settings.api.usage
    given = {"usageRate": usage.limits.rate, "usageBurst": usage.limits.burst, "usageQuota": usage.quota}
    for name, value in given.items():
        if value and not settings.api_key:
            return f"{name} is {value} and apiKey is false, the limit is that of a key: `pulumi config set apiKey true`"
    return None


def whole_usage_limits(settings: "Settings") -> str | None:
    """`usageRate` without `usageBurst`, or the other way round.

    Source: API Gateway API Reference, ThrottleSettings: a bucket has a rate and a size.
    """
    return _whole("usage", settings.api.usage.limits.rate, settings.api.usage.limits.burst)


def whole_throttle(settings: "Settings") -> str | None:
    """`throttleRate` without `throttleBurst`, or the other way round.

    Source: API Gateway API Reference, ThrottleSettings: a bucket has a rate and a size.
    """
    return _whole("throttle", settings.api.throttle.rate, settings.api.throttle.burst)


def domain_with_certificate(settings: "Settings") -> str | None:
    """`domainName` without `certificateArn`, or the other way round.

    Source: API Gateway Developer Guide, "Custom domain name for public REST APIs in API Gateway".
    """
    domain = settings.api.domain
    if bool(domain.name) == bool(domain.certificate_arn):
        return None
    given, value, missing = (
        ("domainName", domain.name, "certificateArn")
        if domain.name
        else ("certificateArn", domain.certificate_arn, "domainName")
    )
    return f"{given} is {value!r} and {missing} is empty, one needs the other: {remedy(missing)}"


def every_origin_alone(settings: "Settings") -> str | None:
    """`*` in `corsOrigins` beside other origins.

    Source: the Fetch standard, "CORS check": `Access-Control-Allow-Origin` is `*` or one origin.
    """
    origins = settings.api.cors_origins
    if EVERY_ORIGIN not in origins or len(origins) == 1:
        return None
    return f"corsOrigins is {', '.join(origins)}, * is every origin and stands alone: remove it, or the others"


def alarm_within_timeout(settings: "Settings") -> str | None:
    """`alarmDurationMs` at or above the `timeout`: no call lasts longer, the alarm could never rise.

    Source: AWS Lambda Developer Guide, "Configure Lambda function timeout".
    """
    monitoring = settings.monitoring
    limit = settings.timeout * 1000
    if not monitoring.alarm_topic_arn or monitoring.alarm_duration_ms < limit:
        return None
    return (
        f"alarmDurationMs is {monitoring.alarm_duration_ms} and timeout {settings.timeout} s ends each call before: "
        f"`pulumi config set alarmDurationMs` to less than {limit}"
    )


def trusted_types_format(settings: "Settings") -> str | None:
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
    snap_start_provisioned,
    snap_start_storage,
    provisioned_within_reserved,
    whole_network,
    usage_needs_key,
    whole_usage_limits,
    whole_throttle,
    domain_with_certificate,
    every_origin_alone,
    alarm_within_timeout,
    trusted_types_format,
)
