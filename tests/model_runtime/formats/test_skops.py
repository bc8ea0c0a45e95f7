"""A model in the form of skops is loaded without unpickling, from types that its reader trusts."""

import io
import sys
import zipfile
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from obstore.store import MemoryStore
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from model_registry import Registry, Storage
from model_registry.publish.pickles import Pickled
from model_registry.verification import verify_version
from model_runtime.errors import (
    EnvironmentMismatchError,
    IntegrityError,
    ModelFormatError,
    PublishError,
    VerificationError,
)
from model_runtime.formats import skops as skops_format
from model_runtime.manifest import Manifest, decode_manifest, digest, encode, version_key

X = np.random.default_rng(0).normal(size=(60, 2))
Y = (X[:, 0] + X[:, 1] ** 2 > 0.5).astype(int)
TREE = "sklearn.tree._tree.Tree"
BOTH = ("joblib", "skops")


def forest() -> RandomForestClassifier:
    return RandomForestClassifier(5, random_state=0).fit(X, Y)


@pytest.fixture
def published(registry: Registry) -> Manifest:
    return registry.publish(forest(), name="wood", X_example=X, class_names=["no", "yes"], formats=BOTH).manifest


def overwrite(storage: Storage, file: str, data: bytes) -> None:
    key = version_key("wood", 1, file)
    stored = storage.read(key)
    assert stored is not None
    storage.replace(key, data, stored.etag)


def test_the_manifest_says_what_the_form_needs_beside_the_joblib_file(published: Manifest, storage: Storage) -> None:
    model_format = published.model_format("skops")
    stored = storage.read(version_key("wood", 1, "model.skops"))
    assert stored is not None
    assert (model_format.artifact.file, model_format.artifact.sha256) == ("model.skops", digest(stored.data))
    assert model_format.artifact.size == len(stored.data)
    assert model_format.environment.packages.items() > published.environment.packages.items()
    assert model_format.environment.packages.keys() - published.environment.packages.keys() == {"skops", "packaging"}
    assert model_format.environment.python == published.environment.python
    assert model_format.untrusted_types == (TREE,)
    assert published.format_names == BOTH
    assert published.model_format("joblib").artifact == published.artifact


def test_a_version_that_lacks_a_form_says_which_it_has_and_how_to_get_it(registry: Registry) -> None:
    registry.publish(forest(), name="wood", X_example=X)
    with pytest.raises(
        ModelFormatError, match=r"wood/1 cannot .* 'skops' \(it has joblib\): publish it again with `--sk"
    ):
        registry.load("wood/1", model_format="skops", trusted=[TREE])
    with pytest.raises(ModelFormatError, match="take one of joblib, skops, onnx"):
        registry.resolve("wood/1").manifest.model_format("tensorflow")
    with pytest.raises(PublishError, match=r"formats are \['skopps'\]: give a list of joblib, skops, onnx"):
        registry.publish(forest(), name="wood", X_example=X, formats=["skopps"])


def test_a_manifest_of_before_has_the_joblib_file_alone(published: Manifest) -> None:
    document = msgspec.to_builtins(published)
    document = {**document, "format": 1}
    del document["formats"]
    old = decode_manifest(msgspec.json.encode(document))
    assert old.format_names == ("joblib",)


def test_types_are_trusted_by_the_reader_and_never_by_the_file(registry: Registry, published: Manifest) -> None:
    assert published.model_format("skops").untrusted_types == (TREE,), "what the file says of itself is not asked"
    for trusted in ((), ("another.Type",)):
        with pytest.raises(
            ModelFormatError, match=r"model\.skops of wood/1 holds types that are not trusted: "
        ) as caught:
            registry.load("wood/1", model_format="skops", trusted=trusted)
        assert f"`pulumi config set trustedTypes {','.join([*trusted, TREE])}`" in str(caught.value)
    loaded = registry.load("wood/1", model_format="skops", trusted=[TREE])
    assert (loaded.predict_proba(X) == forest().predict_proba(X)).all()
    assert registry.untrusted_types(registry.resolve("wood/1")) == (TREE,)


def test_nothing_is_read_from_a_file_with_another_digest(
    registry: Registry, published: Manifest, storage: Storage
) -> None:
    overwrite(storage, "model.skops", skops_format.dump(LogisticRegression().fit(X, Y)))
    release = registry.resolve("wood/1")
    assert release.manifest == published
    for read in (
        lambda: registry.load("wood/1", model_format="skops"),
        lambda: registry.untrusted_types(release),
        lambda: verify_version(registry, "wood/1"),
        lambda: registry.copy("wood/1", Registry(Storage(MemoryStore(), "memory"), actor="me")),
        lambda: registry.download("wood/1", Path("nowhere")),
    ):
        with pytest.raises(IntegrityError, match=r"model\.skops of wood/1 has SHA-256"):
            read()
    assert not Path("nowhere").exists()


