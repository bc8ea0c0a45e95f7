"""The function that serves a model: role, log group, function, published version, alias."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra import policies
from infra.function_code import ENTRY_POINT, code_files
from infra.layer_platform import lambda_runtime
from model_registry.manifest import EngineName, versions_prefix
from model_registry.release import Release

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
    engine: EngineName = "sklearn"
    trusted_types: tuple[str, ...] = ()


class ModelFunction(pulumi.ComponentResource):
    """Serves one pinned version; callers use the alias `live`, which points at a published version of the function."""

    function_name: pulumi.Output[str]
    """Name of the function."""
    alias_name: pulumi.Output[str]
    """Name of the alias to call."""
    invoke_arn: pulumi.Output[str]
    """ARN by which API Gateway invokes the alias."""

    def __init__(self, name: str, args: FunctionArgs, *, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("sklearn-on-lambda:infra:ModelFunction", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        manifest = args.release.manifest
        logs = aws.cloudwatch.LogGroup(f"{name}-logs", retention_in_days=args.log_retention_days, opts=child)
        role = aws.iam.Role(f"{name}-role", assume_role_policy=policies.trust("lambda.amazonaws.com"), opts=child)
        policy = aws.iam.RolePolicy(
            f"{name}-policy",
            role=role.id,
            policy=pulumi.Output.all(aws.get_partition_output().partition, logs.arn).apply(
                lambda values: policies.function_policy(
                    models_arn=f"arn:{values[0]}:s3:::{args.registry_bucket}/{versions_prefix(manifest.name)}",
                    log_group_arn=values[1],
                    tracing=args.tracing,
                )
            ),
            opts=child,
        )
        function = aws.lambda_.Function(
            f"{name}-function",
            description=f"Serves {manifest.reference}",
            code=pulumi.AssetArchive({name: pulumi.FileAsset(str(path)) for name, path in code_files().items()}),
            handler=ENTRY_POINT,
            runtime=lambda_runtime(manifest.engine(args.engine).environment.python),
            architectures=[args.architecture],
            role=role.arn,
            layers=[args.layer_arn],
            memory_size=args.memory,
            timeout=args.timeout,
            environment={
                "variables": {
                    "MODEL_BUCKET": args.registry_bucket,
                    "MODEL_NAME": manifest.name,
                    "MODEL_VERSION": str(manifest.version),
                    "MODEL_MANIFEST_SHA256": args.release.manifest_sha256,
                    # One row needs no threads; starting them costs 140 ms of CPU at import (docs/benchmarks.md).
                    "OPENBLAS_NUM_THREADS": "1",
                    **({"MODEL_ENGINE": args.engine} if args.engine != "sklearn" else {}),
                    **({"MODEL_TRUSTED_TYPES": ",".join(args.trusted_types)} if args.trusted_types else {}),
                    **({"MODEL_PUBLIC_KEY": ",".join(args.public_keys)} if args.public_keys else {}),
                }
            },
            tracing_config={"mode": "Active" if args.tracing else "PassThrough"},
            logging_config={"log_format": "Text", "log_group": logs.name},
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
        self.function_name = function.name
        self.alias_name = alias.name
        self.invoke_arn = alias.invoke_arn
        self.register_outputs({"function_name": self.function_name, "alias_name": self.alias_name})
