"""Real environments made by uv from the package index."""

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import msgspec
import numpy as np
import pytest
from obstore.store import MemoryStore
from sklearn.dummy import DummyClassifier
from sklearn.tree import DecisionTreeClassifier

from model_registry import Registry, Storage, isolation, verification
from model_registry.gates import Gates
from model_registry.reference import VersionRef
from model_registry.verification import Verification, verify_version
from model_registry.versions import Versions, files_of
from model_runtime.errors import GateError, IntegrityError, ModelFormatError, VerificationError
from model_runtime.manifest import (
    FORMAT_FILES,
    GOLDEN_FILE,
    MODEL_FILE,
    REPORT_FILE,
    SBOM_FILE,
    Manifest,
    Prediction,
    digest,
    encode,
    version_key,
)
from training.train_iris import Trained, publish


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], list[Path]]:
    """What is left in the folder for temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return lambda: list(tmp_path.iterdir())


def craft(registry: Registry, storage: Storage, **changes: Any) -> Manifest:
    """Put a version with another manifest beside the first, its files the same."""
    return beside(registry, storage, {}, **changes)


def beside(registry: Registry, storage: Storage, others: Mapping[str, bytes], **changes: Any) -> Manifest:
    """The same, with the bytes of some files replaced."""
    release, versions = registry.resolve("iris/1"), Versions(storage)
    manifest = msgspec.structs.replace(release.manifest, version=2, **changes)
    files = {one.file: versions.file_bytes(release, one) for one in files_of(release.manifest)}
    versions.put(VersionRef("iris", 2), {**files, **others}.items(), encode(manifest))
    return manifest


def test_every_file_is_compared_with_its_digest_before_any_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also that of a format that is not asked for; the recorded rows only where they are asked."""
    storage = Storage(MemoryStore(), "memory")
    registry = Registry(storage, actor="ada", proof="none")
    X, y = np.eye(10), np.arange(10) % 2
    release = registry.publish(
        DecisionTreeClassifier().fit(X, y),
        name="tree",
        X_example=X,
        X_test=X,
        y_test=y,
        golden="given",
        formats=["skops"],
    )
    monkeypatch.setattr(verification, "replay", lambda *_args, **_options: pytest.fail("a model was loaded"))
    monkeypatch.setattr(verification, "environment_for", lambda *_args, **_options: Path("python"))
    files = {one.file for one in files_of(release.manifest)}
    assert files == {MODEL_FILE, REPORT_FILE, SBOM_FILE, GOLDEN_FILE, FORMAT_FILES["skops"]}
    registry.check_model(release)
    for file in files:
        key = version_key("tree", 1, file)
        stored = storage.read(key)
        assert stored
        storage.overwrite(key, b"{}")
        with pytest.raises(IntegrityError, match=file):
            verify_version(registry, release, model_format="joblib")
        if file == GOLDEN_FILE:
            registry.check_model(release)
        else:
            with pytest.raises(IntegrityError, match=file):
                registry.check_model(release)
        storage.overwrite(key, stored.data)