class Touch:
    """Unpickling it, or building it by its own code, makes a file."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __setstate__(self, state: dict[str, str]) -> None:
        Path(state["path"]).touch()


def test_an_archive_with_a_foreign_type_is_refused_before_any_of_its_code_runs(tmp_path: Path) -> None:
    exploded = tmp_path / "exploded"
    estimator = LogisticRegression().fit(X, Y)
    estimator.extra_ = Touch(str(exploded))
    data = skops_format.dump(estimator)
    (name,) = skops_format.untrusted_types(data)
    assert name.endswith(".Touch")
    with pytest.raises(ModelFormatError, match="holds types that are not trusted"):
        skops_format.load(data, [], what="it")
    assert not exploded.exists()
    skops_format.load(data, [name], what="it")
    assert exploded.exists(), "trusted, it runs"


def test_an_archive_that_unpacks_to_more_than_a_function_has_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    data = skops_format.dump(forest())
    monkeypatch.setattr(skops_format, "_LARGEST_BYTES", 1_000)
    for read in (lambda: skops_format.load(data, (), what="model.skops"), lambda: skops_format.untrusted_types(data)):
        with pytest.raises(
            ModelFormatError, match=r"has [\d,]+ bytes once it is unpacked, 1,000 are read: do not use it"
        ):
            read()
    with pytest.raises(ModelFormatError, match=r"is not a skops archive .*: publish it again"):
        skops_format.load(data[:100], (), what="model.skops")


def test_an_archive_of_another_scikit_learn_is_never_loaded(
    registry: Registry, published: Manifest, storage: Storage
) -> None:
    version = published.environment.packages["scikit-learn"].encode()
    stored = storage.read(version_key("wood", 1, "model.skops"))
    assert stored is not None
    other = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(stored.data)) as source, zipfile.ZipFile(other, "w") as target:
        for entry in source.namelist():
            content = source.read(entry)
            target.writestr(entry, content.replace(version, b"0.1") if entry == "schema.json" else content)
    data = other.getvalue()
    model_format = published.model_format("skops")
    artifact = msgspec.structs.replace(model_format.artifact, sha256=digest(data), size=len(data))
    formats = {"skops": msgspec.structs.replace(model_format, artifact=artifact)}
    overwrite(storage, "model.skops", data)
    overwrite(storage, "manifest.json", encode(msgspec.structs.replace(published, formats=formats)))
    with pytest.raises(EnvironmentMismatchError, match="Trying to unpickle estimator"):
        registry.load("wood/1", model_format="skops", trusted=[TREE])


def frame() -> pd.DataFrame:
    return pd.DataFrame({"colour": ["red", "green", "blue"] * 20, "size": X[:, 0]})


ESTIMATORS: dict[str, tuple[Any, Any]] = {
    "columns": (
        lambda: make_pipeline(
            make_column_transformer((OneHotEncoder(), ["colour"]), (StandardScaler(), ["size"])), Ridge()
        ).fit(frame(), X[:, 1]),
        frame,
    ),
    "boosting": (lambda: HistGradientBoostingRegressor(max_iter=5).fit(X, X[:, 1]), lambda: X),
    "text": (
        lambda: make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(["a cat", "the dog"], ["cat", "dog"]),
        lambda: ["one cat", "no dog"],
    ),
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_models_of_every_kind_answer_as_their_joblib_file(registry: Registry, name: str) -> None:
    make, example = ESTIMATORS[name]
    release = registry.publish(make(), name="made", X_example=example(), formats=BOTH)
    trusted = registry.untrusted_types(release)
    answers = [
        registry.load("made/1", model_format=model_format, trusted=trusted).predict(example()).tolist()
        for model_format in BOTH
    ]
    assert answers[0] == answers[1]


class Forgetful(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Answers otherwise once skops has read it again."""

    def fit(self, X: Any, y: Any) -> "Forgetful":  # noqa: ARG002  # as scikit-learn calls it
        self.classes_ = np.unique(y)
        self.answer_ = 1
        return self

    def __getstate__(self) -> dict[str, Any]:
        caller = sys._getframe(1).f_globals["__name__"]
        return {**self.__dict__, "answer_": 0} if caller.startswith("skops") else self.__dict__

    def predict(self, X: Any) -> Any:
        return np.full(len(X), self.answer_)


