"""Types of the components' arguments, which are the settings.

Made by `python -m infra.settings.page` from infra/settings/schema.py: change that. Pulumi's analyzer makes the schema
for other languages of these classes, and takes the line below an argument as its description.
"""

from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict

import pulumi


class ModelRegistryBucketArgs(TypedDict):
    """What a ModelRegistryBucket takes."""

    kms_key_arn: NotRequired[pulumi.Input[str]]
    """ARN of the KMS key that encrypts what the stack creates: logs, environment variables, artifact bucket; in the stack `registry` the models. Empty for the keys of AWS. Values: the ARN of a KMS key such as arn:aws:kms:eu-central-1:123456789012:key/ID."""
    permissions_boundary_arn: NotRequired[pulumi.Input[str]]
    """ARN of the IAM policy that bounds every role that the stack creates. Empty for none. Values: the ARN of an IAM policy such as arn:aws:iam::123456789012:policy/NAME."""
    tags: NotRequired[Mapping[str, str]]
    """Tags on every resource that takes tags, as `NAME: value`. Objects in buckets have none: they take only ten."""
    registry_bucket: str
    """Name of the registry's bucket. The stack `registry` creates it, every other stack reads models from it, and may name that stack instead, as `ORGANIZATION/PROJECT/registry`."""
    registry_admins: NotRequired[Sequence[str]]
    """In the stack `registry`: ARNs of the users and roles that may delete versions of objects for good, in which * is any text. Empty for nobody, until the bucket's policy is changed. Values: ARNs of users or roles such as arn:aws:iam::123456789012:role/registry-admin."""
    registry_readers: NotRequired[Sequence[str]]
    """In the stack `registry`: ARNs of other accounts that may read models, as far as their own policies let them. Empty for none. Values: ARNs of accounts such as arn:aws:iam::123456789012:root."""
    organization_id: NotRequired[str]
    """In the stack `registry`: ID of the AWS organization outside of which nobody uses the bucket, whatever else allows it. Empty for no such rule. Values: the ID of an organization such as o-a1b2c3d4e5."""
    role_policies: NotRequired[Sequence[str]]
    """In the stack `registry`: roles whose ready-made policies are made as IAM policies of the account, to attach to your users and roles (docs/roles.md; output `policyArns`, by role). Empty for none. Values: reader, publisher, auditor, all also with :MODEL; promoter@TAG, promoter:MODEL@TAG; deployer:MODEL@STACK, previewer:MODEL@STACK."""
    object_lock_days: NotRequired[int]
    """In the stack `registry`: days for which no version of an object can be deleted for good after it was written (S3 Object Lock); 0 for no lock. Tags move and versions are hidden as before. Values: from 0 to 36500 days (0 for no lock)."""
    object_lock_mode: NotRequired[str]
    """In the stack `registry`: who may end the lock of a version before `objectLockDays` are over. `governance`: those in `registryAdmins` who have `s3:BypassGovernanceRetention`; `compliance`: nobody, not even the account's root user. Values: one of governance, compliance."""
    audit_trail: NotRequired[bool]
    """In the stack `registry`: whether CloudTrail logs each write and deletion of an object of the registry, into a bucket of its own, for `verify --trail` (output `auditBucket`). Data events are charged."""
    verifier: NotRequired[bool]
    """In the stack `registry`: whether there is a CodeBuild project that verifies versions in the account, for `verify --in-account` (output `verifierProject`). Each build is charged."""


