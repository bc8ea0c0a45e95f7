"""The components under the real engine: stacks of earlier releases go over to them, and lose nothing."""

from pathlib import Path

import pytest

from model_registry import Registry
from tests.pulumi.conftest import new_stack
from tests.pulumi.inventory import inventory
from tests.pulumi.stacks import EngineStack, Project, make_project

BEFORE = Path(__file__).parent / "programs" / "before_components.py"


@pytest.fixture(scope="module")
def earlier(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy of the project whose program declares its resources in the stack itself, as earlier releases did."""
    made = make_project(tmp_path_factory.mktemp("earlier"), project.folder.parent / "tools" / "pulumi", project.aws)
    (made.folder / "__main__.py").write_text(BEFORE.read_text())
    return made


@pytest.mark.parametrize(
    "settings", [{"alarmTopicArn": "arn:aws:sns:us-east-1:000000000000:alarms", "dashboard": True, "apiKey": True}]
)
def test_a_stack_of_an_earlier_release_goes_over_and_replaces_nothing(
    earlier: Project, project: Project, models: Registry, tmp_path: Path, settings: dict[str, object]
) -> None:
    """Every resource keeps its identity; what was deployed is known from the stack's outputs."""
    models.tag("iris/1", "dev")
    stack = new_stack(earlier, tmp_path, "earlier", tag="dev", **settings).up()
    before, url = inventory(earlier.aws), stack.outputs["invokeUrl"]
    program = (project.folder / "__main__.py").read_text()
    (earlier.folder / "__main__.py").write_text(program)
    for command in (stack.preview, stack.up):
        command()
        assert set(stack.counts()) == {"same"}
        assert "iris@dev: 1, unchanged" in stack.output
    assert inventory(earlier.aws) == before
    assert stack.outputs["invokeUrl"] == url
    stack.up()
    assert "iris@dev: 1, unchanged" in stack.output, "now from the component's own outputs"
    stack.destroy()


def test_the_registry_of_an_earlier_release_goes_over_and_replaces_nothing(
    earlier: Project, project: Project, tmp_path: Path
) -> None:
    (earlier.folder / "__main__.py").write_text(BEFORE.read_text())
    stack = EngineStack(
        earlier.aws, "registry", tmp_path, {"registryBucket": "models-of-an-earlier-release"}, project=earlier
    )
    stack.init().up()
    before = inventory(earlier.aws)
    (earlier.folder / "__main__.py").write_text((project.folder / "__main__.py").read_text())
    for command in (stack.preview, stack.up, stack.up):
        command()
        assert set(stack.counts()) == {"same"}
    assert inventory(earlier.aws) == before
    earlier.pulumi("state", "unprotect", "--all", "--yes", "--stack", "registry")
    stack.destroy()
