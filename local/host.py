"""This machine, as far as the local AWS depends on it: functions run on it, so their layers are made for it."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from local.errors import LocalError
from model_registry.lambda_packages.platform import LINUX, MACOS, SYSTEM_VARIABLE

_SYSTEMS = {"Linux": LINUX, "Darwin": MACOS}
_ARCHITECTURES = {"x86_64": "x86_64", "amd64": "x86_64", "arm64": "arm64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Host:
    """A system, and what Lambda calls its instruction set."""

    system: str
    architecture: str


def host_of(system: str, machine: str) -> Host:
    """The host of these names of `uname`; LocalError for one on which the local AWS does not run.

    WSL is Linux in all that counts here.
    """
    if system == "Windows":
        raise LocalError("the local AWS does not run on Windows itself: run it in WSL (`wsl --install`)")
    if system not in _SYSTEMS or machine.lower() not in _ARCHITECTURES:
        raise LocalError(f"the local AWS does not run on {system} {machine}: use Linux or macOS on x86_64 or arm64")
    return Host(_SYSTEMS[system], _ARCHITECTURES[machine.lower()])


def this_host() -> Host:
    """The host that this program runs on."""
    return host_of(platform.system(), platform.machine())


@contextmanager
def layers_for(host: Host) -> Iterator[None]:
    """Have layers made for the host's system in the block, in this process; Lambda's own is Linux."""
    before = os.environ.get(SYSTEM_VARIABLE)
    os.environ[SYSTEM_VARIABLE] = host.system
    try:
        yield
    finally:
        if before is None:
            del os.environ[SYSTEM_VARIABLE]
        else:
            os.environ[SYSTEM_VARIABLE] = before