class SklearnModelArgs(TypedDict):
    """What a SklearnModel takes; only the registry's bucket is needed."""

    kms_key_arn: NotRequired[pulumi.Input[str]]
    """ARN of the KMS key that encrypts what the stack creates: logs, environment variables, artifact bucket; in the stack `registry` the models. Empty for the keys of AWS. Values: the ARN of a KMS key such as arn:aws:kms:eu-central-1:123456789012:key/ID."""
    permissions_boundary_arn: NotRequired[pulumi.Input[str]]
    """ARN of the IAM policy that bounds every role that the stack creates. Empty for none. Values: the ARN of an IAM policy such as arn:aws:iam::123456789012:policy/NAME."""
    tags: NotRequired[Mapping[str, str]]
    """Tags on every resource that takes tags, as `NAME: value`. Objects in buckets have none: they take only ten."""
    registry_bucket: str
    """Name of the registry's bucket. The stack `registry` creates it, every other stack reads models from it, and may name that stack instead, as `ORGANIZATION/PROJECT/registry`."""
    model: NotRequired[str]
    """Name of the model to serve. Not used by the stack `registry`."""
    tag: NotRequired[str]
    """Tag that the stack follows; empty for the stack's own name (stack `prod` follows the tag `prod`)."""
    allow_breaking: NotRequired[bool]
    """Whether an update may break callers of the deployed version, for example by removing a feature, adding a required one, or changing labels. The preview names what breaks."""
    require_hashes: NotRequired[bool]
    """Whether a version is refused whose manifest lacks the SHA-256 of a package's wheel for the architecture, as those that 0.1.0 or `--proof none` published. They are warned of otherwise."""
    allow_deprecated: NotRequired[bool]
    """Whether an update may deploy a version that is deprecated. One that the stack serves already stays without it; one that was revoked is never deployed."""
    allow_unsigned: NotRequired[bool]
    """Whether `publicKey` or `trustedPromoters` may be emptied where the stack had some, so that models, or moves of its tag, which nobody signed are deployed."""
    accept_history: NotRequired[str]
    """Digest of a tag's last move, whose history the stack takes though it does not continue what it deployed last; the refusal says which. Accepts that history only, and can stay. Empty for none (docs/signing.md). Values: a SHA-256 in hex, as the refusal of a history prints it."""
    memory: NotRequired[int]
    """Memory of the function in MB, at least 256 unless the format is onnx. CPU grows with it: at 1769 MB a function has one whole core. Values: from 128 to 10240 MB."""
    timeout: NotRequired[int]
    """Timeout of the function in seconds, at most `gatewayTimeout` where an API calls it. Values: from 1 to 900 seconds."""
    gateway_timeout: NotRequired[int]
    """Seconds that API Gateway waits for the function before it answers 504: 29, or more where the account's quota was raised. Values: from 1 to 300 seconds (more than 29 where the account's quota was raised)."""
    architecture: NotRequired[str]
    """Instruction set of the function and its layer, x86_64 or arm64. Values: one of x86_64, arm64."""
    api: NotRequired[str]
    """`rest` puts a REST API in front of the function; with `none` callers invoke the function themselves, which may then run for up to 900 seconds. Values: one of rest, none."""
    api_key: NotRequired[bool]
    """Whether callers need an API key (header x-api-key). The default is the guide's open API."""
    try_it_page: NotRequired[bool]
    """Whether browsers get a page to try the model at the API's root."""
    log_retention_days: NotRequired[int]
    """Days for which logs are kept, one of the periods that CloudWatch Logs offers (1, 3, 5, 7, 14, 30, ...). Values: one of 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653."""
    tracing: NotRequired[bool]
    """Whether AWS X-Ray traces calls, on the function and on the API's stage."""
    public_key: NotRequired[str]
    """Public key that must have signed the model's manifest, as `ed25519:BASE64`; several, while a key is being replaced, are separated by commas. Empty for no check (docs/signing.md)."""
    trusted_promoters: NotRequired[str]
    """Public key that must have signed the last move of the stack's tag, as `ed25519:BASE64`; several are separated by commas. Empty for no check (docs/signing.md)."""
    format: NotRequired[str]
    """Which form of the model the function loads (docs/formats.md): joblib (a pickle), skops (no pickle) or onnx (no pickle, no scikit-learn). For the last two the version must have been published with them. Values: one of joblib, skops, onnx."""
    trusted_types: NotRequired[str]
    """With the format skops: the types that it may load besides those that skops trusts by itself, as `package.module.Type`, separated by commas; `python -m model_registry show` lists those of a version."""
    ephemeral_storage: NotRequired[int]
    """Size of the function's `/tmp` in MB. The handler writes nothing there. Values: from 512 to 10240 MB."""
    keep_versions: NotRequired[int]
    """Published versions of the function that an update leaves; older ones are deleted before it, but never the one that callers reach nor the one before it. Values: from 2 to 1000 versions."""
    reserved_concurrency: NotRequired[int]
    """Calls that the function serves at the same time at most, taken from the account's quota; 0 refuses every call, -1 reserves nothing. Values: from -1 to 100000 calls (-1 reserves nothing)."""
    provisioned_concurrency: NotRequired[int]
    """Environments that are kept started, so that these calls see no cold start; they cost while they wait. Values: from 0 to 100000 environments."""
    snap_start: NotRequired[bool]
    """Whether the function starts from a snapshot of the loaded model (Lambda SnapStart), for models trained with Python 3.12 or later. A snapshot costs while it is kept and each time it is restored."""
    subnet_ids: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """Subnets of a VPC in which the function runs, `subnet-...`. They need a way to S3 (see below). Empty for no VPC. Values: IDs such as subnet-0a1b2c3d."""
    security_group_ids: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """Security groups of the function in its VPC, `sg-...`. They must let HTTPS out. Values: IDs such as sg-0a1b2c3d."""
    authorization: NotRequired[str]
    """`iam` lets only callers in who sign their requests (Signature Version 4) and have `execute-api:Invoke` for the API; the ARN of a Cognito user pool those with an ID token of it, that of a Lambda authorizer those whom it lets in by their token, both in the header `Authorization`; `none` does not ask who calls. Values: none, iam, or the ARN of a Cognito user pool or of a function that is a Lambda authorizer."""
    vpc_endpoint_ids: NotRequired[Sequence[str]]
    """Interface VPC endpoints of `execute-api`, `vpce-...`, through which alone the API answers: it is private then. Empty for an API on the internet. Values: IDs such as vpce-0a1b2c3d."""
    web_acl_arn: NotRequired[pulumi.Input[str]]
    """ARN of the AWS WAF web ACL (regional) that looks at requests before the API does. Empty for none. Values: the ARN of a web ACL such as arn:aws:wafv2:eu-central-1:123456789012:regional/webacl/NAME/ID."""
    throttle: NotRequired[str]
    """`on` limits what each method of the API takes from all callers together, to `throttleRate` and `throttleBurst`; `none` leaves it to the account's limits, which all its APIs share. Values: one of on, none."""
    usage_rate: NotRequired[int]
    """Requests per second that the holder of the API key may send; 0 for no limit of its own. Values: from 0 to 1000000 requests per second (0 for no limit)."""
    usage_burst: NotRequired[int]
    """Requests that the holder of the API key may send at once; goes with `usageRate`. Values: from 0 to 1000000 requests (0 for no limit)."""
    usage_quota: NotRequired[int]
    """Requests that the holder of the API key may send in one `usageQuotaPeriod`; 0 for any number. Values: from 0 to 2147483647 requests (0 for any number)."""
    usage_quota_period: NotRequired[str]
    """Period of `usageQuota`, `DAY`, `WEEK` or `MONTH`. Values: one of DAY, WEEK, MONTH."""
    throttle_rate: NotRequired[int]
    """Requests per second that each method of the API takes from all callers, while `throttle` is `on`. Values: from 1 to 1000000 requests per second."""
    throttle_burst: NotRequired[int]
    """Requests that each method of the API takes at once, while `throttle` is `on`. Values: from 1 to 1000000 requests."""
    cors_origins: NotRequired[Sequence[str]]
    """Origins whose web pages may call the API, such as `https://app.example.com`, or only `*` for all. Empty for none (no CORS headers). Values: origins such as https://app.example.com, without a path, or only *."""
    domain_name: NotRequired[str]
    """Domain of your own for the API, such as `iris.example.com`; the outputs give the target of its DNS record. Empty for none. Values: a domain such as iris.example.com, in lower case."""
    certificate_arn: NotRequired[pulumi.Input[str]]
    """ARN of the domain's certificate in AWS Certificate Manager, in the stack's region. Values: the ARN of a certificate such as arn:aws:acm:eu-central-1:123456789012:certificate/ID."""
    default_endpoint: NotRequired[bool]
    """Whether the API answers at the URL that AWS gives it, beside a domain of your own. Without it only the domain leads to the API, and the outputs name that."""
    truststore_uri: NotRequired[str]
    """Certificate authorities (PEM, in S3) of which callers need a certificate at your domain (mutual TLS), `s3://BUCKET/KEY`. Empty for none. Values: an object such as s3://BUCKET/truststore.pem."""
    access_log: NotRequired[str]
    """What the API's access log says of a request. `standard` has neither query strings nor addresses, `detailed` adds who called from where, `off` writes none; everything else is a format of your own, in `$context` variables."""
    request_log: NotRequired[str]
    """Whether the function's log has a line for each request (`on`), for each hundredth (`sampled`) or for none (`off`): route, status, rows, milliseconds, model version, the access log's request id; never a value. Failures always have one. Values: one of off, sampled, on."""
    log_messages: NotRequired[bool]
    """Whether the function's log has the messages of errors, of Python's warnings and of what libraries log, cut at 2 KB: they may repeat values that callers sent. Without, it has types and places only."""
    recorded_examples: NotRequired[bool]
    """Whether `GET /model` shows examples that are rows of the publisher's: those of `publish --examples given` and `masked`, and of versions that older releases published. Synthetic ones are always shown."""
    label_counts: NotRequired[bool]
    """Whether answers are counted by label, as metrics `Label.NAME`, where the model has 20 labels at most. Each is a metric that is charged."""
    registry_account: NotRequired[str]
    """Account that owns the registry's bucket: the function's role and `pulumi up` read from no bucket of that name of anybody else. Empty for the stack's own, which is not asked for at `pulumi up`. Values: an account's 12 digits such as 123456789012."""
    registry_kms_key_arn: NotRequired[pulumi.Input[str]]
    """ARN of the KMS key of the registry's bucket, which the function may use to read its model. Empty if the registry has the stack's own `kmsKeyArn`, or none. Values: the ARN of a KMS key such as arn:aws:kms:eu-central-1:123456789012:key/ID."""
    alarm_topic_arn: NotRequired[pulumi.Input[str]]
    """ARN of the SNS topic that hears of alarms: models that cannot be loaded, answers with 500 or 503, more than half of the requests refused, errors, throttled calls and slow calls of the function, 5xx answers of the API (docs/runbook.md). Empty for no alarms. Values: the ARN of an SNS topic such as arn:aws:sns:eu-central-1:123456789012:NAME."""
    alarm_duration_ms: NotRequired[int]
    """The alarm for slow calls rises when the 99th percentile of 5 minutes is above this, in milliseconds. Values: from 1 to 900000 milliseconds."""
    dashboard: NotRequired[bool]
    """Whether there is a CloudWatch dashboard of the model. The first three of an account are free."""
