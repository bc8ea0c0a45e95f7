"""Every setting, declared once.

`Pulumi.yaml`'s configuration and docs/settings.md are made from this module (`python -m infra.settings.page`), values
are checked by it, and components take these records as their arguments. What must fit together is in `rules.py`.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta, field

from infra.settings import parsing
from infra.settings.field import Group, Setting
from infra.settings.forms import (
    AccountId,
    AnyKmsKeyArn,
    Authorization,
    CertificateArn,
    DomainName,
    KmsKeyArn,
    MoveDigest,
    OrganizationId,
    Origin,
    PolicyArn,
    PrincipalArn,
    ReaderAccount,
    RolePolicy,
    SecurityGroupId,
    SubnetId,
    TopicArn,
    TruststoreUri,
    VpcEndpointId,
    WebAclArn,
)
from model_runtime.manifest import FormatName
from model_runtime.storage import bucket_name

NOT_RESERVED = -1
NO_EXTRA_STORAGE = 512

# Quotas of an account that can be raised: the bounds only keep typos out.
_CONCURRENCY_MAX = 100_000
_RATE_MAX = 1_000_000

THROTTLE_RATE, THROTTLE_BURST = 100, 200

_VPC = "Lambda API Reference, VpcConfig"
_PLANS = "API Gateway API Reference, ThrottleSettings and QuotaSettings"

_RetentionDays = Literal[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653
]  # fmt: skip


class AccountSettings(Group, frozen=True, kw_only=True):
    """What an account's rules ask for, in every stack: the key, the tags, the boundary of roles."""

    region: str = ""
    """The stack's `aws:region`; empty where it is not known."""
    kms_key_arn: Annotated[
        KmsKeyArn,
        Setting(
            "ARN of the KMS key that encrypts what the stack creates: logs, environment variables, artifact bucket; in "
            "the stack `registry` the models. Empty for the keys of AWS.",
            outside="the key's policy must let CloudWatch Logs use it (principal `logs.REGION.amazonaws.com`), and "
            "whoever deploys needs `kms:CreateGrant`, `kms:Encrypt`, `kms:Decrypt` and `kms:GenerateDataKey`. The "
            "function's role may decrypt with the registry's key, and only through S3. Layers have Lambda's own key, "
            "which cannot be chosen.",
            may_be_output=True,
        ),
    ] = ""
    permissions_boundary_arn: Annotated[
        PolicyArn,
        Setting(
            "ARN of the IAM policy that bounds every role that the stack creates. Empty for none.", may_be_output=True
        ),
    ] = ""
    tags: Annotated[
        Mapping[str, str],
        Setting(
            "Tags on every resource that takes tags, as `NAME: value`. Objects in buckets have none: they take only "
            "ten.",
            source=parsing.TAGS_SOURCE,
            parse=parsing.tags,
            bad=({"aws:team": "aws"}, {"team": "a*b"}, {"centre": 4.2}, {f"tag{number}": "" for number in range(51)}),
        ),
    ] = field(default_factory=dict)

    @property
    def kms_key(self) -> str | None:
        """The key, as resources take it."""
        return self.kms_key_arn or None

    @property
    def permissions_boundary(self) -> str | None:
        """The boundary, as roles take it."""
        return self.permissions_boundary_arn or None

    @property
    def resource_tags(self) -> dict[str, str] | None:
        """The tags, as resources take them."""
        return dict(sorted(self.tags.items())) or None


