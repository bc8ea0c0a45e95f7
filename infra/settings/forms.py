"""The forms of texts that settings take. Pure."""

from typing import Annotated

from msgspec import Meta

from infra.settings.field import Form

_ARNS = (
    'IAM User Guide, "Identify AWS resources with Amazon Resource Names (ARNs)", and the resource types of the service '
    "in the Service Authorization Reference"
)
_REGIONAL, _GLOBAL = r"[a-z0-9-]+:[0-9]{12}", r":([0-9]{12}|aws)"
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"


def _arn(service: str, place: str, resource: str) -> Meta:
    """An ARN, or an empty text for none."""
    return Meta(pattern=rf"\A(|arn:aws[a-z-]*:{service}:{place}:{resource})\Z")


def _arn_form(what: str, example: str, *bad: str, regional: bool = False) -> Form:
    return Form(f"the ARN of {what} such as {example}", ("mine", *bad), _ARNS, regional)


# CloudWatch Logs takes the ARN of a key and not of an alias (CloudWatch Logs API Reference, AssociateKmsKey).
_KMS_KEY = _arn("kms", _REGIONAL, "key/[0-9A-Za-z-]+")
_KMS_KEY_BAD = (
    "alias/models",
    "arn:aws:kms:eu-central-1:123456789012:alias/models",
    "arn:aws:kms:eu-central-1:1:key/x",
)
_KMS_KEY_EXAMPLE = ("a KMS key", "arn:aws:kms:eu-central-1:123456789012:key/ID", *_KMS_KEY_BAD)

KmsKeyArn = Annotated[str, _KMS_KEY, _arn_form(*_KMS_KEY_EXAMPLE, regional=True)]
"""A key of the stack's own region."""
AnyKmsKeyArn = Annotated[str, _KMS_KEY, _arn_form(*_KMS_KEY_EXAMPLE)]
"""A key of any region: that of a bucket, which may be elsewhere."""
TopicArn = Annotated[
    str,
    _arn("sns", _REGIONAL, "[0-9A-Za-z_-]+"),
    _arn_form(
        *("an SNS topic", "arn:aws:sns:eu-central-1:123456789012:NAME", "arn:aws:sqs:eu-central-1:123456789012:x"),
        regional=True,
    ),
]
CertificateArn = Annotated[
    str,
    _arn("acm", _REGIONAL, "certificate/[0-9A-Za-z-]+"),
    _arn_form(
        "a certificate",
        "arn:aws:acm:eu-central-1:123456789012:certificate/ID",
        "arn:aws:iam::123456789012:server-certificate/x",
        regional=True,
    ),
]
PolicyArn = Annotated[
    str,
    _arn("iam", _GLOBAL, r"policy/[0-9A-Za-z_+=,.@/-]+"),
    _arn_form("an IAM policy", "arn:aws:iam::123456789012:policy/NAME", "arn:aws:iam::123456789012:role/x"),
]

WebAclArn = Annotated[
    str,
    _arn("wafv2", _REGIONAL, "regional/webacl/[0-9A-Za-z_-]+/[0-9a-f-]+"),
    _arn_form(
        "a web ACL",
        "arn:aws:wafv2:eu-central-1:123456789012:regional/webacl/NAME/ID",
        "arn:aws:wafv2:us-east-1:123456789012:global/webacl/of-cloudfront/0-1",
        regional=True,
    ),
]
Authorization = Annotated[
    str,
    Meta(
        pattern=rf"\A(none|iam|arn:aws[a-z-]*:(cognito-idp:{_REGIONAL}:userpool/[0-9A-Za-z_-]+"
        rf"|lambda:{_REGIONAL}:function:[0-9A-Za-z_-]+(:[0-9A-Za-z_-]+)?))\Z"
    ),
    Form(
        "none, iam, or the ARN of a Cognito user pool or of a function that is a Lambda authorizer",
        (
            "",
            "cognito",
            "arn:aws:cognito-idp:eu-central-1:123456789012:identitypool/x",
            "arn:aws:iam::123456789012:role/x",
        ),
        _ARNS,
        regional=True,
    ),
]

