"""A version with a model in the form of ONNX: what the registry and the function do with it."""

import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer

from model_registry import Registry, Storage
from model_registry.publish.formats import _onnx_python
from model_registry.verification import verify_version
from model_runtime import formats
from model_runtime.errors import IntegrityError, ModelFormatError, PublishError, VerificationError
from model_runtime.formats import onnx as onnx_format
from model_runtime.formats.external_data import has_external_data
from model_runtime.formats.onnx import CONTRACT_KEY, OnnxPredictor
from model_runtime.manifest import Manifest, Prediction, Signature, digest, encode, version_key

X = np.random.default_rng(0).normal(size=(60, 2))
Y = (X[:, 0] + X[:, 1] ** 2 > 0.5).astype(int)
BOTH = ("joblib", "onnx")


@pytest.fixture
def published(registry: Registry) -> Manifest:
    forest = RandomForestClassifier(5, random_state=0).fit(X, Y)
    return registry.publish(forest, name="wood", X_example=X, class_names=["no", "yes"], formats=BOTH).manifest


def overwrite(storage: Storage, file: str, data: bytes) -> None:
    key = version_key("wood", 1, file)
    stored = storage.read(key)
    assert stored is not None
    storage.replace(key, data, stored.etag)


def stored(storage: Storage) -> bytes:
    found = storage.read(version_key("wood", 1, "model.onnx"))
    assert found is not None
    return found.data


def test_the_manifest_says_how_the_conversion_compared_and_what_it_needs(published: Manifest, storage: Storage) -> None:
    model_format = published.model_format("onnx")
    assert (model_format.artifact.file, model_format.artifact.sha256) == ("model.onnx", digest(stored(storage)))
    assert model_format.environment.packages.keys() == {"numpy", "onnxruntime"}
    assert model_format.environment.python == _onnx_python(published.environment.python)
    assert model_format.replay is not None
    assert model_format.replay.rows > 10_000
    assert 0 <= model_format.replay.difference <= model_format.replay.tolerance


@pytest.mark.parametrize(
    ("trained", "served"), [("3.11", "3.12"), ("3.12", "3.12"), ("3.13", "3.13"), ("3.14", "3.14")]
)
def test_a_python_whose_runtime_cannot_load_onnxruntime_is_not_taken(trained: str, served: str) -> None:
    assert _onnx_python(trained) == served


def test_the_golden_examples_are_answered_within_what_was_measured(published: Manifest, storage: Storage) -> None:
    predictor = formats.load(published, "onnx", stored(storage))
    for example in published.examples:
        (answer,) = predictor.predict([tuple(example.input.values())])
        assert formats.same_answer(published.model_format("onnx"), answer, example.output)
        assert isinstance(answer.probabilities, dict)
        other = Prediction(
            label=answer.label, probabilities={name: value + 1e-3 for name, value in answer.probabilities.items()}
        )
        assert not formats.same_answer(published.model_format("onnx"), other, example.output)


def test_rows_of_the_training_are_compared_too(registry: Registry) -> None:
    estimator = LinearRegression().fit(X, Y)
    rows = [
        registry.publish(estimator, name="line", X_example=X[:3], X_train=X_train, formats=BOTH).manifest.model_format(
            "onnx"
        )
        for X_train in (None, X)
    ]
    assert rows[0].replay is not None
    assert rows[1].replay is not None
    assert rows[1].replay.rows == rows[0].replay.rows + len(X)
    with pytest.raises(PublishError, match=r"X_train has the columns \['x0'\], X_example has \['x0', 'x1'\]"):
        registry.publish(estimator, name="line", X_example=X, X_train=X[:, :1], formats=BOTH)


def test_what_cannot_be_converted_is_not_published_at_all(registry: Registry, storage: Storage) -> None:
    estimator = make_pipeline(SplineTransformer(), LinearRegression()).fit(X, Y)
    with pytest.raises(PublishError, match=r"no converter for .*SplineTransformer\): leave out `--onnx`"):
        registry.publish(estimator, name="wood", X_example=X, formats=BOTH)
    assert list(storage.keys("")) == []


def test_a_file_with_another_digest_is_not_given_out(
    registry: Registry, published: Manifest, storage: Storage, tmp_path: Path
) -> None:
    overwrite(storage, "model.onnx", b"another")
    release = registry.resolve(published.reference)
    for read in (
        lambda: registry.read_model(release, "onnx"),
        lambda: registry.download("wood/1", tmp_path),
        lambda: verify_version(registry, "wood/1"),
    ):
        with pytest.raises(IntegrityError, match=r"model\.onnx of wood/1 has SHA-256"):
            read()
    assert list(tmp_path.iterdir()) == []


def test_it_is_verified_in_an_environment_of_onnxruntime_and_numpy(registry: Registry, published: Manifest) -> None:
    assert verify_version(registry, published.reference).formats == BOTH


