"""The policies of `pulumi up` and `pulumi preview` for one stack that serves a model, from what the program declares.

Names of resources begin with MODEL-STACK and what they are, which bounds the policy wherever AWS has names in ARNs; API
Gateway has random IDs there. Which actions a type of resource needs is what the provider calls for it.
Source of the actions: the Service Authorization Reference.
"""

from dataclasses import dataclass

from model_registry.roles.document import EVERY, Policy, Statement, allow, owned, policy

_LAMBDA = "aws:lambda/"
_S3 = "aws:s3/bucket"
_GATEWAY = "aws:apigateway/"
_API_PATHS = (
    *("restapis", "restapis/*", "apikeys", "apikeys/*", "usageplans", "usageplans/*", "domainnames", "domainnames/*"),
    "tags/*",
)


@dataclass(frozen=True)
class Grant:
    """What resources of these types need; `{name}` is MODEL-STACK."""

    sid: str
    types: frozenset[str]
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    has_account: bool = True
    """Whether an ARN of these has the account, or is the account's own anyway; else a condition says so."""


GRANTS = (
    Grant(
        "ArtifactBucket",
        frozenset(
            {
                f"{_S3}:Bucket",
                f"{_S3}Versioning:BucketVersioning",
                f"{_S3}PublicAccessBlock:BucketPublicAccessBlock",
                f"{_S3}ServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
                f"{_S3}OwnershipControls:BucketOwnershipControls",
                f"{_S3}Policy:BucketPolicy",
                f"{_S3}Objectv2:BucketObjectv2",
            }
        ),
        (
            "s3:CreateBucket",
            "s3:DeleteBucket",
            "s3:DeleteBucketPolicy",
            "s3:DeleteObject",
            "s3:DeleteObjectVersion",
            "s3:GetAccelerateConfiguration",
            "s3:GetBucket*",
            "s3:GetEncryptionConfiguration",
            "s3:GetLifecycleConfiguration",
            "s3:GetObject",
            "s3:GetObjectTagging",
            "s3:GetObjectVersion",
            "s3:GetReplicationConfiguration",
            "s3:ListBucket*",
            "s3:PutBucketOwnershipControls",
            "s3:PutBucketPolicy",
            "s3:PutBucketPublicAccessBlock",
            "s3:PutBucketTagging",
            "s3:PutBucketVersioning",
            "s3:PutEncryptionConfiguration",
            "s3:PutObject",
        ),
        ("arn:{partition}:s3:::{name}-artifacts-bucket-*",),
        has_account=False,
    ),
    Grant(
        "Role",
        frozenset({"aws:iam/role:Role", "aws:iam/rolePolicy:RolePolicy"}),
        (
            "iam:DeleteRole",
            "iam:DeleteRolePolicy",
            "iam:GetRole",
            "iam:GetRolePolicy",
            "iam:ListAttachedRolePolicies",
            "iam:ListInstanceProfilesForRole",
            "iam:ListRolePolicies",
            "iam:TagRole",
            "iam:UntagRole",
            "iam:UpdateAssumeRolePolicy",
        ),
        ("arn:{partition}:iam::{account}:role/{name}-role-*",),
    ),
    Grant(
        "Function",
        frozenset(
            {
                f"{_LAMBDA}function:Function",
                f"{_LAMBDA}alias:Alias",
                f"{_LAMBDA}permission:Permission",
                f"{_LAMBDA}provisionedConcurrencyConfig:ProvisionedConcurrencyConfig",
            }
        ),
        (
            "lambda:AddPermission",
            "lambda:CreateAlias",
            "lambda:CreateFunction",
            "lambda:DeleteAlias",
            "lambda:DeleteFunction",
            "lambda:DeleteFunctionConcurrency",
            "lambda:DeleteProvisionedConcurrencyConfig",
            "lambda:GetAlias",
            "lambda:GetFunction*",
            "lambda:GetPolicy",
            "lambda:GetProvisionedConcurrencyConfig",
            "lambda:InvokeFunction",
            "lambda:ListAliases",
            "lambda:ListTags",
            "lambda:ListVersionsByFunction",
            "lambda:PublishVersion",
            "lambda:PutFunctionConcurrency",
            "lambda:PutProvisionedConcurrencyConfig",
            "lambda:RemovePermission",
            "lambda:TagResource",
            "lambda:UntagResource",
            "lambda:UpdateAlias",
            "lambda:UpdateFunctionCode",
            "lambda:UpdateFunctionConfiguration",
        ),
        ("arn:{partition}:lambda:{region}:{account}:function:{name}-function-*",),
    ),
    Grant(
        "Layer",
        frozenset({f"{_LAMBDA}layerVersion:LayerVersion"}),
        ("lambda:DeleteLayerVersion", "lambda:GetLayerVersion", "lambda:PublishLayerVersion"),
        (
            "arn:{partition}:lambda:{region}:{account}:layer:{name}-layer",
            "arn:{partition}:lambda:{region}:{account}:layer:{name}-layer:*",
        ),
    ),
    Grant(
        "Logs",
        frozenset({"aws:cloudwatch/logGroup:LogGroup"}),
        (
            "logs:AssociateKmsKey",
            "logs:CreateLogGroup",
            "logs:DeleteLogGroup",
            "logs:DisassociateKmsKey",
            "logs:ListTagsForResource",
            "logs:ListTagsLogGroup",
            "logs:PutRetentionPolicy",
            "logs:TagLogGroup",
            "logs:TagResource",
            "logs:UntagResource",
        ),
        (
            "arn:{partition}:logs:{region}:{account}:log-group:{name}-logs-*",
            "arn:{partition}:logs:{region}:{account}:log-group:{name}-api-access-logs-*",
        ),
    ),
    Grant(
        "Api",
        frozenset(
            {
                f"{_GATEWAY}restApi:RestApi",
                f"{_GATEWAY}resource:Resource",
                f"{_GATEWAY}method:Method",
                f"{_GATEWAY}integration:Integration",
                f"{_GATEWAY}response:Response",
                f"{_GATEWAY}requestValidator:RequestValidator",
                f"{_GATEWAY}model:Model",
                f"{_GATEWAY}deployment:Deployment",
                f"{_GATEWAY}stage:Stage",
                f"{_GATEWAY}methodSettings:MethodSettings",
                f"{_GATEWAY}apiKey:ApiKey",
                f"{_GATEWAY}usagePlan:UsagePlan",
                f"{_GATEWAY}usagePlanKey:UsagePlanKey",
                f"{_GATEWAY}domainName:DomainName",
                f"{_GATEWAY}basePathMapping:BasePathMapping",
                f"{_GATEWAY}authorizer:Authorizer",
                f"{_GATEWAY}restApiPolicy:RestApiPolicy",
            }
        ),
        (
            "apigateway:DELETE",
            "apigateway:GET",
            "apigateway:PATCH",
            "apigateway:POST",
            "apigateway:PUT",
            "apigateway:UpdateRestApiPolicy",
        ),
        tuple(f"arn:{{partition}}:apigateway:{{region}}::/{path}" for path in _API_PATHS),
    ),
    Grant(
        "WebAcl",
        frozenset({"aws:wafv2/webAclAssociation:WebAclAssociation"}),
        ("apigateway:SetWebACL", "wafv2:AssociateWebACL", "wafv2:DisassociateWebACL", "wafv2:GetWebACLForResource"),
        (
            "arn:{partition}:apigateway:{region}::/restapis/*/stages/*",
            "arn:{partition}:wafv2:{region}:{account}:regional/webacl/*",
        ),
    ),
    Grant(
        "Alarms",
        frozenset({"aws:cloudwatch/metricAlarm:MetricAlarm", "aws:cloudwatch/dashboard:Dashboard"}),
        (
            "cloudwatch:DeleteAlarms",
            "cloudwatch:DeleteDashboards",
            "cloudwatch:GetDashboard",
            "cloudwatch:ListTagsForResource",
            "cloudwatch:PutDashboard",
            "cloudwatch:PutMetricAlarm",
            "cloudwatch:TagResource",
            "cloudwatch:UntagResource",
        ),
        (
            "arn:{partition}:cloudwatch:{region}:{account}:alarm:{name}-alarms-*",
            "arn:{partition}:cloudwatch::{account}:dashboard/{name}-dashboard-*",
        ),
    ),
)
"""Everything that a stack may declare, with what it needs."""

