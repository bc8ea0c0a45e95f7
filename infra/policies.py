"""IAM documents, from plain values."""

import json
from collections.abc import Sequence
from typing import Any

from model_registry import roles
from model_registry.roles.document import allow, owned
from model_runtime.storage import PROBES

_VERSION = "2012-10-17"


def trust(service: str, source_arn: str | None = None) -> str:
    """Who may take the role: an AWS service, for example `lambda.amazonaws.com`, on behalf of one resource if given."""
    taken = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return _document({**taken, "Condition": {"ArnEquals": {"aws:SourceArn": source_arn}}} if source_arn else taken)


def project_arn(neighbour_arn: str, name: str) -> str:
    """The ARN of a CodeBuild project in the account and region of another resource."""
    partition, _service, region, account = neighbour_arn.split(":")[1:5]
    return f"arn:{partition}:codebuild:{region}:{account}:project/{name}"


def verifier_policy(
    *, bucket: str, source_arn: str, source_version: str, log_group_arn: str, key_arn: str | None = None
) -> str:
    """What a build of the verifier may do: read versions of the registry and its own code, and write its own log.

    `source_arn` is the ARN of the object that has the code, `source_version` its version ID: StartBuild takes another
    one, which no condition key of CodeBuild tells, so the role can fetch no other. Without s3:GetObject it does not
    get what is current there, either.

    Source: CodeBuild User Guide, "Allow CodeBuild to interact with other AWS services", for S3 as a source and
    CloudWatch Logs: a build may want to create its log group, too. Amazon S3 API Reference, GetObject, "Permissions":
    a version that is named needs s3:GetObjectVersion, and s3:GetObject only where none is.
    """
    partition, owner = log_group_arn.split(":")[1], log_group_arn.split(":")[4]
    own = [
        allow(
            "TakeTheVerifier",
            "s3:GetObjectVersion",
            source_arn,
            StringEquals={**owned(owner)["StringEquals"], "s3:VersionId": source_version},
        ),
        allow(
            "FindTheVerifier",
            ["s3:GetBucketAcl", "s3:GetBucketLocation"],
            source_arn.partition("/")[0],
            **owned(owner),
        ),
        allow(
            "WriteTheLog",
            ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
            [log_group_arn, f"{log_group_arn}:*"],
        ),
    ]
    read = roles.verifier(bucket, owner=owner, partition=partition)["Statement"]
    return _document(*read, *own, *([_decrypt_objects(key_arn)] if key_arn else []))


_MANAGE_INTERFACES = [
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:UnassignPrivateIpAddresses",
]
_DESCRIBE_INTERFACES = ["ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"]


def function_policy(
    *,
    models_arn: str,
    models_owner: str,
    log_group_arn: str,
    tracing: bool,
    models_key_arn: str | None = None,
    in_vpc: bool = False,
) -> str:
    """What the function may do: read versions of its model, write its own log, send traces.

    `models_arn` is the registry bucket's ARN with the key prefix of the model's versions, `models_owner` the account
    whose bucket it must be, `models_key_arn` the ARN of the KMS key which encrypts them, if any. The function lists
    nothing and writes nothing to any bucket.
    """
    statements: list[dict[str, Any]] = [
        {
            "Effect": "Allow",
            "Action": "s3:GetObject",
            "Resource": f"{models_arn}*",
            # Names of buckets are free again once they are deleted, also for others.
            "Condition": {"StringEquals": {"aws:ResourceAccount": models_owner}},
        },
        {
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": f"{log_group_arn}:*",
        },
    ]
    if tracing:
        # These two actions know no resources (Service Authorization Reference, AWS X-Ray).
        statements.append(
            {"Effect": "Allow", "Action": ["xray:PutTraceSegments", "xray:PutTelemetryRecords"], "Resource": "*"}
        )
    if models_key_arn:
        statements.append(_decrypt_objects(models_key_arn))
    if in_vpc:
        statements += _network_interfaces(log_group_arn)
    return _document(*statements)


