import io
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import joblib
import msgspec
import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression

from handler.app import App
from local.ministack import LocalAws
from model_registry import Registry, Release, Storage
from model_registry.shipping import function_files
from model_registry.signing import Signer, generate_key
from model_runtime.download import LoadError
from model_runtime.errors import ModelFormatError, RecordError
from model_runtime.manifest import Artifact, Manifest, Prediction, digest, encode
from model_runtime.pin import Pin
from model_runtime.start import Deployment, ServedModel, load, phase_of
from tests.handler.conftest import gateway, strict

PROJECT = Path(__file__).parents[2]
X = np.arange(12.0).reshape(6, 2)
TREE = "sklearn.tree._tree.Tree"


@pytest.fixture
def release(registry: Registry) -> Release:
    estimator = RandomForestClassifier(5, random_state=0).fit(X, [0, 0, 0, 1, 1, 1])
    return registry.publish(estimator, name="made", X_example=X, class_names=["low", "high"])


@pytest.fixture
def deployed(bucket: str, release: Release) -> Deployment:
    return Deployment(bucket, Pin("made", 1, release.manifest_sha256))


class Bomb:
    """Unpickling it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def bomb(path: Path) -> bytes:
    file = io.BytesIO()
    joblib.dump(Bomb(path), file)
    return file.getvalue()


def put(aws: LocalAws, deployed: Deployment, file: str, data: bytes) -> None:
    aws.client("s3").put_object(Bucket=deployed.bucket, Key=f"models/made/versions/1/{file}", Body=data)


def pinned(deployed: Deployment, **changes: Any) -> Deployment:
    """The same deployment with another pin."""
    return msgspec.structs.replace(deployed, pin=msgspec.structs.replace(deployed.pin, **changes))


def put_manifest(aws: LocalAws, deployed: Deployment, manifest: Manifest) -> Deployment:
    """Store another manifest, and pin it."""
    put(aws, deployed, "manifest.json", encode(manifest))
    return pinned(deployed, manifest_sha256=digest(encode(manifest)))


def put_model(aws: LocalAws, deployed: Deployment, manifest: Manifest, data: bytes) -> Deployment:
    """Store another model, with a manifest that vouches for it."""
    put(aws, deployed, "model.joblib", data)
    artifact = Artifact(file="model.joblib", sha256=digest(data), size=len(data))
    return put_manifest(aws, deployed, msgspec.structs.replace(manifest, artifact=artifact))


def test_the_pinned_version_is_loaded_with_the_time_of_each_phase(deployed: Deployment, release: Release) -> None:
    served = load(deployed)
    assert served.manifest == release.manifest
    assert served.predictor.predict([(0.0, 1.0)])[0].label == "low"
    assert served.inputs.read_body('{"x0": 0, "x1": 1}') == ([(0.0, 1.0)], False)
    assert list(served.milliseconds) == ["import", "fetch", "verify", "load", "self_check"]
    assert all(milliseconds >= 0 for milliseconds in served.milliseconds.values())


def test_a_changed_model_is_never_unpickled(
    aws: LocalAws, deployed: Deployment, release: Release, tmp_path: Path
) -> None:
    exploded = tmp_path / "exploded"
    data = bomb(exploded)
    put(aws, deployed, "model.joblib", data)
    with pytest.raises(LoadError) as caught:
        load(deployed)
    assert not exploded.exists()
    assert str(caught.value) == (
        f"model.joblib of made/1 has SHA-256 {digest(data)}, {release.manifest.artifact.sha256} is pinned: "
        "it is not loaded"
    )
    joblib.load(io.BytesIO(data))
    assert exploded.exists(), "the bomb works"


def test_a_changed_manifest_is_not_believed(
    aws: LocalAws, deployed: Deployment, release: Release, tmp_path: Path
) -> None:
    """Whoever can write to the bucket changes both, but not what the stack has pinned."""
    exploded = tmp_path / "exploded"
    other = put_model(aws, deployed, release.manifest, bomb(exploded))
    with pytest.raises(
        LoadError,
        match=f"manifest.json of made/1 has SHA-256 {other.pin.manifest_sha256}, {deployed.pin.manifest_sha256} is",
    ):
        load(deployed)
    assert not exploded.exists()


def test_a_pinned_manifest_that_this_release_cannot_read_is_refused(
    aws: LocalAws, deployed: Deployment, release: Release
) -> None:
    other = put_manifest(aws, deployed, msgspec.structs.replace(release.manifest, format=3))
    with pytest.raises(RecordError, match="format 3"):
        load(other)


@pytest.mark.parametrize("file", ["model.joblib", "manifest.json"])
def test_a_missing_object_is_named(aws: LocalAws, deployed: Deployment, file: str) -> None:
    aws.client("s3").delete_object(Bucket=deployed.bucket, Key=f"models/made/versions/1/{file}")
    with pytest.raises(LoadError, match=f"s3://{deployed.bucket}/models/made/versions/1/{file} does not exist"):
        load(deployed)


@pytest.fixture
def formed(bucket: str, registry: Registry) -> Deployment:
    """The model published with skops, and pinned for it; its joblib file is gone."""
    estimator = RandomForestClassifier(5, random_state=0).fit(X, [0, 0, 0, 1, 1, 1])
    release = registry.publish(estimator, name="made", X_example=X, formats=["joblib", "skops"])
    Storage.open(bucket).delete("models/made/versions/1/model.joblib")
    return Deployment(bucket, Pin("made", 1, release.manifest_sha256), (), "skops", (TREE,))


def test_with_skops_the_pickle_is_not_even_fetched(formed: Deployment) -> None:
    served = load(formed)
    assert [served.predictor.predict([row])[0].label for row in ((0.0, 1.0), (10.0, 11.0))] == [0, 1]
    with pytest.raises(LoadError, match=r"model\.joblib does not exist"):
        load(msgspec.structs.replace(formed, model_format="joblib"))


# As Lambda does, but for the log; then tell what was imported.
ANSWERER = """
import json, sys
sys.modules["typing_extensions"] = None  # no layer has it but for a model
from handler.function import handler
print(json.dumps(handler({"x0": 10, "x1": 11}, None)))
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""
COSTLY = {"base64", "copy", "dataclasses", "inspect", "pathlib", "traceback"}
"""Modules of the standard library that take milliseconds, or import those that do."""


