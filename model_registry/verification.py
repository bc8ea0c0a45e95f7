"""Prove that a version still answers as recorded, in an environment made from its manifest alone.

The model runs in its own process, without the caller's environment variables, and where the system can give that
without network and the caller's files and processes (`model_registry.isolation`). Where it cannot, a pickle can do
whatever its user may do on this machine, and a warning says so (logger `model_registry.verification`; on stderr unless
logging is set up).
"""

import json
import logging
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from model_registry import isolation, processes
from model_registry.environments import environment_for
from model_registry.lambda_packages.pinned import hashes_here
from model_registry.reference import Reference
from model_registry.release import Release
from model_registry.shipping import OWN_CODE, RUNTIME, layer_packages
from model_registry.stored_wheels import chosen
from model_runtime.errors import EnvironmentBuildError, VerificationError
from model_runtime.manifest import FORMAT_FILES, GOLDEN_FILE, MANIFEST_FILE, FormatName, Manifest

Progress = Callable[[str], None]

_LOG = logging.getLogger("model_registry.verification")

_PROGRAM = (
    "import sys; code, folder, model_format, *packages = sys.argv[1:]; sys.path[:0] = [code, *packages]; "
    "from model_runtime.replay import main; "
    f"sys.path.insert(0, folder + '/{OWN_CODE}'); main(folder, model_format)"
)
_TAIL = 6
_REPLAY_SECONDS = 600


class Reader(Protocol):
    """What is needed of a registry."""

    def resolve(self, address: str | Reference) -> Release:
        """Find a version."""

    def check_model(self, release: Release, *, leave_out: Collection[str] = ()) -> None:
        """Compare its files with their digests, but those that are left out."""

    def save_model(self, release: Release, path: Path, model_format: str = "joblib") -> None:
        """Write its model in a format's form, checked."""

    def own_code(self, release: Release) -> dict[str, Path]:
        """Its own code, checked and unpacked."""

    def wheels(self, release: Release) -> tuple[Path, ...]:
        """Its packages that are on no index, checked."""

    def golden_bytes(self, release: Release) -> bytes | None:
        """The file of its recorded rows, checked, where it has one."""


@dataclass(frozen=True)
class Verification:
    """A version that answered every golden example as recorded, by each format in an environment of its own.

    `python` and `packages` are those of the format `joblib`.
    """

    reference: str
    python: str
    packages: int
    examples: int
    seconds: float
    formats: tuple[str, ...] = ("joblib",)

    def __str__(self) -> str:
        further = f", and by {', '.join(self.formats[1:])} with theirs" if self.formats[1:] else ""
        return (
            f"{self.reference} answers {self.examples} golden examples as recorded, "
            f"with Python {self.python} and its {self.packages} packages{further}"
        )


def verify_version(
    registry: Reader,
    address: str | Reference | Release,
    *,
    model_format: str | None = None,
    progress: Progress = lambda _line: None,
) -> Verification:
    """Check a version's digests, load each of its formats in an environment of its own and replay the golden examples.

    With a `model_format` only that one is loaded, and the files of all are checked. `progress` gets a line for each
    step.

    Raises:
        ModelFormatError: the version does not have the format.
        IntegrityError: the bytes are not those that were published; nothing was done.
        VerificationError: answers differ, the model does not load, or its environment cannot be built.

    """
    started = time.monotonic()
    release = address if isinstance(address, Release) else registry.resolve(address)
    manifest = release.manifest
    if not manifest.examples:
        raise VerificationError(f"{manifest.reference} has no golden examples to replay: publish it again with some")
    progress(f"reading {manifest.reference}")
    if model_format is not None:
        manifest.model_format(model_format)
    names = [name for name in FORMAT_FILES if name in manifest.format_names and model_format in (None, name)]
    # Those that are loaded are checked as they are fetched, which for large ones takes long.
    registry.check_model(release, leave_out=[manifest.model_format(name).artifact.file for name in names])
    own, wheels, asked = registry.own_code(release), registry.wheels(release), 0
    for name in names:
        with saved(registry, release, name, own) as folder:
            python = _environment(manifest, name, wheels, progress)
            progress(f"replaying {len(manifest.examples)} golden examples by {name}")
            asked = replay(manifest, name, folder, [python, "-I"])
    return Verification(
        reference=manifest.reference,
        python=manifest.environment.python,
        packages=len(manifest.environment.packages),
        examples=asked,
        seconds=time.monotonic() - started,
        formats=tuple(names),
    )


