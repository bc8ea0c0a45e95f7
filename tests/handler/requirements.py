"""Write what the function needs with the digests of its wheels for Lambda: `python -m tests.handler.requirements`.

The versions are those of requirements.lock; the wheels are asked of the index, for each runtime and architecture.
"""

from pathlib import Path

from packaging.requirements import Requirement

from model_registry.lambda_packages.digests import digests_of
from model_registry.lambda_packages.platform import ARCHITECTURES, RUNTIMES

ROOT = Path(__file__).parents[2]
FILES = ("requirements.txt", "requirements-signing.txt")


def locked() -> dict[str, tuple[str, frozenset[str]]]:
    """The version and the digests that requirements.lock has of each package."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8").replace("\\\n", " ")
    found = {}
    for line in text.splitlines():
        pin, *hashes = line.partition(" --hash=")[0], *line.split("--hash=sha256:")[1:]
        if not line.startswith((" ", "#")) and "==" in pin:
            requirement = Requirement(pin)
            (specifier,) = requirement.specifier
            found[requirement.name] = (specifier.version, frozenset(each.strip() for each in hashes))
    return found


def names_of(text: str) -> list[str]:
    """The packages of one of the files."""
    return [line.partition("==")[0] for line in text.splitlines() if line[:1].isalpha()]


def page(text: str) -> str:
    """The file anew: its comment, and each package with its digests."""
    versions = {name: locked()[name][0] for name in names_of(text)}
    # Empty for 3.11 on arm64, as obstore has no wheel for Amazon Linux 2 there: no layer has them either.
    found = [digests_of(versions, python, architecture) for python in RUNTIMES for architecture in ARCHITECTURES]
    lines = [line for line in text.splitlines() if line.startswith("#")]
    for name, version in versions.items():
        hashes = sorted({each[name][0] for each in found if each})
        lines.append(" \\\n    ".join([f"{name}=={version}", *(f"--hash=sha256:{sha256}" for sha256 in hashes)]))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    for file in FILES:
        path = ROOT / "handler" / file
        path.write_text(page(path.read_text(encoding="utf-8")), encoding="utf-8")
