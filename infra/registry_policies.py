"""The ready-made policies of roles as IAM policies of the account, for users and roles of its owner to have."""

import functools
import json
from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.settings import RegistrySettings, SettingsError
from model_registry.roles import Role, Scope, policy_of
from model_registry.roles.document import EVERY

_LARGEST = 6_144
"""Characters of a managed policy, without white space: IAM User Guide, "IAM and AWS STS quotas"."""


class RegistryPolicies(pulumi.ComponentResource):
    """An IAM policy for each role that the stack names: the document that `policies ROLE` prints."""

    arns: dict[str, pulumi.Output[str]]
    """The policies' ARNs, by role as the setting has it."""

    def __init__(
        self,
        name: str,
        *,
        account: RegistrySettings,
        trail: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`trail` is the bucket with the log files that an auditor reads, where there is one."""
        super().__init__("sklearn-on-lambda:infra:RegistryPolicies", name, None, opts)
        asked = pulumi.InvokeOutputOptions(parent=self)
        place = pulumi.Output.all(
            account=aws.get_caller_identity_output(opts=asked).account_id,
            region=aws.get_region_output(opts=asked).region,
            partition=aws.get_partition_output(opts=asked).partition,
            key_arn=account.kms_key,
            boundary_arn=account.permissions_boundary,
            trail=trail,
            in_account=account.verifier,
        )
        self.arns = {
            role: aws.iam.Policy(
                f"{name}-{role.replace(':', '.')}",
                policy=place.apply(functools.partial(document, role, account.registry_bucket)),
                tags=account.resource_tags,
                opts=pulumi.ResourceOptions(parent=self),
            ).arn
            for role in dict.fromkeys(account.role_policies)
        }
        self.register_outputs({"arns": self.arns})


def document(text: str, bucket: str, place: Mapping[str, Any]) -> str:
    """The policy of `ROLE`, `ROLE:MODEL`, `ROLE@TAG` or `ROLE:MODEL@STACK`, at a place: account, region and so on.

    Raises:
        SettingsError: IAM takes no policy of this length.

    """
    who, _, of = text.partition("@")
    role, _, model = who.partition(":")
    scope = Scope(bucket=bucket, owner=place["account"], model=model or EVERY, tag=of, stack=of, **place)
    found = json.dumps(policy_of(Role(role), scope), separators=(",", ":"))
    if len(found) > _LARGEST:
        raise SettingsError(
            f"rolePolicies: the policy of {text} has {len(found):,} characters, IAM takes {_LARGEST:,}: name a model "
            "and a stack of 38 characters together at most, as a stack that serves a model must have, and a "
            "permissionsBoundaryArn of 170 at most"
        )
    return found