def _decrypt_objects(key_arn: str) -> dict[str, Any]:
    """Decrypt with a key, and only what S3 reads on the caller's behalf.

    Source: Amazon S3 User Guide, "Using server-side encryption with AWS KMS keys"; KMS Developer Guide, kms:ViaService.
    """
    region = key_arn.split(":")[3]
    return {
        "Effect": "Allow",
        "Action": "kms:Decrypt",
        "Resource": key_arn,
        # The name of the service ends with that of the partition.
        "Condition": {"StringLike": {"kms:ViaService": f"s3.{region}.amazonaws.com*"}},
    }


def _network_interfaces(neighbour_arn: str) -> list[dict[str, Any]]:
    """Let Lambda connect the function to a VPC with the role's rights, and not the function's own code.

    Which interfaces these will be is not known before: all of the region of `neighbour_arn`. Subnets may be another
    account's, which shares them.

    Source: AWS Lambda Developer Guide, "Giving Lambda functions access to resources in an Amazon VPC". Two of the
    actions know no resources; the code's calls are told by lambda:SourceFunctionArn, which Lambda's own do not have.
    """
    partition, _service, region = neighbour_arn.split(":")[1:4]
    return [
        {
            "Effect": "Allow",
            "Action": _MANAGE_INTERFACES,
            "Resource": [
                f"arn:{partition}:ec2:{region}:*:{kind}/*" for kind in ("network-interface", "security-group", "subnet")
            ],
        },
        {"Effect": "Allow", "Action": _DESCRIBE_INTERFACES, "Resource": "*"},
        {
            "Effect": "Deny",
            "Action": [*_MANAGE_INTERFACES, *_DESCRIBE_INTERFACES],
            "Resource": "*",
            "Condition": {"Null": {"lambda:SourceFunctionArn": "false"}},
        },
    ]


def api_access(execution_arn: str, *, vpc_endpoint_ids: Sequence[str] = (), signed: bool = False) -> str:
    """The resource policy of an API: everybody may call it, or all through these VPC endpoints; `signed`, by IAM.

    Where callers sign, only the account is allowed: then their own policies decide. An `Allow` for everybody would let
    in who has none. Source: API Gateway Developer Guide, "How API Gateway resource policies affect authorization
    workflow".
    """
    partition, account = execution_arn.split(":")[1], execution_arn.split(":")[4]
    request = {"Action": "execute-api:Invoke", "Resource": f"{execution_arn}/*"}
    callers = {"AWS": f"arn:{partition}:iam::{account}:root"} if signed else "*"
    allowed = {"Effect": "Allow", "Principal": callers, **request}
    elsewhere = {"Condition": {"StringNotEquals": {"aws:SourceVpce": list(vpc_endpoint_ids)}}}
    refused = {"Effect": "Deny", "Principal": "*", **request, **elsewhere}
    return _document(allowed, *([refused] if vpc_endpoint_ids else []))


def tls_only(bucket_arn: str) -> str:
    """A bucket policy that refuses requests over plain HTTP."""
    return _document(_tls_only(bucket_arn))


REPLACED = ("models/*/counter.json", "models/*/policies/*", "models/*/tags/*", "models/*/versions/*/deleted.json")
"""What a registry replaces, by compare-and-swap; everything else is written once. docs/registry-format.md has all."""
_FREE = f"{PROBES}*"
"""By which the service is tried, with and without conditions."""


