import io
import json
import zipfile
from pathlib import Path

import pytest
from pulumi import AssetArchive, FileArchive, RemoteAsset, StringAsset

from local.errors import UnsupportedError
from local.resources import RESOURCES
from local.resources.assets import content
from tests.local.made import (
    ALIAS,
    FUNCTION,
    LAYER,
    PERMISSION,
    READ,
    ROLE,
    ROLE_POLICY,
    TRUST,
    Made,
    make_bucket,
    make_function,
)


def test_a_function_runs_with_its_layer_and_settings(made: Made) -> None:
    """It is published, and what it imports comes from the layer."""
    lambda_ = made.aws.client("lambda")
    function = make_function(made)
    assert (
        function["name"]
        == RESOURCES[FUNCTION].complete(FUNCTION, f"urn:pulumi:dev::test::{FUNCTION}::{made.name}", {})["name"]
    )
    read = lambda_.get_function_configuration(FunctionName=function["name"], Qualifier="1")
    assert read["MemorySize"] == 256
    assert read["Timeout"] == 7
    assert read["Environment"] == {"Variables": {"lower_case": "1"}}
    assert read["TracingConfig"] == {"Mode": "Active"}
    assert read["EphemeralStorage"] == {"Size": 1024}
    assert read["LoggingConfig"]["LogFormat"] == "JSON"
    assert [layer["Arn"] for layer in read["Layers"]] == [made.outputs[LAYER]["arn"]]
    assert made.outputs[LAYER]["version"] == "1"
    assert function["version"] == "1"
    assert function["qualifiedArn"] == f"{function['arn']}:1"
    assert function["qualifiedInvokeArn"].endswith(f"{function['arn']}:1/invocations")
    concurrency = lambda_.get_function_concurrency(FunctionName=function["name"])
    assert concurrency["ReservedConcurrentExecutions"] == 2
    answer = json.load(lambda_.invoke(FunctionName=function["name"], Qualifier="1")["Payload"])
    assert answer == {"statusCode": 200, "body": "from the layer"}


def test_an_updated_function_is_a_new_version_to_which_the_alias_moves(made: Made) -> None:
    """The old version stays as it was; an input that has gone has its default again."""
    lambda_ = made.aws.client("lambda")
    function = make_function(made)
    name = function["name"]
    made.make(ALIAS, name="live", functionName=name, functionVersion="1", description="points")
    del made.inputs[FUNCTION]["environment"], made.inputs[FUNCTION]["reservedConcurrentExecutions"]
    code = "def handler(event, context):\n    return 'new'\n"
    updated = made.update(FUNCTION, code=AssetArchive({"app.py": StringAsset(code)}), memorySize=512)
    assert updated["version"] == "2"
    made.update(ALIAS, functionVersion="2")
    assert lambda_.get_alias(FunctionName=name, Name="live")["FunctionVersion"] == "2"
    assert json.load(lambda_.invoke(FunctionName=name, Qualifier="live")["Payload"]) == "new"
    assert lambda_.get_function_configuration(FunctionName=name, Qualifier="1")["MemorySize"] == 256
    new = lambda_.get_function_configuration(FunctionName=name, Qualifier="2")
    assert new["MemorySize"] == 512
    assert new.get("Environment", {}).get("Variables", {}) == {}
    assert "ReservedConcurrentExecutions" not in lambda_.get_function_concurrency(FunctionName=name)


def test_a_permission_is_on_the_alias_and_is_replaced_in_place(made: Made) -> None:
    """One statement remains, with the new source."""
    lambda_ = made.aws.client("lambda")
    name = make_function(made)["name"]
    made.make(ALIAS, name="live", functionName=name, functionVersion="1")
    common = {"function": name, "qualifier": "live", "action": "lambda:InvokeFunction"}
    made.make(
        PERMISSION,
        **common,
        principal="apigateway.amazonaws.com",
        sourceArn="arn:aws:execute-api:us-east-1:000000000000:a/*",
    )
    made.update(PERMISSION, sourceArn="arn:aws:execute-api:us-east-1:000000000000:b/*")
    policy = json.loads(lambda_.get_policy(FunctionName=name, Qualifier="live")["Policy"])
    assert len(policy["Statement"]) == 1
    assert "execute-api:us-east-1:000000000000:b/*" in json.dumps(policy["Statement"][0]["Condition"])


def test_code_comes_from_a_folder_a_zip_or_its_members(tmp_path: Path) -> None:
    """A folder and a zip of it have the same members, and equal folders equal bytes."""
    (tmp_path / "code" / "deep").mkdir(parents=True)
    (tmp_path / "code" / "app.py").write_text("A = 1\n")
    (tmp_path / "code" / "deep" / "b.py").write_text("B = 2\n")
    packed = content(FileArchive(str(tmp_path / "code")))
    assert packed == content(FileArchive(str(tmp_path / "code")))
    assert zipfile.ZipFile(io.BytesIO(packed)).namelist() == ["app.py", "deep/b.py"]
    (tmp_path / "code.zip").write_bytes(packed)
    assert content(FileArchive(str(tmp_path / "code.zip"))) == packed
    nested = AssetArchive({"lib": FileArchive(str(tmp_path / "code")), "c.txt": StringAsset("c")})
    assert zipfile.ZipFile(io.BytesIO(content(nested))).namelist() == ["c.txt", "lib/app.py", "lib/deep/b.py"]
    with pytest.raises(UnsupportedError, match="does not fetch a RemoteAsset"):
        content(RemoteAsset("https://example.com/a"))


READER = """
import os, botocore.session
def handler(event, context):
    s3 = botocore.session.get_session().create_client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
    return s3.get_object(Bucket=event["bucket"], Key="key")["Body"].read().decode()
"""


def test_a_function_may_do_what_its_role_allows_and_no_more(made: Made) -> None:
    """IAM is enforced for the role's credentials, so that a missing right shows here and not on AWS."""
    lambda_ = made.aws.client("lambda")
    bucket = make_bucket(made)
    made.aws.client("s3").put_object(Bucket=bucket, Key="key", Body=b"read")
    role = made.make(ROLE, name=made.name, assumeRolePolicy=TRUST)
    code = AssetArchive({"app.py": StringAsset(READER)})
    common = {"role": role["arn"], "handler": "app.handler", "runtime": "python3.12", "timeout": 20}
    name = made.make(FUNCTION, **common, name=made.name, code=code)["name"]

    def ask() -> str:
        return str(lambda_.invoke(FunctionName=name, Payload=json.dumps({"bucket": bucket}))["Payload"].read())

    assert "AccessDenied" in ask()
    made.make(ROLE_POLICY, role=made.name, name="read", policy=READ)
    assert ask() == str(b'"read"')
