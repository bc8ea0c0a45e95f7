"""The guide's recipe, done as written: wheels by `pip download`, unpacked, zipped; a function that loads its model.

It is the baseline. It gets the same versions of the same packages as the model's own layer, and the same fetched model.
"""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.cold import EVENT, ColdStart
from benchmarks.environments import ROOT, run_uv
from local.ministack import LocalAws
from model_registry import Release
from model_registry.lambda_packages.platform import runtime_for
from model_registry.lambda_packages.spec import LayerSpec
from model_runtime.manifest import MODEL_FILE, version_key

ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""What the function's own variables say of threads, for every side."""
FUNCTION = Path(__file__).with_name("guide_function.py")
# Older than any wheel that is looked for: manylinux2014 is glibc 2.17.
_OLDEST_GLIBC = 17


@dataclass(frozen=True)
class GuideLayer:
    """The layer's tree, as it is below /opt, and its zip."""

    opt: Path
    archive: Path

    @property
    def unzipped_bytes(self) -> int:
        """Sum of the files' lengths, which is what Lambda counts."""
        return sum(path.stat().st_size for path in self.opt.rglob("*") if path.is_file())

    @property
    def zip_bytes(self) -> int:
        """Length of the zip."""
        return self.archive.stat().st_size


def build(folder: Path, spec: LayerSpec, cache: Path) -> GuideLayer:
    """Download, unpack and zip into a new folder; `cache` is pip's."""
    opt = unpack(folder, spec, cache)
    return GuideLayer(opt, Path(shutil.make_archive(str(folder / "layer"), "zip", opt)))


def unpack(folder: Path, spec: LayerSpec, cache: Path | None = None) -> Path:
    """Download wheels and unpack them as below /opt; `cache` is pip's, its own by default."""
    wheels, opt = folder / "wheels", folder / "opt"
    _download(wheels, spec, cache)
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(opt / spec.runtime.site_packages)
    return opt


def _download(wheels: Path, spec: LayerSpec, cache: Path | None) -> None:
    machine = spec.runtime.platform(spec.architecture).partition("-")[0]
    newest = int(spec.runtime.image.glibc.partition(".")[2])
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in range(newest, _OLDEST_GLIBC - 1, -1)]
    subprocess.run(  # noqa: S603  # the project's own pip
        [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
            *("--dest", str(wheels), "--no-deps", "--only-binary", ":all:"),
            *(["--cache-dir", str(cache)] if cache else []),
            *("--python-version", spec.python, "--implementation", "cp"),
            *(option for platform in [*platforms, f"manylinux2014_{machine}"] for option in ("--platform", platform)),
            *(f"{name}=={version}" for name, version in spec.packages),
        ],
        check=True,
    )


def boto3_of_the_runtime() -> Path:
    """A folder with boto3 and its bytecode, as Lambda's own runtime ships it: it costs the guide's layer nothing."""
    version = metadata.version("boto3")
    folder = ROOT / ".local" / "benchmarks" / f"boto3-{version}-{sys.implementation.cache_tag}"
    ready = folder / ".ready"
    if not ready.exists():
        install = ("pip", "install", "--compile-bytecode", "--python", sys.executable)
        run_uv(*install, "--target", folder, f"boto3=={version}")
        ready.touch()
    return folder


def cold_start(
    folder: Path,
    opt: Path,
    ours: ColdStart,
    aws: LocalAws,
    *,
    bucket: str,
    release: Release,
    handler: str = "from_bucket",
    event: Any = EVENT,
) -> ColdStart:
    """The guide's function with its unpacked layer, started by the same program in the same way as `ours`."""
    task = folder / "task"
    task.mkdir(parents=True)
    shutil.copyfile(FUNCTION, task / FUNCTION.name)
    manifest = release.manifest
    path = [task, opt / runtime_for(manifest.environment.python).site_packages, boto3_of_the_runtime()]
    *start, _handler, _event = ours.command
    return replace(
        ours,
        command=(*start, f"{FUNCTION.stem}.{handler}", json.dumps(event)),
        environment={
            "PATH": os.defpath,
            "LANG": "C.UTF-8",
            "PYTHONPATH": os.pathsep.join(map(str, path)),
            "PYTHONDONTWRITEBYTECODE": "1",
            **ONE_THREAD,  # the guide does not say so; without it the baseline would be slower
            **aws.environment(),
            "MODEL_BUCKET": bucket,
            "MODEL_KEY": version_key(manifest.name, manifest.version, MODEL_FILE),
            "MODEL_FILE": str(folder / MODEL_FILE),
        },
        folder=folder,
    )
