"""Pickle an estimator, and find out what unpickling it will import.

What is defined in `__main__` or a notebook, lambdas and closures are on no path: cloudpickle writes them by value.
"""

import io
import pickle
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudpickle
import joblib
from joblib.numpy_pickle import NumpyPickler

from model_runtime.errors import PublishError

_LZ4 = b'\x04"M\x18'  # how a frame of it begins (LZ4 Frame Format, magic number); joblib alone reads it
_SUBIMPORT = ("cloudpickle.cloudpickle", "subimport")


@dataclass(frozen=True)
class Pickled:
    """How a model's file is written, the modules that loading it imports, and whether anything in it is by value."""

    write: Callable[[Path], object]
    modules: frozenset[str]
    by_value: bool = False


def pickled(estimator: Any, file: Path | bytes | None = None) -> Pickled:
    """An estimator as joblib writes it, or cloudpickle where what joblib writes cannot be loaded elsewhere.

    `file` is the joblib file of this estimator, or its bytes, where there is one already. PublishError where it cannot
    be pickled, or not loaded again.
    """
    try:
        modules = _modules(estimator, _as_joblib if _is_extended() else pickle.dumps)
    except Exception as error:  # pickling can raise anything
        if file is not None:
            raise _refused(estimator, error) from error
        modules = frozenset({"__main__"})
    if file is not None:
        return Pickled(lambda path: _copy(file, path), modules | ({"lz4"} if _begins(file, _LZ4) else set()))
    if "__main__" not in modules:
        return Pickled(lambda path: joblib.dump(estimator, path), modules)
    try:
        modules = _modules(estimator, cloudpickle.dumps) - {"__main__"}
    except Exception as error:
        raise _refused(estimator, error) from error
    return Pickled(lambda path: _dump_by_value(estimator, path), modules, by_value=True)


def _refused(estimator: Any, error: Exception) -> PublishError:
    return PublishError(
        f"this {type(estimator).__name__} cannot be pickled ({type(error).__name__}: {error}): "
        "leave out what holds a file, a connection or a lock"
    )


def _begins(file: Path | bytes, mark: bytes) -> bool:
    if isinstance(file, bytes):
        return file.startswith(mark)
    with file.open("rb") as opened:
        return opened.read(len(mark)) == mark


def _copy(file: Path | bytes, path: Path) -> None:
    if isinstance(file, bytes):
        path.write_bytes(file)
    else:
        shutil.copyfile(file, path)


def _dump_by_value(estimator: Any, path: Path) -> None:
    with path.open("wb") as file:
        cloudpickle.dump(estimator, file)


def _is_extended() -> bool:
    """Whether another package pickles some types in joblib's place.

    dill does, where it was imported before joblib, as Pulumi's package does: a slice, which each ColumnTransformer has,
    then needs dill to be loaded.
    """
    of_joblib = NumpyPickler.dispatch.values()
    return any(save.__module__.partition(".")[0] not in {"joblib", "pickle"} for save in of_joblib)


class _AsJoblib(pickle._Pickler):  # noqa: SLF001  # joblib's is one, too: the other, in C, looks into no such table
    dispatch = NumpyPickler.dispatch


def _as_joblib(estimator: Any, **options: Any) -> bytes:
    with io.BytesIO() as buffer:
        _AsJoblib(buffer, **options).dump(estimator)
        return buffer.getvalue()


def _modules(estimator: Any, dumps: Callable[..., bytes]) -> frozenset[str]:
    """The modules that unpickling an estimator imports, found by doing it.

    Its arrays are not copied for that, but shown to what is unpickled, which may not write to them. What would do so
    is pickled as a whole.
    """
    arrays: list[pickle.PickleBuffer] = []
    data = dumps(estimator, protocol=5, buffer_callback=arrays.append)
    recorder = _Recorder(data, [memoryview(array).toreadonly() for array in arrays])
    try:
        recorder.load()
    except Exception:  # noqa: BLE001  # whatever it is, it is raised again where the arrays are not its reason
        recorder = _Recorder(dumps(estimator), [])
        recorder.load()
    return frozenset(recorder.modules)


class _Recorder(pickle.Unpickler):
    """Unpickles, and notes which modules that took."""

    def __init__(self, data: bytes, arrays: list[memoryview]) -> None:
        super().__init__(io.BytesIO(data), buffers=arrays)
        self.modules: set[str] = set()

    def find_class(self, module: str, name: str) -> Any:
        found = super().find_class(module, name)
        # Some Cython modules are also known by a short name (`_loss` for `sklearn._loss._loss`).
        self.modules.add(sys.modules[module].__name__)
        return self._subimport if (module, name) == _SUBIMPORT else found

    def _subimport(self, module: str) -> Any:
        """A module that a function by value uses."""
        self.modules.add(module)
        return cloudpickle.cloudpickle.subimport(module)
