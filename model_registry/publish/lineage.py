"""Where a model comes from, as far as it can be told without cost or risk. Nothing here ever fails a publish."""

import hashlib
import math
import os
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

import msgspec
import numpy as np

from model_registry import processes
from model_runtime.errors import PublishError
from model_runtime.manifest import Lineage

_SECONDS = 5  # for git; a larger repository has no `git_clean`
_CHUNK = 10_000  # rows that are hashed at once

LABELS, LABEL_NAME, LABEL_VALUE = 32, 64, 256
"""How many labels a version may have, and how many characters their names and values."""


def lineage_of(X_train: Any = None, mlflow_run: str | None = None) -> Lineage:
    """The lineage of what this process publishes now, which a run of MLflow has made or, by default, the active one."""
    script = _script()
    folder = Path.cwd() if script is None else script.parent
    repository, commit = _head(folder)
    return Lineage(
        git_commit=commit,
        git_clean=None if commit is None else _is_clean(folder),
        entry=None if script is None else _name(script, repository),
        mlflow_run=mlflow_run or _mlflow_run(),
        training_data_sha256=None if X_train is None else data_digest(X_train),
    )


def checked_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """The labels of a version, sorted; PublishError where there are too many, or one is not short printable text."""
    if len(labels) > LABELS:
        raise PublishError(f"{len(labels)} labels are given: give {LABELS} at most")
    for name, value in labels.items():
        for what, text, most in (("name", name, LABEL_NAME), ("value", value, LABEL_VALUE)):
            if not (isinstance(text, str) and text.isprintable() and text.strip() == text and 0 < len(text) <= most):
                raise PublishError(
                    f"label {name!r}: the {what} {str(text)[:most]!r} is not usable: give 1 to {most} printable "
                    "characters without space around them"
                )
        if "=" in name:
            raise PublishError(f"label {name!r}: a name has no '=': leave it out")
    return dict(sorted(labels.items()))


def checked_metrics(metrics: Mapping[str, float]) -> dict[str, float]:
    """The metrics of a version as floats; PublishError where one is no finite number."""
    checked = {}
    for name, value in metrics.items():
        try:
            checked[str(name)] = float(value)
        except (TypeError, ValueError) as error:
            raise PublishError(f"metric {name!r} is {value!r}: give a number") from error
        if not math.isfinite(checked[str(name)]):
            raise PublishError(f"metric {name!r} is {value!r}: give a finite number")
    return checked


def data_digest(X: Any) -> str | None:
    """SHA-256 in hex over training data in the form in which it was given; None where that has no stable bytes.

    Hashed are, in this order, for an array: its type and shape as JSON, then its values row by row, little-endian. For
    a DataFrame: names and types of its columns as JSON, then each column, as an array where numpy has its type and
    else as a JSON list. For anything else: the rows as JSON, the keys of objects sorted. The index of a DataFrame does
    not count; the same rows in another form, type or order have another digest.
    """
    hasher = hashlib.sha256()
    try:
        if hasattr(X, "columns") and hasattr(X, "iloc"):
            hasher.update(_json([[name, str(dtype)] for name, dtype in X.dtypes.items()]))
            for place in range(X.shape[1]):
                column = X.iloc[:, place]
                _update(hasher, column.to_numpy() if isinstance(column.dtype, np.dtype) else column.tolist())
        else:
            _update(hasher, X)
    except Exception:  # noqa: BLE001  # data of any kind; without a digest there is still a model
        return None
    return hasher.hexdigest()


def _update(hasher: "hashlib._Hash", values: Any) -> None:
    if isinstance(values, np.ndarray) and not values.dtype.hasobject:
        little = values.dtype.newbyteorder("<")
        hasher.update(_json([little.str, list(values.shape)]))
        for start in range(0, len(values), _CHUNK):
            hasher.update(np.ascontiguousarray(values[start : start + _CHUNK], dtype=little).tobytes())
        return
    hasher.update(_json(values.tolist() if isinstance(values, np.ndarray) else values))


def _json(value: Any) -> bytes:
    return msgspec.json.encode(value, enc_hook=_plain, order="sorted") + b"\n"


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if type(value).__module__.partition(".")[0] == "pandas":
        return str(value)  # times, and the mark of a gap
    raise TypeError(f"a {type(value).__name__} has no stable bytes")  # its repr may have an address


def _script() -> Path | None:
    """The script or notebook that this process runs; None where that is this registry's, or another's, command."""
    named = getattr(sys.modules.get("__main__"), "__file__", None)
    if named is None:  # a kernel; Jupyter's server names the notebook here
        session = Path(os.environ.get("JPY_SESSION_NAME", ""))
        return session.absolute() if session.suffix == ".ipynb" and session.parent.is_dir() else None
    path = Path(named).resolve()
    folders = [sysconfig.get_path(name) for name in ("scripts", "stdlib", "purelib", "platlib")]
    others = [Path(__file__).parents[1], *map(Path, folders)]
    installed = any(path.is_relative_to(folder.resolve()) for folder in others)
    return None if installed or not path.is_file() else path


def _name(script: Path, repository: Path | None) -> str:
    """The script's path in its repository, or its bare name: never where it lies on this machine."""
    inside = repository is not None and script.is_relative_to(repository)
    name: PurePath = script.relative_to(repository) if inside and repository else PurePath(script.name)
    return name.as_posix()


def _head(folder: Path) -> tuple[Path | None, str | None]:
    """The repository that a folder is in, and the commit that is checked out."""
    said = _git(folder, "rev-parse", "--show-toplevel", "HEAD")
    lines = (said or "").splitlines()
    if len(lines) != 2:  # noqa: PLR2004  # one for each question
        return None, None
    return Path(lines[0]).resolve(), lines[1]


def _is_clean(folder: Path) -> bool | None:
    """Whether `git status` has nothing to tell, untracked files included."""
    said = _git(folder, "status", "--porcelain")
    return None if said is None else not said


def _git(folder: Path, *arguments: str) -> str | None:
    """What git prints; None where there is no git or no repository, or it takes too long."""
    # A hook's variables would name another repository; a monitor is a program of the repository's choice.
    variables = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = processes.run(
            ["git", "--no-optional-locks", "-c", "core.fsmonitor=false", *arguments],
            cwd=folder,
            env=variables | {"GIT_TERMINAL_PROMPT": "0"},
            seconds=_SECONDS,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _mlflow_run() -> str | None:
    """The id of MLflow's active run, where this process uses MLflow already."""
    mlflow = sys.modules.get("mlflow")
    try:
        run = None if mlflow is None else mlflow.active_run()
        return None if run is None else str(run.info.run_id)
    except Exception:  # noqa: BLE001  # another's library; without a run there is still a model
        return None
