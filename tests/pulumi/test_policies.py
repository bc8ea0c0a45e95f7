"""The policy pack of docs/pulumi.md, run by Pulumi's engine."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from aws_check.errors import EngineError
from model_registry import Registry
from tests.pulumi.stacks import EngineStack
from tests.pulumi.ways import block


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """The page's pack, with its packages in an environment of its own."""
    folder = tmp_path / "pack"
    folder.mkdir()
    (folder / "PulumiPolicy.yaml").write_text(block("PulumiPolicy.yaml", "yaml", page="pulumi.md"))
    (folder / "__main__.py").write_text(block("policies", page="pulumi.md"))
    uv = [sys.executable, "-m", "uv", "--quiet"]
    subprocess.run([*uv, "venv", "--python", sys.executable, folder / "venv"], check=True)
    install = ["pip", "install", "--no-config", "--python", str(folder / "venv"), "pulumi-policy==1.21.0"]
    subprocess.run([*uv, *install], cwd=folder, check=True)
    return folder


@pytest.mark.soak
def test_a_pack_refuses_an_api_that_anybody_may_call(
    stack: Callable[..., EngineStack], models: Registry, pack: Path
) -> None:
    models.tag("iris/1", "dev")
    policed = stack("policed", tag="dev")
    with pytest.raises(EngineError) as refused:
        policed.preview("--policy-pack", str(pack))
    assert "[mandatory]  closed-apis  (aws:apigateway:Method: iris-policed-api-post-predict)" in str(refused.value)
    assert "anybody may call it: set apiKey or authorization" in str(refused.value)
    assert "it logs no requests: set requestLog" in str(refused.value)

    policed.set(apiKey="true")
    policed.preview("--policy-pack", str(pack))
    assert "anybody may call it" not in policed.output
    assert "it logs no requests: set requestLog" in policed.output

    policed.set(requestLog="on")
    policed.preview("--policy-pack", str(pack))
    assert "set requestLog" not in policed.output
