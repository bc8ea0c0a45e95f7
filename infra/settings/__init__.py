"""A stack's settings: read once from its configuration, checked before anything is built or created."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import pulumi

from infra.settings.account import AccountSettings
from infra.settings.api import ApiSettings, Domain, Limits, Usage
from infra.settings.checks import (
    KMS_KEY,
    SettingsError,
    check_arn,
    check_choice,
    check_range,
    check_region,
    check_slug,
    remedy,
)
from infra.settings.function import Capacity, Network
from infra.settings.monitoring import Monitoring
from infra.settings.rules import check_combinations
from model_runtime.errors import InvalidNameError, ModelFormatError, SigningError
from model_runtime.formats.skops import parse_trusted_types
from model_runtime.manifest import FORMAT_FILES, FormatName
from model_runtime.signing import parse_public_keys
from model_runtime.storage import bucket_name

__all__ = ["REGISTRY_STACK", "RegistrySettings", "Settings", "SettingsError", "read_settings"]

REGISTRY_STACK = "registry"
"""The stack of this name deploys the registry's bucket; every other one serves a model."""

# Lambda quotas: 128 to 10,240 MB. Importing scikit-learn takes 125 MB beside the runtime, so 128 cannot hold it.
MEMORY = range(256, 10_240 + 1)
# onnxruntime takes 56 MB.
ONNX_MEMORY = range(128, 10_240 + 1)
# API Gateway quotas: a REST API waits 29 s for its integration.
TIMEOUT = range(1, 29 + 1)
ARCHITECTURES = ("x86_64", "arm64")
# CloudWatch Logs, PutRetentionPolicy: the values that retentionInDays takes.
RETENTION_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
# A bucket's name holds 63 characters: 25 go to "-artifacts-bucket-" and Pulumi's seven random ones.
SERVICE_NAME_MAX = 38


@dataclass(frozen=True)
class RegistrySettings:
    """Settings of the stack `registry`."""

    registry_bucket: str
    account: AccountSettings = field(default_factory=AccountSettings)


@dataclass(frozen=True)
class Settings:
    """Settings of a stack that serves a model; `Pulumi.yaml` describes each."""

    registry_bucket: str
    model: str
    tag: str
    memory: int
    timeout: int
    architecture: str
    api_key: bool
    log_retention_days: int
    tracing: bool
    stack: str
    allow_breaking: bool = False
    public_keys: tuple[str, ...] = ()
    model_format: FormatName = "joblib"
    trusted_types: tuple[str, ...] = ()
    registry_kms_key_arn: str = ""
    account: AccountSettings = field(default_factory=AccountSettings)
    capacity: Capacity = field(default_factory=Capacity)
    network: Network = field(default_factory=Network)
    api: ApiSettings = field(default_factory=ApiSettings)
    monitoring: Monitoring = field(default_factory=Monitoring)

    def __post_init__(self) -> None:
        check_slug("model", self.model)
        check_slug("tag", self.tag)
        check_slug("stack", self.stack)
        check_range("memory", self.memory, ONNX_MEMORY if self.model_format == "onnx" else MEMORY, "MB")
        check_range("timeout", self.timeout, TIMEOUT, "seconds (API Gateway answers 504 after 29)")
        check_choice("architecture", self.architecture, ARCHITECTURES)
        check_choice("format", self.model_format, tuple(FORMAT_FILES))
        check_choice("logRetentionDays", self.log_retention_days, RETENTION_DAYS)
        check_arn("registryKmsKeyArn", self.registry_kms_key_arn, KMS_KEY)
        if len(self.service) > SERVICE_NAME_MAX:
            raise SettingsError(
                f"model {self.model!r} and stack {self.stack!r} make the name {self.service!r} of {len(self.service)} "
                f"characters, {SERVICE_NAME_MAX} fit into AWS names: use a shorter stack name"
            )
        check_combinations(self)

    @property
    def service(self) -> str:
        """What the stack's resources are named after, `MODEL-STACK`."""
        return f"{self.model}-{self.stack}"