class Stateless(Forgetful):
    """Skops cannot write it."""

    def __getstate__(self) -> dict[str, Any]:
        raise RuntimeError("no state")


class Empty(Forgetful):
    """Skops cannot read it again: what is built lacks what was fitted."""

    def __reduce__(self) -> Any:
        return Empty, ()


def test_a_model_that_answers_differently_as_skops_reads_it_is_not_published(
    registry: Registry, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model_registry.publish.estimator.is_own", lambda _module: False)
    with pytest.raises(PublishError, match=r"the Forgetful that skops has read again answers .* leave out `--skops`"):
        registry.publish(Forgetful().fit(X, Y), name="made", X_example=X, formats=BOTH)
    monkeypatch.setattr(
        "model_registry.publish.estimator.pickled", lambda *_: Pickled(lambda path: path.touch(), frozenset())
    )
    with pytest.raises(PublishError, match=r"skops cannot write this Stateless \(RuntimeError: no state\): leave out"):
        registry.publish(Stateless().fit(X, Y), name="made", X_example=X, formats=BOTH)
    with pytest.raises(PublishError, match=r"skops cannot read this Empty again \(AttributeError: .*: leave out"):
        registry.publish(Empty().fit(X, Y), name="made", X_example=X, formats=BOTH)
    assert list(storage.keys("")) == []


def test_a_lock_file_must_pin_what_was_tried(registry: Registry, tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    pins = registry.publish(forest(), name="wood", X_example=X, formats=BOTH).manifest.model_format("skops").environment
    lines = [f"{name}=={version}" for name, version in pins.packages.items()]
    lock.write_text("\n".join(lines))
    again = registry.publish(forest(), name="wood", X_example=X, formats=BOTH, lock=lock)
    assert again.manifest.model_format("skops").environment == pins
    for wrong, found in (("", "nothing"), ("skops==0.1", "0.1")):
        lock.write_text("\n".join([wrong, *(line for line in lines if not line.startswith("skops"))]))
        with pytest.raises(PublishError, match=f"pins skops to {found}, this format needs it"):
            registry.publish(forest(), name="wood", X_example=X, formats=BOTH, lock=lock)


def test_without_skops_the_extra_is_named(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skops", None)
    with pytest.raises(PublishError, match=r"pip install 'sklearn-on-lambda\[skops\]'"):
        registry.publish(forest(), name="wood", X_example=X, formats=BOTH)


def test_an_estimator_is_not_loaded_by_a_format_that_has_none(registry: Registry, published: Manifest) -> None:
    with pytest.raises(ModelFormatError, match=r"loaded from joblib or skops, not from 'onnx'"):
        registry.load(published.reference, model_format="onnx")


@pytest.mark.parametrize(
    ("text", "names"), [("", ()), ("a.B", ("a.B",)), (" a.B , c.d.E ", ("a.B", "c.d.E")), ("a.B,", None), ("B", None)]
)
def test_names_of_types_are_separated_by_commas(text: str, names: tuple[str, ...] | None) -> None:
    if names is None:
        with pytest.raises(ModelFormatError, match="is not the name of a type: write package"):
            skops_format.parse_trusted_types(text)
    else:
        assert skops_format.parse_trusted_types(text) == names


def test_every_form_is_verified_in_an_environment_of_its_own(registry: Registry, published: Manifest) -> None:
    steps: list[str] = []
    found = verify_version(registry, published.reference, progress=steps.append)
    assert found.formats == BOTH
    assert str(found).endswith("packages, and by skops with theirs")
    assert [step.rpartition(" ")[2] for step in steps if step.startswith("replaying")] == list(BOTH)


def test_a_form_that_answers_differently_fails_the_verification(
    registry: Registry, published: Manifest, storage: Storage
) -> None:
    other = RandomForestClassifier(5, random_state=0).fit(X, 1 - Y)
    data = skops_format.dump(other)
    model_format = published.model_format("skops")
    artifact = msgspec.structs.replace(model_format.artifact, sha256=digest(data), size=len(data))
    formats = {"skops": msgspec.structs.replace(model_format, artifact=artifact)}
    overwrite(storage, "model.skops", data)
    overwrite(storage, "manifest.json", encode(msgspec.structs.replace(published, formats=formats)))
    with pytest.raises(VerificationError, match="wood/1 by skops answers 6 of 6 golden examples differently"):
        verify_version(registry, "wood/1")
