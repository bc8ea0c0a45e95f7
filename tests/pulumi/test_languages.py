"""The components in programs of other languages, which Pulumi's engine deploys with the component host."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.iris import PROJECT
from model_registry import Registry
from sklearn_on_lambda import hosting
from tests.pulumi.conftest import BUCKET
from tests.pulumi.engine import pinned_version
from tests.pulumi.inventory import inventory
from tests.pulumi.programs.other import STACK, OtherProgram
from tests.pulumi.stacks import Project
from tests.pulumi.ways import block
from training.train_iris import GUIDE_EVENT

PROGRAM: dict[str, Any] = yaml.safe_load(
    block("Pulumi.yaml", "yaml").replace("PATH/TO/sklearn-on-lambda", str(PROJECT)).replace("churn", "iris")
)
"""The program of docs/start-your-own.md, for Iris."""
PROPERTIES = PROGRAM["resources"]["iris"]["properties"]
PROPERTIES |= {"registryBucket": BUCKET, "memory": 512, "tags": {"team": "forecasting"}}
PROGRAM["outputs"] |= {"function": "${iris.functionName}", "version": "${iris.modelVersion}"}


def test_the_schema_for_other_languages_describes_every_input_and_output() -> None:
    schema = json.loads(hosting.Host().schema or "{}")
    resources = schema["resources"]
    assert resources.keys() == {f"sklearn-on-lambda:index:{name}" for name in ("ModelRegistryBucket", "SklearnModel")}
    for resource in resources.values():
        assert resource["description"]
        assert resource["isComponent"]
        assert resource["requiredInputs"] == ["registryBucket"]
        for members in (resource["inputProperties"], resource["properties"]):
            assert [name for name, member in members.items() if not member.get("description")] == []
    inputs = resources["sklearn-on-lambda:index:SklearnModel"]["inputProperties"]
    assert "plain" not in inputs["kmsKeyArn"], "a key may be made by the same program"
    assert inputs["memory"]["plain"], "how much memory is known before"


def test_a_program_in_yaml_deploys_iris_and_goes_on_from_what_it_has_deployed(
    project: Project, models: Registry, tmp_path: Path, language_host: Callable[[str], Path]
) -> None:
    models.tag("iris/1", "dev")
    before = inventory(project.aws)
    program = OtherProgram(tmp_path / "program", project, language_host("yaml"))
    (program.folder / "Pulumi.yaml").write_text(yaml.safe_dump(PROGRAM))
    said = program.up()
    assert "iris@dev: new, version 1" in said
    assert program.post(GUIDE_EVENT).body["label"] == "virginica"
    function = project.aws.client("lambda").get_function_configuration(FunctionName=program.outputs["function"])
    assert (function["MemorySize"], program.outputs["version"]) == (512, 1)
    said = program.up()
    assert "iris@dev: 1, unchanged" in said
    assert program.changes(said) == {"unchanged"}
    program.destroy()
    assert inventory(project.aws) == before


def test_a_bad_value_in_another_language_is_refused_in_one_line(
    project: Project,
    models: Registry,  # noqa: ARG001  # it fills the registry
    tmp_path: Path,
    language_host: Callable[[str], Path],
) -> None:
    program = OtherProgram(tmp_path / "program", project, language_host("yaml"))
    resources = {"iris": PROGRAM["resources"]["iris"] | {"properties": PROPERTIES | {"memory": 5}}}
    (program.folder / "Pulumi.yaml").write_text(yaml.safe_dump(PROGRAM | {"resources": resources}))
    with pytest.raises(Exception, match="memory is 5, it must be from 128 to 10240 MB: the argument") as refused:
        program.up()
    assert "infra/model.py" not in str(refused.value), f"a traceback is for bugs: {refused.value}"


@pytest.fixture
def typescript(project: Project, tmp_path: Path, language_host: Callable[[str], Path]) -> OtherProgram:
    """A program in TypeScript, checked by its compiler, with Pulumi's SDK."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not on PATH: TypeScript's SDK and compiler come by it")
    program = OtherProgram(tmp_path / "program", project, language_host("nodejs"))
    folder = program.folder
    (folder / "package.json").write_text('{"name": "of-a-team", "private": true, "main": "iris.ts"}')
    (folder / "tsconfig.json").write_text(
        '{"compilerOptions": {"strict": true, "module": "nodenext", "target": "es2020"}}'
    )
    sdk = f"@pulumi/pulumi@{pinned_version().removeprefix('v')}"
    install = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", sdk, "typescript@5.9.3"]
    subprocess.run(install, cwd=folder, check=True, capture_output=True)
    shutil.copy(PROJECT / "tests" / "pulumi" / "programs" / "iris.ts", folder)
    subprocess.run(["node_modules/.bin/tsc", "--noEmit", "--project", "."], cwd=folder, check=True)
    plugin = {"name": hosting.PACKAGE, "path": str(PROJECT / "components")}
    settings = {"name": "of-a-team-in-typescript", "runtime": "nodejs", "plugins": {"providers": [plugin]}}
    (folder / "Pulumi.yaml").write_text(yaml.safe_dump(settings))
    return program


@pytest.mark.soak
def test_a_program_in_typescript_deploys_iris(project: Project, models: Registry, typescript: OtherProgram) -> None:
    models.tag("iris/1", "dev")
    before = inventory(project.aws)
    typescript.pulumi("stack", "init", STACK)
    typescript.pulumi("config", "set", "registryBucket", BUCKET)
    typescript.up()
    assert typescript.outputs["version"] == 1
    assert typescript.post(GUIDE_EVENT).body["label"] == "virginica"
    assert typescript.changes(typescript.up()) == {"unchanged"}
    typescript.destroy()
    assert inventory(project.aws) == before


WITH_SDK = """\
import { SklearnModel } from "@pulumi/sklearn-on-lambda";

const iris = new SklearnModel("iris-sdk", { registryBucket: "BUCKET", tag: "dev", memory: 512 });

export const url = iris.invokeUrl;
"""


@pytest.mark.soak
def test_typescript_takes_the_sdk_that_pulumi_makes_of_the_schema(models: Registry, typescript: OtherProgram) -> None:
    if shutil.which("pulumi-language-nodejs") is None:
        pytest.skip("pulumi-language-nodejs is not on PATH: it comes with the Pulumi CLI; the one of Go makes no SDK")
    models.tag("iris/1", "dev")
    typescript.pulumi("package", "add", str(PROJECT / "components"))
    (typescript.folder / "iris.ts").write_text(WITH_SDK.replace("BUCKET", BUCKET))
    subprocess.run(["node_modules/.bin/tsc", "--noEmit", "--project", "."], cwd=typescript.folder, check=True)
    typescript.pulumi("stack", "init", "sdk")
    assert "iris@dev: new, version 1" in typescript.pulumi("preview")
