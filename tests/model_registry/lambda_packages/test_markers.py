"""Markers hold or not for Lambda, wherever they are evaluated."""

import sys

import pytest
from packaging.requirements import Requirement

from model_registry.lambda_packages.markers import needed_in_lambda


@pytest.mark.parametrize("publisher", ["linux", "darwin", "win32"])
@pytest.mark.parametrize(
    ("text", "needed"),
    [
        ("numpy", True),
        ("numpy ; sys_platform == 'linux'", True),
        ("nvidia-nccl-cu13 ; platform_system == 'Linux'", True),
        ("colorama ; sys_platform == 'win32'", False),
        ("appnope ; platform_system == 'Darwin'", False),
        ("cffi ; platform_python_implementation != 'CPython'", False),
        ("x ; platform_machine == 'aarch64'", True),
        ("x ; platform_machine == 'AMD64'", False),
        ("backport ; python_version < '3.12'", False),
        ("backport ; python_full_version >= '3.12.0'", True),
        ("plots ; extra == 'full'", False),
    ],
)
def test_the_publishers_machine_does_not_matter(
    text: str, publisher: str, monkeypatch: pytest.MonkeyPatch, *, needed: bool
) -> None:
    monkeypatch.setattr(sys, "platform", publisher)
    assert needed_in_lambda(Requirement(text), "3.12") is needed


def test_an_extra_that_was_asked_for_holds() -> None:
    assert needed_in_lambda(Requirement("plots ; extra == 'full'"), "3.12", extra="full")