@contextmanager
def saved(registry: Reader, release: Release, model_format: FormatName, own_code: Mapping[str, Path]) -> Iterator[Path]:
    """A folder with all that `replay` needs of a version, until the block ends; IntegrityError for another model."""
    with tempfile.TemporaryDirectory(prefix="verify-") as temporary:
        folder = Path(temporary)
        registry.save_model(release, folder / FORMAT_FILES[model_format], model_format)
        (folder / MANIFEST_FILE).write_bytes(release.manifest_bytes)
        golden = registry.golden_bytes(release)
        if golden is not None:
            (folder / GOLDEN_FILE).write_bytes(golden)
        for file, path in own_code.items():
            (folder / OWN_CODE / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, folder / OWN_CODE / file)
        yield folder


def replay(
    manifest: Manifest,
    model_format: FormatName,
    folder: Path,
    python: Sequence[str | Path],
    *,
    packages: Path | None = None,
    readable: Sequence[Path] = (),
    variables: Mapping[str, str] = MappingProxyType({}),
) -> int:
    """Have a version's golden examples answered by one of its formats in a process of its own; returns how many.

    Args:
        manifest: The version's.
        model_format: One of its formats.
        folder: What `saved` made of them.
        python: What starts the interpreter of its environment.
        packages: The folder of the environment's packages, where the interpreter does not know it.
        readable: Folders besides the interpreter's environment that the process needs.
        variables: Environment variables that the process has besides.

    Raises:
        VerificationError: the model does not load, or answers differently than recorded.

    """
    code, home = folder / "code", folder / "home"
    arguments = [*python, "-c", _PROGRAM, code, folder, model_format, *([packages] if packages else [])]
    environment = {**processes.bare_environment(home), **variables}
    command = isolation.isolated(arguments, variables=environment, cwd=folder, writable=folder, readable=readable)
    if command is None:
        _LOG.warning(
            "%s is loaded with your files, your processes and the network: neither bubblewrap nor namespaces of users "
            "work on this system, so nothing keeps the model's code from them",
            _what(manifest, model_format),
        )
    found = _replay(manifest, model_format, folder, (command or arguments, environment))
    if found["mismatches"]:
        raise VerificationError(_told(manifest, model_format, found))
    return int(found["examples"])


def _environment(manifest: Manifest, model_format: str, wheels: Sequence[Path], progress: Progress) -> Path:
    """Return the interpreter of a format's environment: the one that its proof uses too."""
    environment = manifest.model_format(model_format).environment
    packages, wheels = layer_packages(environment.packages), chosen(wheels, environment.packages)
    try:
        hashes = hashes_here(environment)
        return environment_for(packages, environment.python, wheels=wheels, hashes=hashes, progress=progress)
    except EnvironmentBuildError as error:
        raise VerificationError(f"the environment of {manifest.reference} cannot be built: {error}") from error


def _replay(
    manifest: Manifest,
    model_format: str,
    folder: Path,
    process: tuple[Sequence[str | Path], Mapping[str, str]],
) -> dict[str, Any]:
    command, environment = process
    shutil.copytree(RUNTIME, folder / "code" / RUNTIME.name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "home").mkdir()
    try:
        done = processes.run(command, cwd=folder, env=environment, seconds=_REPLAY_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise VerificationError(
            f"{_what(manifest, model_format)} did not answer its golden examples within {_REPLAY_SECONDS} s: it may "
            "hang; load it by hand in its environment"
        ) from error
    found = _said(done.stdout) if done.returncode == 0 else {}
    if not found or "error" in found:
        said = found.get("error") or f"exit code {done.returncode}, {_tail(done.stderr)}"
        raise VerificationError(
            f"{_what(manifest, model_format)} does not run in its own environment ({said}): "
            "publish it again from the environment that trained it"
        )
    return found


def _said(printed: str) -> dict[str, Any]:
    """What the process found; empty where the model's own code ended it, or printed something else in its place."""
    try:
        found = json.loads(printed.splitlines()[-1])
    except (IndexError, ValueError):
        return {}
    whole = isinstance(found, dict) and ("error" in found or {"examples", "mismatches"} <= found.keys())
    return found if whole else {}


def _what(manifest: Manifest, model_format: str) -> str:
    return manifest.reference if model_format == "joblib" else f"{manifest.reference} by {model_format}"


def _told(manifest: Manifest, model_format: str, found: dict[str, Any]) -> str:
    mismatches = "; ".join(map(_mismatch, found["mismatches"]))
    count = f"{len(found['mismatches'])} of {found['examples']}"
    return (
        f"{_what(manifest, model_format)} answers {count} golden examples differently than recorded: {mismatches}. "
        "Publish it again from the environment that trained it"
    )


def _mismatch(found: dict[str, Any]) -> str:
    if "row" in found:
        raised = f" (it raised {found['raised']})" if "raised" in found else ""
        return f"recorded row {found['row']}{raised}"
    answer, recorded = json.dumps(found["answer"]), json.dumps(found["recorded"])
    return f"{json.dumps(found['input'])} gives {answer}, recorded is {recorded}"


def _tail(text: str) -> str:
    return "\n".join([line for line in text.splitlines() if line.strip()][-_TAIL:])
