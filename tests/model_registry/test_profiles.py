"""Profiles by which people reach a registry: a role that another profile assumes, and whom its moves are by."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from local.ministack import LocalAws
from model_registry import Registry, Storage, roles
from model_registry.cli import app
from model_registry.identity import caller_identity
from model_runtime.errors import AccessDeniedError, CredentialsError
from tests.model_registry.processes import add

TRUST = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:root"}, "Action": "sts:AssumeRole"}


@pytest.fixture
def profile(
    aws: LocalAws, bucket: str, storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], None]:
    """The profiles `me`, an IAM user, and `promoter`, a role that `me` may assume and that may move the tag prod.

    What is called is given to the profile `promoter` as its settings. The environment has no credentials.
    """
    add(storage, "iris", b"1")
    iam, name = aws.client("iam"), f"of-{bucket}"
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=_document(TRUST))["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps(roles.promoter(bucket, "prod")))
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    assume = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": role}
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=_document(assume))
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL", "AWS_REGION"):
        monkeypatch.delenv(variable, raising=False)
    path = tmp_path / "config"
    monkeypatch.setenv("AWS_CONFIG_FILE", str(path))
    keys = f"aws_access_key_id = {key['AccessKeyId']}\naws_secret_access_key = {key['SecretAccessKey']}\n"
    place = f"region = us-east-1\nendpoint_url = {aws.url}\n"

    def write(settings: str) -> None:
        path.write_text(f"[profile me]\n{keys}{place}[profile promoter]\n{place}{settings.format(role=role)}\n")

    return write


def _document(statement: Mapping[str, object]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


ASSUMED = "role_arn = {role}\nsource_profile = me\nrole_session_name = ci"


def test_a_profile_that_assumes_a_role_works_and_is_who_moved(profile: Callable[[str], None], bucket: str) -> None:
    profile(ASSUMED)
    registry = Registry(Storage.open(bucket, profile="promoter"), actor=lambda: caller_identity("promoter"))
    move = registry.tag("iris/1", "prod").history[-1]
    assert move.by == f"arn:aws:sts::000000000000:assumed-role/of-{bucket}/ci"
    with pytest.raises(AccessDeniedError):
        registry.tag("iris/1", "dev")
    with pytest.raises(AccessDeniedError):  # the user alone may nothing but assume the role
        Registry(Storage.open(bucket, profile="me"), actor="x").resolve("iris/1")


def test_the_command_line_takes_such_a_profile_by_option_and_by_variable(
    profile: Callable[[str], None], bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile(ASSUMED)
    tag = ["tag", "iris/1", "prod", "--bucket", bucket]
    done = CliRunner().invoke(app, [*tag, "--profile", "promoter"])
    assert done.exit_code == 0, done.stderr
    monkeypatch.setenv("AWS_PROFILE", "promoter")
    done = CliRunner().invoke(app, ["history", "iris@prod", "--bucket", bucket, "--json"])
    assert "assumed-role" in json.loads(done.stdout)["history"][0]["by"], done.stderr


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("role_arn = {role}-none\nsource_profile = me", "AssumeRole"),
        ("role_arn = {role}\nsource_profile = nobody", "nobody"),
        ("role_arn = {role}\nsource_profile = promoter", "promoter"),
        ("role_arn = {role}", "missing: source_profile"),
    ],
)
def test_a_role_that_cannot_be_assumed_is_one_line(
    profile: Callable[[str], None], bucket: str, settings: str, said: str
) -> None:
    profile(settings)
    with pytest.raises(CredentialsError) as raised:
        Storage.open(bucket, profile="promoter").read("models/iris/versions/1/manifest.json")
    assert said in str(raised.value)
    done = CliRunner().invoke(app, ["resolve", "iris/1", "--bucket", bucket, "--profile", "promoter"])
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1), done.stderr
