"""Packages that are on no index are stored with the version as wheels, and run from these."""

import importlib
import json
import shutil
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from obstore.store import MemoryStore
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from typer.testing import CliRunner

from model_registry import Registry, Storage, open_storage
from model_registry.cache import CACHE_VARIABLE
from model_registry.cli import app
from model_registry.comparison import compare
from model_registry.doctor import findings
from model_registry.publish import code
from model_registry.publish.environment import environment_of, from_lock
from model_registry.publish.wheels import is_from_elsewhere, wheels_of
from model_registry.reference import VersionRef
from model_registry.verification import verify_version
from model_runtime.errors import EnvironmentMismatchError, IntegrityError, PublishError
from model_runtime.manifest import Feature, Signature, digest, version_key
from tests import installed, own

SIGNATURE = Signature(features=(Feature(name="x", type="number"),))
WHEELS = [
    "acme_folder-1.0+local-py3-none-any.whl",
    "acme_git-1.0+local-py3-none-any.whl",
    "acme_wheel-2.0-py3-none-any.whl",
]


def registry() -> Registry:
    return Registry(Storage(MemoryStore(), "memory"), actor="the tests", proof="none")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """All of them, installed."""
    with installed.installed(tmp_path_factory.mktemp("installed")) as folder:
        yield folder


@pytest.fixture(scope="module")
def published(site: Path) -> Registry:
    """A model with a step of each kind, proven in full."""
    made = registry()
    model = installed.fitted(*installed.STEPS)
    made.publish(model, name="mine", X_example=own.X[:5], proof="full")
    assert site.is_dir()
    return made


def test_what_no_index_has_is_stored_and_what_is_edited_is_own_code(published: Registry) -> None:
    manifest = published.resolve("mine/1").manifest
    assert manifest.proof.kind == "full"
    assert [wheel.file for wheel in manifest.wheels] == WHEELS
    assert manifest.code is not None
    assert manifest.code.modules == ("acme_editable", "acme_editable.steps", "acme_space.beside", "acme_src.steps")
    packages = manifest.environment.packages
    assert (packages["acme-folder"], packages["acme-wheel"]) == ("1.0+local", "2.0")
    # Nothing imports acme-wheel: acme-folder requires it, and finds it by its entry point.
    assert "acme-editable" not in packages


def test_it_is_verified_where_nothing_of_it_is_installed(
    published: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [path for path in sys.path if "installed" not in path])
    assert str(verify_version(published, "mine/1")).startswith("mine/1 answers 5 golden examples")
    importlib.invalidate_caches()
    with pytest.raises(EnvironmentMismatchError, match=r"acme-wheel 2\.0 is needed.*model_registry download mine/1"):
        published.load("mine/1")
    assert tmp_path.is_dir()


def test_a_wheel_is_checked_before_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, site: Path) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    there = registry()
    release = there.publish(installed.fitted("acme_wheel"), name="mine", X_example=own.X[:5])
    (kept,) = there.wheels(release)
    assert digest(kept.read_bytes()) == release.manifest.wheels[0].sha256
    kept.write_bytes(b"changed in the cache")
    assert digest(there.wheels(release)[0].read_bytes()) == release.manifest.wheels[0].sha256
    shutil.rmtree(tmp_path)
    storage: Any = there._versions._storage
    key = version_key("mine", 1, WHEELS[2])
    storage.delete(key)
    storage.create(key, b"changed in the bucket")
    assert [finding.fact[:40] for finding in findings(storage)] == ["acme_wheel-2.0-py3-none-any.whl of mine/"]
    with pytest.raises(IntegrityError, match=r"acme_wheel-2\.0-py3-none-any\.whl of mine/1 has SHA-256"):
        there.wheels(release)
    assert site.is_dir()


def test_it_is_copied_compared_shown_and_downloaded(tmp_path: Path, site: Path) -> None:
    place = str(tmp_path / "models")
    there = Registry(open_storage(place), actor="the tests", proof="none")
    step = site / "acme_wheel.py"
    before = step.read_text()
    for content in (before, f"{before}\n# another build of the same release\n"):
        step.write_text(content)
        there.publish(installed.fitted("acme_wheel"), name="mine", X_example=own.X[:5])
    step.write_text(before)
    one, other = (there.resolve(f"mine/{number}") for number in (1, 2))
    digests = tuple(release.manifest.wheels[0].sha256 for release in (one, other))
    assert compare(one.manifest, other.manifest).files == {WHEELS[2]: digests}
    target = registry()
    assert target.wheels(there.copy("mine/2", target)) == there.wheels(other)
    assert list(findings(target._versions._storage)) == []
    for arguments in (["show", "mine/1"], ["compare", "mine/1", "mine/2"]):
        assert digests[0] in CliRunner().invoke(app, [*arguments, "--bucket", place]).stdout
    said = CliRunner().invoke(app, ["download", "mine/1", "--bucket", place, "--to", str(tmp_path / "got"), "--json"])
    assert json.loads(said.stdout)["wheels"] == [str(tmp_path / "got" / WHEELS[2])]
    there.delete(VersionRef("mine", 2), reason="no more")
    assert not (tmp_path / "models" / "models" / "mine" / "versions" / "2" / WHEELS[2]).exists()


