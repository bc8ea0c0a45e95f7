"""Lambda's Python runtimes and what their operating systems mean for wheels.

Source of the table: "Lambda runtimes" and "Building Lambda functions with Python" in the AWS Lambda developer guide.
Runtimes up to python3.11 run on Amazon Linux 2 (glibc 2.26), python3.12 and newer on Amazon Linux 2023 (glibc 2.34).
python3.10 is left out: it is deprecated since the end of October 2026 and older than this project's own minimum.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from model_registry.lambda_packages.errors import UnsupportedArchitectureError, UnsupportedPythonError

LINUX, MACOS = "linux", "macos"
SYSTEM_VARIABLE = "SKLEARN_ON_LAMBDA_LAYER_SYSTEM"
"""The local AWS sets it, which runs functions on the machine that it runs on: the system that layers are made for."""


@dataclass(frozen=True)
class Image:
    """What Lambda's image of an operating system has for shared objects to link to.

    `libraries` are the names that wheels link to in practice, of those that are there; `symbols` is the newest version
    of each family of symbol versions.
    """

    system: str
    glibc: str
    wheels: str  # the newest platform tag that uv knows and the glibc can load
    libraries: frozenset[str]
    symbols: Mapping[str, str]


# From listings of /lib64 of Lambda's images in the repository brefphp/aws-lambda-layers, read in November 2026: of
# Amazon Linux 2 in utils/lib-check/al2-x64.txt; of Amazon Linux 2023 in utils/lib-copy/libs-x86.txt (libgcc of June
# 2023) and libs-arm.txt (January 2025), of which the older counts. None has libgomp, libquadmath, libgfortran, libX11
# or libGL.
_EVERYWHERE = frozenset(
    {
        *("ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1", "libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2"),
        *("librt.so.1", "libutil.so.1", "libresolv.so.2", "libanl.so.1", "libBrokenLocale.so.1"),
        *("libgcc_s.so.1", "libstdc++.so.6", "libz.so.1", "libbz2.so.1", "liblzma.so.5", "libuuid.so.1"),
        *("libsqlite3.so.0", "libxml2.so.2", "libcurl.so.4"),
    }
)
# The symbol versions are those of glibc, of libstdc++.so.6.0.24 and 6.0.29 (GCC manual of libstdc++, "ABI Policy and
# Guidelines"), of libgcc since GCC 7 and of zlib.
_AMAZON_LINUX_2 = Image(
    "Amazon Linux 2",
    "2.26",
    "manylinux2014",
    _EVERYWHERE | {"libcrypt.so.1", "libnsl.so.1", "libssl.so.10", "libcrypto.so.10", "libffi.so.6"},
    {"GLIBC": "2.26", "GLIBCXX": "3.4.24", "CXXABI": "1.3.11", "GCC": "7.0.0", "ZLIB": "1.2.5.2"},
)
_AMAZON_LINUX_2023 = Image(
    "Amazon Linux 2023",
    "2.34",
    "manylinux_2_34",
    _EVERYWHERE | {"libssl.so.3", "libcrypto.so.3", "libffi.so.8", "libzstd.so.1", "liblz4.so.1"},
    {"GLIBC": "2.34", "GLIBCXX": "3.4.29", "CXXABI": "1.3.13", "GCC": "7.0.0", "ZLIB": "1.2.9"},
)


@dataclass(frozen=True)
class Runtime:
    """One of Lambda's Python runtimes."""

    python: str  # "3.12"
    image: Image

    @property
    def name(self) -> str:
        """Lambda's identifier, such as `python3.12`."""
        return f"python{self.python}"

    @property
    def site_packages(self) -> str:
        """Where the packages lie, relative to the layer's root and to `/opt` in the function."""
        return f"python/lib/{self.name}/site-packages"

    def platform(self, architecture: str, system: str = LINUX) -> str:
        """Name the wheels' platform for `uv --python-platform`; of another system than Lambda's for the local AWS."""
        if system == MACOS:
            return f"{_ARCHITECTURES[architecture]}-apple-darwin"
        return f"{_ARCHITECTURES[architecture]}-{self.image.wheels}"

    def __str__(self) -> str:
        return f"{self.name} ({self.image.system}, glibc {self.image.glibc})"


RUNTIMES: dict[str, Runtime] = {
    runtime.python: runtime
    for runtime in (
        Runtime("3.11", _AMAZON_LINUX_2),
        Runtime("3.12", _AMAZON_LINUX_2023),
        Runtime("3.13", _AMAZON_LINUX_2023),
        Runtime("3.14", _AMAZON_LINUX_2023),
    )
}

# Lambda's name of an architecture -> the wheels' name.
_ARCHITECTURES = {"x86_64": "x86_64", "arm64": "aarch64"}
ARCHITECTURES = tuple(_ARCHITECTURES)


def runtime_for(python: str) -> Runtime:
    """Look up the runtime of a Python minor version such as `3.12`.

    Raises UnsupportedPythonError.
    """
    try:
        return RUNTIMES[python]
    except KeyError as error:
        raise UnsupportedPythonError(
            f"Lambda has no runtime for Python {python!r}: train the model with one of {', '.join(RUNTIMES)} "
            "(major and minor version only)"
        ) from error


def layer_system() -> str:
    """The system that layers are made for: Lambda's, unless the local AWS says otherwise."""
    return os.environ.get(SYSTEM_VARIABLE, LINUX)


def machine(architecture: str) -> str:
    """Name an architecture of Lambda's as wheels and `uname` do: `arm64` is `aarch64`."""
    return _ARCHITECTURES[architecture]


def lambda_runtime(python: str) -> str:
    """Name Lambda's runtime for a Python minor version: `3.12` gives `python3.12`.

    Raises UnsupportedPythonError.
    """
    return runtime_for(python).name


def check_architecture(architecture: str) -> None:
    """Raise UnsupportedArchitectureError unless Lambda has this architecture."""
    if architecture not in _ARCHITECTURES:
        raise UnsupportedArchitectureError(
            f"Lambda has no architecture {architecture!r}: use one of {', '.join(ARCHITECTURES)}"
        )