PrincipalArn = Annotated[
    str,
    Meta(pattern=r"\Aarn:aws[a-z-]*:iam::[0-9]{12}:(user|role)/[0-9A-Za-z_+=,.@/*-]+\Z"),
    Form(
        "ARNs of users or roles such as arn:aws:iam::123456789012:role/registry-admin",
        ("*", "arn:aws:iam::123456789012:root", "arn:aws:sts::123456789012:assumed-role/admin/me"),
        'IAM User Guide, "AWS global condition context keys", aws:PrincipalArn: that of a role, not of its session',
    ),
]
_MODEL = "[a-z0-9]+(-[a-z0-9]+)*"
RolePolicy = Annotated[
    str,
    Meta(
        pattern=rf"\A((reader|publisher|auditor)(:{_MODEL})?|promoter(:{_MODEL})?@{_MODEL}"
        rf"|(deployer|previewer):{_MODEL}@{_MODEL})\Z"
    ),
    Form(
        "reader, publisher, auditor, all also with :MODEL; promoter@TAG, promoter:MODEL@TAG; deployer:MODEL@STACK, "
        "previewer:MODEL@STACK",
        ("admin", "promoter", "publisher@prod", "deployer@prod", "deployer:iris", "reader:Iris"),
        "docs/roles.md",
    ),
]
AccountId = Annotated[
    str,
    Meta(pattern=r"\A(|[0-9]{12})\Z"),
    Form("an account's 12 digits such as 123456789012", ("1234", "arn:aws:iam::123456789012:root")),
]
ReaderAccount = Annotated[
    str,
    Meta(pattern=r"\Aarn:aws[a-z-]*:iam::[0-9]{12}:root\Z"),
    Form(
        "ARNs of accounts such as arn:aws:iam::123456789012:root",
        ("*", "123456789012", "arn:aws:iam::123456789012:role/x"),
        'Amazon S3 User Guide, "Bucket owner granting cross-account bucket permissions"',
    ),
]
"""An account that reads from a registry of another one. Its number alone would be a number to `config set --path`."""
OrganizationId = Annotated[
    str,
    Meta(pattern=r"\A(|o-[a-z0-9]{10,32})\Z"),
    Form(
        "the ID of an organization such as o-a1b2c3d4e5",
        ("a1b2c3d4e5", "o-short", "r-a1b2"),
        "AWS Organizations API Reference, Organization",
    ),
]

MoveDigest = Annotated[
    str,
    Meta(pattern=r"\A(|[0-9a-f]{64})\Z"),
    Form("a SHA-256 in hex, as the refusal of a history prints it", ("true", "7", "A" * 64)),
]

_ID = r"([0-9a-f]{8}|[0-9a-f]{17})"
SubnetId = Annotated[
    str, Meta(pattern=rf"\Asubnet-{_ID}\Z"), Form("IDs such as subnet-0a1b2c3d", ("vpc-0a1b2c3d", "subnet-0a1b2c3"))
]
SecurityGroupId = Annotated[str, Meta(pattern=rf"\Asg-{_ID}\Z"), Form("IDs such as sg-0a1b2c3d", ("default",))]
VpcEndpointId = Annotated[
    str,
    Meta(pattern=rf"\Avpce-{_ID}\Z"),
    Form("IDs such as vpce-0a1b2c3d", ("vpc-0a1b2c3d", "com.amazonaws.eu-central-1.execute-api")),
]
TruststoreUri = Annotated[
    str,
    Meta(pattern=r"\A(|s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/\S{1,1024})\Z"),
    Form(
        "an object such as s3://BUCKET/truststore.pem",
        ("truststore.pem", "s3://bucket", "https://bucket.s3.amazonaws.com/truststore.pem"),
        "API Gateway API Reference, MutualTlsAuthenticationInput",
    ),
]

DomainName = Annotated[
    str,
    Meta(pattern=rf"\A(|(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})+)\Z"),
    Form(
        "a domain such as iris.example.com, in lower case",
        ("https://iris.example.com", "Iris.example.com", "localhost"),
        'API Gateway Developer Guide, "Custom domain name for public REST APIs in API Gateway"',
    ),
]
EVERY_ORIGIN = "*"
Origin = Annotated[
    str,
    Meta(pattern=rf"\A(\*|https?://{_LABEL}(\.{_LABEL})*(:[0-9]{{1,5}})?)\Z"),
    Form(
        "origins such as https://app.example.com, without a path, or only *",
        ("https://app.example.com/", "https://*.example.com", "app.example.com", "null"),
        # What no browser sends as `Origin` would never match.
        'the Fetch standard, "Origin header": scheme, host and port, without path or slash',
    ),
]
