"""The function that serves a model: role, log group, function, published version, alias."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws

from infra import policies, version_check
from infra.function_code import ENTRY_POINT, bytecode, variables
from infra.settings import Settings
from model_registry.lambda_packages.platform import lambda_runtime
from model_registry.release import Release
from model_registry.shipping import OWN_CODE, function_files
from model_runtime.manifest import versions_prefix

ALIAS = "live"


@dataclass(frozen=True)
class FunctionArgs:
    """What a ModelFunction needs to know."""

    release: Release
    layer_arn: pulumi.Input[str]
    settings: Settings
    own_code: Mapping[str, Path] = field(default_factory=dict)
    """The owner's own code: files by their path in `code.zip`."""
    hold_interfaces: bool = False
    """Whether versions that were published before have network interfaces, which go with the role's rights."""
    is_checked: bool = True
    """Whether a version is called before the alias points at it."""


class ModelFunction(pulumi.ComponentResource):
    """Serves one pinned version; callers use the alias `live`, which points at a published version of the function."""

    function_name: pulumi.Output[str]
    """Name of the function."""
    log_group: pulumi.Output[str]
    """Name of the log group of the function."""
    function_arn: pulumi.Output[str]
    """ARN of the function, without a version."""
    alias_arn: pulumi.Output[str]
    """ARN of the alias, for those who invoke it themselves."""
    alias_name: pulumi.Output[str]
    """Name of the alias to call."""
    invoke_arn: pulumi.Output[str]
    """ARN by which API Gateway invokes the alias."""

    def __init__(self, name: str, args: FunctionArgs, *, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("sklearn-on-lambda:infra:ModelFunction", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        manifest = args.release.manifest
        settings = args.settings
        logs = aws.cloudwatch.LogGroup(
            f"{name}-logs",
            retention_in_days=settings.log_retention_days,
            kms_key_id=settings.kms_key,
            tags=settings.resource_tags,
            opts=child,
        )
        role = aws.iam.Role(
            f"{name}-role",
            assume_role_policy=policies.trust("lambda.amazonaws.com"),
            permissions_boundary=settings.permissions_boundary,
            tags=settings.resource_tags,
            opts=child,
        )
        policy = aws.iam.RolePolicy(
            f"{name}-policy",
            role=role.id,
            policy=pulumi.Output.all(
                aws.get_partition_output().partition, logs.arn, settings.registry_kms_key_arn or settings.kms_key
            ).apply(
                lambda values: policies.function_policy(
                    models_arn=f"arn:{values[0]}:s3:::{settings.registry_bucket}/{versions_prefix(manifest.name)}",
                    models_owner=settings.registry_account or values[1].split(":")[4],
                    log_group_arn=values[1],
                    tracing=settings.tracing,
                    models_key_arn=values[2],
                    in_vpc=settings.in_vpc or args.hold_interfaces,
                )
            ),
            opts=child,
        )
        python = manifest.model_format(settings.model_format).environment.python
        files = {
            **function_files(),
            **bytecode(python),
            **{f"{OWN_CODE}/{file}": path for file, path in args.own_code.items()},
        }
        function = aws.lambda_.Function(
            f"{name}-function",
            description=f"Serves {manifest.reference}",
            code=pulumi.AssetArchive({name: pulumi.FileAsset(str(path)) for name, path in files.items()}),
            handler=ENTRY_POINT,
            runtime=lambda_runtime(python),
            architectures=[settings.architecture],
            role=role.arn,
            layers=[args.layer_arn],
            memory_size=settings.memory,
            timeout=settings.timeout,
            environment={"variables": environment(settings, args.release)},
            tracing_config={"mode": "Active" if settings.tracing else "PassThrough"},
            logging_config={"log_format": "Text", "log_group": logs.name},
            ephemeral_storage={"size": settings.ephemeral_storage},
            reserved_concurrent_executions=settings.reserved_concurrency,
            snap_start={"apply_on": "PublishedVersions"} if settings.snap_start else None,
            kms_key_arn=settings.kms_key,
            vpc_config=_vpc(settings),
            tags=settings.resource_tags,
            publish=True,
            # The role must be able to read before the function starts for the first time.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
        )
        alias = aws.lambda_.Alias(
            f"{name}-alias",
            name=ALIAS,
            # Where every call is refused, no version can be called before: once they are served, the alias is updated.
            description="What the API calls"
            + (", while calls are refused" if settings.reserved_concurrency == 0 else ""),
            function_name=function.name,
            function_version=function.version,
            opts=pulumi.ResourceOptions(
                parent=self, hooks=version_check.hooks(settings, args.release) if args.is_checked else None
            ),
        )
        if settings.provisioned_concurrency:
            aws.lambda_.ProvisionedConcurrencyConfig(
                f"{name}-provisioned",
                function_name=function.name,
                qualifier=alias.name,
                provisioned_concurrent_executions=settings.provisioned_concurrency,
                opts=child,
            )
        self.function_name = function.name
        self.log_group = logs.name
        self.function_arn = function.arn
        self.alias_name = alias.name
        self.alias_arn = alias.arn
        self.invoke_arn = alias.invoke_arn
        self.register_outputs({"function_name": self.function_name, "alias_name": self.alias_name})


def environment(settings: Settings, release: Release) -> dict[str, str]:
    """The function's environment variables."""
    return variables(
        settings.registry_bucket,
        release,
        model_format=settings.model_format,
        trusted_types=settings.trusted_types,
        public_keys=settings.public_keys,
        cors_origins=settings.cors_origins,
        request_log=settings.request_log,
        label_counts=settings.label_counts,
        recorded_examples=settings.recorded_examples,
        log_messages=settings.log_messages,
        try_it_page=settings.try_it_page,
    )


def _vpc(settings: Settings) -> aws.lambda_.FunctionVpcConfigArgs | None:
    if not settings.in_vpc:
        return None
    return aws.lambda_.FunctionVpcConfigArgs(
        subnet_ids=_ids(settings.subnet_ids), security_group_ids=_ids(settings.security_group_ids)
    )


def _ids(ids: tuple[str, ...] | pulumi.Output[Any]) -> pulumi.Input[Sequence[pulumi.Input[str]]]:
    """IDs as the resource takes them; a component's caller may give an output, which is no list yet."""
    return ids if isinstance(ids, pulumi.Output) else list(ids)
