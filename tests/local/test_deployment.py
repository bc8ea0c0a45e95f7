import dataclasses
import json
import os
import signal
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pulumi
import pytest
from botocore.exceptions import ClientError

from infra import policies
from local.deployment import deploy
from local.errors import ApiModelError, ConfigError, LocalError, UnsupportedError
from local.ministack import LocalAws
from local.monitor import SECRET
from local.resources import RESOURCES

SETTINGS = """
name: {name}
runtime: python
config:
  memory: {{type: integer, default: 128}}
  token: {{type: string, default: hidden, secret: true}}
"""

API = '''
import json, pulumi, pulumi_aws as aws

class Served(pulumi.ComponentResource):
    """A function behind an API, as a component with children."""

    def __init__(self, name, memory):
        super().__init__("probe:index:Served", name)
        own = pulumi.ResourceOptions(parent=self)
        trust = {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
        role = aws.iam.Role(f"{name}-role", assume_role_policy=json.dumps(trust), opts=own)
        self.function = function = aws.lambda_.Function(
            f"{name}-function", role=role.arn, runtime="python3.12", handler="app.handler", memory_size=memory,
            code=pulumi.FileArchive("code"), publish=True, opts=own)
        alias = aws.lambda_.Alias(
            f"{name}-live", name="live", function_name=function.name, function_version=function.version, opts=own)
        api = aws.apigateway.RestApi(f"{name}-api", opts=own)
        validator = aws.apigateway.RequestValidator(
            f"{name}-validator", rest_api=api.id, validate_request_parameters=True, opts=own)
        parts = []
        for verb, parameters in (("GET", {"method.request.querystring.x": True}), ("POST", {})):
            method = aws.apigateway.Method(
                f"{name}-{verb}", rest_api=api, resource_id=api.root_resource_id, http_method=verb,
                authorization="NONE", request_validator_id=validator.id, request_parameters=parameters, opts=own)
            parts.append(aws.apigateway.Integration(
                f"{name}-{verb}-integration", rest_api=api.id, resource_id=api.root_resource_id,
                http_method=method.http_method, type="AWS_PROXY", integration_http_method="POST", uri=alias.invoke_arn,
                opts=own))
        aws.lambda_.Permission(
            f"{name}-permission", function=function.name, qualifier=alias.name, action="lambda:InvokeFunction",
            principal="apigateway.amazonaws.com", source_arn=pulumi.Output.concat(api.execution_arn, "/*/*"), opts=own)
        deployment = aws.apigateway.Deployment(
            f"{name}-deployment", rest_api=api.id, triggers={"content": "1"},
            opts=pulumi.ResourceOptions(parent=self, depends_on=parts))
        stage = aws.apigateway.Stage(
            f"{name}-stage", rest_api=api.id, deployment=deployment.id, stage_name=pulumi.get_stack(), opts=own)
        self.url = stage.invoke_url
        self.register_outputs({"url": self.url})

config = pulumi.Config()
served = Served("served", config.require_int("memory"))
pulumi.export("url", served.url)
pulumi.export("version", served.function.version)
'''

CODE = """
import dataclasses
import json
def handler(event, context):
    said = event["body"] if event["httpMethod"] == "POST" else event["queryStringParameters"]["x"]
    return {"statusCode": 200, "headers": {"X-Memory": context.memory_limit_in_mb}, "body": json.dumps(said)}
"""


class Project:
    """A Pulumi project in a folder of its own, with a state of its own."""

    def __init__(self, folder: Path, aws: LocalAws, name: str) -> None:
        self.folder = folder / "project"
        self.folder.mkdir()
        self.state = folder / "state"
        self.aws = aws
        (self.folder / "Pulumi.yaml").write_text(SETTINGS.format(name=name))
        (self.folder / "Pulumi.dev.yaml").write_text("config: {}\n")

    def deploy(self, program: str, **config: str) -> tuple[dict[str, Any], dict[str, str], list[str]]:
        """Deploy this program; return its outputs, the actions by name and the log."""
        (self.folder / "__main__.py").write_text(program)
        actions: dict[str, str] = {}
        log: list[str] = []

        def note(_type: str, name: str, action: str) -> None:
            actions[name] = action

        outputs = deploy(self.folder, "dev", self.aws, self.state, config=config, on_resource=note, on_log=log.append)
        return outputs, actions, log


