"""Buckets, their settings and objects."""

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from local.ministack import REGION, LocalAws
from local.resources.assets import content
from local.resources.base import Field, Properties, ResourceType, pascal, request, tag_list

_BUCKET = frozenset({"bucket", "expectedBucketOwner"})


def _create_bucket(aws: LocalAws, inputs: Properties) -> tuple[str, Properties]:
    name = inputs["bucket"]
    aws.client("s3").create_bucket(Bucket=name)
    return name, _update_bucket(aws, name, inputs)


def _update_bucket(aws: LocalAws, name: str, inputs: Properties) -> Properties:
    s3 = aws.client("s3")
    if inputs.get("tags"):
        s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tag_list(inputs["tags"])})
    else:
        s3.delete_bucket_tagging(Bucket=name)
    return {
        "arn": f"arn:aws:s3:::{name}",
        "bucketDomainName": f"{name}.s3.amazonaws.com",
        "bucketRegionalDomainName": f"{name}.s3.{REGION}.amazonaws.com",
        "bucketRegion": REGION,
        "region": REGION,
    }


def _setting(method: str, build: Callable[[Properties], Properties], *inputs: str) -> ResourceType:
    """Return a type that is one setting of a bucket: put, and put again when it changes."""

    def update(aws: LocalAws, bucket: str, inputs: Properties) -> Properties:
        owner = request({"expectedBucketOwner": "ExpectedBucketOwner"}, inputs)
        getattr(aws.client("s3"), method)(Bucket=bucket, **owner, **build(inputs))
        return {}

    def create(aws: LocalAws, inputs: Properties) -> tuple[str, Properties]:
        return inputs["bucket"], update(aws, inputs["bucket"], inputs)

    return ResourceType(
        create,
        frozenset(inputs) | _BUCKET,
        update,
        ignored=frozenset({"skipDestroy", "timeouts"}),
        identity=frozenset({"bucket"}),
    )


_ACCESS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")


def _public_access(inputs: Properties) -> Properties:
    return {"PublicAccessBlockConfiguration": pascal({name: bool(inputs.get(name)) for name in _ACCESS})}


def _versioning(inputs: Properties) -> Properties:
    configuration = pascal(inputs["versioningConfiguration"])
    return {"VersioningConfiguration": configuration} | request({"mfa": "MFA"}, inputs)


def _encryption(inputs: Properties) -> Properties:
    return {"ServerSideEncryptionConfiguration": {"Rules": pascal(inputs["rules"])}}


def _ownership(inputs: Properties) -> Properties:
    return {"OwnershipControls": {"Rules": [pascal(inputs["rule"])]}}


def _policy(inputs: Properties) -> Properties:
    policy = json.loads(inputs["policy"]) if isinstance(inputs["policy"], str) else inputs["policy"]
    statements = [_loopback_may_be_plain(statement) for statement in policy["Statement"]]
    return {"Policy": json.dumps(policy | {"Statement": statements})}


def _loopback_may_be_plain(statement: Properties) -> Properties:
    """MiniStack speaks plain HTTP on loopback, so a refusal of it must not count there (docs/decisions/0002)."""
    condition = statement.get("Condition", {})
    if condition != {"Bool": {"aws:SecureTransport": "false"}}:
        return statement
    return statement | {"Condition": condition | {"NotIpAddress": {"aws:SourceIp": "127.0.0.0/8"}}}


def _lifecycle(inputs: Properties) -> Properties:
    # S3 wants each rule to say what it is for; the provider lets a rule without a filter mean everything.
    rules = [{"Filter": {"Prefix": ""}} | pascal(rule) for rule in inputs.get("rules", [])]
    minimum = {"transitionDefaultMinimumObjectSize": "TransitionDefaultMinimumObjectSize"}
    return {"LifecycleConfiguration": {"Rules": rules}} | request(minimum, inputs)


def _object_lock(inputs: Properties) -> Properties:
    enabled = {"ObjectLockEnabled": inputs.get("objectLockEnabled", "Enabled")}
    rule = {"Rule": pascal(inputs["rule"])} if inputs.get("rule") else {}
    return {"ObjectLockConfiguration": enabled | rule} | request({"token": "Token"}, inputs)


_OBJECT: Mapping[str, Field] = {
    "bucket": "Bucket",
    "key": "Key",
    "acl": "ACL",
    "bucketKeyEnabled": "BucketKeyEnabled",
    "cacheControl": "CacheControl",
    "checksumAlgorithm": "ChecksumAlgorithm",
    "content": ("Body", str.encode),
    "contentBase64": ("Body", base64.b64decode),
    "contentDisposition": "ContentDisposition",
    "contentEncoding": "ContentEncoding",
    "contentLanguage": "ContentLanguage",
    "contentType": "ContentType",
    "kmsKeyId": "SSEKMSKeyId",
    "metadata": "Metadata",
    "serverSideEncryption": "ServerSideEncryption",
    "source": ("Body", content),
    "storageClass": "StorageClass",
    "tags": ("Tagging", urlencode),
}


def _create_object(aws: LocalAws, inputs: Properties) -> tuple[str, Properties]:
    identity = f"{inputs['bucket']}/{inputs['key']}"
    return identity, _update_object(aws, identity, inputs)


def _update_object(aws: LocalAws, identity: str, inputs: Properties) -> Properties:
    put: Any = aws.client("s3").put_object(**request(_OBJECT, inputs))
    return {
        "arn": f"arn:aws:s3:::{identity}",
        "etag": put["ETag"].strip('"'),
        "versionId": put.get("VersionId", ""),
    }


RESOURCES = {
    "aws:s3/bucket:Bucket": ResourceType(
        _create_bucket,
        frozenset({"bucket", "tags", "forceDestroy"}),
        _update_bucket,
        identity=frozenset({"bucket"}),
        named="bucket",
    ),
    "aws:s3/bucketVersioning:BucketVersioning": _setting(
        "put_bucket_versioning",
        _versioning,
        "versioningConfiguration",
        "mfa",
    ),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": _setting(
        "put_public_access_block",
        _public_access,
        *_ACCESS,
    ),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": _setting(
        "put_bucket_encryption",
        _encryption,
        "rules",
    ),
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": _setting(
        "put_bucket_ownership_controls",
        _ownership,
        "rule",
    ),
    "aws:s3/bucketPolicy:BucketPolicy": _setting(
        "put_bucket_policy",
        _policy,
        "policy",
    ),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": _setting(
        "put_bucket_lifecycle_configuration",
        _lifecycle,
        "rules",
        "transitionDefaultMinimumObjectSize",
    ),
    "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration": _setting(
        "put_object_lock_configuration",
        _object_lock,
        "objectLockEnabled",
        "rule",
        "token",
    ),
    "aws:s3/bucketObjectv2:BucketObjectv2": ResourceType(
        _create_object,
        frozenset(_OBJECT),
        _update_object,
        # These only tell the provider that the source has changed; here its bytes are compared.
        ignored=frozenset({"etag", "sourceHash", "forceDestroy"}),
        identity=frozenset({"bucket", "key"}),
        renewed=frozenset({"etag", "versionId"}),
    ),
}