def test_a_model_that_answers_differently_fails_the_verification(
    registry: Registry, published: Manifest, storage: Storage
) -> None:
    other = RandomForestClassifier(5, random_state=0).fit(X, 1 - Y)
    registry.publish(other, name="other", X_example=X, formats=BOTH)
    found = storage.read(version_key("other", 1, "model.onnx"))
    assert found is not None
    model_format = published.model_format("onnx")
    artifact = msgspec.structs.replace(model_format.artifact, sha256=digest(found.data), size=len(found.data))
    changed = msgspec.structs.replace(
        published, formats={"onnx": msgspec.structs.replace(model_format, artifact=artifact)}
    )
    overwrite(storage, "model.onnx", found.data)
    overwrite(storage, "manifest.json", encode(changed))
    with pytest.raises(VerificationError, match="wood/1 by onnx answers 6 of 6 golden examples differently"):
        verify_version(registry, "wood/1")


def edited(data: bytes, text: str | None) -> bytes:
    """The model with another contract in its metadata, or without any."""
    import onnx

    model = onnx.load_from_string(data)
    del model.metadata_props[:]
    if text is not None:
        entry = model.metadata_props.add()
        entry.key, entry.value = CONTRACT_KEY, text
    result: bytes = model.SerializeToString()
    return result


def test_what_is_no_model_of_this_registry_is_refused_in_words(published: Manifest, storage: Storage) -> None:
    data, signature = stored(storage), published.signature
    for wrong, message in (
        (b"garbage", "the ONNX model cannot be loaded"),
        (edited(data, None), "was not written by this registry"),
        (edited(data, '{"inputs": "pictures"}'), "was written by another release of this registry"),
    ):
        with pytest.raises(ModelFormatError, match=message):
            OnnxPredictor(wrong, signature)


def test_without_the_packages_the_extra_is_named(
    registry: Registry, published: Manifest, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = stored(storage)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModelFormatError, match=r"pip install 'sklearn-on-lambda\[onnx\]'"):
        OnnxPredictor(data, published.signature)
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(PublishError, match=r"pip install 'sklearn-on-lambda\[onnx\]'"):
        registry.publish(LinearRegression().fit(X, Y), name="line", X_example=X, formats=BOTH)


def test_only_what_is_answered_is_computed(published: Manifest, storage: Storage) -> None:
    """A signature without probabilities does not pay for them."""
    signature: Signature = msgspec.structs.replace(published.signature, probabilities=False)
    answers: list[Any] = OnnxPredictor(stored(storage), signature).predict([tuple(X[0].tolist())])
    assert answers == [Prediction(label=answers[0].label)]


def reading(location: str, *, nested: bool = False, sparse: bool = False) -> bytes:
    """A model whose one weight is in another file."""
    from onnx import AttributeProto, SparseTensorProto, TensorProto, helper

    weight = TensorProto(name="w", data_type=TensorProto.UINT8, dims=[6], data_location=TensorProto.EXTERNAL)
    weight.external_data.add(key="location", value=location)
    answer = helper.make_tensor_value_info("y", TensorProto.UINT8, [6])
    node = helper.make_node("Identity", ["w"], ["y"])
    inner = helper.make_graph([node], "inner", [], [answer], [] if sparse else [weight])
    if sparse:
        inner.sparse_initializer.append(SparseTensorProto(values=weight, indices=weight, dims=[6]))
    if nested:
        branch = helper.make_node("If", ["c"], ["y"])
        branch.attribute.add(name="then_branch", type=AttributeProto.GRAPH).g.CopyFrom(inner)
        inner = helper.make_graph([branch], "outer", [], [answer])
    opset = helper.make_opsetid("", 13)
    return bytes(helper.make_model(inner, opset_imports=[opset], ir_version=8).SerializeToString())


def test_a_model_that_would_read_other_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By itself onnxruntime answers with what is in the file, if that is below the working directory."""
    import onnxruntime

    (tmp_path / "secret").write_bytes(b"secret")
    monkeypatch.chdir(tmp_path)
    (answer,) = onnxruntime.InferenceSession(reading("secret"), providers=["CPUExecutionProvider"]).run(None, {})
    assert bytes(answer) == b"secret"
    signature = Signature(features=())
    for data in (reading("secret"), reading("secret", nested=True), reading("secret", sparse=True)):
        with pytest.raises(ModelFormatError, match="has tensors in other files, which are not read: publish it again"):
            OnnxPredictor(data, signature)
    with pytest.raises(ModelFormatError, match="the bytes are not an ONNX model"):
        OnnxPredictor(b"\x3a\x7flocation", signature)


def test_the_word_location_alone_is_no_other_file() -> None:
    """A category or a column may be called so; everything of the model is walked through then."""
    from onnx import TensorProto, helper

    label = TensorProto(name="l", data_type=TensorProto.STRING, dims=[1], string_data=[b"location"])
    answer = helper.make_tensor_value_info("l", TensorProto.STRING, [1])
    model = helper.make_model(helper.make_graph([], "location", [], [answer], [label]))
    helper.set_model_props(model, {"location": "here"})
    assert not has_external_data(model.SerializeToString())


def test_a_model_that_is_larger_than_any_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_format, "_LARGEST_BYTES", 10)
    with pytest.raises(ModelFormatError, match="the ONNX model has 11 bytes, its format has 10 at most"):
        OnnxPredictor(b"x" * 11, Signature(features=()))
