"""From rows to answers.

The registry computes the golden examples with it and the function every answer, so that what was recorded and what
is served are made by the same code. Light: numpy is imported by the model anyway.
"""

import io
import math
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from model_runtime.changes import Change, Changes, sklearn_name
from model_runtime.containers import Container, Table, container_of
from model_runtime.errors import OutputError
from model_runtime.manifest import Label, Method, Prediction, Signature
from model_runtime.schema import Row, label_names

if TYPE_CHECKING:
    from pathlib import Path

# Answers of two machines differ in the last bits (vector units, OpenBLAS kernels); a wrong model differs in more.
_RELATIVE_TOLERANCE = 1e-6
_ABSOLUTE_TOLERANCE = 1e-9

_HARMLESS = "|".join(  # noqa: FLY002  # with a reason for each
    [
        # Publishing proves that an array and a DataFrame give the same answers.
        "X does not have valid feature names",
        "X has feature names, but",
        # A number too large for float32: scikit-learn raises ValueError right after numpy warned.
        "overflow encountered in cast",
        # Summing numbers near the largest that there is, to see whether all are finite.
        "overflow encountered in reduce",
    ]
)


_READ = 1 << 20
"""Bytes that are read of a model at once."""

_IGNORED = ("ignore", re.compile(_HARMLESS, re.IGNORECASE), Warning, None, 0)


class Predictor:
    """A loaded estimator together with its signature."""

    def __init__(self, estimator: Any, signature: Signature, *, for_json: bool = False) -> None:
        """Prepare what does not depend on a request; `for_json` is that of `Mappings`."""
        from model_runtime.outputs import ProvenOutputs  # here, as the format onnx does without

        self._estimator = estimator
        columns = _columns(estimator, signature)
        self._outputs = ProvenOutputs(estimator, probabilities=signature.probabilities, columns=columns)
        self._container = container_of(signature)
        self._asked: Container = (lambda rows: Table(rows, self._container)) if columns else self._container
        self._signature = signature
        self._label_of = _label_table(estimator, signature)
        self._mappings = Mappings(signature.labels or (), for_json=for_json)
        self._of_outputs = [Mappings(labels, for_json=for_json) for labels in signature.output_labels or ()]
        # Format 1 says nothing of the outputs of a regressor: they are served as they come.
        self._checks_values = signature.targets is not None and not signature.null_outputs

    def predict(self, rows: Sequence[Row]) -> list[Prediction]:
        """Answer n rows with n predictions, in order.

        ValueError where the estimator refuses the values, OverflowError for an integer that no float can hold,
        OutputError where what it gives is not what the signature promises.
        """
        signature = self._signature
        with harmless_warnings_ignored():
            outputs, table = self._outputs(self._asked(rows)) if signature.output else (None, None)
            inputs = self._container(rows) if signature.methods else None
            further = {
                name: further_output(self._estimator, name, inputs, signature.quantiles) for name in signature.methods
            }
            return self.named(outputs, table, further, len(rows))

    def named(self, outputs: Any, table: Any, further: Mapping[Method, Any], count: int) -> list[Prediction]:
        """Name what the estimator's methods returned for `count` rows; OutputError as in `predict`.

        `outputs` is what `predict` gave, `table` what `predict_proba` did, each None where it is not served; `further`
        has the outputs of the signature's methods.
        """
        answers = self._named(outputs, table, count) if self._signature.output else [Prediction()] * count
        if not further:
            return answers
        named = {name: self._further(name, found, count) for name, found in further.items()}
        columns = zip(*named.values(), strict=True)
        return [
            msgspec.structs.replace(answer, **dict(zip(named, values, strict=True)))
            for answer, values in zip(answers, columns, strict=True)
        ]

    def _named(self, outputs: Any, table: Any, count: int) -> list[Prediction]:
        answers = self._values(outputs, count)
        if self._signature.output == "value":
            return [Prediction(value=value) for value in answers]
        if self._label_of is not None:
            answers = [self._label_of[answer] for answer in answers]
        if table is None:
            return [Prediction(label=label) for label in answers]
        return [
            Prediction(label=label, probabilities=probabilities)
            for label, probabilities in zip(answers, self._tables(table, count), strict=True)
        ]

    def _values(self, outputs: Any, count: int) -> list[Any]:
        """Outputs of n rows as plain values, of shape (n, 1) as one each where the signature says so."""
        if not hasattr(outputs, "tolist"):
            import numpy as np

            outputs = np.asarray(outputs)
        if self._signature.targets == 1 and outputs.ndim > 1:
            outputs = outputs.reshape(len(outputs), -1).squeeze(1)
        if self._checks_values:
            check_finite(outputs, "predict")
        _check_count(outputs, count, "predict")
        answers: list[Any] = outputs.tolist()
        return answers

    def _tables(self, table: Any, count: int) -> Iterable[Any]:
        """Probabilities of n rows with their labels: n mappings, or n lists of a mapping for each output."""
        for each in table if self._of_outputs else [table]:
            _check_count(each, count, "predict_proba")
            if not self._signature.null_outputs:
                check_finite(each, "predict_proba")
        if not self._of_outputs:
            return self._mappings(table)
        by_output = [mappings(each) for mappings, each in zip(self._of_outputs, table, strict=True)]
        return map(list, zip(*by_output, strict=True))

    def _further(self, name: Method, found: Any, count: int) -> list[Any]:
        """What one of the signature's methods gave for n rows, as plain values."""
        import numpy as np

        arrays = [np.asarray(each) for each in (found if isinstance(found, tuple) else (found,))]
        if count == 1:  # SparsePCA gives the components of a single row without the row's own dimension
            arrays = [each[None] if each.ndim == 1 and len(each) > 1 else each for each in arrays]
        for each in arrays:
            _check_count(each, count, name)
            if not self._signature.null_outputs:
                check_finite(each, name)
        if name == "kneighbors":
            distances, indices = arrays
            return [{"distances": d, "indices": i} for d, i in zip(distances.tolist(), indices.tolist(), strict=True)]
        (array,) = arrays
        if name == "quantiles":
            keys = [str(level) for level in self._signature.quantiles]
            return [dict(zip(keys, row, strict=True)) for row in array.reshape(count, -1).tolist()]
        values: list[Any] = (array.squeeze(1) if array.ndim == 2 and array.shape[1] == 1 else array).tolist()  # noqa: PLR2004  # rows and columns
        return values


