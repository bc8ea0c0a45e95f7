"""Settings of the API: who may call it, how often, from which pages, by which name, and what its log says."""

import re
from dataclasses import dataclass, field

from infra.access_log import log_format
from infra.cors import EVERY_ORIGIN
from infra.settings.checks import (
    CERTIFICATE,
    SettingsError,
    check_arn,
    check_choice,
    check_pattern,
    check_range,
    remedy,
)

AUTHORIZATIONS = ("none", "iam")
# API Gateway API Reference, QuotaSettings.
QUOTA_PERIODS = ("DAY", "WEEK", "MONTH")
# The account's limits can be raised; these only keep a slip of the finger out. A quota is a 32-bit integer.
_RATE_MAX = 1_000_000
_QUOTA_MAX = 2**31 - 1
# Lambda quotas: 4 KB for all environment variables together, which hold the origins among others.
_ORIGINS_MAX = 2_000
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST = rf"{_LABEL}(\.{_LABEL})*"
# API Gateway quotas: "Access log template size", 3 KB.
_FORMAT_MAX = 3_072


@dataclass(frozen=True)
class Limits:
    """A token bucket: `rate` requests per second flow in, it holds `burst`. Zero for no limit."""

    rate: int = 0
    burst: int = 0


@dataclass(frozen=True)
class Usage:
    """What the holder of the API key may use."""

    limits: Limits = field(default_factory=Limits)
    quota: int = 0
    period: str = "MONTH"

    def __post_init__(self) -> None:
        _check_limits("usage", self.limits)
        check_range("usageQuota", self.quota, range(_QUOTA_MAX + 1), "requests (0 for any number)")
        check_choice("usageQuotaPeriod", self.period, QUOTA_PERIODS)


@dataclass(frozen=True)
class Domain:
    """A domain name of the account's own, with its certificate."""

    name: str = ""
    certificate_arn: str = ""

    def __post_init__(self) -> None:
        if self.name:
            example = "a domain such as iris.example.com, in lower case"
            check_pattern("domainName", self.name, rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})+", example)
        check_arn("certificateArn", self.certificate_arn, CERTIFICATE)


@dataclass(frozen=True)
class ApiSettings:
    """The API's settings; `access_log` is `standard`, `detailed`, `off` or a format."""

    authorization: str = "none"
    usage: Usage = field(default_factory=Usage)
    throttle: Limits = field(default_factory=Limits)
    cors_origins: tuple[str, ...] = ()
    domain: Domain = field(default_factory=Domain)
    access_log: str = "standard"

    def __post_init__(self) -> None:
        check_choice("authorization", self.authorization, AUTHORIZATIONS)
        _check_limits("throttle", self.throttle)
        _check_origins(self.cors_origins)
        _check_access_log(self.access_log)


def _check_limits(name: str, limits: Limits) -> None:
    check_range(f"{name}Rate", limits.rate, range(_RATE_MAX + 1), "requests per second (0 for no limit)")
    check_range(f"{name}Burst", limits.burst, range(_RATE_MAX + 1), "requests (0 for no limit)")


def _check_origins(origins: tuple[str, ...]) -> None:
    """Refuse what no browser sends as `Origin`, which would never match.

    Source: the Fetch standard, "Origin header": scheme, host and port, without path or slash.
    """
    for origin in origins:
        if origin != EVERY_ORIGIN:
            what = "origins such as https://app.example.com, without a path, or only *"
            check_pattern("corsOrigins", origin, rf"https?://{_HOST}(:\d{{1,5}})?", what, item=True)
    size = len(",".join(origins))
    if size > _ORIGINS_MAX:
        raise SettingsError(
            f"corsOrigins has {size:,} characters, {_ORIGINS_MAX:,} fit into the function's environment: name fewer"
        )


def _check_access_log(setting: str) -> None:
    """Refuse a format that API Gateway refuses.

    Source: API Gateway Developer Guide, "Set up CloudWatch logging for REST APIs": one line, which has
    `$context.requestId` or `$context.extendedRequestId`.
    """
    text = log_format(setting)
    if text is None:
        return
    if len(text.encode()) > _FORMAT_MAX:
        raise SettingsError(
            f"accessLog has {len(text.encode()):,} bytes, API Gateway takes {_FORMAT_MAX:,}: name fewer variables"
        )
    if not re.search(r"\$context\.(requestId|extendedRequestId)\b", text):
        raise SettingsError(
            f"accessLog is {setting!r}, it must be standard, detailed, off, or a format with $context.requestId in it: "
            f"{remedy('accessLog')}"
        )
    if "\n" in text:
        raise SettingsError(f"accessLog is {setting!r}, a format must be one line: {remedy('accessLog')}")
