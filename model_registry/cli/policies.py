"""`policies`."""

from enum import StrEnum
from typing import Annotated

import typer

from model_registry import roles
from model_registry.cli.common import KEEP, Bucket, app, known_errors, print_json
from model_registry.reference import is_slug
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


@app.command(rich_help_panel=KEEP)
def policies(
    role: Annotated[Role, typer.Argument(help="Whose policy.")],
    bucket: Bucket,
    model: Annotated[
        str, typer.Option("--model", "-n", help="Only this model; default: all. A deployer has one.")
    ] = EVERY,
    tag: Annotated[str | None, typer.Option("--tag", help="promoter: the tag that is moved.")] = None,
    stack: Annotated[str | None, typer.Option("--stack", help="deployer: the Pulumi stack.")] = None,
    region: Annotated[str | None, typer.Option("--region", help="deployer: the stack's AWS region.")] = None,
    account: Annotated[str | None, typer.Option("--account", help="deployer: the AWS account's number.")] = None,
    boundary: Annotated[
        str | None, typer.Option("--boundary", help="deployer: ARN of the policy that must bound the function's role.")
    ] = None,
    key: Annotated[
        str | None, typer.Option("--kms-key", help="ARN of the registry's KMS key, where it has one.")
    ] = None,
    promoter_key: Annotated[
        str | None, typer.Option("--promoter-key", help="promoter: ARN of the KMS key that signs the moves.")
    ] = None,
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
        found: Policy
        match role:
            case Role.READER:
                found = roles.reader(name, model=model, key_arn=key, partition=partition)
            case Role.PUBLISHER:
                found = roles.publisher(name, model=model, key_arn=key, partition=partition)
            case Role.AUDITOR:
                found = roles.auditor(name, model=model, key_arn=key, partition=partition)
            case Role.PROMOTER:
                tag_moved = _given("--tag", role, tag)
                found = roles.promoter(
                    name, tag_moved, model=model, key_arn=key, signer_arn=promoter_key, partition=partition
                )
            case Role.DEPLOYER:
                found = roles.deployer(
                    name,
                    model=_given("--model", role, None if model == EVERY else model),
                    stack=_given("--stack", role, stack),
                    region=_given("--region", role, region),
                    account=_given("--account", role, account),
                    boundary_arn=boundary,
                    key_arn=key,
                    partition=partition,
                )
        print_json(found)


def _given(option: str, role: Role, value: str | None) -> str:
    if value is None:
        raise InvalidNameError(f"{option} is not given, a {role} has one: add it")
    return value
