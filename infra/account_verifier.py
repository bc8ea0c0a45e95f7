"""The CodeBuild project that verifies versions in the account, where a promoter's machine should not run their code."""

import pulumi
import pulumi_aws as aws

from infra import policies
from infra.artifact_bucket import ArtifactBucket
from infra.settings import RegistrySettings
from infra.verifier_code import buildspec, code_files, digest_of
from model_registry.in_account import log_group, project_name
from model_registry.verifier import BUCKET

_LOG_DAYS = 90
_MINUTES, _QUEUED_MINUTES = 60, 30
"""Three formats may replay for 10 minutes each, and their environments are installed before."""
_AT_ONCE = 1
"""CodeBuild takes no project with a higher limit than its account, and a new one may have 1 (docs/aws.md)."""


class ModelVerifier(pulumi.ComponentResource):
    """A project without privileges; its role reads versions and writes its own log. A caller names a version only."""

    project: pulumi.Output[str]
    """Name of the project, which follows from the bucket's: nobody has to be told it."""

    def __init__(
        self,
        name: str,
        *,
        account: RegistrySettings,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("sklearn-on-lambda:infra:ModelVerifier", name, None, opts)
        child, bucket = pulumi.ResourceOptions(parent=self), account.registry_bucket
        source = ArtifactBucket(f"{name}-code", account=account, opts=child)
        files = code_files()
        archive = pulumi.AssetArchive({path: pulumi.FileAsset(str(file)) for path, file in files.items()})
        code = source.upload(f"{name}-zip", key=f"verifier/{digest_of(files)}.zip", content=archive)
        logs = aws.cloudwatch.LogGroup(
            f"{name}-logs",
            name=log_group(bucket),
            retention_in_days=_LOG_DAYS,
            kms_key_id=account.kms_key,
            tags=account.resource_tags,
            opts=child,
        )
        role, policy = self._role(name, account, code, logs)
        project = aws.codebuild.Project(
            f"{name}-project",
            name=project_name(bucket),
            description=f"Verifies versions of the model registry {bucket}",
            service_role=role.arn,
            source={
                "type": "S3",
                "location": pulumi.Output.concat(code.bucket, "/", code.key),
                "buildspec": buildspec(),
            },
            # These very bytes, and the role can fetch no others: whoever writes over the object changes nothing.
            source_version=code.version_id,
            artifacts={"type": "NO_ARTIFACTS"},
            environment={
                "type": "LINUX_CONTAINER",
                "compute_type": "BUILD_GENERAL1_MEDIUM",
                "image": "aws/codebuild/amazonlinux-x86_64-standard:5.0",
                "privileged_mode": False,
                "environment_variables": [{"name": BUCKET, "value": bucket}],
            },
            logs_config={"cloudwatch_logs": {"status": "ENABLED", "group_name": logs.name}},
            build_timeout=_MINUTES,
            queued_timeout=_QUEUED_MINUTES,
            concurrent_build_limit=_AT_ONCE,
            tags=account.resource_tags,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
        )
        self.project = project.name
        self.register_outputs({"project": self.project})

    def _role(
        self, name: str, account: RegistrySettings, code: aws.s3.BucketObjectv2, logs: aws.cloudwatch.LogGroup
    ) -> tuple[aws.iam.Role, aws.iam.RolePolicy]:
        """The project's role, which CodeBuild takes for this project alone, and what it may do."""
        child, bucket = pulumi.ResourceOptions(parent=self), account.registry_bucket
        own_arn = logs.arn.apply(lambda arn: policies.project_arn(arn, project_name(bucket)))
        role = aws.iam.Role(
            f"{name}-role",
            assume_role_policy=own_arn.apply(lambda arn: policies.trust("codebuild.amazonaws.com", arn)),
            permissions_boundary=account.permissions_boundary,
            tags=account.resource_tags,
            opts=child,
        )
        policy = aws.iam.RolePolicy(
            f"{name}-policy",
            role=role.id,
            policy=pulumi.Output.all(code.arn, code.version_id, logs.arn, account.kms_key).apply(
                lambda found: policies.verifier_policy(
                    bucket=bucket,
                    source_arn=found[0],
                    source_version=found[1],
                    log_group_arn=found[2],
                    key_arn=found[3],
                )
            ),
            opts=child,
        )
        return role, policy
