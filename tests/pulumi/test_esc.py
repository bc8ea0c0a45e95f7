"""The environment of Pulumi ESC in docs/pulumi.md: what it gives is all that a stack needs."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from local.iris import PROJECT
from local.ministack import REGION, LocalAws
from model_registry import Registry
from tests.pulumi.conftest import BUCKET
from tests.pulumi.stacks import EngineStack, Project
from tests.pulumi.ways import block

EVALUATOR = PROJECT / "tests" / "pulumi" / "esc"


def opened(environment: str, providers: dict[str, dict[str, str]]) -> dict[str, Any]:
    """What Pulumi's evaluator makes of an environment, with what its providers would give."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("Go is not on PATH: it builds the evaluator of Pulumi ESC")
    done = subprocess.run(
        [go, "run", "-mod=readonly", ".", json.dumps(providers)],
        cwd=EVALUATOR, input=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def session(aws: LocalAws) -> dict[str, str]:
    """Credentials that expire, as a login gives them."""
    given = aws.client("sts").get_session_token()["Credentials"]
    names = ("AccessKeyId", "SecretAccessKey", "SessionToken")
    return {name[0].lower() + name[1:]: given[name] for name in names}


@pytest.mark.soak
def test_a_stack_has_its_bucket_region_and_credentials_from_an_environment(
    project: Project, models: Registry, tmp_path: Path
) -> None:
    models.tag("iris/1", "dev")
    text = block("the environment sklearn-on-lambda/dev", "yaml", page="pulumi.md")
    text = text.replace("models-of-example-corp", BUCKET).replace("eu-central-1", REGION)
    environment = opened(text, {"aws-login": session(project.aws)})
    assert environment["pulumiConfig"] == {"aws:region": REGION, "sklearn-on-lambda:registryBucket": BUCKET}

    variables = {key: value for key, value in project.environment.items() if not key.startswith(("AWS_ACC", "AWS_SEC"))}
    bare = Project(project.folder, variables, project.aws)
    of_esc = EngineStack(project.aws, "of-esc", tmp_path, {"tag": "dev"}, project=bare).init()
    for key, value in environment["pulumiConfig"].items():
        bare.pulumi("config", "set", key, value, "--stack", "of-esc")
    with pytest.raises(Exception, match="credentials"):
        of_esc.preview()
    seen = of_esc.preview(**environment["environmentVariables"])
    assert "iris@dev: new, version 1" in seen.output
