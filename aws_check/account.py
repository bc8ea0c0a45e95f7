"""The account that a check is run in: who calls, and what of it is everybody's."""

import shutil
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from aws_check.engine import OLDEST, engine_version
from aws_check.errors import RefusedError

_LOGGING_ROLE = "cloudwatchRoleArn"


@dataclass(frozen=True)
class Account:
    """Credentials that work, with their region."""

    profile: str | None
    region: str
    number: str
    """The account's twelve digits."""
    caller: str
    """The ARN of who calls."""

    def client(self, service: str) -> Any:
        """A client with these credentials."""
        return self.session().client(service)

    def session(self) -> Any:
        """A session with these credentials."""
        return boto3.session.Session(profile_name=self.profile, region_name=self.region)


def open_account(profile: str | None, region: str | None) -> Account:
    """Return the account that the caller's credentials open.

    Raises:
        RefusedError: there are no credentials, none that work, or no region.

    """
    try:
        session = boto3.session.Session(profile_name=profile, region_name=region)
        if session.get_credentials() is None:
            raise RefusedError(
                "there are no AWS credentials: run `aws configure` or `aws sso login`, or set AWS_PROFILE"
            )
        if session.region_name is None:
            raise RefusedError("there is no AWS region: give --region, or set AWS_REGION")
        found = session.client("sts").get_caller_identity()
    except (BotoCoreError, ClientError) as error:
        raise RefusedError(f"AWS does not take the credentials ({error}): run `aws sts get-caller-identity`") from error
    return Account(profile, session.region_name, found["Account"], found["Arn"])


def require_engine() -> None:
    """Raise RefusedError where there is no Pulumi on PATH, or one that is too old."""
    pulumi, oldest = shutil.which("pulumi"), ".".join(map(str, OLDEST))
    if pulumi is None:
        raise RefusedError(f"pulumi is not on PATH: install {oldest} or newer, https://www.pulumi.com/docs/install/")
    found = engine_version(pulumi)
    if found < OLDEST:
        version = ".".join(map(str, found))
        raise RefusedError(f"{pulumi} is Pulumi {version}: install {oldest} or newer")


def logging_role(account: Account) -> str:
    """The role by which API Gateway writes the logs of all REST APIs of the region; empty where there is none."""
    return str(account.client("apigateway").get_account().get(_LOGGING_ROLE, ""))


def remove_logging_role(account: Account, role: str) -> None:
    """Take this role from API Gateway and delete it. The caller has seen that there was none before."""
    if logging_role(account) == role:
        patch = [{"op": "replace", "path": f"/{_LOGGING_ROLE}", "value": ""}]
        account.client("apigateway").update_account(patchOperations=patch)
    iam, name = account.client("iam"), role.rpartition("/")[2]
    try:
        for policy in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
            iam.detach_role_policy(RoleName=name, PolicyArn=policy["PolicyArn"])
        iam.delete_role(RoleName=name)
    except iam.exceptions.NoSuchEntityException:  # an attempt before this one has deleted it
        return


def empty_bucket(account: Account, bucket: str) -> None:
    """Delete every version of every object; a bucket that is not there is empty.

    Its policy, which lets nobody do that, goes before.
    """
    s3 = account.client("s3")
    try:
        s3.delete_bucket_policy(Bucket=bucket)
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            for version in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
                s3.delete_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])
    except ClientError as error:
        if error.response["Error"]["Code"] not in {"NoSuchBucket", "404"}:
            raise