def test_iris_answers_as_recorded_in_an_environment_made_from_its_manifest(
    registry: Registry,
    trained_iris: Trained,
    left: Callable[[], list[Path]],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SKLEARN_ON_LAMBDA_CACHE", str(tmp_path_factory.mktemp("empty")))
    manifest = publish(registry, trained_iris, "").manifest
    steps: list[str] = []
    found = verify_version(registry, "iris/1", progress=steps.append)
    packages = len(manifest.environment.packages)
    assert found == Verification("iris/1", manifest.environment.python, packages, 3, found.seconds)
    assert str(found) == (
        f"iris/1 answers 3 golden examples as recorded, with Python {manifest.environment.python} "
        f"and its {packages} packages"
    )
    assert [step.split()[0] for step in steps] == ["reading", "making", "installing", "replaying"]
    assert left() == []
    steps.clear()
    verify_version(registry, "iris/1", progress=steps.append)
    assert [step.split()[0] for step in steps] == ["reading", "replaying"], "the environment is kept"


def test_a_version_that_answers_differently_fails_with_the_differing_answers_only(
    registry: Registry, storage: Storage, trained_iris: Trained, left: Callable[[], list[Path]]
) -> None:
    first, second, third = publish(registry, trained_iris, "").manifest.examples
    label = "setosa" if second.output.label != "setosa" else "virginica"
    edited = msgspec.structs.replace(second, output=Prediction(label=label, probabilities=second.output.probabilities))
    craft(registry, storage, examples=(first, edited, third))
    with pytest.raises(VerificationError, match="iris/2 answers 1 of 3 golden examples differently") as raised:
        verify_version(registry, "iris/2")
    assert f'gives {{"label": "{second.output.label}"' in str(raised.value)
    assert f'recorded is {{"label": "{label}"' in str(raised.value)
    assert left() == []


def test_an_environment_that_cannot_be_built_fails_with_the_words_of_uv(
    registry: Registry, storage: Storage, trained_iris: Trained, left: Callable[[], list[Path]]
) -> None:
    environment = publish(registry, trained_iris, "").manifest.environment
    packages = {**environment.packages, "joblib": "0.0.1.dev99"}
    craft(registry, storage, environment=msgspec.structs.replace(environment, packages=packages))
    with pytest.raises(
        VerificationError, match=r"environment of iris/2 cannot be built.*(?s:.*)joblib==0\.0\.1\.dev99"
    ):
        verify_version(registry, "iris/2")
    assert left() == []


def test_a_package_that_the_manifest_forgot_fails_although_this_environment_has_it(
    registry: Registry, storage: Storage, trained_iris: Trained
) -> None:
    environment = publish(registry, trained_iris, "").manifest.environment
    packages = {name: version for name, version in environment.packages.items() if name != "joblib"}
    craft(registry, storage, environment=msgspec.structs.replace(environment, packages=packages))
    with pytest.raises(VerificationError, match=r"iris/2 does not run .*No module named 'joblib'"):
        verify_version(registry, "iris/2")


class Spying(DummyClassifier):  # type: ignore[misc]  # scikit-learn has no types
    """Tells which environment variables the process that loads it can see."""

    def __reduce__(self) -> Any:
        return exec, ("import os; raise RuntimeError('SEEN ' + ' '.join(os.environ))",)


def exchange(registry: Registry, storage: Storage, attacker: object, folder: Path) -> None:
    """Put iris/2 beside iris/1 as somebody can who may write to the bucket: all digests agree."""
    joblib.dump(attacker, folder / "attacker")
    data, manifest = (folder / "attacker").read_bytes(), registry.resolve("iris/1").manifest
    artifact = msgspec.structs.replace(manifest.artifact, sha256=digest(data))
    beside(registry, storage, {MODEL_FILE: data}, artifact=artifact)


_ATTACK = """
import glob, json, os, socket
found = {"environments": 0, "connected": False, "written": False}
for path in glob.glob("/proc/[0-9]*/environ"):
    try:
        with open(path, "rb") as file:
            found["environments"] += b"AWS_SECRET_ACCESS_KEY" in file.read()
    except OSError:
        pass
try:
    socket.create_connection(("127.0.0.1", PORT), 5).close()
    found["connected"] = True
except OSError:
    pass
try:
    with open(FOLDER + "/deed", "w") as file:
        file.write("done")
    found["written"] = True
except OSError:
    pass
try:
    with open("/proc/self/status") as file:
        found["privileges"] = int(file.read().partition("CapEff:")[2].split()[0], 16)
except OSError:
    pass
found["secrets"] = sum(map(os.path.exists, [FOLDER + "/attacker", HOME]))
raise RuntimeError("FOUND " + json.dumps(found) + " END")
"""


@dataclass
class Attacking(DummyClassifier):  # type: ignore[misc]  # scikit-learn has no types
    """Looks, when it is unpickled, for credentials, the network, and a place to write a file."""

    port: int
    folder: str
    home: str = ""

    def __reduce__(self) -> Any:
        attack = _ATTACK.replace("PORT", str(self.port)).replace("FOLDER", repr(self.folder))
        return exec, (attack.replace("HOME", repr(self.home)),)


WALLS = {"bubblewrap": isolation._bubblewrap, "namespaces": isolation._namespaces}
"""The ways to isolate: which of them this system has, and so were tried, is in the names of the tests."""


@pytest.fixture(params=WALLS)
def walls(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One way to isolate, and no other."""
    monkeypatch.setattr(isolation, "_WALLS", (WALLS[request.param],))
    if isolation.isolated([sys.executable], variables={}, cwd=tmp_path, writable=tmp_path, readable=[]) is None:
        pytest.skip(f"{request.param} is not on this system, or this user may not use it")


def test_rules_in_the_bucket_run_no_code_at_a_promoter_s(
    registry: Registry, storage: Storage, trained_iris: Trained, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whoever may write to the bucket sets the rule and the pickle."""
    publish(registry, trained_iris, "")
    registry.set_rules("iris@prod", Gates(verify=True), reason="mine")
    exchange(registry, storage, Attacking(9, str(tmp_path)), tmp_path)
    with pytest.raises(GateError, match=r"runs the model's code on this machine: .*`promote --verify`"):
        registry.promote("iris", version=2, to_tag="prod")
    with pytest.raises(GateError, match="MODEL_REGISTRY_VERIFY"):
        registry.tag("iris/2", "prod")
    assert not (tmp_path / "deed").exists()
    accepting = Registry(storage, actor="me", verify_tags=["iris@prod"])
    monkeypatch.setattr("model_registry.verification.verify_version", lambda *_args, **_options: "verified")
    assert accepting.promote("iris", version=1, to_tag="prod").history[-1].checks == ("verified",)


@pytest.mark.usefixtures("walls")
def test_who_has_a_pickle_verified_runs_it_isolated(
    registry: Registry, storage: Storage, trained_iris: Trained, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The promoter's credentials are in `/proc`, and in files at home."""
    publish(registry, trained_iris, "")
    with socket.create_server(("127.0.0.1", 0)) as server, tempfile.NamedTemporaryFile(dir=Path.home()) as secret:
        exchange(registry, storage, Attacking(server.getsockname()[1], str(tmp_path), secret.name), tmp_path)
        with pytest.raises(VerificationError, match="FOUND") as raised:
            registry.promote("iris", version=2, to_tag="prod", gates=Gates(verify=True))
    found = json.loads(str(raised.value).partition("FOUND ")[2].partition(" END")[0])
    nothing = {"environments": 0, "connected": False, "written": False, "secrets": 0, "privileges": 0}
    assert found == nothing
    assert not (tmp_path / "deed").exists()
    assert "is loaded with your files" not in caplog.text


@pytest.mark.skipif(sys.platform != "linux", reason="isolation is Linux's")
@pytest.mark.usefixtures("walls")
def test_walls_are_those_of_any_user_and_one_folder_is_written() -> None:
    """Root may remount in its namespaces what others may not; as root, nobody's are tried."""
    nobody = 65534 if os.getuid() == 0 else None
    with tempfile.TemporaryDirectory() as folder:
        if nobody:
            os.chown(folder, nobody, nobody)
        system = [path for path in ("/usr", "/bin", "/lib", "/lib64", "/nix/store") if Path(path).exists()]
        inside = isolation._WALLS[0](system, folder, folder, {})
        assert inside is not None
        tries = "for to in / /etc/ /dev/ /usr/ /tmp/ ./; do (: > ${to}x) 2>/dev/null && echo $to; done; true"
        done = subprocess.run(
            [*inside, "/bin/sh", "-c", tries],
            capture_output=True,
            text=True,
            check=False,
            user=nobody,
            group=nobody,
            extra_groups=[] if nobody else None,
        )
        assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["/tmp/", "./"], "")  # noqa: S108  # inside


class Leaving(DummyClassifier):  # type: ignore[misc]  # scikit-learn has no types
    """Ends the process that loads it as if all were well."""

    def __reduce__(self) -> Any:
        return exec, ("import os; os._exit(0)",)


def test_a_model_that_ends_its_process_is_not_verified(
    registry: Registry, storage: Storage, trained_iris: Trained, tmp_path: Path
) -> None:
    publish(registry, trained_iris, "")
    exchange(registry, storage, Leaving(), tmp_path)
    with pytest.raises(VerificationError, match="iris/2 does not run in its own environment"):
        verify_version(registry, "iris/2")
    for printed in ("[]", "3", "{}", '{"examples": 3}', "not JSON", ""):
        assert verification._said(printed) == {}


def test_only_the_format_that_is_served_is_loaded_for_it(registry: Registry, trained_iris: Trained) -> None:
    publish(registry, trained_iris, "")
    with pytest.raises(ModelFormatError, match="iris/1"):
        registry.promote("iris", version=1, to_tag="prod", gates=Gates(verify=True), model_format="onnx")


def test_the_model_s_process_has_no_environment_variable_of_the_caller(
    registry: Registry,
    storage: Storage,
    trained_iris: Trained,
    *,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The AWS credentials that opened the bucket are in the caller's. Where nothing isolates it, that is said."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(isolation, "_WALLS", ())
    publish(registry, trained_iris, "")
    exchange(registry, storage, Spying(), tmp_path)
    with pytest.raises(VerificationError, match="SEEN") as raised:
        verify_version(registry, "iris/2")
    assert "iris/2 is loaded with your files, your processes and the network" in caplog.text
    seen = set(str(raised.value).partition("SEEN ")[2].partition(")")[0].split())
    assert {"HOME", "PATH", "TMPDIR"} <= seen
    own = {"HOME", "PATH", "TMPDIR", "LC_CTYPE", "SYSTEMROOT"}
    assert {name for name in seen - own if not name.startswith("KMP_")} == set(), "joblib and its like set KMP_ names"
    assert {"AWS_SECRET_ACCESS_KEY", "PYTHONPATH"} <= os.environ.keys()


def test_other_bytes_are_refused_before_anything_is_made(
    registry: Registry, storage: Storage, trained_iris: Trained
) -> None:
    publish(registry, trained_iris, "")
    key = version_key("iris", 1, "model.joblib")
    stored = storage.read(key)
    assert stored is not None
    storage.replace(key, stored.data + b"x", stored.etag)
    steps: list[str] = []
    with pytest.raises(IntegrityError, match="do not load it"):
        verify_version(registry, "iris/1", progress=steps.append)
    assert steps == ["reading iris/1"]


def test_a_version_without_golden_examples_is_not_verified(
    registry: Registry, storage: Storage, trained_iris: Trained
) -> None:
    """There would be nothing that can fail."""
    publish(registry, trained_iris, "")
    craft(registry, storage, examples=())
    with pytest.raises(VerificationError, match="iris/2 has no golden examples to replay"):
        verify_version(registry, "iris/2")


def test_without_uv_the_remedy_is_named(
    registry: Registry, trained_iris: Trained, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    publish(registry, trained_iris, "")
    monkeypatch.setenv("SKLEARN_ON_LAMBDA_CACHE", str(tmp_path))
    monkeypatch.setitem(sys.modules, "uv", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(VerificationError, match=r"iris/1 cannot be built: uv.* is not installed: run `pip install uv`"):
        verify_version(registry, "iris/1")
