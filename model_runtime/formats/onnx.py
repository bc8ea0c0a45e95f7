"""From rows to answers by onnxruntime, without scikit-learn.

The publish-time comparison and the function both answer with this class: what was compared is what is served. Light:
numpy and onnxruntime are imported where a model is loaded.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec

from model_runtime.errors import ModelFormatError
from model_runtime.formats.external_data import has_external_data
from model_runtime.manifest import Label, Prediction, Signature
from model_runtime.prediction import Mappings, check_finite
from model_runtime.schema import Row

CONTRACT_KEY = "sklearn-on-lambda"
"""Under this name of its metadata a model holds its `Contract`, as JSON."""

NO_ONNXRUNTIME = "the format onnx needs the package onnxruntime: `pip install 'sklearn-on-lambda[onnx]'`"

_LARGEST_BYTES = 2**31 - 1
"""Protocol Buffers takes no larger message ("Proto Limits")."""

_TYPES = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(int64)": "int64", "tensor(string)": "object"}


class Contract(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a converted model is asked, and how its answers are read.

    `inputs`: one `array` of shape (rows, features), or `columns`, a tensor of shape (rows, 1) for each feature.
    `classes` are the estimator's own, in the order of the signature's labels. `flat`: the answer to a row is
    a single value, not a list. `lower`: texts are lowercased first. Numbers beyond `largest` are refused, as the
    estimator refuses them.
    """

    inputs: Literal["array", "columns"]
    classes: tuple[Label, ...] | None = None
    flat: bool = True
    lower: bool = False
    largest: float | None = None


class OnnxPredictor:
    """A loaded model together with its signature; everything that does not depend on a request is done here."""

    def __init__(self, data: bytes, signature: Signature, *, for_json: bool = False) -> None:
        """Load the bytes, whose digest the caller has checked; ModelFormatError for a file that is not ours.

        `for_json` is that of `Mappings`.
        """
        session = _session(data)
        self._contract = _contract(session)
        self._refusal = _refusal()
        self._run: Callable[..., list[Any]] = session.run
        inputs = session.get_inputs()
        self._inputs = [(each.name, _TYPES[each.type]) for each in inputs]
        # Only what is answered is requested: scores that nobody reads are not even computed.
        self._outputs = [output.name for output in session.get_outputs()][: 2 if signature.probabilities else 1]
        # Format 1 says nothing of the outputs of a regressor: they are served as they come.
        self._unchecked = int(signature.output == "value" and signature.targets is None)
        self._signature = signature
        self._mappings = Mappings(signature.labels or (), for_json=for_json)
        self._label_of: dict[Any, Label] | None = None
        if signature.labels is not None:
            pairs = list(zip(self._contract.classes or (), signature.labels, strict=True))
            # ONNX has 1 for true and for 1.0: what is the same number need not be the same label in JSON.
            if any(one != label or type(label) not in {int, str} for one, label in pairs):
                self._label_of = dict(pairs)

    def predict(self, rows: Sequence[Row]) -> list[Prediction]:
        """Answer n rows with n predictions, in order.

        ValueError where the model refuses the values, OverflowError for an integer that no float can hold, OutputError
        where an answer is not finite.
        """
        outputs = self._answer(self._feeds(rows))
        for output in outputs[self._unchecked :]:
            check_finite(output, "the ONNX model")
        first = (outputs[0].ravel() if self._contract.flat else outputs[0]).tolist()
        if self._signature.output == "value":
            return [Prediction(value=value) for value in first]
        labels = first
        if self._label_of is not None:
            labels = [self._label_of[label] for label in first]
        if not self._signature.probabilities:
            return [Prediction(label=label) for label in labels]
        return [
            Prediction(label=label, probabilities=probabilities)
            for label, probabilities in zip(labels, self._mappings(outputs[1]), strict=True)
        ]

    def _answer(self, feeds: dict[str, Any]) -> list[Any]:
        try:
            return self._run(self._outputs, feeds)
        except self._refusal as error:  # such as for a category that no training row had
            raise ValueError(str(error)) from error

    def _feeds(self, rows: Sequence[Row]) -> dict[str, Any]:
        if self._contract.inputs == "array":
            ((name, dtype),) = self._inputs
            return {name: self._tensor(rows, dtype)}
        columns = zip(*rows, strict=True)
        return {
            name: self._tensor(column, dtype).reshape(-1, 1)
            for (name, dtype), column in zip(self._inputs, columns, strict=True)
        }

    def _tensor(self, values: Any, dtype: str) -> Any:
        import numpy as np

        if self._contract.lower:
            values = [(row[0].lower(),) for row in values]
        with np.errstate(over="ignore"):
            tensor = np.array(values, dtype=dtype)  # None becomes NaN in an array of floats
        if dtype.startswith("float"):
            largest = self._contract.largest
            if np.isinf(tensor).any() or (largest is not None and (np.abs(tensor) > largest).any()):
                raise ValueError(f"a number is too large for {dtype}, or for the model")
        return tensor


def _session(data: bytes) -> Any:
    _check_alone(data)
    try:
        import onnxruntime
    except ImportError as error:
        raise ModelFormatError(NO_ONNXRUNTIME) from error
    options = onnxruntime.SessionOptions()
    # A function has one request at a time and little more than one core: threads cost more than they give.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4  # what is wrong with a request is raised; it needs no log line as well
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ModelFormatError(f"the ONNX model cannot be loaded ({error}): publish it again with `--onnx`") from error


def _check_alone(data: bytes) -> None:
    """Raise ModelFormatError for a model that is larger than any can be, or that would read other files."""
    if len(data) > _LARGEST_BYTES:
        raise ModelFormatError(
            f"the ONNX model has {len(data):,} bytes, its format has {_LARGEST_BYTES:,} at most: publish it again with "
            "`--onnx`"
        )
    try:
        external = has_external_data(data)
    except ValueError as error:
        raise ModelFormatError(f"the ONNX model cannot be loaded ({error}): publish it again with `--onnx`") from error
    if external:
        raise ModelFormatError(
            "the ONNX model has tensors in other files, which are not read: publish it again with `--onnx`, all in one "
            "file"
        )


def _refusal() -> type[Exception]:
    from onnxruntime.capi.onnxruntime_pybind11_state import Fail

    kind: type[Exception] = Fail
    return kind


def _contract(session: Any) -> Contract:
    text = session.get_modelmeta().custom_metadata_map.get(CONTRACT_KEY)
    if text is None:
        raise ModelFormatError("the ONNX model was not written by this registry: publish it again with `--onnx`")
    try:
        return msgspec.json.decode(text, type=Contract)
    except msgspec.MsgspecError as error:
        raise ModelFormatError(
            f"the ONNX model was written by another release of this registry ({error}): publish it again with `--onnx`"
        ) from error
