"""Pickle an estimator, and find out what unpickling it will import.

What is defined in `__main__` or a notebook, lambdas and closures are on no path: cloudpickle writes them by value.
"""

import io
import pickle
import sys
from dataclasses import dataclass
from typing import Any

import cloudpickle
import joblib

from model_runtime.errors import PublishError

_LZ4 = b'\x04"M\x18'  # how a frame of it begins (LZ4 Frame Format, magic number); joblib alone reads it
_SUBIMPORT = ("cloudpickle.cloudpickle", "subimport")


@dataclass(frozen=True)
class Pickled:
    """A model's bytes, the modules that loading them imports, and whether anything in them was written by value."""

    data: bytes
    modules: frozenset[str]
    by_value: bool = False


def pickled(estimator: Any, data: bytes | None = None) -> Pickled:
    """Write an estimator as joblib does in a file, or by cloudpickle where that cannot be loaded elsewhere.

    `data` is the file of this estimator where there is one already. PublishError where it cannot be pickled, or not
    loaded again.
    """
    try:
        modules = _modules(pickle.dumps(estimator))
    except Exception as error:  # pickling can raise anything
        if data is not None:
            raise _refused(estimator, error) from error
        modules = frozenset({"__main__"})
    if data is not None or "__main__" not in modules:
        compressed = {"lz4"} if (data or b"").startswith(_LZ4) else set()
        return Pickled(_joblib(estimator) if data is None else data, modules | compressed)
    try:
        by_value = cloudpickle.dumps(estimator)
        return Pickled(by_value, _modules(by_value) - {"__main__"}, by_value=True)
    except Exception as error:
        raise _refused(estimator, error) from error


def _refused(estimator: Any, error: Exception) -> PublishError:
    return PublishError(
        f"this {type(estimator).__name__} cannot be pickled ({type(error).__name__}: {error}): "
        "leave out what holds a file, a connection or a lock"
    )


def _joblib(estimator: Any) -> bytes:
    buffer = io.BytesIO()
    joblib.dump(estimator, buffer)
    return buffer.getvalue()


def _modules(data: bytes) -> frozenset[str]:
    recorder = _Recorder(data)
    recorder.load()
    return frozenset(recorder.modules)


class _Recorder(pickle.Unpickler):
    """Unpickles, and notes which modules that took."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data))
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
