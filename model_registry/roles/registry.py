"""Policies for those who work with the registry. What each verb reads and writes is in docs/registry-format.md."""

from collections.abc import Sequence

from model_registry.in_account import log_group, project_name
from model_registry.records import DELETED_FILE, DEPRECATED_FILE
from model_registry.roles.document import EVERY, Policy, Statement, allow, deny, owned, policy
from model_registry.verify_request import VARIABLES
from model_runtime.manifest import CODE_FILE, FORMAT_FILES, MANIFEST_FILE, REPORT_FILE, SBOM_FILE
from model_runtime.signing import SIGNING_FILE

_GET, _PUT = "s3:GetObject", "s3:PutObject"
_ABORT = "s3:AbortMultipartUpload"

OPEN_FILES = (
    *FORMAT_FILES.values(),
    CODE_FILE,
    DELETED_FILE,
    DEPRECATED_FILE,
    MANIFEST_FILE,
    REPORT_FILE,
    SBOM_FILE,
    SIGNING_FILE,
    "*.whl",
)
"""The files of a version that everybody reads who looks: all but the owner's recorded rows."""
_OPEN = ("counter.json", "history/*", "policies/*", "tags/*", *(f"versions/*/{file}" for file in OPEN_FILES))
_ALL = ("*",)
_PARTS = (
    *("source.buildspec", "source.location", "secondarySources", "serviceRole", "logsConfig"),
    *("environment.image", "environment.privilegedMode", "environment.fleet.fleetArn"),
)
"""What of a project decides what a build runs, and as whom."""


def reader(
    bucket: str, *, model: str = EVERY, owner: str | None = None, key_arn: str | None = None, partition: str = "aws"
) -> Policy:
    """Look: `list`, `show`, `report`, `compare`, `resolve`, `which`, `history`, `download`, `verify --quick`.

    Not at the owner's recorded rows, which `verify` asks: an auditor or a promoter does. `owner` is the account whose
    bucket it must be, here and below.
    """
    return policy(*_looking(_arn(partition, bucket), model, owner), *_key(key_arn, "kms:Decrypt"))


def publisher(
    bucket: str, *, model: str = EVERY, owner: str | None = None, key_arn: str | None = None, partition: str = "aws"
) -> Policy:
    """Publish versions, and look. Tags are others' matter, and nothing is deleted."""
    arn = _arn(partition, bucket)
    return policy(
        *_looking(arn, model, owner),
        allow(
            "Publish",
            [_PUT, _ABORT],
            [f"{arn}/models/{model}/versions/*", f"{arn}/models/{model}/counter.json"],
            **owned(owner),
        ),
        deny("MarkNothing", _PUT, [f"{arn}/models/*/versions/*/{file}" for file in (DELETED_FILE, DEPRECATED_FILE)]),
        *_key(key_arn, "kms:Decrypt", "kms:GenerateDataKey"),
    )


def promoter(
    bucket: str,
    tag: str,
    *,
    model: str = EVERY,
    owner: str | None = None,
    key_arn: str | None = None,
    signer_arn: str | None = None,
    in_account: bool = False,
    partition: str = "aws",
) -> Policy:
    """Move this tag (`tag`, `promote`, `rollback`, `untag`), and look. Its promotion rules are others' matter.

    `signer_arn` is the KMS key that signs the moves, where one does; `in_account` lets versions be verified there.
    """
    arn = _arn(partition, bucket)
    return policy(
        *_looking(arn, model, owner, _ALL),  # `--verify` asks the recorded rows
        allow(
            "MoveTheTag",
            _PUT,
            [f"{arn}/models/{model}/tags/{tag}.json", f"{arn}/models/{model}/history/{tag}/*"],
            **owned(owner),
        ),
        *([allow("SignMoves", ["kms:GetPublicKey", "kms:Sign"], signer_arn)] if signer_arn else []),
        *(_verifying_in_account(bucket, owner or EVERY, partition) if in_account else []),
        *_key(key_arn, "kms:Decrypt", "kms:GenerateDataKey"),
    )


def verifier(bucket: str, *, owner: str | None = None, key_arn: str | None = None, partition: str = "aws") -> Policy:
    """Read versions, the recorded rows too, and nothing else: what verifies them in the account."""
    return policy(
        *_looking(_arn(partition, bucket), EVERY, owner, ("versions/*",)),
        *_key(key_arn, "kms:Decrypt"),
    )


def auditor(
    bucket: str,
    *,
    model: str = EVERY,
    owner: str | None = None,
    trail: str | None = None,
    key_arn: str | None = None,
    partition: str = "aws",
) -> Policy:
    """Look, also at what was overwritten or deleted, and at how the bucket is protected; `doctor`. Writes nothing.

    `trail` is the bucket of the log files that `verify --trail` reads, which may be another account's.
    """
    arn = _arn(partition, bucket)
    logs = _arn(partition, trail) if trail else ""
    protection = [
        "s3:GetBucketObjectLockConfiguration",
        "s3:GetBucketOwnershipControls",
        "s3:GetBucketPolicy",
        "s3:GetBucketPublicAccessBlock",
        "s3:GetBucketVersioning",
        "s3:GetEncryptionConfiguration",
        "s3:ListBucketVersions",
    ]
    return policy(
        *_looking(arn, model, owner, _ALL),
        allow("ReadWhatWas", "s3:GetObjectVersion", f"{arn}/models/{model}/*", **owned(owner)),
        allow("SeeTheProtection", protection, arn, **owned(owner)),
        *([allow("FindLogFiles", "s3:ListBucket", logs), allow("ReadLogFiles", _GET, f"{logs}/*")] if logs else []),
        *_key(key_arn, "kms:Decrypt"),
    )


def _verifying_in_account(bucket: str, account: str, partition: str) -> list[Statement]:
    """Start builds of the verifier as it is, stop them, and read what they say.

    A build that took other commands, another image or other variables would do anything with the project's role. Its
    source's version has no condition key: the role can fetch one alone (infra/policies.py).
    Source: CodeBuild User Guide, "AWS CodeBuild condition keys".
    """
    project = f"arn:{partition}:codebuild:{EVERY}:{account}:project/{project_name(bucket)}"
    logs = f"arn:{partition}:logs:{EVERY}:{account}:log-group:{log_group(bucket)}:*"
    as_it_is = {
        "Null": dict.fromkeys((f"codebuild:{part}" for part in _PARTS), "true"),
        "ForAllValues:StringEquals": {"codebuild:environment.environmentVariables.name": list(VARIABLES)},
    }
    return [
        allow("VerifyInTheAccount", "codebuild:StartBuild", project, **as_it_is),
        allow("StopTheBuild", "codebuild:StopBuild", project),
        allow("FollowTheBuild", "codebuild:BatchGetBuilds", project),
        allow("ReadItsLog", "logs:GetLogEvents", logs),
    ]


def _looking(arn: str, model: str, owner: str | None, keys: Sequence[str] = _OPEN) -> list[Statement]:
    return [
        # Of the whole bucket: whoever may not list it is told 403 of an object that is not there, as of a forbidden
        # one. Source: Amazon S3 API Reference, GetObject, "Permissions". With a condition on the prefix, which a GET
        # does not have, the same.
        allow("List", "s3:ListBucket", arn, **owned(owner)),
        allow("Read", _GET, [f"{arn}/models/{model}/{key}" for key in keys], **owned(owner)),
    ]


def _key(key_arn: str | None, *actions: str) -> list[Statement]:
    return [allow("UseTheKey", list(actions), key_arn)] if key_arn else []


def _arn(partition: str, bucket: str) -> str:
    return f"arn:{partition}:s3:::{bucket}"
