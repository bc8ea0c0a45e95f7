"""A version as a folder that MLflow loads and serves. MLflow is not needed for it, and nothing is unpickled."""

import io
import json
import os
import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import joblib

from model_registry.cache import workspace
from model_registry.registry import Registry
from model_registry.release import Release
from model_registry.stored_wheels import distribution_of
from model_runtime.errors import FileError
from model_runtime.manifest import Feature, Manifest

_FILE = "model.pkl"
_TYPES = {"number": "double", "integer": "long", "string": "string", "boolean": "boolean", "datetime": "datetime"}
_DTYPES = {"float32": "float", "int32": "integer", "int16": "integer", "int8": "integer", "float64": "double"}


class _Stored:
    """Unpickles as what joblib loads from the stored bytes: these stay as they are, and are not loaded for it."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __reduce__(self) -> tuple[Any, ...]:
        return joblib.load, (io.BytesIO(self._data),)


def export(registry: Registry, address: str, folder: Path) -> Release:
    """Write a version, its digests checked, into a new folder with the flavor `sklearn` of MLflow.

    Raises:
        FileError: the folder exists, or cannot be written.
        IntegrityError: the bytes are not those that were published.

    """
    if os.path.lexists(folder):
        raise FileError(f"{folder} exists already, nothing was written: give another folder")
    release = registry.resolve(address)
    manifest = release.manifest
    code, wheels = registry.own_code(release), registry.wheels(release)
    contents = {
        _FILE: pickle.dumps(_Stored(registry.read_model(release)), protocol=4),
        **dict(_described(release, has_code=bool(code))),
        **{f"code/{name}": path.read_bytes() for name, path in code.items()},
        **{f"wheels/{path.name}": path.read_bytes() for path in wheels},
        "requirements.txt": "\n".join([*_requirements(manifest), ""]).encode(),
    }
    try:
        with workspace(folder.absolute().parent) as work:
            for name, data in contents.items():
                (work / "model" / name).parent.mkdir(parents=True, exist_ok=True)
                (work / "model" / name).write_bytes(data)
            (work / "model").rename(folder)
    except OSError as error:
        raise FileError(f"cannot write to {folder} ({error.strerror}): give another folder") from error
    return release


def _described(release: Release, *, has_code: bool) -> Iterator[tuple[str, bytes]]:
    """MLflow's own files, in JSON, which YAML takes as it is."""
    manifest = release.manifest
    python = manifest.environment.python
    code = "code" if has_code else None
    document: dict[str, Any] = {
        "flavors": {
            "python_function": {
                "code": code,
                "env": {"conda": "conda.yaml", "virtualenv": "python_env.yaml"},
                "loader_module": "mlflow.sklearn",
                "model_path": _FILE,
                "predict_fn": "predict",
                "python_version": python,
            },
            "sklearn": {
                "code": code,
                "pickled_model": _FILE,
                "serialization_format": "pickle",
                "sklearn_version": manifest.environment.packages["scikit-learn"],
            },
        },
        "metadata": {"sklearn_on_lambda": {"version": manifest.reference, "manifest_sha256": release.manifest_sha256}},
        "run_id": manifest.lineage.mlflow_run,
        "utc_time_created": f"{manifest.created_at:%Y-%m-%d %H:%M:%S.%f}",
    }
    example = _example(manifest)
    if example is not None:
        document["saved_input_example_info"], content = example
        yield "input_example.json", _json(content)
    inputs = _inputs(manifest)
    if inputs is not None:
        document["signature"] = {"inputs": json.dumps(inputs), "outputs": None, "params": None}
    yield "MLmodel", _json(document)
    pip = {"pip": _requirements(manifest)}
    yield "conda.yaml", _json({"name": "mlflow-env", "dependencies": [f"python={python}", "pip", pip]})
    yield "python_env.yaml", _json({"python": python, "dependencies": ["-r requirements.txt"]})


def _json(value: Any) -> bytes:
    return json.dumps({name: each for name, each in value.items() if each is not None}, indent=2).encode() + b"\n"


def _requirements(manifest: Manifest) -> list[str]:
    """The packages of the manifest; those that no index has are files beside it, as `mlflow.models` has them."""
    stored = {distribution_of(wheel.file): wheel.file for wheel in manifest.wheels}
    pins = manifest.environment.packages.items()
    return ["mlflow", *(f"wheels/{stored[name]}" if name in stored else f"{name}=={version}" for name, version in pins)]


def _inputs(manifest: Manifest) -> list[dict[str, Any]] | None:
    """The inputs as MLflow's schema; None for what it has no words for, which it then passes on as it comes."""
    signature = manifest.signature
    features = signature.features
    if signature.container == "array":
        spec = {"dtype": signature.array_dtype or "float64", "shape": [-1, len(features)]}
        return [{"type": "tensor", "tensor-spec": spec}]
    if signature.container != "dataframe" or any(feature.categories is not None for feature in features):
        return None
    return [{"type": _type(feature), "name": feature.name, "required": True} for feature in features]


def _type(feature: Feature) -> str:
    if feature.nullable and feature.type == "integer":
        return "double"
    return _DTYPES.get(feature.dtype or "", _TYPES[feature.type])


def _example(manifest: Manifest) -> tuple[dict[str, str], Mapping[str, Any]] | None:
    """What MLflow notes of an input example, and the example."""
    names = [feature.name for feature in manifest.signature.features]
    rows = [[example.input.get(name) for name in names] for example in manifest.examples]
    info = {"artifact_path": "input_example.json"}
    # Releases that did not say what their examples are recorded rows of people's.
    if manifest.example_kind is None or not rows or manifest.signature.container not in {"array", "dataframe"}:
        return None
    if manifest.signature.container == "array":
        return {**info, "type": "ndarray", "format": "tf-serving"}, {"inputs": rows}
    return {**info, "type": "dataframe", "pandas_orient": "split"}, {"columns": names, "data": rows}