def further_output(estimator: Any, name: Method, inputs: Any, quantiles: Sequence[float] = ()) -> Any:
    """What an estimator gives beside `predict` and `predict_proba`: an array of n rows, or two for `kneighbors`.

    AttributeError where it has no such method. A pipeline has what its last step has, also where Pipeline itself does
    not pass it on.
    """
    if name == "std":
        return estimator.predict(inputs, return_std=True)[1]
    if name == "quantiles":
        return estimator.predict(inputs, quantiles=list(quantiles))
    if not hasattr(estimator, name) and hasattr(estimator, "steps"):
        for _, step in estimator.steps[:-1]:
            if not (step is None or isinstance(step, str)):  # "passthrough"
                inputs = step.transform(inputs)
        estimator = estimator.steps[-1][1]
    found = getattr(estimator, name)(inputs)
    return found.toarray() if hasattr(found, "toarray") else found


def _columns(estimator: Any, signature: Signature) -> list[Change]:
    if signature.container != "dataframe":
        return []
    from model_runtime.columns import direct_columns  # here, as models of arrays do without

    return direct_columns(estimator, signature)


def _check_count(answers: Any, count: int, method: str) -> None:
    if len(answers) != count:
        raise OutputError(f"{method} gave {len(answers)} answers to {count} rows")


def check_finite(outputs: Any, method: str) -> None:
    """Refuse what JSON cannot write: an answer of null would break the schema that callers were given."""
    # The sum is finite if all are, but for numbers so large that it overflows: then each is looked at.
    if outputs.dtype.kind == "f" and not math.isfinite(outputs.sum()):
        import numpy as np

        if not np.isfinite(outputs).all():
            raise OutputError(f"{method} gave a number that is not finite")


class Mappings:
    """Makes, of an array of shape (n, labels), n mappings from each label, as text, to a number.

    With `for_json` those of several rows are structs, of which only JSON can be made: in a quarter of the time.
    """

    def __init__(self, labels: Sequence[Label], *, for_json: bool = False) -> None:
        self._keys = label_names(labels)
        self._for_json = for_json

    def __call__(self, table: Any) -> list[Any]:
        """The mappings; OutputError where there are not as many numbers as labels."""
        if table.shape[1:] != (len(self._keys),):
            raise OutputError(f"predict_proba gave an array of shape {table.shape} for {len(self._keys)} labels")
        if self._for_json and len(table) > 1 and self._struct is not None:
            return list(map(self._struct, *table.T.tolist()))
        return [dict(zip(self._keys, row)) for row in table.tolist()]  # noqa: B905  # not again for each of many rows

    @cached_property
    def _struct(self) -> type[msgspec.Struct] | None:
        """Made for the first batch; None for labels that msgspec takes for no names, as those with quotes."""
        names = {f"f{index}": key for index, key in enumerate(self._keys)}
        try:
            return msgspec.defstruct("Probabilities", names, rename=names, frozen=True, gc=False)
        except ValueError:
            return None


