"""Prove that a version still answers as recorded, in an environment made from its manifest alone.

The model runs in a process of its own, without the caller's environment variables, and so without credentials
given there. That is no sandbox: a pickle can do all that its user may do on this machine. Verify what you trust.
"""

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import model_runtime
from model_registry import interpreters
from model_registry.reference import Reference
from model_runtime.errors import VerificationError
from model_runtime.manifest import FORMAT_FILES, MANIFEST_FILE, Environment, Manifest

if TYPE_CHECKING:
    from model_registry.registry import Registry

Progress = Callable[[str], None]

# What the runtime imports; a model that pins it decides which.
_OUR_PACKAGE, _OUR_REQUIREMENT = "msgspec", "msgspec>=0.19"
_PROGRAM = "import sys; sys.path.insert(0, sys.argv[1]); from model_runtime.replay import main; main(*sys.argv[2:])"
# These would change what is installed, or refuse pins that are right. Indexes and certificates stay as configured.
_DROPPED = frozenset(
    {"UV_CONSTRAINT", "UV_EXCLUDE_NEWER", "UV_NO_BINARY", "UV_OVERRIDE", "UV_PROJECT", "UV_PYTHON", "UV_REQUIRE_HASHES"}
)
_TAIL = 6
_REPLAY_SECONDS = 600


@dataclass(frozen=True)
class Verification:
    """A version that answered every golden example as recorded, by each format in an environment of its own.

    `python` and `packages` are those of the format `sklearn`.
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
    registry: "Registry", address: str | Reference, *, progress: Progress = lambda _line: None
) -> Verification:
    """Check a version's digests, rebuild its environment in a temporary folder, load it there and replay its examples.

    So for each of its formats, with what that needs.
    `progress` gets a line for each step. Raises VerificationError with the differing answers, or with uv's last lines
    where the environment cannot be built; IntegrityError where the bytes are others, before anything is done.
    """
    started = time.monotonic()
    release = registry.resolve(address)
    manifest = release.manifest
    if not manifest.examples:
        raise VerificationError(f"{manifest.reference} has no golden examples to replay: publish it again with some")
    progress(f"reading {manifest.reference}")
    names = [name for name in FORMAT_FILES if name in manifest.format_names]
    models = {name: registry.read_model(release, name) for name in names}
    for name, data in models.items():
        with tempfile.TemporaryDirectory(prefix="verify-") as temporary:
            folder = Path(temporary)
            python = _build(manifest, name, folder, progress)
            progress(f"replaying {len(manifest.examples)} golden examples by {name}")
            (folder / MANIFEST_FILE).write_bytes(release.manifest_bytes)
            (folder / FORMAT_FILES[name]).write_bytes(data)
            found = _replay(manifest, name, folder, python)
        if found["mismatches"]:
            raise VerificationError(_told(manifest, name, found))
    return Verification(
        reference=manifest.reference,
        python=manifest.environment.python,
        packages=len(manifest.environment.packages),
        examples=len(manifest.examples),
        seconds=time.monotonic() - started,
        formats=tuple(names),
    )


def _build(manifest: Manifest, model_format: str, folder: Path, progress: Progress) -> Path:
    """Make a format's environment below a folder and return its interpreter."""
    environment, venv = manifest.model_format(model_format).environment, folder / "venv"
    progress(f"making an environment with Python {environment.python}")
    where = f"the environment of {manifest.reference} cannot be built"
    _uv(["venv", "--no-project", "--python", environment.python, str(venv)], folder, where)
    progress(f"installing {len(environment.packages)} packages")
    python = venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    # Wheels only: building a package would run its code here, with the caller's credentials. A layer needs them too.
    install = ["pip", "install", "--python", str(python), "--no-deps", "--only-binary", ":all:"]
    _uv([*install, "--", *_requirements(environment)], folder, where)
    return python


def _requirements(environment: Environment) -> list[str]:
    pins = [f"{name}=={version}" for name, version in environment.packages.items()]
    return pins if _OUR_PACKAGE in environment.packages else [*pins, _OUR_REQUIREMENT]


def _uv(arguments: Sequence[str], folder: Path, where: str) -> None:
    done = subprocess.run(  # noqa: S603  # uv's own path, and pins behind `--`
        [_find_uv(), "--color", "never", "--no-progress", *arguments],
        cwd=folder.anchor,  # uv looks for a project in this folder and above it: the root has none
        env={name: value for name, value in os.environ.items() if name not in _DROPPED}
        | {"PATH": interpreters.search_path()},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise VerificationError(f"{where}, uv says: {_tail(done.stderr)}")


def _find_uv() -> str:
    try:
        import uv  # here: it is in an extra

        return str(uv.find_uv_bin())
    except (ImportError, FileNotFoundError) as error:
        on_path = shutil.which("uv")
        if on_path is None:
            raise VerificationError(
                "verifying needs uv, which is not installed: run `pip install uv`, or install the extra `deploy`"
            ) from error
        return on_path


def _replay(manifest: Manifest, model_format: str, folder: Path, python: Path) -> dict[str, Any]:
    code = folder / "code"
    runtime = Path(model_runtime.__file__).parent
    shutil.copytree(runtime, code / runtime.name, ignore=shutil.ignore_patterns("__pycache__"))
    home = folder / "home"
    home.mkdir()
    try:
        done = subprocess.run(  # noqa: S603  # the interpreter that was just made, and our own program
            [str(python), "-I", "-c", _PROGRAM, str(code), str(folder), model_format],
            cwd=home,
            env={"HOME": str(home), "TMPDIR": str(home), "PATH": os.defpath} | _windows_needs(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            timeout=_REPLAY_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise VerificationError(
            f"{_what(manifest, model_format)} did not answer its golden examples within {_REPLAY_SECONDS} s: it may "
            "hang; load it by hand in its environment"
        ) from error
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else {}
    if not found or "error" in found:
        said = found.get("error") or f"exit code {done.returncode}, {_tail(done.stderr)}"
        raise VerificationError(
            f"{_what(manifest, model_format)} does not run in its own environment ({said}): "
            "publish it again from the environment that trained it"
        )
    return found


def _windows_needs() -> dict[str, str]:
    """Windows starts no program without its own folder; nothing elsewhere."""
    return {"SYSTEMROOT": os.environ["SYSTEMROOT"]} if "SYSTEMROOT" in os.environ else {}


def _what(manifest: Manifest, model_format: str) -> str:
    return manifest.reference if model_format == "joblib" else f"{manifest.reference} by {model_format}"


def _told(manifest: Manifest, model_format: str, found: dict[str, Any]) -> str:
    mismatches = "; ".join(
        f"{json.dumps(each['input'])} gives {json.dumps(each['answer'])}, recorded is {json.dumps(each['recorded'])}"
        for each in found["mismatches"]
    )
    count = f"{len(found['mismatches'])} of {found['examples']}"
    return (
        f"{_what(manifest, model_format)} answers {count} golden examples otherwise than recorded: {mismatches}. "
        "Publish it again from the environment that trained it"
    )


def _tail(text: str) -> str:
    return "\n".join([line for line in text.splitlines() if line.strip()][-_TAIL:])