class RegistrySettings(AccountSettings, frozen=True, kw_only=True):
    """Settings of the stack `registry`."""

    registry_bucket: Annotated[
        str,
        Setting(
            "Name of the registry's bucket. The stack `registry` creates it, every other stack reads models from it, "
            "and may name that stack instead, as `ORGANIZATION/PROJECT/registry`.",
            source='Amazon S3 User Guide, "General purpose bucket naming rules"',
            parse=bucket_name,
            bad=("x", "No_Bucket"),
        ),
    ]
    registry_admins: Annotated[
        tuple[PrincipalArn, ...],
        Setting(
            "In the stack `registry`: ARNs of the users and roles that may delete versions of objects for good, in "
            "which * is any text. Empty for nobody, until the bucket's policy is changed.",
            outside="a deletion for good also needs `s3:DeleteObjectVersion` in the policy of who does it. A role of "
            "IAM Identity Center is `arn:aws:iam::ACCOUNT:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_NAME_*`.",
        ),
    ] = ()
    registry_readers: Annotated[
        tuple[ReaderAccount, ...],
        Setting(
            "In the stack `registry`: ARNs of other accounts that may read models, as far as their own policies let "
            "them. Empty for none.",
            outside="stacks of these accounts need `registryAccount`. With `kmsKeyArn` the key's policy must let them "
            "`kms:Decrypt`, and their stacks need `registryKmsKeyArn`.",
        ),
    ] = ()
    organization_id: Annotated[
        OrganizationId,
        Setting(
            "In the stack `registry`: ID of the AWS organization outside of which nobody uses the bucket, whatever "
            "else allows it. Empty for no such rule.",
            outside="the account must be in that organization, else it locks itself out of the bucket.",
        ),
    ] = ""
    role_policies: Annotated[
        tuple[RolePolicy, ...],
        Setting(
            "In the stack `registry`: roles whose ready-made policies are made as IAM policies of the account, to "
            "attach to your users and roles (docs/roles.md; output `policyArns`, by role). Empty for none.",
            outside="a policy that somebody has is not deleted by IAM: detach it before its role is taken out of the "
            "list. Deployers and previewers are those of stacks in the registry's own account and region.",
        ),
    ] = ()
    object_lock_days: Annotated[
        int,
        Meta(ge=0, le=36_500),
        Setting(
            "In the stack `registry`: days for which no version of an object can be deleted for good after it was "
            "written (S3 Object Lock); 0 for no lock. Tags move and versions are hidden as before.",
            unit="days (0 for no lock)",
            source='Amazon S3 User Guide, "Object Lock considerations": 100 years',
            outside="a bucket that is there already is locked by an update too, for what is written from then on. S3 "
            "lets nobody turn Object Lock off again: with 0 later, new objects are kept for no time, once `pulumi "
            "state unprotect` was told of the bucket's lock. What is deleted or replaced is paid for until its time is "
            "over.",
        ),
    ] = 0
    object_lock_mode: Annotated[
        Literal["governance", "compliance"],
        Setting(
            "In the stack `registry`: who may end the lock of a version before `objectLockDays` are over. "
            "`governance`: those in `registryAdmins` who have `s3:BypassGovernanceRetention`; `compliance`: nobody, "
            "not even the account's root user.",
            source='Amazon S3 User Guide, "Locking objects with Object Lock", Retention modes',
        ),
    ] = "governance"
    audit_trail: Annotated[
        bool,
        Setting(
            "In the stack `registry`: whether CloudTrail logs each write and deletion of an object of the registry, "
            "into a bucket of its own, for `verify --trail` (output `auditBucket`). Data events are charged.",
            outside="with `kmsKeyArn` the key's policy must let CloudTrail use it (principal "
            "`cloudtrail.amazonaws.com`, `kms:GenerateDataKey*` and `kms:DescribeKey`). To end it, `pulumi state "
            "unprotect` the trail and its bucket before.",
        ),
    ] = False
    verifier: Annotated[
        bool,
        Setting(
            "In the stack `registry`: whether there is a CodeBuild project that verifies versions in the account, for "
            "`verify --in-account` (output `verifierProject`). Each build is charged.",
            outside="builds reach the internet: they take Python's packages, a model's too, from the public index by "
            "the digests in lock and manifest. A model with packages of a private index is verified elsewhere.",
        ),
    ] = False