@pytest.fixture
def project(tmp_path: Path, aws: LocalAws, unique: str) -> Project:
    return Project(tmp_path, aws, unique)


def answer(url: str, body: bytes | None = None) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, body) as response:  # noqa: S310  # the local AWS, by HTTP
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def bucket(name: str, more: str = "") -> str:
    return f"import pulumi, pulumi_aws as aws\nb = aws.s3.Bucket('models', bucket='{name}'{more})\n"


HOOKED = """
import pulumi, pulumi_aws as aws

def refuse(args, when):
    if args.new_inputs["tags"]["say"] == "no":
        raise ValueError(f"{args.urn.rpartition('::')[2]} is not to be {when}")
    pulumi.log.info(when)

def created(args):
    refuse(args, "created")

def updated(args):
    refuse(args, "updated")

hooks = pulumi.ResourceHookBinding(before_create=[created], before_update=[updated])
aws.iam.Role("held", assume_role_policy='%s', tags={"say": "%s"}, opts=pulumi.ResourceOptions(hooks=hooks))
"""


def test_a_hook_is_called_before_a_resource_is_created_or_updated_and_can_refuse_it(project: Project) -> None:
    trust = policies.trust("lambda.amazonaws.com")
    with pytest.raises(LocalError, match="held is not to be created"):
        project.deploy(HOOKED % (trust, "no"))
    assert project.deploy(HOOKED % (trust, "yes"))[2] == ["created"]
    assert project.deploy(HOOKED % (trust, "yes"))[2] == []
    with pytest.raises(LocalError, match="held is not to be updated"):
        project.deploy(HOOKED % (trust, "no"))
    assert project.deploy(HOOKED % (trust, "yes"))[1] == {"held": "same"}


def test_an_api_answers_over_http_through_deployments(project: Project) -> None:
    """GET and POST reach the function, the gateway refuses a missing parameter, and the URL survives a change."""
    (project.folder / "code").mkdir()
    (project.folder / "code" / "app.py").write_text(CODE)
    outputs, actions, _ = project.deploy(API)
    assert set(actions.values()) == {"create"}
    assert outputs["version"] == "1"
    assert answer(f"{outputs['url']}?x=1") == (200, '"1"')
    assert answer(outputs["url"], b"hello") == (200, '"hello"')
    status, body = answer(outputs["url"])
    assert (status, json.loads(body)["message"]) == (400, "Missing required request parameters: [x]")

    again, actions, _ = project.deploy(API)
    assert again == outputs
    assert set(actions.values()) == {"same"}

    changed, actions, _ = project.deploy(API, memory="256")
    assert (changed["url"], changed["version"]) == (outputs["url"], "2")
    assert {name for name, action in actions.items() if action != "same"} == {"served-function", "served-live"}

    (project.folder / "code" / "app.py").write_text(CODE.replace("json.dumps(said)", "'new'"))
    changed, actions, _ = project.deploy(API, memory="256")
    assert actions["served-function"] == "update"
    assert answer(f"{changed['url']}?x=1") == (200, "new")


