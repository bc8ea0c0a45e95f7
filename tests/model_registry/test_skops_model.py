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
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from model_registry import Registry, Storage, skops_model
from model_registry.errors import (
    EngineError,
    EnvironmentMismatchError,
    IntegrityError,
    PublishError,
    VerificationError,
)
from model_registry.manifest import Manifest, decode_manifest, digest, encode, version_key
from model_registry.verification import verify_version

X = np.random.default_rng(0).normal(size=(60, 2))
Y = (X[:, 0] + X[:, 1] ** 2 > 0.5).astype(int)
TREE = "sklearn.tree._tree.Tree"
BOTH = ("sklearn", "skops")


def forest() -> RandomForestClassifier:
    return RandomForestClassifier(5, random_state=0).fit(X, Y)


@pytest.fixture
def published(registry: Registry) -> Manifest:
    return registry.publish(forest(), name="wood", X_example=X, class_names=["no", "yes"], engines=BOTH).manifest


def overwrite(storage: Storage, file: str, data: bytes) -> None:
    key = version_key("wood", 1, file)
    stored = storage.read(key)
    assert stored is not None
    storage.replace(key, data, stored.etag)


def test_the_manifest_says_what_the_form_needs_beside_the_joblib_file(published: Manifest, storage: Storage) -> None:
    engine = published.engine("skops")
    stored = storage.read(version_key("wood", 1, "model.skops"))
    assert stored is not None
    assert (engine.artifact.file, engine.artifact.sha256) == ("model.skops", digest(stored.data))
    assert engine.artifact.size == len(stored.data)
    assert engine.environment.packages.items() > published.environment.packages.items()
    assert engine.environment.packages.keys() - published.environment.packages.keys() == {"skops", "packaging"}
    assert engine.environment.python == published.environment.python
    assert engine.untrusted_types == (TREE,)
    assert published.engine_names == BOTH
    assert published.engine("sklearn").artifact == published.artifact


def test_a_version_that_lacks_a_form_says_which_it_has_and_how_to_get_it(registry: Registry) -> None:
    registry.publish(forest(), name="wood", X_example=X)
    with pytest.raises(EngineError, match=r"wood/1 cannot .* 'skops' \(it has sklearn\): publish it again with `--sk"):
        registry.load("wood/1", engine="skops", trusted=[TREE])
    with pytest.raises(EngineError, match="take one of sklearn, skops, onnx"):
        registry.resolve("wood/1").manifest.engine("tensorflow")
    with pytest.raises(PublishError, match=r"engines are \['skopps'\]: give a list of sklearn, skops, onnx"):
        registry.publish(forest(), name="wood", X_example=X, engines=["skopps"])


def test_a_manifest_of_before_has_the_joblib_file_alone(published: Manifest) -> None:
    document = msgspec.to_builtins(published)
    del document["engines"]
    old = decode_manifest(msgspec.json.encode(document))
    assert old.engine_names == ("sklearn",)


def test_types_are_trusted_by_the_reader_and_never_by_the_file(registry: Registry, published: Manifest) -> None:
    assert published.engine("skops").untrusted_types == (TREE,), "what the file says of itself is not asked"
    for trusted in ((), ("another.Type",)):
        with pytest.raises(EngineError, match=r"model\.skops of wood/1 holds types that are not trusted: ") as caught:
            registry.load("wood/1", engine="skops", trusted=trusted)
        assert f"`pulumi config set trustedTypes {','.join([*trusted, TREE])}`" in str(caught.value)
    loaded = registry.load("wood/1", engine="skops", trusted=[TREE])
    assert (loaded.predict_proba(X) == forest().predict_proba(X)).all()
    assert registry.untrusted_types(registry.resolve("wood/1")) == (TREE,)


