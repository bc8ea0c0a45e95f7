"""A model that MLflow has logged or saved, as its owner would publish it. MLflow need not be installed for a folder.

What loads it here is what loads it in MLflow, a pickle for the most part: reading runs what the folder holds.
"""

import atexit
import importlib
import json
import math
import shutil
import sys
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.version import Version

from model_registry.publish.environment import read_lock
from model_registry.publish.estimator import load_file
from model_runtime.errors import ModelFormatError, PublishError
from model_runtime.formats import skops
from model_runtime.manifest import FeatureType

_MODEL = "MLmodel"
_UP = 3  # folders between a model and the files of its run, in a store of files
_TYPES: dict[str, FeatureType] = {
    "boolean": "boolean",
    "integer": "integer",
    "long": "integer",
    "float": "number",
    "double": "number",
    "string": "string",
    "datetime": "datetime",
}
# pandas' types of a column, by MLflow's names, where an example as JSON has lost them.
_DTYPES = {"integer": "int32", "long": "int64", "float": "float32", "double": "float64", "datetime": "datetime64[ns]"}


@dataclass(frozen=True)
class MlflowModel:
    """What a publish takes of it. `X_example` is None where it was logged without one.

    `pins` are the versions that its requirements name, `types` and `nullable` what its signature says of features.
    """

    estimator: Any
    X_example: Any = None
    types: Mapping[str, FeatureType] = field(default_factory=dict)
    nullable: tuple[str, ...] = ()
    pins: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    run: str | None = None