def test_with_onnx_the_function_imports_neither_scikit_learn_nor_what_it_needs(
    bucket: str, registry: Registry, storage: Storage
) -> None:
    estimator = RandomForestClassifier(5, random_state=0).fit(X, [0, 0, 0, 1, 1, 1])
    release = registry.publish(
        estimator, name="made", X_example=X, class_names=["low", "high"], formats=["joblib", "onnx"]
    )
    storage.delete("models/made/versions/1/model.joblib")
    environment = {
        **os.environ,
        "MODEL_BUCKET": bucket,
        "MODEL_NAME": "made",
        "MODEL_VERSION": "1",
        "MODEL_MANIFEST_SHA256": release.manifest_sha256,
        "MODEL_FORMAT": "onnx",
    }
    command = [sys.executable, "-W", "error", "-c", ANSWERER]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=PROJECT, env=environment)
    log, answer, modules = (strict(line) for line in done.stdout.splitlines())
    assert (log["event"], done.stderr) == ("model_loaded", "")
    assert answer == {"statusCode": 200, "body": "high"}
    assert {"numpy", "onnxruntime"} <= set(modules)
    assert not {"sklearn", "joblib", "scipy", "pandas", "skl2onnx", "onnx", "skops"} & set(modules)
    libraries = [sys.executable, "-c", "import numpy, onnxruntime, sys; print(*sys.modules)"]
    theirs = subprocess.run(libraries, capture_output=True, text=True, check=True, cwd=PROJECT).stdout.split()
    assert COSTLY & set(modules) <= set(theirs), "our own modules import no more of them"