_CREATE_ROLE = ["iam:CreateRole", "iam:PutRolePolicy"]
_ASK = [
    "cloudwatch:DescribeAlarms",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeRouteTables",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcEndpoints",
    "ec2:DescribeVpcs",
    "lambda:GetAccountSettings",
    "logs:DescribeLogGroups",
]
"""Read-only, and without names in their resources.

Of all alarms: source CloudWatch API Reference, DescribeAlarms, which wants the right on `*` for composite ones.
"""
_READ_VERSIONS = ["lambda:GetFunctionConcurrency", "lambda:ListAliases", "lambda:ListVersionsByFunction"]
_USE_KEY = ["kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey"]


def deployer(
    bucket: str,
    *,
    model: str,
    stack: str,
    region: str,
    account: str,
    registry_account: str | None = None,
    boundary_arn: str | None = None,
    key_arn: str | None = None,
    partition: str = "aws",
) -> Policy:
    """`pulumi up` and `destroy` of one stack, which read the registry and write nothing there.

    Without a boundary whoever deploys can give the function's role any right, and run code of theirs with it: with
    `boundary_arn` they can make no role that this policy does not bound (the setting `permissionsBoundaryArn`).
    `registry_account` is the account that owns the registry's bucket, where that is not the stack's.
    """
    names = {"partition": partition, "region": region, "account": account, "name": f"{model}-{stack}"}
    roles = f"arn:{partition}:iam::{account}:role/{model}-{stack}-role-*"
    make_roles = [*_CREATE_ROLE, *(["iam:PutRolePermissionsBoundary"] if boundary_arn else [])]
    bounded = {"ArnEquals": {"iam:PermissionsBoundary": boundary_arn}} if boundary_arn else {}
    return policy(
        *_read_the_model(f"arn:{partition}:s3:::{bucket}", model, registry_account or account),
        *(_granted(grant, names) for grant in GRANTS),
        allow("MakeRoles", make_roles, roles, **bounded),
        allow("GiveRolesToLambda", "iam:PassRole", roles, StringEquals={"iam:PassedToService": "lambda.amazonaws.com"}),
        allow("ReadLogging", "apigateway:GET", f"arn:{partition}:apigateway:{region}::/account"),
        allow("Ask", _ASK, EVERY),
        *([allow("UseTheKey", _USE_KEY, key_arn)] if key_arn else []),
    )


