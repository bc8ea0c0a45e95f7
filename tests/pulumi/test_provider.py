"""The provider of these tests: what it refuses, and that it replaces as pulumi-aws does."""

from pathlib import Path

import pytest

from aws_check.errors import EngineError
from local.ministack import LocalAws
from tests.pulumi.inventory import added, inventory
from tests.pulumi.stacks import EngineStack, make_project

ROLE = """
import json, pulumi, pulumi_aws as aws
config = pulumi.Config()
trust = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
role = aws.iam.Role("made-up", path=config.get("path") or "/", description=config.get("description") or "first",
                    assume_role_policy=json.dumps(trust))
given = aws.iam.Role("given", name="given-by-the-program", path=config.get("path") or "/",
                     assume_role_policy=json.dumps(trust))
pulumi.export("name", role.name)
pulumi.export("account", aws.get_caller_identity_output().account_id)
"""
SETTINGS = "name: sklearn-on-lambda\nruntime: python\n"


@pytest.fixture
def program(engine: Path, cloud: LocalAws, tmp_path: Path) -> EngineStack:
    """A stack of a project with a program of the test's own, which it writes to `__main__.py`."""
    project = make_project(tmp_path, engine, cloud)
    (project.folder / "Pulumi.yaml").write_text(SETTINGS)
    return EngineStack(cloud, "own", tmp_path, {}, project=project)


def test_a_replaced_resource_gets_another_name_unless_the_program_gives_it(program: EngineStack) -> None:
    """A made-up name is kept by an update. A given one is deleted first, as two cannot have it."""
    (program.project.folder / "__main__.py").write_text(ROLE)
    before = inventory(program.aws)
    program.init().up()
    first = program.outputs["name"]
    assert first.startswith("made-up-")
    assert program.outputs["account"] == "000000000000"

    program.set(description="second")
    program.up()
    assert program.actions == {"made-up": "update", "given": "same"}
    assert program.outputs["name"] == first
    assert program.aws.client("iam").get_role(RoleName=first)["Role"]["Description"] == "second"

    program.set(path="/elsewhere/")
    program.up()
    assert program.actions == {"made-up": "replace", "given": "replace"}
    assert program.outputs["name"] != first
    assert added(before, inventory(program.aws)) == {"roles": 2}
    assert program.aws.client("iam").get_role(RoleName="given-by-the-program")["Role"]["Path"] == "/elsewhere/"
    program.destroy()
    assert inventory(program.aws) == before


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ('aws.dynamodb.Table("rows", attributes=[])', "no aws:dynamodb/table:Table"),
        ('aws.cloudwatch.LogGroup("logs", name_prefix="x")', "sets namePrefix"),
        ("aws.get_availability_zones()", "aws:index/getAvailabilityZones:getAvailabilityZones"),
    ],
)
def test_what_it_does_not_have_is_refused_by_name(program: EngineStack, declared: str, words: str) -> None:
    (program.project.folder / "__main__.py").write_text(f"import pulumi_aws as aws\n{declared}\n")
    with pytest.raises(EngineError) as refused:
        program.init().preview()
    assert words in str(refused.value)