class _Consumed(io.RawIOBase):
    """A file of pieces, each of which is let go of as soon as it was read: a model need not be in memory twice."""

    def __init__(self, pieces: list[bytes]) -> None:
        pieces.reverse()
        self._pieces = pieces
        self._position = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = 0
        while self._pieces and not count:
            piece = self._pieces[-1]
            part = memoryview(piece)[self._position : self._position + len(buffer)]
            count = len(part)
            buffer[:count] = part
            self._position += count
            if self._position == len(piece):
                self._pieces.pop()
                self._position = 0
        return count


def unpickle(data: "bytes | list[bytes] | Path") -> Any:
    """Load a model's bytes, or its file, whose digest the caller has checked or vouches for: this runs code.

    A list of pieces is empty afterwards: each is let go of as soon as it was read.
    InconsistentVersionWarning is raised where another scikit-learn wrote them: it must not quietly answer otherwise.
    """
    import joblib
    from sklearn.exceptions import InconsistentVersionWarning

    with warnings.catch_warnings():
        warnings.simplefilter("error", InconsistentVersionWarning)
        if isinstance(data, list):
            with _forgetful():
                return joblib.load(io.BufferedReader(_Consumed(data), _READ))
        return joblib.load(io.BytesIO(data) if isinstance(data, bytes) else data)


def _forgetful() -> Changes:
    """Let joblib not keep, until all is loaded, what a tree was made of: it has copied that."""
    import pickle

    from joblib import numpy_pickle

    own: Any = numpy_pickle.NumpyUnpickler

    class Unpickler(own):  # type: ignore[misc]  # joblib has no types
        dispatch: ClassVar = dict(own.dispatch)

        def load_build(self) -> None:
            state = self.stack[-1]
            super().load_build()
            if sklearn_name(self.stack[-1]) == "Tree" and isinstance(state, dict):
                state.clear()

        dispatch[pickle.BUILD[0]] = load_build

    return Changes([(vars(numpy_pickle), "NumpyUnpickler", Unpickler)])


def same_prediction(
    answer: Prediction, recorded: Prediction, *, absolute_tolerance: float = _ABSOLUTE_TOLERANCE
) -> bool:
    """Whether an answer is the recorded one, numbers within a relative tolerance of 1e-6, or the absolute one."""
    return (
        same_value(answer.label, recorded.label)
        and same_value(answer.value, recorded.value, absolute_tolerance)
        and same_value(answer.probabilities, recorded.probabilities, absolute_tolerance)
    )


def same_value(one: Any, recorded: Any, absolute_tolerance: float = _ABSOLUTE_TOLERANCE) -> bool:
    """Whether a label, number, list or mapping is the recorded one. NaN and infinity are recorded as null."""
    if isinstance(one, dict) and isinstance(recorded, dict):
        return one.keys() == recorded.keys() and all(
            same_value(one[key], recorded[key], absolute_tolerance) for key in one
        )
    if isinstance(one, list) and isinstance(recorded, list):
        return len(one) == len(recorded) and all(
            same_value(first, second, absolute_tolerance) for first, second in zip(one, recorded, strict=True)
        )
    if isinstance(one, float) and not math.isfinite(one):
        return recorded is None or str(one) == str(recorded)  # NaN is unlike itself, its name is not
    if isinstance(one, float) and isinstance(recorded, int | float):
        return math.isclose(one, recorded, rel_tol=_RELATIVE_TOLERANCE, abs_tol=absolute_tolerance)
    return bool(one == recorded)


class harmless_warnings_ignored(warnings.catch_warnings):  # noqa: N801  # as its parent is named
    """Leave out what scikit-learn and numpy say about inputs that are checked otherwise."""

    def __enter__(self) -> None:
        super().__enter__()
        # As `filterwarnings` does it, which compiles its pattern at each request.
        warnings.filters.insert(0, _IGNORED)  # type: ignore[attr-defined]  # a list, as it has always been


def _label_table(estimator: Any, signature: Signature) -> dict[Any, Any] | None:
    if signature.labels is None:
        return None
    return dict(zip(estimator.classes_.tolist(), signature.labels, strict=True))