def read_mlflow(source: str) -> MlflowModel:
    """Read a model's folder or, where MLflow is installed, what `models:/...` or `runs:/...` names. It is unpickled.

    Flavors are `sklearn`, `lightgbm`, `xgboost` and `catboost`. Own code that was logged with it is importable from
    then on.

    Raises:
        PublishError: there is no such model, it is of another kind, or this is not the environment that it needs.

    """
    if ":/" not in source:
        return _read(Path(source), None)
    try:
        import mlflow  # type: ignore[import-not-found,unused-ignore]  # its user's, never one of ours
    except ImportError as error:
        raise PublishError(
            f"{source} is read by MLflow, which is not installed: install it, or give a folder that "
            f"`mlflow artifacts download -u {source} -d FOLDER` has written"
        ) from error
    folder = tempfile.mkdtemp(prefix="from-mlflow-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)  # own code is read from there until then
    try:
        return _read(Path(mlflow.artifacts.download_artifacts(source, dst_path=folder)), mlflow)
    except mlflow.exceptions.MlflowException as error:
        raise PublishError(f"MLflow does not give {source} ({error}): look at its tracking URI") from error


def _read(folder: Path, mlflow: Any) -> MlflowModel:
    document = _document(folder)
    estimator = _estimator(folder, document)
    columns, array = _signature(document)
    run = document.get("run_id")
    return MlflowModel(
        estimator,
        _example(folder, document, columns, array),
        {column["name"]: _TYPES[column["type"]] for column in columns if column["type"] in _TYPES},
        tuple(column["name"] for column in columns if column.get("required") is False),
        read_lock(requirements) if (requirements := folder / "requirements.txt").is_file() else {},
        _logged(mlflow, run) if mlflow and run else _in_store(folder),
        run,
    )


def _document(folder: Path) -> dict[str, Any]:
    try:
        import yaml
    except ImportError as error:
        raise PublishError("MLflow's files are read by PyYAML, which is not installed: `pip install pyyaml`") from error
    path = folder / _MODEL
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PublishError(
            f"cannot read {path} ({error.strerror}): give the folder of a model, which has a file {_MODEL}"
        ) from error
    except (ValueError, yaml.YAMLError) as error:
        raise PublishError(f"{path} is not YAML ({' '.join(str(error).split())}): log the model again") from error
    if not isinstance(document, dict) or not isinstance(document.get("flavors"), dict):
        raise PublishError(f"{path} names no flavors: give the folder of a model that MLflow has written")
    return document


def _estimator(folder: Path, document: Mapping[str, Any]) -> Any:
    """The estimator, loaded as its flavor is; nothing of the folder has run before."""
    flavors = document["flavors"]
    name = next((each for each in _LOADERS if isinstance(flavors.get(each), dict)), None)
    generic = flavors.get("python_function") or {}
    if name is None:
        kind = str(generic.get("loader_module", "none that predicts"))
        raise PublishError(
            f"{folder} has the flavors {', '.join(flavors)} (loaded by {kind}), and only models of "
            f"{', '.join(_LOADERS)} are published: log the estimator itself with one of these"
        )
    _check_python(folder, str(generic.get("python_version", "")))
    flavor = flavors[name]
    _check_sklearn(folder, flavor.get("sklearn_version"))
    if flavor.get("code"):
        sys.path.insert(0, str(_inside(folder, flavor["code"])))
        importlib.invalidate_caches()
    return _LOADERS[name](folder, flavor)


def _check_python(folder: Path, version: str) -> None:
    trained, running = version.split(".")[:2], [str(part) for part in sys.version_info[:2]]
    if version and trained != running:
        raise PublishError(
            f"{folder} was logged with Python {version}, this is {'.'.join(running)}: publish from "
            f"{_environment(folder, '.'.join(trained))}"
        )


def _check_sklearn(folder: Path, version: str | None) -> None:
    installed = metadata.version("scikit-learn")
    if version and Version(str(version)) != Version(installed):
        raise PublishError(
            f"{folder} was logged with scikit-learn {version}, installed is {installed}, and no other version may load "
            f"it: publish from {_environment(folder, '.'.join(map(str, sys.version_info[:2])))}"
        )


def _environment(folder: Path, python: str) -> str:
    return (
        f"an environment of its own, `uv venv --python {python} && uv pip install -r {folder / 'requirements.txt'} "
        "PATH/TO/THIS/REPOSITORY`"
    )


def _inside(folder: Path, name: object) -> Path:
    path = folder / str(name)
    if not path.resolve().is_relative_to(folder.resolve()) or not path.exists():
        raise PublishError(f"{folder / _MODEL} names {name!r}, which is not in its folder: log the model again")
    return path


def _sklearn(folder: Path, flavor: Mapping[str, Any]) -> Any:
    return _unpickled(_inside(folder, flavor.get("pickled_model")), flavor)


def _lightgbm(folder: Path, flavor: Mapping[str, Any]) -> Any:
    _refuse_booster(folder, str(flavor.get("model_class", "lightgbm.basic.Booster")), "LGBMClassifier or LGBMRegressor")
    return _unpickled(_inside(folder, flavor.get("data")), flavor)


def _xgboost(folder: Path, flavor: Mapping[str, Any]) -> Any:
    kind = str(flavor.get("model_class", "xgboost.core.Booster"))
    _refuse_booster(folder, kind, "XGBClassifier or XGBRegressor")
    path = _inside(folder, flavor.get("data"))
    made = getattr(_imported(folder, "xgboost"), kind.rpartition(".")[2])()
    made.load_model(str(path))
    return made


def _catboost(folder: Path, flavor: Mapping[str, Any]) -> Any:
    path = _inside(folder, flavor.get("data"))
    kind = str(flavor.get("model_type"))
    if kind not in {"CatBoostClassifier", "CatBoostRegressor", "CatBoostRanker"}:
        raise PublishError(f"{folder} has a {kind}: log a CatBoostClassifier or CatBoostRegressor")
    made = getattr(_imported(folder, "catboost"), kind)()
    return made.load_model(str(path), flavor.get("save_format", "cbm"))


_LOADERS = {"sklearn": _sklearn, "lightgbm": _lightgbm, "xgboost": _xgboost, "catboost": _catboost}


def _refuse_booster(folder: Path, kind: str, instead: str) -> None:
    if not kind.startswith(("lightgbm.sklearn.LGBM", "xgboost.sklearn.XGB")):
        raise PublishError(
            f"{folder} has a {kind}, which has neither the columns nor the methods of an estimator: log the {instead} "
            "that was fitted"
        )


def _imported(folder: Path, package: str) -> Any:
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise PublishError(
            f"{folder} needs the package {package}, which is not installed: `uv pip install -r "
            f"{folder / 'requirements.txt'}`"
        ) from error


def _unpickled(path: Path, flavor: Mapping[str, Any]) -> Any:
    if flavor.get("serialization_format") != "skops":
        return load_file(path)
    trusted = [str(name) for name in flavor.get("skops_trusted_types") or ()]
    try:
        return skops.load(path.read_bytes(), trusted, what=str(path))
    except (ModelFormatError, UserWarning) as error:
        raise PublishError(str(error)) from error


def _signature(document: Mapping[str, Any]) -> tuple[list[dict[str, Any]], str | None]:
    """The columns that the signature names, and the type of an array where it describes one."""
    try:
        inputs = json.loads((document.get("signature") or {}).get("inputs") or "[]")
    except (TypeError, ValueError):
        return [], None
    arrays = [each["tensor-spec"]["dtype"] for each in inputs if each.get("type") == "tensor"]
    if arrays:
        return [], arrays[0] if len(arrays) == 1 else None
    return [each for each in inputs if isinstance(each.get("name"), str)], None


def _example(folder: Path, document: Mapping[str, Any], columns: Sequence[Mapping[str, Any]], array: str | None) -> Any:
    """The rows that were logged with the model, in the form in which they were given."""
    info = document.get("saved_input_example_info") or {}
    if not info.get("artifact_path"):
        return None
    path = _inside(folder, info["artifact_path"])
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PublishError(f"cannot read {path} ({error}): give examples with --example") from error
    if isinstance(found, dict) and "inputs" in found:
        found = found["inputs"]
    if isinstance(found, dict) and {"columns", "data"} <= found.keys():
        return _frame(found["columns"], found["data"], columns)
    if info.get("type") == "ndarray":
        import numpy as np

        return np.array(found, dtype=array)
    return [found] if isinstance(found, dict) else found


def _frame(names: Sequence[str], rows: Sequence[Sequence[Any]], columns: Sequence[Mapping[str, Any]]) -> Any:
    try:
        import pandas as pd
    except ImportError:
        return [dict(zip(names, row, strict=True)) for row in rows]
    frame = pd.DataFrame(rows, columns=names)
    for column in columns:
        name, dtype = column["name"], _DTYPES.get(column["type"])
        gaps = name in frame and column["type"] in {"integer", "long"} and bool(frame[name].isna().any())
        if name in frame and dtype and not gaps:
            frame[name] = pd.to_datetime(frame[name]) if column["type"] == "datetime" else frame[name].astype(dtype)
    return frame


def _logged(mlflow: Any, run: str) -> dict[str, float]:
    """The metrics of a run, from where MLflow keeps them; none where it does not answer."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _finite(mlflow.MlflowClient().get_run(run).data.metrics)
        except mlflow.exceptions.MlflowException:
            return {}


def _in_store(folder: Path) -> dict[str, float]:
    """The metrics beside a folder that lies in a store of files: the second word of a file's last line."""
    for above in list(folder.resolve().parents)[:_UP]:
        if (above / "meta.yaml").is_file() and (above / "metrics").is_dir():
            found = {}
            for path in (above / "metrics").rglob("*"):
                if path.is_file() and (words := path.read_text(encoding="utf-8").strip().rpartition("\n")[2].split()):
                    found[path.relative_to(above / "metrics").as_posix()] = words[1] if len(words) > 1 else "nan"
            return _finite(found)
    return {}


def _finite(metrics: Mapping[str, Any]) -> dict[str, float]:
    found = {}
    for name, text in sorted(metrics.items()):
        try:
            value = float(text)
        except (TypeError, ValueError):
            continue
        if math.isfinite(value):
            found[name] = value
    return found
