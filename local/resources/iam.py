"""Roles and what they may do."""

import json
from collections.abc import Mapping
from typing import Any

from local.ministack import LocalAws
from local.resources.base import Field, Properties, ResourceType, request, tag_list


def _document(policy: Any) -> str:
    return policy if isinstance(policy, str) else json.dumps(policy)


_ROLE: Mapping[str, Field] = {
    "name": "RoleName",
    "assumeRolePolicy": ("AssumeRolePolicyDocument", _document),
    "description": "Description",
    "maxSessionDuration": "MaxSessionDuration",
    "path": "Path",
    "permissionsBoundary": "PermissionsBoundary",
    "tags": ("Tags", tag_list),
}


def _create_role(aws: LocalAws, inputs: Properties) -> tuple[str, Properties]:
    role = aws.client("iam").create_role(**request(_ROLE, inputs))["Role"]
    return role["RoleName"], _role(role)


def _update_role(aws: LocalAws, name: str, inputs: Properties) -> Properties:
    iam = aws.client("iam")
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=_document(inputs["assumeRolePolicy"]))
    iam.update_role(
        RoleName=name,
        Description=inputs.get("description", ""),
        MaxSessionDuration=inputs.get("maxSessionDuration", 3600),
    )
    if inputs.get("permissionsBoundary"):
        iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=inputs["permissionsBoundary"])
    elif iam.get_role(RoleName=name)["Role"].get("PermissionsBoundary"):
        iam.delete_role_permissions_boundary(RoleName=name)
    return _role(iam.get_role(RoleName=name)["Role"])


def _role(role: Properties) -> Properties:
    return {"arn": role["Arn"], "uniqueId": role["RoleId"], "createDate": role["CreateDate"].isoformat()}


def _create_role_policy(aws: LocalAws, inputs: Properties) -> tuple[str, Properties]:
    identity = f"{inputs['role']}:{inputs['name']}"
    return identity, _update_role_policy(aws, identity, inputs)


def _update_role_policy(aws: LocalAws, _identity: str, inputs: Properties) -> Properties:
    aws.client("iam").put_role_policy(
        RoleName=inputs["role"], PolicyName=inputs["name"], PolicyDocument=_document(inputs["policy"])
    )
    return {}


def _attach(aws: LocalAws, inputs: Properties) -> tuple[str, Properties]:
    aws.client("iam").attach_role_policy(RoleName=inputs["role"], PolicyArn=inputs["policyArn"])
    return f"{inputs['role']}/{inputs['policyArn']}", {}


def _create_policy(aws: LocalAws, inputs: Properties) -> tuple[str, Properties]:
    fields: Mapping[str, Field] = {
        "name": "PolicyName",
        "policy": ("PolicyDocument", _document),
        "tags": ("Tags", tag_list),
    }
    arn = aws.client("iam").create_policy(**request(fields, inputs))["Policy"]["Arn"]
    return arn, {"arn": arn}


def _update_policy(aws: LocalAws, arn: str, inputs: Properties) -> Properties:
    iam = aws.client("iam")
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=_document(inputs["policy"]), SetAsDefault=True)
    for version in iam.list_policy_versions(PolicyArn=arn)["Versions"]:  # IAM keeps five
        if not version["IsDefaultVersion"]:
            iam.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])
    return {"arn": arn}


RESOURCES = {
    "aws:iam/policy:Policy": ResourceType(
        _create_policy,
        frozenset({"name", "policy", "tags"}),
        _update_policy,
        identity=frozenset({"name"}),
        named="name",
    ),
    "aws:iam/role:Role": ResourceType(
        _create_role,
        frozenset(_ROLE),
        _update_role,
        ignored=frozenset({"forceDetachPolicies"}),
        identity=frozenset({"name", "path"}),
        named="name",
    ),
    "aws:iam/rolePolicy:RolePolicy": ResourceType(
        _create_role_policy,
        frozenset({"role", "name", "policy"}),
        _update_role_policy,
        identity=frozenset({"role", "name"}),
        named="name",
    ),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": ResourceType(
        _attach,
        frozenset({"role", "policyArn"}),
    ),
}