def test_a_changed_onnx_file_is_not_loaded(aws: LocalAws, bucket: str, registry: Registry) -> None:
    estimator = LinearRegression().fit(X, X[:, 0])
    release = registry.publish(estimator, name="made", X_example=X, formats=["onnx"])
    deployed = Deployment(bucket, Pin("made", 1, release.manifest_sha256), model_format="onnx")
    assert load(deployed).predictor.predict([(2.0, 3.0)])[0].value == pytest.approx(2.0)
    put(aws, deployed, "model.onnx", b"another")
    with pytest.raises(LoadError, match=r"model\.onnx of made/1 has SHA-256 .* is pinned: it is not loaded"):
        load(deployed)


def test_with_skops_types_that_the_stack_does_not_trust_are_not_loaded(formed: Deployment) -> None:
    with pytest.raises(ModelFormatError, match=rf"model\.skops of made/1 holds types that are not trusted: {TREE}"):
        load(msgspec.structs.replace(formed, trusted_types=()))


def test_a_changed_skops_file_is_not_loaded(aws: LocalAws, formed: Deployment) -> None:
    put(aws, formed, "model.skops", b"another")
    with pytest.raises(LoadError, match=r"model\.skops of made/1 has SHA-256 .* is pinned: it is not loaded"):
        load(formed)


def test_a_format_that_the_version_lacks_is_named(deployed: Deployment) -> None:
    with pytest.raises(LoadError, match=r"versions/1/model\.skops does not exist"):
        load(msgspec.structs.replace(deployed, model_format="skops"))


def test_the_format_and_trusted_types_are_read_from_the_environment() -> None:
    variables = {"MODEL_BUCKET": "b", "MODEL_NAME": "n", "MODEL_VERSION": "3", "MODEL_MANIFEST_SHA256": "d"}
    found = Deployment.from_environment({**variables, "MODEL_FORMAT": "skops", "MODEL_TRUSTED_TYPES": "a.B,c.D"})
    assert found == Deployment("b", Pin("n", 3, "d"), (), "skops", ("a.B", "c.D"))
    with pytest.raises(LoadError, match="MODEL_FORMAT is 'pickle', this release has joblib, skops, onnx"):
        Deployment.from_environment({**variables, "MODEL_FORMAT": "pickle"})
    with pytest.raises(LoadError, match="MODEL_TRUSTED_TYPES: 'Tree' is not the name of a type"):
        Deployment.from_environment({**variables, "MODEL_TRUSTED_TYPES": "Tree"})


def test_a_missing_bucket_is_named(deployed: Deployment) -> None:
    with pytest.raises(LoadError, match=r"s3://there-is-none does not exist: .*`registryBucket`"):
        load(msgspec.structs.replace(deployed, bucket="there-is-none"))


def test_without_the_right_to_read_nothing_is_loaded(deployed: Deployment, request: pytest.FixtureRequest) -> None:
    request.getfixturevalue("outsider")
    place = f"s3://{deployed.bucket}/models/made/versions/1/manifest.json"
    with pytest.raises(
        LoadError, match=f"does not let the function's role read {place} .* was deleted, .* was changed"
    ):
        load(deployed, seconds=1)


def test_the_phase_of_a_failed_start_is_known(aws: LocalAws, deployed: Deployment) -> None:
    put(aws, deployed, "model.joblib", b"other")
    with pytest.raises(LoadError) as caught:
        load(deployed)
    assert phase_of(caught.value) == "verify"
    with pytest.raises(LoadError) as caught:
        Deployment.from_environment({})
    assert phase_of(caught.value) == "settings"


