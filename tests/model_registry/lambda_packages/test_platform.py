"""Lambda's runtimes."""

import pytest

from model_registry.lambda_packages.platform import lambda_runtime, runtime_for


@pytest.mark.parametrize(
    ("python", "architecture", "platform", "glibc"),
    [
        ("3.11", "x86_64", "x86_64-manylinux2014", "2.26"),
        ("3.12", "x86_64", "x86_64-manylinux_2_34", "2.34"),
        ("3.14", "arm64", "aarch64-manylinux_2_34", "2.34"),
    ],
)
def test_the_wheels_platform_follows_from_runtime_and_architecture(
    python: str, architecture: str, platform: str, glibc: str
) -> None:
    runtime = runtime_for(python)
    assert (runtime.platform(architecture), runtime.image.glibc) == (platform, glibc)
    assert lambda_runtime(python) == f"python{python}"
    assert runtime.site_packages == f"python/lib/python{python}/site-packages"
