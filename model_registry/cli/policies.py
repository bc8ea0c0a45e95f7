"""`policies` and `trust`."""

from typing import Annotated

import typer

from model_registry import roles
from model_registry.cli.common import KEEP, Bucket, app, known_errors, print_json
from model_registry.reference import is_slug
from model_registry.roles import Role, github
from model_registry.roles.document import EVERY
from model_runtime.aws import bucket_address
from model_runtime.errors import InvalidNameError

_NEEDED = {
    Role.PROMOTER: ("tag",),
    Role.DEPLOYER: ("model", "stack", "region", "account"),
    Role.PREVIEWER: ("model", "stack", "region", "account"),
}


@app.command(rich_help_panel=KEEP)
def policies(
    role: Annotated[Role, typer.Argument(help="Whose policy.")],
    bucket: Bucket,
    model: Annotated[
        str, typer.Option("--model", "-n", help="Only this model; default: all. A deployer has one.")
    ] = EVERY,
    trail: Annotated[
        str | None, typer.Option("--trail", help="auditor: the bucket with the log files of the registry's trail.")
    ] = None,
    tag: Annotated[str, typer.Option("--tag", help="promoter: the tag that is moved.")] = "",
    stack: Annotated[str, typer.Option("--stack", help="deployer, previewer: the Pulumi stack.")] = "",
    region: Annotated[str, typer.Option("--region", help="deployer, previewer: the stack's AWS region.")] = "",
    account: Annotated[str, typer.Option("--account", help="deployer, previewer: the stack's AWS account.")] = "",
    boundary: Annotated[
        str | None, typer.Option("--boundary", help="deployer: ARN of the policy that must bound the function's role.")
    ] = None,
    key: Annotated[
        str | None, typer.Option("--kms-key", help="ARN of the registry's KMS key, where it has one.")
    ] = None,
    promoter_key: Annotated[
        str | None, typer.Option("--promoter-key", help="promoter: ARN of the KMS key that signs the moves.")
    ] = None,
    in_account: Annotated[
        bool, typer.Option("--in-account", help="promoter: may have versions verified in the account.")
    ] = False,
    partition: Annotated[str, typer.Option("--partition", help="aws, aws-cn or aws-us-gov.")] = "aws",
) -> None:
    """Print the IAM policy (JSON) of somebody who works with this registry: what the work needs and nothing else."""
    with known_errors():
        place = bucket_address(bucket)
        scope = roles.Scope(
            bucket=place.name,
            owner=place.owner,
            model=model,
            tag=tag,
            stack=stack,
            region=region,
            account=account,
            key_arn=key,
            signer_arn=promoter_key,
            in_account=in_account,
            boundary_arn=boundary,
            trail=bucket_address(trail).name if trail else None,
            partition=partition,
        )
        for given in ("" if model == EVERY else model, tag, stack):
            if given and not is_slug(given):
                raise InvalidNameError(
                    f"{given!r} is not a name of a model, tag or stack: take lower case letters, digits and hyphens"
                )
        for option in _NEEDED.get(role, ()):
            if getattr(scope, option) in {"", EVERY}:
                raise InvalidNameError(f"--{option} is not given, a {role} has one: add it")
        print_json(roles.policy_of(role, scope))


@app.command(rich_help_panel=KEEP)
def trust(
    repository: Annotated[str, typer.Option("--repository", help="The repository at GitHub, as OWNER/NAME.")],
    account: Annotated[str, typer.Option("--account", help="Number of the AWS account that has the role.")],
    environment: Annotated[
        str | None, typer.Option("--environment", help="Jobs of this environment of the repository.")
    ] = None,
    *,
    pull_requests: Annotated[
        bool, typer.Option("--pull-requests", help="Jobs of pull requests, whoever wrote them.")
    ] = False,
    partition: Annotated[str, typer.Option("--partition", help="aws, aws-cn or aws-us-gov.")] = "aws",
) -> None:
    """Print the trust policy (JSON) of a role that jobs of GitHub Actions take without a key (docs/ci.md)."""
    with known_errors():
        if (environment is None) != pull_requests:
            raise InvalidNameError("a role is for one kind of job: give --environment NAME or --pull-requests")
        subject = github.environment(environment) if environment else github.PULL_REQUEST
        print_json(roles.github_trust(repository, subject, account=account, partition=partition))