def test_nothing_is_read_from_a_file_with_another_digest(
    registry: Registry, published: Manifest, storage: Storage
) -> None:
    overwrite(storage, "model.skops", skops_model.dump(LogisticRegression().fit(X, Y)))
    release = registry.resolve("wood/1")
    assert release.manifest == published
    for read in (
        lambda: registry.load("wood/1", engine="skops"),
        lambda: registry.untrusted_types(release),
        lambda: verify_version(registry, "wood/1"),
        lambda: registry.copy("wood/1", registry),
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
    data = skops_model.dump(estimator)
    (name,) = skops_model.untrusted_types(data)
    assert name.endswith(".Touch")
    with pytest.raises(EngineError, match="holds types that are not trusted"):
        skops_model.load(data, [], what="it")
    assert not exploded.exists()
    skops_model.load(data, [name], what="it")
    assert exploded.exists(), "trusted, it runs"


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
    engine = published.engine("skops")
    artifact = msgspec.structs.replace(engine.artifact, sha256=digest(data), size=len(data))
    engines = {"skops": msgspec.structs.replace(engine, artifact=artifact)}
    overwrite(storage, "model.skops", data)
    overwrite(storage, "manifest.json", encode(msgspec.structs.replace(published, engines=engines)))
    with pytest.raises(EnvironmentMismatchError, match="Trying to unpickle estimator"):
        registry.load("wood/1", engine="skops", trusted=[TREE])


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
    release = registry.publish(make(), name="made", X_example=example(), engines=BOTH)
    trusted = registry.untrusted_types(release)
    answers = [registry.load("made/1", engine=engine, trusted=trusted).predict(example()).tolist() for engine in BOTH]
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


def test_a_model_that_answers_otherwise_as_skops_reads_it_is_not_published(
    registry: Registry, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model_registry.environment._modules", lambda _estimator: set())
    with pytest.raises(PublishError, match=r"the Forgetful that skops has read again answers .* leave out `--skops`"):
        registry.publish(Forgetful().fit(X, Y), name="made", X_example=X, engines=BOTH)
    monkeypatch.setattr("model_registry.estimator.dump", lambda _estimator: b"")
    with pytest.raises(PublishError, match=r"skops cannot write this Stateless \(RuntimeError: no state\): leave out"):
        registry.publish(Stateless().fit(X, Y), name="made", X_example=X, engines=BOTH)
    with pytest.raises(PublishError, match=r"skops cannot read this Empty again \(AttributeError: .*: leave out"):
        registry.publish(Empty().fit(X, Y), name="made", X_example=X, engines=BOTH)
    assert list(storage.keys("")) == []


def test_a_lock_file_must_pin_what_was_tried(registry: Registry, tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    pins = registry.publish(forest(), name="wood", X_example=X, engines=BOTH).manifest.engine("skops").environment
    lines = [f"{name}=={version}" for name, version in pins.packages.items()]
    lock.write_text("\n".join(lines))
    again = registry.publish(forest(), name="wood", X_example=X, engines=BOTH, lock=lock)
    assert again.manifest.engine("skops").environment == pins
    for wrong, found in (("", "nothing"), ("skops==0.1", "0.1")):
        lock.write_text("\n".join([wrong, *(line for line in lines if not line.startswith("skops"))]))
        with pytest.raises(PublishError, match=f"pins skops to {found}, this engine needs it"):
            registry.publish(forest(), name="wood", X_example=X, engines=BOTH, lock=lock)


def test_without_skops_the_extra_is_named(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skops", None)
    with pytest.raises(PublishError, match=r"pip install 'sklearn-on-lambda\[skops\]'"):
        registry.publish(forest(), name="wood", X_example=X, engines=BOTH)


def test_an_estimator_is_not_loaded_by_an_engine_that_has_none(registry: Registry, published: Manifest) -> None:
    with pytest.raises(EngineError, match=r"loaded by sklearn or skops, not by 'onnx'"):
        registry.load(published.reference, engine="onnx")


@pytest.mark.parametrize(
    ("text", "names"), [("", ()), ("a.B", ("a.B",)), (" a.B , c.d.E ", ("a.B", "c.d.E")), ("a.B,", None), ("B", None)]
)
def test_names_of_types_are_separated_by_commas(text: str, names: tuple[str, ...] | None) -> None:
    if names is None:
        with pytest.raises(EngineError, match="is no name of a type: write package"):
            skops_model.parse_trusted_types(text)
    else:
        assert skops_model.parse_trusted_types(text) == names


def test_every_form_is_verified_in_an_environment_of_its_own(registry: Registry, published: Manifest) -> None:
    steps: list[str] = []
    found = verify_version(registry, published.reference, progress=steps.append)
    assert found.engines == BOTH
    assert str(found).endswith("packages, and by skops with theirs")
    assert [step.rpartition(" ")[2] for step in steps if step.startswith("replaying")] == list(BOTH)


def test_a_form_that_answers_otherwise_fails_the_verification(
    registry: Registry, published: Manifest, storage: Storage
) -> None:
    other = RandomForestClassifier(5, random_state=0).fit(X, 1 - Y)
    data = skops_model.dump(other)
    engine = published.engine("skops")
    artifact = msgspec.structs.replace(engine.artifact, sha256=digest(data), size=len(data))
    engines = {"skops": msgspec.structs.replace(engine, artifact=artifact)}
    overwrite(storage, "model.skops", data)
    overwrite(storage, "manifest.json", encode(msgspec.structs.replace(published, engines=engines)))
    with pytest.raises(VerificationError, match="wood/1 by skops answers 3 of 3 golden examples otherwise"):
        verify_version(registry, "wood/1")