def test_equal_inputs_call_nothing(project: Project, unique: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second deployment knows everything from its state."""
    first, _, _ = project.deploy(bucket(unique) + "pulumi.export('arn', b.arn)\n")
    monkeypatch.setattr(LocalAws, "client", lambda *_: pytest.fail("AWS was called"))
    second, actions, _ = project.deploy(bucket(unique) + "pulumi.export('arn', b.arn)\n")
    assert second == first == {"arn": f"arn:aws:s3:::{unique}"}
    assert actions == {"models": "same"}


def test_a_changed_resource_is_updated_or_created_anew(project: Project, unique: str, aws: LocalAws) -> None:
    """Tags are changed in place; another name makes another bucket, and the old one stays."""
    project.deploy(bucket(unique))
    assert project.deploy(bucket(unique, ", tags={'a': 'b'}"))[1] == {"models": "update"}
    assert aws.client("s3").get_bucket_tagging(Bucket=unique)["TagSet"] == [{"Key": "a", "Value": "b"}]
    assert project.deploy(bucket(f"{unique}-2"))[1] == {"models": "replace"}
    names = {found["Name"] for found in aws.client("s3").list_buckets()["Buckets"]}
    assert {unique, f"{unique}-2"} <= names


def test_a_file_counts_by_its_bytes(project: Project, unique: str, aws: LocalAws) -> None:
    """The same path with other bytes is a change; a touched file is none."""
    program = bucket(unique) + (
        "aws.s3.BucketObjectv2('data', bucket=b.bucket, key='data', source=pulumi.FileAsset('data.txt'))\n"
    )
    data = project.folder / "data.txt"
    data.write_text("one")
    project.deploy(program)
    os.utime(data, (0, 0))
    assert project.deploy(program)[1]["data"] == "same"
    data.write_text("two")
    assert project.deploy(program)[1]["data"] == "update"
    assert aws.client("s3").get_object(Bucket=unique, Key="data")["Body"].read() == b"two"


def test_outputs_are_plain_values_and_secrets_are_hidden(project: Project) -> None:
    """Also the ones that a resource or the configuration makes secret, and what is computed from them."""
    outputs, _, log = project.deploy("""
import pulumi, pulumi_aws as aws
config = pulumi.Config()
key = aws.apigateway.ApiKey("key", description=config.get_secret("token"))
pulumi.export("plain", {"list": [1, "a", pulumi.Output.from_input(True)]})
pulumi.export("given", pulumi.Output.secret("s"))
pulumi.export("config", config.require_secret("token").apply(len))
pulumi.export("input", key.description)
pulumi.export("output", pulumi.Output.concat("key is ", key.value))
pulumi.export("name", pulumi.get_project() + "/" + pulumi.get_stack())
pulumi.log.info("as you wish")
pulumi.log.warn("beware")
""")
    name = outputs.pop("name")
    assert name.endswith("/dev")
    assert outputs.pop("plain") == {"list": [1, "a", True]}
    assert outputs == dict.fromkeys(["given", "config", "input", "output"], SECRET)
    assert log == ["as you wish", "beware"]
    stored = project.state / "stacks" / "dev.json"
    assert stored.stat().st_mode & 0o077 == 0


def test_a_program_can_ask_who_and_where_it_is(project: Project) -> None:
    """The three lookups that programs use for ARNs are answered; another is refused by its name."""
    outputs, _, _ = project.deploy("""
import pulumi, pulumi_aws as aws
pulumi.export("account", aws.get_caller_identity().account_id)
pulumi.export("region", aws.get_region_output().region)
pulumi.export("partition", aws.get_partition().partition)
""")
    assert outputs == {"account": "000000000000", "region": "us-east-1", "partition": "aws"}
    with pytest.raises(UnsupportedError, match="calls aws:index/getAvailabilityZones:getAvailabilityZones"):
        project.deploy("import pulumi_aws as aws\naws.get_availability_zones()\n")


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("aws.sqs.Queue('queue')", r"^queue is of type aws:sqs/queue:Queue, which the local AWS does not have"),
        ("aws.s3.Bucket('models', acl='private')", r"^models \(aws:s3/bucket:Bucket\) sets acl, which the local AWS"),
        ("aws.s3.Bucket.get('old', 'its-id')", r"^old \(aws:s3/bucket:Bucket\) is an existing resource"),
        ("[aws.s3.Bucket('twin') for _ in '12']", "^duplicate resource URN .*twin': give the second twin another name"),
    ],
)
def test_what_the_local_aws_does_not_have_is_refused_by_name(project: Project, program: str, message: str) -> None:
    """Nothing of a program is dropped in silence."""
    with pytest.raises(LocalError, match=message):
        project.deploy(f"import pulumi_aws as aws\n{program}\n")


@pytest.mark.parametrize(
    ("program", "error", "message"),
    [
        ("raise pulumi.RunError('the tag is not set')", pulumi.RunError, "^the tag is not set$"),
        ("raise KeyError('x')", KeyError, "x"),
        ("raise ValueError('a') from KeyError('b')", ValueError, "^a$"),
        ("b.arn.apply(lambda arn: int(arn))", ValueError, "invalid literal"),
        ("raise SystemExit(3)", SystemExit, "3"),
        ("aws.s3.BucketVersioning('v', bucket='missing-one', versioning_configuration={'status': 'Enabled'})",
         ClientError, "NoSuchBucket"),
    ],
)  # fmt: skip
def test_an_error_surfaces_as_itself(
    project: Project, unique: str, program: str, error: type[BaseException], message: str
) -> None:
    """Neither gRPC nor Pulumi's own tasks stand between the caller and what went wrong."""
    with pytest.raises(error, match=message) as caught:
        project.deploy(bucket(unique) + program + "\n")
    assert caught.value.__cause__ is not caught.value
    assert isinstance(caught.value.__cause__, KeyError) == ("from KeyError" in program)
    assert project.deploy(bucket(unique))[1].keys() == {"models"}


def test_ctrl_c_ends_a_deployment_which_the_next_continues(project: Project, unique: str) -> None:
    """The interrupt reaches the caller, and what was created before it is known."""
    (project.folder / "__main__.py").write_text(bucket(unique))

    def interrupt(_type: str, _name: str, _action: str) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.2)

    with pytest.raises(KeyboardInterrupt):
        deploy(project.folder, "dev", project.aws, project.state, on_resource=interrupt)
    assert project.deploy(bucket(unique))[1] == {"models": "same"}


