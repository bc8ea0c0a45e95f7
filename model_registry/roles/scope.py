"""Whose policy, and what it is narrowed to: for the command line and the stack `registry` alike."""

from dataclasses import dataclass
from enum import StrEnum

from model_registry.roles.deployer import deployer, previewer
from model_registry.roles.document import EVERY, Policy
from model_registry.roles.registry import auditor, promoter, publisher, reader


class Role(StrEnum):
    """Whose policy."""

    READER = "reader"
    PUBLISHER = "publisher"
    PROMOTER = "promoter"
    AUDITOR = "auditor"
    DEPLOYER = "deployer"
    PREVIEWER = "previewer"


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What a role works with; each role takes what it needs of it."""

    bucket: str
    owner: str | None = None
    """The account whose bucket it must be."""
    model: str = EVERY
    tag: str = ""
    """Of a promoter."""
    stack: str = ""
    """Of a deployer or previewer, as `region` and `account`."""
    region: str = ""
    account: str = ""
    key_arn: str | None = None
    signer_arn: str | None = None
    in_account: bool = False
    """Whether a promoter may have versions verified in the account."""
    boundary_arn: str | None = None
    trail: str | None = None
    partition: str = "aws"


def policy_of(role: Role, scope: Scope) -> Policy:
    """The policy of a role."""
    bucket, model, owner, key_arn, partition = scope.bucket, scope.model, scope.owner, scope.key_arn, scope.partition
    match role:
        case Role.READER:
            return reader(bucket, model=model, owner=owner, key_arn=key_arn, partition=partition)
        case Role.PUBLISHER:
            return publisher(bucket, model=model, owner=owner, key_arn=key_arn, partition=partition)
        case Role.AUDITOR:
            return auditor(bucket, model=model, owner=owner, trail=scope.trail, key_arn=key_arn, partition=partition)
        case Role.PROMOTER:
            return promoter(
                bucket,
                scope.tag,
                model=model,
                owner=owner,
                key_arn=key_arn,
                signer_arn=scope.signer_arn,
                in_account=scope.in_account,
                partition=partition,
            )
        case Role.DEPLOYER:
            return deployer(
                bucket,
                model=model,
                stack=scope.stack,
                region=scope.region,
                account=scope.account,
                registry_account=owner,
                boundary_arn=scope.boundary_arn,
                key_arn=key_arn,
                partition=partition,
            )
        case Role.PREVIEWER:
            return previewer(
                bucket,
                model=model,
                stack=scope.stack,
                region=scope.region,
                account=scope.account,
                registry_account=owner,
                key_arn=key_arn,
                partition=partition,
            )