class Settings(RegistrySettings, frozen=True, kw_only=True):
    """Settings of a stack that serves a model."""

    stack: str
    """The stack's name, which is the stage's too."""

    model: Annotated[
        str,
        Setting(
            "Name of the model to serve. Not used by the stack `registry`.",
            parse=parsing.slug,
            bad=("Iris Model", "a" * 33),
        ),
    ] = "iris"
    tag: Annotated[
        str,
        Setting(
            "Tag that the stack follows; empty for the stack's own name (stack `prod` follows the tag `prod`).",
            parse=parsing.slug,
            bad=("the prod", "prod/blue"),
        ),
    ] = ""
    allow_breaking: Annotated[
        bool,
        Setting(
            "Whether an update may break callers of the deployed version, for example by removing a feature, adding a "
            "required one, or changing labels. The preview names what breaks."
        ),
    ] = False
    require_hashes: Annotated[
        bool,
        Setting(
            "Whether a version is refused whose manifest lacks the SHA-256 of a package's wheel for the architecture, "
            "as those that 0.1.0 or `--proof none` published. They are warned of otherwise."
        ),
    ] = False
    allow_deprecated: Annotated[
        bool,
        Setting(
            "Whether an update may deploy a version that is deprecated. One that the stack serves already stays "
            "without it; one that was revoked is never deployed."
        ),
    ] = False
    allow_unsigned: Annotated[
        bool,
        Setting(
            "Whether `publicKey` or `trustedPromoters` may be emptied where the stack had some, so that models, or "
            "moves of its tag, which nobody signed are deployed."
        ),
    ] = False
    accept_history: Annotated[
        MoveDigest,
        Setting(
            "Digest of a tag's last move, whose history the stack takes though it does not continue what it deployed "
            "last; the refusal says which. Accepts that history only, and can stay. Empty for none (docs/signing.md)."
        ),
    ] = ""
    memory: Annotated[
        int,
        Meta(ge=128, le=10_240),
        Setting(
            "Memory of the function in MB, at least 256 unless the format is onnx. CPU grows with it: at 1769 MB a "
            "function has one whole core.",
            unit="MB",
            source='AWS Lambda Developer Guide, "Configure Lambda function memory"',
        ),
    ] = 1024
    timeout: Annotated[
        int,
        Meta(ge=1, le=900),
        Setting(
            "Timeout of the function in seconds, at most `gatewayTimeout` where an API calls it.",
            unit="seconds",
            source='AWS Lambda Developer Guide, "Configure Lambda function timeout"',
        ),
    ] = 29
    gateway_timeout: Annotated[
        int,
        Meta(ge=1, le=300),
        Setting(
            "Seconds that API Gateway waits for the function before it answers 504: 29, or more where the account's "
            "quota was raised.",
            unit="seconds (more than 29 where the account's quota was raised)",
            source="Amazon API Gateway quotas for REST APIs: maximum integration timeout in milliseconds",
            outside="more than 29 needs a raised quota of the account and region, which AWS grants for regional and "
            "private REST APIs: Service Quotas, Amazon API Gateway, `Maximum integration timeout in milliseconds`. AWS "
            "may lower the account's request rate for it.",
        ),
    ] = 29
    architecture: Annotated[
        Literal["x86_64", "arm64"],
        Setting(
            "Instruction set of the function and its layer, x86_64 or arm64.",
            source='AWS Lambda Developer Guide, "Selecting and configuring an instruction set architecture"',
        ),
    ] = "x86_64"
    api: Annotated[
        Literal["rest", "none"],
        Setting(
            "`rest` puts a REST API in front of the function; with `none` callers invoke the function themselves, "
            "which may then run for up to 900 seconds.",
            outside="with `none` callers need `lambda:InvokeFunction` on the output `functionAlias`.",
        ),
    ] = "rest"
    api_key: Annotated[
        bool, Setting("Whether callers need an API key (header x-api-key). The default is the guide's open API.")
    ] = False
    try_it_page: Annotated[
        bool,
        Setting(
            "Whether browsers get a page to try the model at the API's root.",
            outside="with `apiKey` the root then asks for no key: it tells the model's name and version; the page asks "
            "for a key and tells nothing else before it has one. With `authorization` `iam` the root asks for a "
            "signature like every other path.",
        ),
    ] = True
    log_retention_days: Annotated[
        _RetentionDays,
        Setting(
            "Days for which logs are kept, one of the periods that CloudWatch Logs offers (1, 3, 5, 7, 14, 30, ...).",
            source="CloudWatch Logs API Reference, PutRetentionPolicy",
        ),
    ] = 30
    tracing: Annotated[bool, Setting("Whether AWS X-Ray traces calls, on the function and on the API's stage.")] = True
    public_keys: Annotated[
        tuple[str, ...],
        Setting(
            "Public key that must have signed the model's manifest, as `ed25519:BASE64`; several, while a key is being "
            "replaced, are separated by commas. Empty for no check (docs/signing.md).",
            parse=parsing.public_keys,
            config_type="string",
            bad=("ed25519:AAAA", " "),
        ),
    ] = field(default=(), name="publicKey")
    trusted_promoters: Annotated[
        tuple[str, ...],
        Setting(
            "Public key that must have signed the last move of the stack's tag, as `ed25519:BASE64`; several are "
            "separated by commas. Empty for no check (docs/signing.md).",
            parse=parsing.public_keys,
            config_type="string",
            bad=("ed25519:AAAA", " "),
        ),
    ] = ()
    model_format: Annotated[
        FormatName,
        Setting(
            "Which form of the model the function loads (docs/formats.md): joblib (a pickle), skops (no pickle) or "
            "onnx (no pickle, no scikit-learn). For the last two the version must have been published with them."
        ),
    ] = field(default="joblib", name="format")
    trusted_types: Annotated[
        tuple[str, ...],
        Setting(
            "With the format skops: the types that it may load besides those that skops trusts by itself, as "
            "`package.module.Type`, separated by commas; `python -m model_registry show` lists those of a version.",
            parse=parsing.trusted_types,
            config_type="string",
            bad=("Tree",),
        ),
    ] = ()
    ephemeral_storage: Annotated[
        int,
        Meta(ge=NO_EXTRA_STORAGE, le=10_240),
        Setting(
            "Size of the function's `/tmp` in MB. The handler writes nothing there.",
            unit="MB",
            source='AWS Lambda Developer Guide, "Configure ephemeral storage for Lambda functions"',
        ),
    ] = NO_EXTRA_STORAGE
    keep_versions: Annotated[
        int,
        Meta(ge=2, le=1_000),
        Setting(
            "Published versions of the function that an update leaves; older ones are deleted before it, but never the "
            "one that callers reach nor the one before it.",
            unit="versions",
            source='AWS Lambda Developer Guide, "Lambda quotas": 75 GB for all versions of all functions of a region',
        ),
    ] = 10
    reserved_concurrency: Annotated[
        int,
        Meta(ge=NOT_RESERVED, le=_CONCURRENCY_MAX),
        Setting(
            "Calls that the function serves at the same time at most, taken from the account's quota; 0 refuses every "
            "call, -1 reserves nothing.",
            unit="calls (-1 reserves nothing)",
        ),
    ] = NOT_RESERVED
    provisioned_concurrency: Annotated[
        int,
        Meta(ge=0, le=_CONCURRENCY_MAX),
        Setting(
            "Environments that are kept started, so that these calls see no cold start; they cost while they wait.",
            unit="environments",
            outside="acts on the published version that the API calls.",
        ),
    ] = 0
    snap_start: Annotated[
        bool,
        Setting(
            "Whether the function starts from a snapshot of the loaded model (Lambda SnapStart), for models trained "
            "with Python 3.12 or later. A snapshot costs while it is kept and each time it is restored.",
            outside="acts on the published version that the API calls.",
        ),
    ] = False
    subnet_ids: Annotated[
        tuple[SubnetId, ...],
        Meta(max_length=16),
        Setting(
            "Subnets of a VPC in which the function runs, `subnet-...`. They need a way to S3 (see below). Empty for "
            "no VPC.",
            source=_VPC,
            bad=([f"subnet-{number:08x}" for number in range(17)],),
            outside="a function in a VPC reaches nothing outside it by itself. It reads its model from S3, so the "
            "subnets' route tables need a gateway endpoint for S3 (which is free) or a NAT gateway. Its log and traces "
            "do not pass through the VPC.",
            may_be_output=True,
        ),
    ] = ()
    security_group_ids: Annotated[
        tuple[SecurityGroupId, ...],
        Meta(max_length=5),
        Setting(
            "Security groups of the function in its VPC, `sg-...`. They must let HTTPS out.",
            source=_VPC,
            bad=([f"sg-{number:08x}" for number in range(6)],),
            may_be_output=True,
        ),
    ] = ()
    authorization: Annotated[
        Authorization,
        Setting(
            "`iam` lets only callers in who sign their requests (Signature Version 4) and have `execute-api:Invoke` "
            "for the API; the ARN of a Cognito user pool those with an ID token of it, that of a Lambda authorizer "
            "those whom it lets in by their token, both in the header `Authorization`; `none` does not ask who calls.",
            source='API Gateway Developer Guide, "Control and manage access to REST APIs in API Gateway"',
            outside="with `iam` callers need `execute-api:Invoke` on "
            "`arn:aws:execute-api:REGION:ACCOUNT:API/STAGE/*`. A Lambda authorizer gets the token (type `TOKEN`), and "
            "whoever owns it lets API Gateway call it: `aws lambda add-permission --function-name ARN --statement-id "
            "api --action lambda:InvokeFunction --principal apigateway.amazonaws.com --source-arn "
            "'arn:aws:execute-api:REGION:ACCOUNT:*/authorizers/*'`. Its policy is kept for five minutes by token, so "
            "it must be one for all paths. With `apiKey` too, a request needs both.",
        ),
    ] = "none"
    vpc_endpoint_ids: Annotated[
        tuple[VpcEndpointId, ...],
        Setting(
            "Interface VPC endpoints of `execute-api`, `vpce-...`, through which alone the API answers: it is private "
            "then. Empty for an API on the internet.",
            source='API Gateway Developer Guide, "Private REST APIs in API Gateway"',
            outside="the endpoints, their security groups (HTTPS in) and their policies are yours. With private DNS "
            "`invokeUrl` answers inside the VPC, without it `https://API-VPCE.execute-api.REGION.amazonaws.com/STAGE`. "
            "The local AWS has no VPC, and answers anybody.",
        ),
    ] = ()
    web_acl_arn: Annotated[
        WebAclArn,
        Setting(
            "ARN of the AWS WAF web ACL (regional) that looks at requests before the API does. Empty for none.",
            may_be_output=True,
        ),
    ] = ""
    throttle: Annotated[
        Literal["on", "none"],
        Setting(
            "`on` limits what each method of the API takes from all callers together, to `throttleRate` and "
            "`throttleBurst`; `none` leaves it to the account's limits, which all its APIs share."
        ),
    ] = "on"
    usage_rate: Annotated[
        int,
        Meta(ge=0, le=_RATE_MAX),
        Setting(
            "Requests per second that the holder of the API key may send; 0 for no limit of its own.",
            unit="requests per second (0 for no limit)",
            source=_PLANS,
        ),
    ] = 0
    usage_burst: Annotated[
        int,
        Meta(ge=0, le=_RATE_MAX),
        Setting(
            "Requests that the holder of the API key may send at once; goes with `usageRate`.",
            unit="requests (0 for no limit)",
            source=_PLANS,
        ),
    ] = 0
    usage_quota: Annotated[
        int,
        Meta(ge=0, le=2**31 - 1),
        Setting(
            "Requests that the holder of the API key may send in one `usageQuotaPeriod`; 0 for any number.",
            unit="requests (0 for any number)",
            source=_PLANS,
        ),
    ] = 0
    usage_quota_period: Annotated[
        Literal["DAY", "WEEK", "MONTH"],
        Setting("Period of `usageQuota`, `DAY`, `WEEK` or `MONTH`.", source=_PLANS),
    ] = "MONTH"
    throttle_rate: Annotated[
        int,
        Meta(ge=1, le=_RATE_MAX),
        Setting(
            "Requests per second that each method of the API takes from all callers, while `throttle` is `on`.",
            unit="requests per second",
            source=_PLANS,
        ),
    ] = THROTTLE_RATE
    throttle_burst: Annotated[
        int,
        Meta(ge=1, le=_RATE_MAX),
        Setting(
            "Requests that each method of the API takes at once, while `throttle` is `on`.",
            unit="requests",
            source=_PLANS,
        ),
    ] = THROTTLE_BURST
    cors_origins: Annotated[
        tuple[Origin, ...],
        Setting(
            "Origins whose web pages may call the API, such as `https://app.example.com`, or only `*` for all. Empty "
            "for none (no CORS headers).",
            outside="the function answers preflights, also where callers need a key or a signature. What the gateway "
            "refuses itself (a missing key, a wrong body) every page may read if there are several "
            "origins: the gateway cannot compare. CORS tells browsers which pages may read answers, and keeps nobody "
            "else out: for that there are `apiKey` and `authorization`.",
        ),
    ] = ()
    domain_name: Annotated[
        DomainName,
        Setting(
            "Domain of your own for the API, such as `iris.example.com`; the outputs give the target of its DNS "
            "record. Empty for none.",
            outside="the certificate must be issued before, in the stack's region. The outputs `domainTarget` and "
            "`domainTargetZone` are the target of the DNS record, which you make: this program manages no zone. "
            "`invokeUrl` stays the stage's own URL, which answers at once.",
        ),
    ] = ""
    certificate_arn: Annotated[
        CertificateArn,
        Setting(
            "ARN of the domain's certificate in AWS Certificate Manager, in the stack's region.", may_be_output=True
        ),
    ] = ""
    default_endpoint: Annotated[
        bool,
        Setting(
            "Whether the API answers at the URL that AWS gives it, beside a domain of your own. Without it only the "
            "domain leads to the API, and the outputs name that.",
            source='API Gateway Developer Guide, "Disable the default endpoint for REST APIs in API Gateway"',
        ),
    ] = True
    truststore_uri: Annotated[
        TruststoreUri,
        Setting(
            "Certificate authorities (PEM, in S3) of which callers need a certificate at your domain (mutual TLS), "
            "`s3://BUCKET/KEY`. Empty for none.",
            outside="whoever deploys needs `s3:GetObject` on it, the bucket is in the stack's region, and API Gateway "
            "reads it again only when the URI changes: give a changed truststore another key. A certificate that was "
            "imported into ACM, or is of a private authority, needs an ownership verification certificate besides, "
            "which this program does not set.",
        ),
    ] = ""
    access_log: Annotated[
        str,
        Setting(
            "What the API's access log says of a request. `standard` has neither query strings nor addresses, "
            "`detailed` adds who called from where, `off` writes none; everything else is a format of your own, in "
            "`$context` variables.",
            source='API Gateway Developer Guide, "Set up CloudWatch logging for REST APIs"',
            parse=parsing.access_log,
            bad=(
                "on",
                "$context.requestId $context.identity.apiKey",
                "$context.requestIdentity",
                "$context.requestId\n",
                "$context.requestId" + " " * 3_072,
            ),
            outside="the stack `registry` gives API Gateway the right to write logs, once per account and region. API "
            "Gateway has no variable for the query string or body of a REST API's request, so no format can log the "
            "features.",
        ),
    ] = "standard"
    request_log: Annotated[
        Literal["off", "sampled", "on"],
        Setting(
            "Whether the function's log has a line for each request (`on`), for each hundredth (`sampled`) or for none "
            "(`off`): route, status, rows, milliseconds, model version, the access log's request id; never a value. "
            "Failures always have one."
        ),
    ] = "off"
    log_messages: Annotated[
        bool,
        Setting(
            "Whether the function's log has the messages of errors, of Python's warnings and of what libraries log, "
            "cut at 2 KB: they may repeat values that callers sent. Without, it has types and places only.",
            outside="what a model's own code prints is in the log as it is, whatever this says.",
        ),
    ] = False
    recorded_examples: Annotated[
        bool,
        Setting(
            "Whether `GET /model` shows examples that are rows of the publisher's: those of `publish --examples "
            "given` and `masked`, and of versions that older releases published. Synthetic ones are always shown."
        ),
    ] = False
    label_counts: Annotated[
        bool,
        Setting(
            "Whether answers are counted by label, as metrics `Label.NAME`, where the model has 20 labels at most. "
            "Each is a metric that is charged."
        ),
    ] = False
    registry_account: Annotated[
        AccountId,
        Setting(
            "Account that owns the registry's bucket: the function's role and `pulumi up` read from no bucket of that "
            "name of anybody else. Empty for the stack's own, which is not asked for at `pulumi up`.",
            source='IAM User Guide, "AWS global condition context keys", aws:ResourceAccount',
        ),
    ] = ""
    registry_kms_key_arn: Annotated[
        AnyKmsKeyArn,
        Setting(
            "ARN of the KMS key of the registry's bucket, which the function may use to read its model. Empty if the "
            "registry has the stack's own `kmsKeyArn`, or none.",
            may_be_output=True,
        ),
    ] = ""
    alarm_topic_arn: Annotated[
        TopicArn,
        Setting(
            "ARN of the SNS topic that hears of alarms: models that cannot be loaded, answers with 500 or 503, more "
            "than half of the requests refused, errors, throttled calls and slow calls of the function, 5xx answers of "
            "the API (docs/runbook.md). Empty for no alarms.",
            outside="the topic's policy must let CloudWatch publish to it if it has one of its own.",
            may_be_output=True,
        ),
    ] = ""
    alarm_duration_ms: Annotated[
        int,
        Meta(ge=1, le=900_000),
        Setting(
            "The alarm for slow calls rises when the 99th percentile of 5 minutes is above this, in milliseconds.",
            unit="milliseconds",
        ),
    ] = 5000
    dashboard: Annotated[
        bool,
        Setting("Whether there is a CloudWatch dashboard of the model. The first three of an account are free."),
    ] = False

    @property
    def service(self) -> str:
        """What the stack's resources are named after, `MODEL-STACK`."""
        return f"{self.model}-{self.stack}"

    @property
    def followed_tag(self) -> str:
        """The tag that the stack follows."""
        return self.tag or self.stack

    @property
    def in_vpc(self) -> bool:
        """Whether the function runs in a VPC of the account."""
        return bool(self.subnet_ids)

    @property
    def has_open_page(self) -> bool:
        """Whether everybody may open the page, where callers of the API need a key or none."""
        return self.try_it_page and self.authorization == "none"

    @property
    def throttled(self) -> bool:
        """Whether all callers together are limited."""
        return self.throttle == "on"

    @property
    def authorizer_arn(self) -> str:
        """The user pool or function that says who may call; empty where neither does."""
        return self.authorization if self.authorization.startswith("arn:") else ""