def registry_bucket(
    bucket_arn: str, *, admins: Sequence[str] = (), organization: str = "", readers: Sequence[str] = ()
) -> str:
    """The policy of the registry's bucket: what nobody may, whatever other policies allow them.

    `readers` are ARNs of accounts whose users and roles may look and read where their own policies let them, too.

    Objects are written once, or replaced by compare-and-swap; only the `admins` delete a version of an object for good;
    with an `organization` nobody outside of it uses the bucket.

    Source: Amazon S3 User Guide, "Enforce conditional writes on Amazon S3 buckets": the parts of a multipart upload
    take no conditions, its completion does.
    """
    objects = f"{bucket_arn}/*"
    replaced = [f"{bucket_arn}/{keys}" for keys in REPLACED]
    written_otherwise = [*replaced, f"{bucket_arn}/{_FREE}"]
    new, same = {"s3:if-none-match": "true"}, {"s3:if-match": "true"}
    creates = {"s3:ObjectCreationOperation": "true"}
    but_admins = {"ArnNotLike": {"aws:PrincipalArn": list(admins)}} if admins else None
    statements = [
        _tls_only(bucket_arn),
        _nobody("WriteOnce", "s3:PutObject", {"Null": new, "Bool": creates}, NotResource=written_otherwise),
        _nobody("CompareAndSwap", "s3:PutObject", {"Null": {**new, **same}, "Bool": creates}, Resource=replaced),
        _nobody("KeepVersions", "s3:DeleteObjectVersion", but_admins, Resource=objects),
    ]
    if organization:
        outside = {
            "StringNotEquals": {"aws:PrincipalOrgID": organization},
            # IfExists, as an anonymous request does not have the key.
            "BoolIfExists": {"aws:PrincipalIsAWSService": "false"},
        }
        statements.append(_nobody("OnlyTheOrganization", "s3:*", outside, Resource=[bucket_arn, objects]))
    if readers:
        accounts = {"AWS": list(readers)}
        for sid, action, resource in (("Look", "s3:ListBucket", bucket_arn), ("Read", "s3:GetObject", objects)):
            statements.append(
                {"Sid": sid, "Effect": "Allow", "Principal": accounts, "Action": action, "Resource": resource}
            )
    return _document(*statements)


def audit_log_bucket(bucket_arn: str, *, account: str, region: str, trail: str, admins: Sequence[str] = ()) -> str:
    """The policy of the bucket with a trail's log files: CloudTrail writes them, for trails of this account by name.

    Nobody else writes there, and only the `admins` delete.

    Source: AWS CloudTrail User Guide, "Amazon S3 bucket policy for CloudTrail"; IAM User Guide,
    aws:PrincipalIsAWSService.
    """
    partition = bucket_arn.split(":")[1]
    ours = {"ArnLike": {"aws:SourceArn": f"arn:{partition}:cloudtrail:{region}:{account}:trail/{trail}-*"}}
    cloudtrail = {"Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"}}
    whole = {"StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control"}}
    objects, but_admins = f"{bucket_arn}/*", {"ArnNotLike": {"aws:PrincipalArn": list(admins)}} if admins else None
    return _document(
        _tls_only(bucket_arn),
        {"Sid": "Look", **cloudtrail, "Action": "s3:GetBucketAcl", "Resource": bucket_arn, "Condition": ours},
        {
            **cloudtrail,
            "Sid": "WriteLogFiles",
            "Action": "s3:PutObject",
            "Resource": f"{bucket_arn}/AWSLogs/{account}/*",
            "Condition": {**ours, **whole},
        },
        _nobody(
            "OnlyServicesWrite", "s3:PutObject", {"Bool": {"aws:PrincipalIsAWSService": "false"}}, Resource=objects
        ),
        _nobody("KeepLogFiles", ["s3:DeleteObject", "s3:DeleteObjectVersion"], but_admins, Resource=objects),
    )


def _tls_only(bucket_arn: str) -> dict[str, Any]:
    plain = {"Bool": {"aws:SecureTransport": "false"}}
    return _nobody("TlsOnly", "s3:*", plain, Resource=[bucket_arn, f"{bucket_arn}/*"])


def _nobody(
    sid: str, action: str | list[str], condition: dict[str, Any] | None, **resources: str | list[str]
) -> dict[str, Any]:
    statement = {"Sid": sid, "Effect": "Deny", "Principal": "*", "Action": action, **resources}
    return {**statement, "Condition": condition} if condition else statement


def _document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": _VERSION, "Statement": list(statements)}, sort_keys=True)
