"""`policies` and `trust`."""

from enum import StrEnum
from typing import Annotated, TypedDict

import typer

from model_registry import roles
from model_registry.cli.common import KEEP, Bucket, app, known_errors, print_json
from model_registry.reference import is_slug
from model_registry.roles import github
from model_registry.roles.document import EVERY, Policy
from model_runtime.errors import InvalidNameError
from model_runtime.storage import bucket_name


class Role(StrEnum):
    """Whose policy."""

    READER = "reader"
    PUBLISHER = "publisher"
    PROMOTER = "promoter"
    AUDITOR = "auditor"
    DEPLOYER = "deployer"
    PREVIEWER = "previewer"


class _Common(TypedDict):
    key_arn: str | None
    partition: str


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
    tag: Annotated[str | None, typer.Option("--tag", help="promoter: the tag that is moved.")] = None,
    stack: Annotated[str | None, typer.Option("--stack", help="deployer, previewer: the Pulumi stack.")] = None,
    region: Annotated[str | None, typer.Option("--region", help="deployer, previewer: the stack's AWS region.")] = None,
    account: Annotated[
        str | None, typer.Option("--account", help="deployer, previewer: the AWS account's number.")
    ] = None,
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
        name = bucket_name(bucket)
        for given in (None if model == EVERY else model, tag, stack):
            if given is not None and not is_slug(given):
                raise InvalidNameError(
                    f"{given!r} is not a name of a model, tag or stack: take lower case letters, digits and hyphens"
                )
        common: _Common = {"key_arn": key, "partition": partition}
        found: Policy
        match role:
            case Role.READER:
                found = roles.reader(name, model=model, **common)
            case Role.PUBLISHER:
                found = roles.publisher(name, model=model, **common)
            case Role.AUDITOR:
                found = roles.auditor(name, model=model, trail=bucket_name(trail) if trail else None, **common)
            case Role.PROMOTER:
                moved, signer = _given("--tag", role, tag), promoter_key
                found = roles.promoter(name, moved, model=model, signer_arn=signer, in_account=in_account, **common)
            case Role.DEPLOYER | Role.PREVIEWER:
                of_a_stack = {
                    "model": _given("--model", role, None if model == EVERY else model),
                    "stack": _given("--stack", role, stack),
                    "region": _given("--region", role, region),
                    "account": _given("--account", role, account),
                }
                if role == Role.PREVIEWER:
                    found = roles.previewer(name, **of_a_stack, **common)
                else:
                    found = roles.deployer(name, **of_a_stack, boundary_arn=boundary, **common)
        print_json(found)


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


def _given(option: str, role: Role, value: str | None) -> str:
    if value is None:
        raise InvalidNameError(f"{option} is not given, a {role} has one: add it")
    return value