def test_a_failed_deployment_is_continued(project: Project, unique: str) -> None:
    """What was created before the end is known; the rest is created by the next."""
    policy = "p = aws.s3.BucketVersioning('v', bucket=b.bucket, versioning_configuration={'status': '%s'})\n"
    with pytest.raises(ApiModelError, match=r"^v \(aws:s3/bucketVersioning:BucketVersioning\): .*'Nonsense'"):
        project.deploy(bucket(unique) + policy % "Nonsense")
    assert project.deploy(bucket(unique) + policy % "Enabled")[1] == {"models": "same", "v": "create"}


def test_the_state_of_another_ministack_is_void(project: Project, unique: str, aws: LocalAws) -> None:
    """A restarted MiniStack is empty, so everything is created again."""
    project.deploy(bucket(unique))
    project.aws = dataclasses.replace(aws, started=aws.started - 100)
    assert project.deploy(bucket(unique))[1] == {"models": "create"}


def test_the_caller_gets_its_process_back(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program has its folder, its modules and the local credentials; the caller keeps its own."""
    monkeypatch.setenv("AWS_PROFILE", "mine")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://elsewhere")
    (project.folder / "beside_the_program.py").write_text("VALUE = 7\n")
    folder, path, environment = Path.cwd(), list(sys.path), dict(os.environ)
    outputs, _, _ = project.deploy("""
import os, pulumi, beside_the_program
pulumi.export("value", beside_the_program.VALUE)
pulumi.export("folder", os.getcwd())
pulumi.export("aws", {name: value for name, value in os.environ.items() if name.startswith("AWS_")})
""")
    assert outputs["value"] == 7
    assert outputs["folder"] == str(project.folder)
    assert "AWS_PROFILE" not in outputs["aws"]
    assert outputs["aws"]["AWS_ENDPOINT_URL"] == project.aws.url
    assert (Path.cwd(), sys.path, dict(os.environ)) == (folder, path, environment)


def test_a_wrong_configuration_runs_nothing(project: Project) -> None:
    """It is refused before the program starts."""
    with pytest.raises(ConfigError, match="of type 'integer'"):
        project.deploy("raise AssertionError('it ran')", memory="much")


def test_a_name_that_the_program_leaves_out_is_the_same_in_every_deployment(project: Project) -> None:
    """It is made from the logical name, as the provider does."""
    program = "import pulumi, pulumi_aws as aws\npulumi.export('name', aws.s3.Bucket('logs').bucket)\n"
    first = project.deploy(program)[0]["name"]
    assert first.startswith("logs-")
    assert project.deploy(program)[0]["name"] == first
    assert RESOURCES["aws:s3/bucket:Bucket"].named == "bucket"