def previewer(
    bucket: str,
    *,
    model: str,
    stack: str,
    region: str,
    account: str,
    registry_account: str | None = None,
    key_arn: str | None = None,
    partition: str = "aws",
) -> Policy:
    """`pulumi preview` of one stack: what the program asks before it declares anything. It writes nothing anywhere."""
    function = f"arn:{partition}:lambda:{region}:{account}:function:{model}-{stack}-function-*"
    return policy(
        *_read_the_model(f"arn:{partition}:s3:::{bucket}", model, registry_account or account),
        allow("Versions", _READ_VERSIONS, function),
        allow("ReadLogging", "apigateway:GET", f"arn:{partition}:apigateway:{region}::/account"),
        allow("Ask", [action for action in _ASK if not action.startswith(("cloudwatch:", "logs:"))], EVERY),
        *([allow("UseTheKey", "kms:Decrypt", key_arn)] if key_arn else []),
    )


def _read_the_model(arn: str, model: str, owner: str) -> list[Statement]:
    return [
        allow("FindTheModel", "s3:ListBucket", arn, **owned(owner)),
        allow("ReadTheModel", "s3:GetObject", f"{arn}/models/{model}/*", **owned(owner)),
    ]


def _granted(grant: Grant, names: dict[str, str]) -> Statement:
    # IfExists: what is being created is nobody's yet.
    condition = {} if grant.has_account else owned(names["account"], "StringEqualsIfExists")
    resources = [resource.format(**names) for resource in grant.resources]
    return allow(grant.sid, list(grant.actions), resources, **condition)