def test_the_role_needs_the_right_to_read_and_no_other(
    aws: LocalAws, deployed: Deployment, request: pytest.FixtureRequest
) -> None:
    user = request.getfixturevalue("outsider")
    allow = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{deployed.bucket}/models/made/*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    aws.client("iam").put_user_policy(UserName=user, PolicyName="read", PolicyDocument=document)
    assert load(deployed).manifest.reference == "made/1"


def test_a_model_that_answers_differently_than_recorded_is_not_served(
    aws: LocalAws, deployed: Deployment, release: Release
) -> None:
    first, *rest = release.manifest.examples
    for wrong in (
        Prediction(label="high", probabilities=first.output.probabilities),
        Prediction(label="low", probabilities={"low": 0.9, "high": 0.1}),
        Prediction(label="low"),
        Prediction(value=1.0),
    ):
        examples = (msgspec.structs.replace(first, output=wrong), *rest)
        other = put_manifest(aws, deployed, msgspec.structs.replace(release.manifest, examples=examples))
        with pytest.raises(LoadError, match="made/1 answers its first golden example with"):
            load(other)


def test_answers_may_differ_in_the_last_bits_from_machine_to_machine(
    aws: LocalAws, bucket: str, registry: Registry
) -> None:
    release = registry.publish(LinearRegression().fit(X, X), name="made", X_example=X + 0.1)
    (first, *_) = release.manifest.examples
    assert isinstance(first.output.value, list)
    deployed = Deployment(bucket, Pin("made", 1, release.manifest_sha256))
    for factor, accepted in ((1 + 1e-8, True), (1 + 1e-4, False)):
        output = Prediction(value=[value * factor for value in first.output.value])
        example = msgspec.structs.replace(first, output=output)
        other = put_manifest(aws, deployed, msgspec.structs.replace(release.manifest, examples=(example,)))
        if accepted:
            assert load(other).manifest.examples == (example,)
        else:
            with pytest.raises(LoadError):
                load(other)


def test_a_model_of_another_scikit_learn_is_not_served(aws: LocalAws, deployed: Deployment, release: Release) -> None:
    file = io.BytesIO()
    joblib.dump(RandomForestClassifier(5, random_state=0).fit(X, [0, 0, 0, 1, 1, 1]), file)
    version = release.manifest.environment.packages["scikit-learn"].encode()
    assert version in file.getvalue()
    other = file.getvalue().replace(version, b"0" * (len(version) - 2) + b".1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # in the function nothing else makes it an error
        with pytest.raises(UserWarning, match="Trying to unpickle estimator"):
            load(put_model(aws, deployed, release.manifest, other))


def test_a_model_that_answers_nan_is_checked_against_null(aws: LocalAws, bucket: str, registry: Registry) -> None:
    """JSON, and so the manifest, has no NaN."""
    estimator = LinearRegression().fit(X, X[:, 0])
    known = registry.publish(estimator, name="made", X_example=X).manifest
    estimator.coef_ = np.array([np.nan, np.nan])
    release = registry.publish(estimator, name="made", X_example=X)
    deployed = Deployment(bucket, Pin("made", 2, release.manifest_sha256))
    assert App(lambda: load(deployed))({"x0": 1, "x1": 1}, None) == {"statusCode": 200, "body": "null"}
    example = msgspec.structs.replace(known.examples[0], output=Prediction(value=None))
    first = pinned(deployed, version=1)
    with pytest.raises(LoadError, match="answers its first golden example"):
        load(put_manifest(aws, first, msgspec.structs.replace(known, examples=(example,))))
    broken = io.BytesIO()
    joblib.dump(estimator, broken)
    with pytest.raises(
        LoadError, match=r"made/1 does not answer its first golden example: predict gave a number that is not finite"
    ):
        load(put_model(aws, first, known, broken.getvalue()))


@pytest.mark.parametrize("name", ["MODEL_BUCKET", "MODEL_NAME", "MODEL_VERSION", "MODEL_MANIFEST_SHA256"])
def test_a_missing_variable_is_named(name: str) -> None:
    environment = {"MODEL_BUCKET": "b", "MODEL_NAME": "n", "MODEL_VERSION": "3", "MODEL_MANIFEST_SHA256": "d"}
    assert Deployment.from_environment(environment) == Deployment("b", Pin("n", 3, "d"))
    del environment[name]
    with pytest.raises(LoadError, match=f"the environment variable '{name}' is not set"):
        Deployment.from_environment(environment)


def test_the_model_is_served_once_the_cause_of_a_failure_is_gone(
    aws: LocalAws, deployed: Deployment, storage: Storage, capsys: pytest.CaptureFixture[str]
) -> None:
    """A failed load is not cached, a success is."""
    calls: list[Deployment] = []

    def counted() -> ServedModel:
        calls.append(deployed)
        return load(deployed)

    good = storage.read("models/made/versions/1/model.joblib")
    assert good is not None
    put(aws, deployed, "model.joblib", b"other")
    app = App(counted)
    app.start()
    event = gateway("POST", "/predict", {"x0": 10, "x1": 11})
    assert app(event, None)["statusCode"] == 503
    put(aws, deployed, "model.joblib", good.data)
    answers = [app(event, None) for _ in range(3)]
    assert [answer["statusCode"] for answer in answers] == [200] * 3
    assert strict(answers[0]["body"])["label"] == "high"
    assert len(calls) == 3
    lines = [strict(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines] == ["model_load_failed"] * 2 + ["model_loaded"]
    assert list(lines[-1]["milliseconds"]) == ["import", "fetch", "verify", "load", "self_check", "total"]


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer.from_pem(generate_key()[0])


@pytest.fixture
def signed(bucket: str, storage: Storage, signer: Signer) -> Deployment:
    """A signed version, pinned by a stack that trusts the key."""
    estimator = RandomForestClassifier(5, random_state=0).fit(X, [0, 0, 0, 1, 1, 1])
    release = Registry(storage, actor="the tests", signer=signer).publish(estimator, name="made", X_example=X)
    return Deployment(bucket, Pin("made", 1, release.manifest_sha256), (signer.public_key,))


def test_a_signed_model_is_served_also_while_keys_are_replaced(signed: Deployment) -> None:
    other = Signer.from_pem(generate_key()[0]).public_key
    for keys in (signed.public_keys, (other, *signed.public_keys)):
        assert load(msgspec.structs.replace(signed, public_keys=keys)).manifest.reference == "made/1"


def test_an_unsigned_model_is_not_served_where_a_key_is_trusted(deployed: Deployment, signer: Signer) -> None:
    with pytest.raises(LoadError, match=r"versions/1/manifest.sig does not exist"):
        load(msgspec.structs.replace(deployed, public_keys=(signer.public_key,)))


def test_a_manifest_that_the_stack_pinned_is_not_believed_without_its_signature(
    aws: LocalAws, signed: Deployment, storage: Storage, tmp_path: Path
) -> None:
    """Somebody made the deployment pin other bytes: all digests fit, and nothing is unpickled."""
    exploded = tmp_path / "exploded"
    manifest = load(signed).manifest
    other = put_model(aws, signed, manifest, bomb(exploded))
    stored = storage.read("models/made/versions/1/manifest.json")
    assert stored is not None
    assert digest(stored.data) == other.pin.manifest_sha256
    stranger = Signer.from_pem(generate_key()[0])
    good = storage.read("models/made/versions/1/manifest.sig")
    assert good is not None
    for signature in (good.data, stranger.sign(stored.data), b"{}", good.data[:50]):
        put(aws, signed, "manifest.sig", signature)
        with pytest.raises(LoadError, match=r"manifest\.sig of made/1"):
            load(other)
    assert not exploded.exists()


def test_a_signature_by_a_key_that_is_not_trusted_is_refused(signed: Deployment, signer: Signer) -> None:
    other = Signer.from_pem(generate_key()[0]).public_key
    with pytest.raises(LoadError, match="is not by a trusted key") as caught:
        load(msgspec.structs.replace(signed, public_keys=(other,)))
    assert signer.public_key in str(caught.value)


def test_a_signature_does_not_stand_in_for_the_pinned_digest(signed: Deployment) -> None:
    with pytest.raises(LoadError, match=f"{'0' * 64} is pinned"):
        load(pinned(signed, manifest_sha256="0" * 64))


def test_a_public_key_in_the_environment_is_required_once_it_is_set(signer: Signer) -> None:
    """Also one that was emptied or damaged: a check that was asked for is never left out."""
    variables = {"MODEL_BUCKET": "b", "MODEL_NAME": "n", "MODEL_VERSION": "3", "MODEL_MANIFEST_SHA256": "d"}
    keys = (signer.public_key, Signer.from_pem(generate_key()[0]).public_key)
    found = Deployment.from_environment({**variables, "MODEL_PUBLIC_KEY": ",".join(keys)})
    assert found == Deployment("b", Pin("n", 3, "d"), keys)
    for bad in ("", " ", "ed25519:", keys[0][:-1], f"{keys[0]},"):
        with pytest.raises(LoadError, match=r"MODEL_PUBLIC_KEY: .* is not a public key"):
            Deployment.from_environment({**variables, "MODEL_PUBLIC_KEY": bad})


# What the function has: its own zip, and of the layer what it loads before it has the model.
ALLOWED = {"handler", "model_runtime", "msgspec", "obstore"}
IMPORTER = """
import importlib, json, sys
sys.path[:0] = [{code!r}]
sys.modules["typing_extensions"] = None  # no layer has it but for a model
before = set(sys.modules)
for name in {modules!r}:
    importlib.import_module(name)
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def test_the_function_s_own_files_import_nothing_but_what_it_ships(tmp_path: Path) -> None:
    for name, path in function_files().items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(path.read_bytes())
    # All but the entry point, which loads a model when it is imported.
    files = [name.removesuffix(".py") for name in function_files() if name.endswith(".py")]
    names = [name.removesuffix("/__init__").replace("/", ".") for name in files]
    code = IMPORTER.format(code=str(tmp_path), modules=[name for name in names if name != "handler.function"])
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    modules = json.loads(done.stdout)
    tops = {module.partition(".")[0] for module in modules} - sys.stdlib_module_names
    assert {"handler", "model_runtime", "msgspec", "obstore"} <= tops <= ALLOWED


def test_the_entry_point_loads_what_the_environment_names(deployed: Deployment) -> None:
    """As Lambda does: import the module, then call its handler."""
    code = (
        "import gc, json; from handler.function import handler; print(gc.isenabled(), gc.get_freeze_count() > 10_000); "
        "print(json.dumps(handler({'x0': 10, 'x1': 11}, None)))"
    )
    environment = {
        **os.environ,
        "MODEL_BUCKET": deployed.bucket,
        "MODEL_NAME": deployed.pin.name,
        "MODEL_VERSION": str(deployed.pin.version),
        "MODEL_MANIFEST_SHA256": deployed.pin.manifest_sha256,
    }
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=PROJECT, env=environment)
    line, collector, answered = done.stdout.splitlines()
    log, answer = strict(line), strict(answered)
    assert collector == "True True", "the collector is on again, and leaves alone what the start made"
    assert (log["event"], log["version"], done.stderr) == ("model_loaded", 1, "")
    assert answer == {"statusCode": 200, "body": "high"}


def test_a_version_that_is_no_number_is_named() -> None:
    variables = {"MODEL_BUCKET": "b", "MODEL_NAME": "n", "MODEL_VERSION": "latest", "MODEL_MANIFEST_SHA256": "0"}
    with pytest.raises(LoadError, match="MODEL_VERSION is 'latest'"):
        Deployment.from_environment(variables)
