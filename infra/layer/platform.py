"""Lambda's Python runtimes and what their operating system means for wheels.

Source of the table: "Lambda runtimes" and "Building Lambda functions with Python" in the AWS Lambda developer guide.
Runtimes up to python3.11 run on Amazon Linux 2 (glibc 2.26), python3.12 and newer on Amazon Linux 2023 (glibc 2.34).
python3.10 is left out: it is deprecated since the end of October 2026 and older than this project's own minimum.
"""

from dataclasses import dataclass

from infra.layer.errors import UnsupportedArchitectureError, UnsupportedPythonError


@dataclass(frozen=True)
class Runtime:
    """One of Lambda's Python runtimes."""

    python: str  # "3.12"
    system: str  # the operating system's name
    glibc: str
    wheels: str  # the newest platform tag that uv knows and the glibc can load

    @property
    def name(self) -> str:
        """Lambda's identifier, such as `python3.12`."""
        return f"python{self.python}"

    @property
    def site_packages(self) -> str:
        """Where the packages lie, relative to the layer's root and to `/opt` in the function."""
        return f"python/lib/{self.name}/site-packages"

    def platform(self, architecture: str) -> str:
        """Name the wheels' platform for `uv --python-platform`."""
        return f"{_ARCHITECTURES[architecture]}-{self.wheels}"

    def __str__(self) -> str:
        return f"{self.name} ({self.system}, glibc {self.glibc})"


def _amazon_linux_2(python: str) -> Runtime:
    return Runtime(python, "Amazon Linux 2", "2.26", "manylinux2014")


def _amazon_linux_2023(python: str) -> Runtime:
    return Runtime(python, "Amazon Linux 2023", "2.34", "manylinux_2_34")


RUNTIMES: dict[str, Runtime] = {
    runtime.python: runtime
    for runtime in (
        _amazon_linux_2("3.11"),
        _amazon_linux_2023("3.12"),
        _amazon_linux_2023("3.13"),
        _amazon_linux_2023("3.14"),
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
            f"Lambda has no runtime for Python {python!r}. Train the model with one of {', '.join(RUNTIMES)} "
            "(major and minor version only)."
        ) from error


def lambda_runtime(python: str) -> str:
    """Name Lambda's runtime for a Python minor version: `3.12` gives `python3.12`.

    Raises UnsupportedPythonError.
    """
    return runtime_for(python).name


def check_architecture(architecture: str) -> None:
    """Raise UnsupportedArchitectureError unless Lambda has this architecture."""
    if architecture not in _ARCHITECTURES:
        raise UnsupportedArchitectureError(
            f"Lambda has no architecture {architecture!r}. Use one of {', '.join(ARCHITECTURES)}."
        )
