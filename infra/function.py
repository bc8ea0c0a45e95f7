"""The function that serves a model: role, log group, function, published version, alias."""

from dataclasses import dataclass, field

import pulumi
import pulumi_aws as aws

from infra import policies
from infra.function_code import ENTRY_POINT, variables
from infra.layer.platform import lambda_runtime
from infra.settings.account import AccountSettings
from infra.settings.function import Capacity, Network
from model_registry.release import Release
from model_registry.shipping import function_files
from model_runtime.manifest import FormatName, versions_prefix

ALIAS = "live"


@dataclass(frozen=True)
class FunctionArgs:
    """What a ModelFunction needs to know; `memory` in MB, `timeout` in seconds."""

    release: Release
    registry_bucket: str
    layer_arn: pulumi.Input[str]
    memory: int
    timeout: int
    architecture: str
    log_retention_days: int
    tracing: bool
    public_keys: tuple[str, ...] = ()
    model_format: FormatName = "joblib"
    trusted_types: tuple[str, ...] = ()
    registry_kms_key_arn: str = ""
    """Key of the registry's bucket, if it is not the stack's own."""
    cors_origins: tuple[str, ...] = ()
    account: AccountSettings = field(default_factory=AccountSettings)
    capacity: Capacity = field(default_factory=Capacity)
    network: Network = field(default_factory=Network)


class ModelFunction(pulumi.ComponentResource):
    """Serves one pinned version; callers use the alias `live`, which points at a published version of the function."""

    function_name: pulumi.Output[str]
    """Name of the function."""
    function_arn: pulumi.Output[str]
    """ARN of the function, without a version."""
    alias_name: pulumi.Output[str]
    """Name of the alias to call."""
    invoke_arn: pulumi.Output[str]
    """ARN by which API Gateway invokes the alias."""

    def __init__(self, name: str, args: FunctionArgs, *, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("sklearn-on-lambda:infra:ModelFunction", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        manifest = args.release.manifest
        account, capacity = args.account, args.capacity
        logs = aws.cloudwatch.LogGroup(
            f"{name}-logs",
            retention_in_days=args.log_retention_days,
            kms_key_id=account.kms_key,
            tags=account.resource_tags,
            opts=child,
        )
        role = aws.iam.Role(
            f"{name}-role",
            assume_role_policy=policies.trust("lambda.amazonaws.com"),
            permissions_boundary=account.permissions_boundary,
            tags=account.resource_tags,
            opts=child,
        )
        policy = aws.iam.RolePolicy(
            f"{name}-policy",
            role=role.id,
            policy=pulumi.Output.all(aws.get_partition_output().partition, logs.arn).apply(
                lambda values: policies.function_policy(
                    models_arn=f"arn:{values[0]}:s3:::{args.registry_bucket}/{versions_prefix(manifest.name)}",
                    log_group_arn=values[1],
                    tracing=args.tracing,
                    models_key_arn=args.registry_kms_key_arn or account.kms_key,
                    in_vpc=args.network.in_vpc,
                )
            ),
            opts=child,
        )
        function = aws.lambda_.Function(
            f"{name}-function",
            description=f"Serves {manifest.reference}",
            code=pulumi.AssetArchive({name: pulumi.FileAsset(str(path)) for name, path in function_files().items()}),
            handler=ENTRY_POINT,
            runtime=lambda_runtime(manifest.model_format(args.model_format).environment.python),
            architectures=[args.architecture],
            role=role.arn,
            layers=[args.layer_arn],
            memory_size=args.memory,
            timeout=args.timeout,
            environment={
                "variables": variables(
                    args.registry_bucket,
                    args.release,
                    model_format=args.model_format,
                    trusted_types=args.trusted_types,
                    public_keys=args.public_keys,
                    cors_origins=args.cors_origins,
                )
            },
            tracing_config={"mode": "Active" if args.tracing else "PassThrough"},
            logging_config={"log_format": "Text", "log_group": logs.name},
            ephemeral_storage={"size": capacity.ephemeral_storage},
            reserved_concurrent_executions=capacity.reserved_concurrency,
            snap_start={"apply_on": "PublishedVersions"} if capacity.snap_start else None,
            kms_key_arn=account.kms_key,
            vpc_config=_vpc(args.network),
            tags=account.resource_tags,
            publish=True,
            # The role must be able to read before the function starts for the first time.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
        )
        alias = aws.lambda_.Alias(
            f"{name}-alias",
            name=ALIAS,
            description="What the API calls",
            function_name=function.name,
            function_version=function.version,
            opts=child,
        )
        if capacity.provisioned_concurrency:
            aws.lambda_.ProvisionedConcurrencyConfig(
                f"{name}-provisioned",
                function_name=function.name,
                qualifier=alias.name,
                provisioned_concurrent_executions=capacity.provisioned_concurrency,
                opts=child,
            )
        self.function_name = function.name
        self.function_arn = function.arn
        self.alias_name = alias.name
        self.invoke_arn = alias.invoke_arn
        self.register_outputs({"function_name": self.function_name, "alias_name": self.alias_name})


def _vpc(network: Network) -> aws.lambda_.FunctionVpcConfigArgs | None:
    if not network.in_vpc:
        return None
    return aws.lambda_.FunctionVpcConfigArgs(
        subnet_ids=list(network.subnet_ids), security_group_ids=list(network.security_group_ids)
    )
