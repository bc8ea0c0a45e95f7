"""Requirement markers as they hold in Lambda, whatever machine they are evaluated on."""

from packaging.requirements import Requirement

from model_registry.lambda_packages.platform import ARCHITECTURES, machine


def needed_in_lambda(requirement: Requirement, python: str, *, extra: str = "") -> bool:
    """Whether a requirement holds in Lambda's runtime of a Python minor version, on any of its architectures.

    A macOS or Windows machine that asks gets the same answer. The patch version is taken to be 0.
    """
    if requirement.marker is None:
        return True
    common = {
        "implementation_name": "cpython",
        "implementation_version": f"{python}.0",
        "os_name": "posix",
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": f"{python}.0",
        "python_version": python,
        "sys_platform": "linux",
        "extra": extra,
    }
    marker = requirement.marker
    return any(marker.evaluate({**common, "platform_machine": machine(name)}) for name in ARCHITECTURES)
