"""A stack's settings: read once from its configuration, checked before anything is built or created."""

from dataclasses import dataclass
from typing import cast

import pulumi

from model_registry.errors import EngineError, InvalidNameError, SignatureError
from model_registry.manifest import ENGINE_FILES, EngineName, check_slug
from model_registry.signature import parse_public_keys
from model_registry.skops_model import parse_trusted_types
from model_registry.storage import bucket_name

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


class SettingsError(pulumi.RunError):
    """A setting that cannot work; the message names it, its value and the remedy.

    Pulumi prints a RunError as one line, without a traceback.
    """


@dataclass(frozen=True)
class RegistrySettings:
    """Settings of the stack `registry`."""

    registry_bucket: str


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
    public_keys: tuple[str, ...] = ()
    engine: EngineName = "sklearn"
    trusted_types: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_slug("model", self.model)
        _check_slug("tag", self.tag)
        _check_slug("stack", self.stack)
        _check_range("memory", self.memory, ONNX_MEMORY if self.engine == "onnx" else MEMORY, "MB")
        _check_range("timeout", self.timeout, TIMEOUT, "seconds (API Gateway answers 504 after 29)")
        _check_choice("architecture", self.architecture, ARCHITECTURES)
        _check_choice("engine", self.engine, tuple(ENGINE_FILES))
        if self.trusted_types and self.engine != "skops":
            raise SettingsError(
                f"trustedTypes is set, and the engine is {self.engine}, which does not ask for it: `pulumi config set "
                "engine skops`, or `pulumi config rm trustedTypes`"
            )
        _check_choice("logRetentionDays", self.log_retention_days, RETENTION_DAYS)
        if len(self.service) > SERVICE_NAME_MAX:
            raise SettingsError(
                f"model {self.model!r} and stack {self.stack!r} make the name {self.service!r} of {len(self.service)} "
                f"characters, {SERVICE_NAME_MAX} fit into AWS names: use a shorter stack name"
            )

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
    if stack == REGISTRY_STACK:
        return RegistrySettings(bucket)
    return Settings(
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
        public_keys=_public_keys(config.get("publicKey") or ""),
        engine=cast("EngineName", config.get("engine") or "sklearn"),
        trusted_types=_trusted_types(config.get("trustedTypes") or ""),
    )


def _trusted_types(text: str) -> tuple[str, ...]:
    try:
        return parse_trusted_types(text)
    except EngineError as error:
        raise SettingsError(f"trustedTypes: {error}") from error


def _public_keys(text: str) -> tuple[str, ...]:
    try:
        return parse_public_keys(text) if text else ()
    except SignatureError as error:
        raise SettingsError(f"publicKey: {error}") from error


def _check_slug(name: str, value: str) -> None:
    try:
        check_slug(value, name)
    except InvalidNameError as error:
        raise SettingsError(str(error)) from error


def _check_range(name: str, value: int, allowed: range, unit: str) -> None:
    if value not in allowed:
        raise SettingsError(f"{name} is {value}, it must be from {allowed[0]} to {allowed[-1]} {unit}: {_set(name)}")


def _check_choice(name: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        raise SettingsError(f"{name} is {value!r}, it must be one of {', '.join(map(str, allowed))}: {_set(name)}")


def _set(name: str) -> str:
    return f"`pulumi config set {name} VALUE`"
