"""The registry's bucket by the name of its stack."""

import re
from collections.abc import Callable

import pytest

from aws_check.errors import EngineError
from model_registry import Registry
from tests.pulumi.conftest import BUCKET
from tests.pulumi.stacks import EngineStack

REGISTRY = "organization/sklearn-on-lambda/registry"


def test_a_stack_takes_the_bucket_from_the_outputs_of_the_registrys_stack(
    stack: Callable[..., EngineStack], models: Registry
) -> None:
    models.tag("iris/1", "dev")
    seen = stack("by-stack", tag="dev", registryBucket=REGISTRY).preview()
    assert "iris@dev: new, version 1" in seen.output
    assert re.search(rf'registryBucket +: "{BUCKET}"', seen.output)


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize(
    ("own", "named", "said"),
    [
        ("unread", "nothing", "whose outputs cannot be read: name the stack of the registry"),
        ("without", "without", "with the outputs none and without registryBucket"),
    ],
)
def test_a_stack_without_the_output_is_refused_in_one_line(
    stack: Callable[..., EngineStack], own: str, named: str, said: str
) -> None:
    name = f"organization/sklearn-on-lambda/{named}"
    wrong = stack(own, tag="dev", registryBucket=name)
    with pytest.raises(EngineError) as refused:
        wrong.preview()
    assert f"registryBucket is {name}, a stack" in str(refused.value)
    assert said in str(refused.value)
    assert "Traceback" not in str(refused.value)
