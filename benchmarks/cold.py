"""A cold start outside Lambda, as close to it as a process gets.

A fresh interpreter without site-packages gets the function's own files and the unpacked layer, as Lambda has them in
/var/task and /opt, and the variables that a deployment sets. It fetches the model from a local S3, verifies and loads
it, and answers one event. Neither the project's environment nor bytecode that an earlier start left takes part.
"""

import json
import os
import shutil
import subprocess
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from infra.function_code import ENTRY_POINT, bytecode, variables
from infra.inputs import model_layer
from infra.layer.build import Layer
from local.host import this_host
from local.ministack import LocalAws
from model_registry import Registry, Release, Storage
from model_registry.environments import find_interpreter
from model_registry.lambda_packages.platform import runtime_for
from model_registry.shipping import function_files
from model_runtime.manifest import FormatName
from training.train_iris import GUIDE_EVENT, publish, train

ARCHITECTURE = this_host().architecture
"""Lambda's name of this machine's architecture: the layer has to run here."""

EVENT = {
    "resource": "/predict",
    "path": "/predict",
    "httpMethod": "POST",
    "headers": {"Content-Type": "application/json"},
    "multiValueQueryStringParameters": None,
    "requestContext": {"stage": "dev"},
    "body": json.dumps(GUIDE_EVENT),
    "isBase64Encoded": False,
}
"""The guide's event as API Gateway passes it on."""

_PROGRAM = Path(__file__).with_name("first_answer.py")
_SECONDS = 120


@dataclass(frozen=True)
class FirstAnswer:
    """What one cold start gave and took."""

    seconds: float
    """From just before the process is created until its answer arrives."""
    peak_bytes: int
    """Peak of resident memory."""
    modules: Mapping[str, int]
    """How many modules the start imported, by their top-level package or module."""
    answer: Any
    log: tuple[dict[str, Any], ...]
    """The handler's own JSON lines."""


@dataclass(frozen=True)
class ColdStart:
    """A program that starts cold, any number of times."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    """Where it runs; for ours it holds `task`, the function's files, and `opt`, the layer."""

    def run(self) -> FirstAnswer:
        """Start once, and wait for the first answer; RuntimeError with its stderr if there is none."""
        started = time.monotonic()
        done = subprocess.run(  # noqa: S603  # the command is the benchmark's own
            self.command,
            cwd=self.folder,
            env=dict(self.environment),
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
        )
        if done.returncode:
            raise RuntimeError(f"the cold start ended with {done.returncode}: {done.stderr[-2000:]}")
        *lines, last = done.stdout.splitlines()
        result = json.loads(last)
        log = tuple(json.loads(line) for line in lines if line.startswith("{"))
        return FirstAnswer(result["answered"] - started, result["peak_bytes"], result["modules"], result["answer"], log)

    def under(self, *prefix: str) -> "ColdStart":
        """The same start as the argument of another program, such as a profiler."""
        return replace(self, command=(*prefix, *self.command))

    def with_options(self, *options: str) -> "ColdStart":
        """The same start with more options of the interpreter, such as `-X importtime`."""
        return replace(self, command=(self.command[0], *options, *self.command[1:]))

    def with_variables(self, **variables: str) -> "ColdStart":
        """The same start with other environment variables."""
        return replace(self, environment={**self.environment, **variables})


def publish_iris(aws: LocalAws, bucket: str) -> Release:
    """Publish the guide's forest of 100 trees as the first version in a new bucket."""
    aws.client("s3").create_bucket(Bucket=bucket)
    with aws.activated():
        return publish(Registry(Storage.open(bucket), actor="benchmark"), train(), "Random forest of the guide")


def prepare(
    aws: LocalAws,
    folder: Path,
    bucket: str,
    release: Release,
    *,
    layer: Layer | None = None,
    model_format: FormatName = "joblib",
    event: Any = EVENT,
    handler: str = ENTRY_POINT,
) -> ColdStart:
    """Unpack code and layer into `folder`, which must be new, and give the start of a published version.

    `layer` is that of the format where none is given. The version must have been published by this Python, whose base
    interpreter runs it.
    """
    form = release.manifest.model_format(model_format)
    layer = layer or model_layer(release.manifest, form, ARCHITECTURE)
    task, opt = folder / "task", folder / "opt"
    for name, path in {**function_files(), **bytecode(form.environment.python)}.items():
        (task / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, task / name)
    with zipfile.ZipFile(layer.path) as archive:
        archive.extractall(opt)
    packages = opt / runtime_for(form.environment.python).site_packages
    return ColdStart(
        # Without `site`, the interpreter has no packages but those of PYTHONPATH, in Lambda's order.
        command=(_interpreter(form.environment.python), "-S", "-s", "-P", str(_PROGRAM), handler, json.dumps(event)),
        environment={
            "PATH": os.defpath,
            "LANG": "C.UTF-8",
            "PYTHONPATH": f"{task}{os.pathsep}{packages}",
            "PYTHONDONTWRITEBYTECODE": "1",  # /var/task and /opt are read-only
            "AWS_LAMBDA_FUNCTION_NAME": "cold-start",
            "AWS_LAMBDA_FUNCTION_VERSION": "1",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            **aws.environment(),
            **variables(bucket, release, model_format=model_format),
        },
        folder=folder,
    )


def _interpreter(python: str) -> str:
    """The interpreter of this version, behind a virtual environment: the format onnx may need a newer one."""
    return str(Path(find_interpreter(python)).resolve())
