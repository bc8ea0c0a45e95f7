"""docs/start-your-own.md, as it stands there: registry, training, and the ways to a served model, from the wheel.

And the program of docs/pulumi.md that has no folder.
"""

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from aws_check.errors import EngineError
from local.iris import call
from local.ministack import LocalAws
from model_registry import Registry
from tests.local.stacks import registry_of
from tests.pulumi.programs.other import OtherProgram
from tests.pulumi.stacks import Project
from tests.pulumi.ways import (
    BUCKET,
    block,
    empty_program,
    make_team,
    new_project,
    program,
    registry_program,
)

TOPIC = "arn:aws:sns:us-east-1:000000000000:alarms"
ROW = {"calls": 9, "months": 2}


@pytest.fixture(scope="module")
def team(engine: Path, cloud: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return make_team(tmp_path_factory.mktemp("team"), engine, cloud)


@pytest.fixture(scope="module")
def published(team: Project, tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """The registry of the page's first program, with the model of its second."""
    folder = tmp_path_factory.mktemp("registry")
    registry = registry_program(team, folder)
    registry.up()
    assert registry.outputs == {"registryBucket": BUCKET}
    (folder / "train.py").write_text(block("train"))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "train.py"],
        cwd=folder, env=team.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return registry_of(team.aws, BUCKET)


def test_the_component_serves_the_readers_model(team: Project, published: Registry, tmp_path: Path) -> None:
    """And then takes the output of another resource, which is not known when the program starts."""
    assert published.resolve("churn@dev").manifest.version == 1
    own = program(team, tmp_path, "own", block("python"))
    own.up()
    assert own.post(ROW).body["label"] == "leaves"

    watched = (
        block("python")
        .replace('"tag": "dev"', '"tag": "dev", "alarm_topic_arn": topic')
        .replace(
            "\nchurn =",
            f"import pulumi_aws as aws\n\ntopic = aws.s3.Bucket('late').id.apply(lambda _: '{TOPIC}')\nchurn =",
        )
    )
    (own.folder / "__main__.py").write_text(watched)
    own.pulumi("preview")
    own.up()
    alarms = team.aws.client("cloudwatch").describe_alarms(AlarmNamePrefix="churn-alarms")["MetricAlarms"]
    assert {action for alarm in alarms for action in alarm["AlarmActions"]} == {TOPIC}
    (own.folder / "__main__.py").write_text(watched.replace(":sns:", ":sqs:"))
    with pytest.raises(EngineError, match=r"alarmTopicArn is 'arn:aws:sqs:.*it must be the ARN of an SNS topic"):
        own.up()
    own.destroy()


@pytest.fixture
def generated(
    team: Project, published: Registry, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[OtherProgram]:
    """A project that `pulumi new` has made of the template, with the answers of somebody."""
    name = "served" if request.node.get_closest_marker("soak") else "forecasts"  # a backend has a name once
    assert published.resolve("churn@dev").manifest.version == 1
    own = empty_program(team, tmp_path)
    own.pulumi(*shlex.split(new_project(name))[1:])
    yield own
    own.pulumi("destroy", "--yes", "--skip-preview")


def test_the_template_is_a_project_under_its_own_name(generated: OtherProgram) -> None:
    project = (generated.folder / "Pulumi.yaml").read_text()
    assert project.startswith("name: forecasts\ndescription: Ours\n")
    stack = (generated.folder / "Pulumi.dev.yaml").read_text()
    assert "forecasts:model: churn\n  forecasts:registryBucket: " in stack
    assert "forecasts:tag: dev" in stack
    said = generated.pulumi("preview")
    assert "churn@dev: new, version 1" in said
    assert "sklearn-on-lambda:index:SklearnModel churn-dev" in said


@pytest.mark.soak
def test_the_template_serves_the_readers_model(generated: OtherProgram) -> None:
    generated.up()
    assert generated.post(ROW).body["label"] == "leaves"
    curl = generated.outputs["curl"]
    done = subprocess.run(curl, shell=True, capture_output=True, text=True, check=True)  # noqa: S602  # as people paste it
    assert json.loads(done.stdout)["model"] == "churn"


@pytest.mark.soak
def test_a_program_without_a_folder_serves_the_readers_model(
    team: Project, published: Registry, tmp_path: Path
) -> None:
    """By the Automation API."""
    assert published.resolve("churn@dev").manifest.version == 1
    (tmp_path / "automated.py").write_text(block("automation", page="pulumi.md"))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "automated.py"],
        cwd=tmp_path, env=team.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    changes, url = done.stdout.rsplit(maxsplit=1)
    assert "'create':" in changes
    assert call(url, ROW).body["label"] == "leaves"