def read_settings() -> Settings | RegistrySettings:
    """Read the configuration of the current stack; SettingsError names a bad value."""
    config = pulumi.Config()
    stack = pulumi.get_stack()
    bucket = config.require("registryBucket")
    try:
        bucket = bucket_name(bucket)
    except InvalidNameError as error:
        raise SettingsError(f"registryBucket: {error}") from error
    account = _account(config)
    if stack == REGISTRY_STACK:
        return RegistrySettings(bucket, account)
    api = _api(config)
    settings = Settings(
        registry_bucket=bucket,
        model=config.require("model"),
        tag=config.get("tag") or stack,
        memory=config.require_int("memory"),
        timeout=config.require_int("timeout"),
        architecture=config.require("architecture"),
        api_key=config.require_bool("apiKey"),
        log_retention_days=config.require_int("logRetentionDays"),
        tracing=config.require_bool("tracing"),
        stack=stack,
        allow_breaking=config.require_bool("allowBreaking"),
        public_keys=_public_keys(config.get("publicKey") or ""),
        model_format=cast("FormatName", config.get("format") or "joblib"),
        trusted_types=_trusted_types(config.get("trustedTypes") or ""),
        registry_kms_key_arn=config.require("registryKmsKeyArn"),
        account=account,
        capacity=Capacity(
            ephemeral_storage=config.require_int("ephemeralStorage"),
            reserved_concurrency=config.require_int("reservedConcurrency"),
            provisioned_concurrency=config.require_int("provisionedConcurrency"),
            snap_start=config.require_bool("snapStart"),
        ),
        network=Network(_texts(config, "subnetIds"), _texts(config, "securityGroupIds")),
        api=api,
        monitoring=Monitoring(
            alarm_topic_arn=config.require("alarmTopicArn"),
            alarm_duration_ms=config.require_int("alarmDurationMs"),
            dashboard=config.require_bool("dashboard"),
        ),
    )
    region = pulumi.Config("aws").get("region") or ""
    check_region("certificateArn", api.domain.certificate_arn, region)
    check_region("alarmTopicArn", settings.monitoring.alarm_topic_arn, region)
    return settings


def _account(config: pulumi.Config) -> AccountSettings:
    account = AccountSettings(
        kms_key_arn=config.require("kmsKeyArn"),
        permissions_boundary_arn=config.require("permissionsBoundaryArn"),
        tags=_tags(config),
    )
    check_region("kmsKeyArn", account.kms_key_arn, pulumi.Config("aws").get("region") or "")
    return account


def _api(config: pulumi.Config) -> ApiSettings:
    return ApiSettings(
        authorization=config.require("authorization"),
        usage=Usage(
            Limits(config.require_int("usageRate"), config.require_int("usageBurst")),
            config.require_int("usageQuota"),
            config.require("usageQuotaPeriod"),
        ),
        throttle=Limits(config.require_int("throttleRate"), config.require_int("throttleBurst")),
        cors_origins=_texts(config, "corsOrigins"),
        domain=Domain(config.require("domainName"), config.require("certificateArn")),
        access_log=config.require("accessLog"),
    )


def _texts(config: pulumi.Config, name: str) -> tuple[str, ...]:
    """Read a list of texts; SettingsError where one is none."""
    values: list[Any] = config.require_object(name)
    for value in values:
        if not isinstance(value, str):
            raise SettingsError(f"{name} has {value!r}, which is no text: {remedy(name, item=True)}")
    return tuple(values)


def _tags(config: pulumi.Config) -> Mapping[str, str]:
    """Read the tags. `pulumi config set --path tags.centre 42` writes a whole number, which means its digits."""
    tags: Mapping[str, Any] = config.require_object("tags")
    for key, value in tags.items():
        if not isinstance(value, str | int) or isinstance(value, bool):
            raise SettingsError(
                f"tags.{key} is {value!r}, which is no text: "
                f"`pulumi config set --path 'tags.{key}' VALUE --type string`"
            )
    return {key: str(value) for key, value in tags.items()}


def _trusted_types(text: str) -> tuple[str, ...]:
    try:
        return parse_trusted_types(text)
    except ModelFormatError as error:
        raise SettingsError(f"trustedTypes: {error}") from error


def _public_keys(text: str) -> tuple[str, ...]:
    try:
        return parse_public_keys(text) if text else ()
    except SigningError as error:
        raise SettingsError(f"publicKey: {error}") from error