def test_a_wheel_that_no_manifest_names_is_told_and_one_of_a_cut_off_publish_removed(site: Path) -> None:
    there = registry()
    there.publish(installed.fitted("acme_wheel"), name="mine", X_example=own.X[:5])
    storage: Any = there._versions._storage
    storage.create(version_key("mine", 1, WHEELS[1]), b"left")
    assert [finding.fact for finding in findings(storage)] == ["is not an object of the registry, which ignores it"]
    storage.create(version_key("mine", 2, WHEELS[1]), b"cut off")
    assert list(there.gc(older_than=timedelta(0))) == [VersionRef("mine", 2)]
    assert list(storage.keys(version_key("mine", 2, WHEELS[1]))) == []
    assert site.is_dir()


def test_the_same_installation_gives_the_same_bytes(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = {"acme-folder": "1.0+local", "acme-wheel": "2.0"}
    one = [digest(path.read_bytes()) for path in wheels_of(packages)]
    copy = shutil.copytree(site, tmp_path / "elsewhere")
    (copy / "acme_folder" / "__pycache__").mkdir(exist_ok=True)
    monkeypatch.setattr(sys, "path", [str(copy), *sys.path])
    importlib.invalidate_caches()
    assert [digest(path.read_bytes()) for path in wheels_of(packages)] == one
    assert wheels_of({"acme-folder": "2.0"}) == ()  # another version than that here must come from an index


def test_a_lock_file_need_not_pin_them(site: Path, tmp_path: Path) -> None:
    lock = tmp_path / "requirements.txt"
    pins = environment_of({"acme-folder"}, SIGNATURE).packages
    lines = [f"{name}=={version}" for name, version in pins.items() if name != "acme-folder"]
    lock.write_text("\n".join([*lines, f"acme-folder @ {site.as_uri()}"]))
    assert from_lock(lock, {"acme-folder", "scikit-learn"})["acme-folder"] == "1.0+local"


def distribution(folder: Path, *, tag: str = "py3-none-any", installer: str = "pip") -> None:
    """What an installer leaves of `acme-made`, in a folder on the path."""
    info = folder / "acme_made-1.0.dist-info"
    info.mkdir()
    (folder / "acme_made.py").write_text("")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-made\nVersion: 1.0\n")
    (info / "WHEEL").write_text(f"Wheel-Version: 1.0\nTag: {tag}\n")
    (info / "INSTALLER").write_text(f"{installer}\n")
    (info / "direct_url.json").write_text(json.dumps({"url": "file:///somewhere", "dir_info": {}}))
    names = ["acme_made.py", "acme_made-1.0.dist-info/METADATA", "acme_made-1.0.dist-info/WHEEL"]
    (info / "RECORD").write_text("".join(f"{name},,\n" for name in names))


def test_what_was_compiled_for_this_machine_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    distribution(tmp_path, tag="cp311-cp311-linux_x86_64")
    monkeypatch.syspath_prepend(tmp_path)
    message = r"acme-made 1\.0, whose compiled .* were built for this machine \(cp311-cp311-linux_x86_64\): install"
    with pytest.raises(PublishError, match=message):
        wheels_of({"acme-made": "1.0"})


def test_a_file_that_is_gone_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    distribution(tmp_path)
    (tmp_path / "acme_made.py").unlink()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PublishError, match=r"acme-made 1\.0, and its file acme_made\.py cannot be read.*install"):
        wheels_of({"acme-made": "1.0"})


def test_conda_s_own_packages_are_on_an_index_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    distribution(tmp_path, installer="conda")
    monkeypatch.syspath_prepend(tmp_path)
    assert not is_from_elsewhere("acme-made")


def test_sources_beside_which_setuptools_left_metadata_are_own_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script that is run in a project's folder, which is installed as editable."""
    info = tmp_path / "own_flat.egg-info"
    info.mkdir()
    (info / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: own-flat\nVersion: 1.0\n")
    (info / "SOURCES.txt").write_text("own_flat/__init__.py\n")
    (info / "top_level.txt").write_text("own_flat\n")
    (tmp_path / "own_flat").mkdir()
    (tmp_path / "own_flat" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    code.look_again()
    assert code.distribution_of("own_flat") is None


def test_what_an_index_has_as_sources_only_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = tmp_path / "acme_sources-1.0"
    (sources / "acme_sources").mkdir(parents=True)
    (sources / "acme_sources" / "__init__.py").write_text(installed.step(2.0))
    (sources / "pyproject.toml").write_text(
        installed.PROJECT.format(name="acme-sources", more="").replace("+local", "")
    )
    (sources / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: acme-sources\nVersion: 1.0\n")
    index = tmp_path / "index"
    index.mkdir()
    shutil.make_archive(str(index / sources.name), "gztar", tmp_path, sources.name)
    monkeypatch.setenv("UV_FIND_LINKS", str(index))
    installed.install(tmp_path / "site", "acme-sources==1.0")
    monkeypatch.syspath_prepend(tmp_path / "site")
    model = make_pipeline(FunctionTransformer(importlib.import_module("acme_sources").step), LogisticRegression())
    there = registry()
    manifest = there.publish(model.fit(own.X, own.Y), name="mine", X_example=own.X[:5], proof="full").manifest
    assert [wheel.file for wheel in manifest.wheels] == ["acme_sources-1.0-py3-none-any.whl"]
    assert not is_from_elsewhere("acme-sources")
