"""What was published is what is installed, whatever an index has later. Real uv, indexes on loopback."""

import hashlib
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from infra.layer.build import build_layer
from model_registry import uv
from model_registry.environments import RUNNING, environment_for
from model_registry.lambda_packages import digests
from model_registry.lambda_packages.digests import digests_of
from model_registry.lambda_packages.errors import WheelChangedError
from model_registry.lambda_packages.pinned import hashes_here, layer_hashes
from model_registry.lambda_packages.spec import LayerSpec
from model_registry.publish.hashes import why_without, with_hashes
from model_registry.shipping import function_hashes
from model_runtime.errors import EnvironmentBuildError
from model_runtime.manifest import Environment
from tests.model_runtime.test_manifest import MANIFEST
from tests.package_index import make_wheel, serving

NAME = "of-the-bank"
PINS = {NAME: "1.0"}


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither the machine's settings nor its caches count."""
    for name in [name for name in os.environ if name.startswith(("UV_", "PIP_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("SKLEARN_ON_LAMBDA_CACHE", str(tmp_path / "cache"))


def made(folder: Path, answer: str) -> Path:
    folder.mkdir()
    return make_wheel(folder, NAME, "1.0", {"of_the_bank.py": f"ANSWER = {answer!r}\n"})


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    return made(tmp_path / "ours", "ours")


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A wheel of the same name and version with other code."""
    return made(tmp_path / "theirs", "theirs")


@pytest.fixture
def index(tmp_path: Path, ours: Path) -> Iterator[str]:
    with serving(tmp_path / "index", [ours]) as url:
        yield url


@pytest.fixture
def foreign(tmp_path: Path, theirs: Path) -> Iterator[str]:
    with serving(tmp_path / "foreign", [theirs]) as url:
        yield url


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def pinned(wheel: Path) -> LayerSpec:
    return LayerSpec(RUNNING, "x86_64", tuple(PINS.items()), hashes={NAME: [sha256(wheel)]})


def test_a_wheel_that_was_replaced_is_refused_by_layer_and_environment(
    foreign: str, ours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", foreign)
    with pytest.raises(WheelChangedError, match=r"has other wheels than the model was published with: find out who"):
        build_layer(pinned(ours), tmp_path / "layers")
    with pytest.raises(EnvironmentBuildError, match=f"(?is)hash.*{NAME}"):
        environment_for(PINS, RUNNING, hashes={NAME: [sha256(ours)]})
    assert environment_for(PINS, RUNNING).exists(), "without a digest it is taken"


@pytest.mark.parametrize(
    "by", ["UV_FIND_LINKS", "PIP_FIND_LINKS", "UV_CONFIG_FILE", "uv.toml", "pyproject.toml", "UV_INDEX"]
)
def test_no_setting_changes_a_byte_of_a_layer(
    by: str, ours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """The other wheel is offered in each way that uv and pip have: it is not taken, or nothing is."""
    index, foreign, theirs = map(request.getfixturevalue, ("index", "foreign", "theirs"))
    monkeypatch.setenv("UV_DEFAULT_INDEX", index)
    layer = build_layer(pinned(ours), tmp_path / "before")
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    text = f'find-links = ["{theirs.parent}"]\n'
    if by.endswith("FIND_LINKS"):
        monkeypatch.setenv(by, str(theirs.parent))
    elif by == "UV_INDEX":
        monkeypatch.setenv(by, foreign)
    elif by == "pyproject.toml":
        (project / by).write_text(f"[tool.uv]\n{text}", encoding="utf-8")
    else:
        path = tmp_path / "config" / "uv" / "uv.toml"
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")
        monkeypatch.setenv(by, str(path)) if by == "UV_CONFIG_FILE" else None
    try:
        again = build_layer(pinned(ours), tmp_path / "after")
    except WheelChangedError:
        assert by != "pyproject.toml", "which says where packages come from, and is none of the user's settings"
        return
    assert again.sha256 == layer.sha256


def test_a_layer_is_addressed_by_the_digests_of_its_wheels(ours: Path, theirs: Path) -> None:
    spec = pinned(ours)
    assert spec.unpinned == ()
    assert len({spec.key, pinned(theirs).key, replace(spec, hashes={}).key}) == 3
    assert replace(spec, hashes={NAME.upper(): [sha256(ours)], "another": ["0" * 64]}).key == spec.key
    assert replace(spec, hashes={}).unpinned == (NAME,)


def test_what_is_recorded_is_of_the_first_index_that_has_the_name(
    index: str, foreign: str, ours: Path, theirs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A private name is not taken from a public index, though that has it too; neither is kept."""
    monkeypatch.setenv("PIP_INDEX_URL", foreign)
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", index)
    assert digests_of(PINS, "3.12", "arm64") == {NAME: (sha256(ours), "named")}
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", foreign)
    assert digests_of(PINS, "3.12", "arm64") == {NAME: (sha256(theirs), "named")}


def test_a_folder_of_wheels_is_told_from_an_index(ours: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_FIND_LINKS", str(ours.parent))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert digests_of(PINS, "3.12", "x86_64") == {NAME: (sha256(ours), "folder")}
    assert digests_of({NAME: "2.0"}, "3.12", "x86_64") == {}
    ours.unlink()
    newer = make_wheel(ours.parent, NAME, "1.0", {"of_the_bank.py": "ANSWER = 'newer'\n"})
    assert digests_of(PINS, "3.12", "x86_64") == {NAME: (sha256(newer), "folder")}


def test_of_several_wheels_that_fit_the_one_is_recorded_that_uv_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: dict[str, Path] = {}
    (tmp_path / "folder").mkdir()
    for tag in (
        "py3-none-any",
        "cp39-abi3-manylinux_2_34_x86_64",
        "cp311-abi3-manylinux_2_28_x86_64",
        "cp312-cp312-macosx_11_0_arm64",
    ):
        name = f"many-{tag[:4]}-{len(made)}"
        wheel = make_wheel(tmp_path, "many", "1.0", {"many.py": f"TAG = {name!r}\n"})
        made[tag] = wheel.rename(tmp_path / "folder" / f"many-1.0-{tag}.whl")
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path / "folder"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    for architecture, tag in {"x86_64": "cp311-abi3-manylinux_2_28_x86_64", "arm64": "py3-none-any"}.items():
        found = digests_of({"many": "1.0"}, "3.12", architecture)
        assert found["many"][0] == sha256(made[tag])


def test_the_answer_of_uvs_own_index_is_kept_and_serves_while_that_does_not_answer(
    index: str, ours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", index)
    monkeypatch.setattr(uv, "names_an_index", lambda: False)  # as if it were uv's own
    found = digests_of(PINS, "3.12", "x86_64")
    assert found == {NAME: (sha256(ours), "default")}
    monkeypatch.setattr(digests, "_asked", lambda *_: pytest.fail("asked again"))
    assert digests_of(PINS, "3.12", "x86_64") == found
    monkeypatch.undo()


def test_an_index_that_does_not_answer_leaves_a_version_without_digests_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")  # the discard port: nothing listens
    draft = msgspec.structs.replace(MANIFEST, environment=Environment(python="3.12", machine="x86_64", packages=PINS))
    with pytest.raises(EnvironmentBuildError):
        digests_of(PINS, "3.12", "x86_64")
    found = with_hashes(draft, [])
    assert found == draft
    assert "publish again" in why_without(found)[0]


def test_a_manifest_has_the_digests_of_each_platform_and_layers_take_those_of_theirs(
    index: str, ours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", index)
    draft = msgspec.structs.replace(MANIFEST, environment=Environment(python="3.12", machine="x86_64", packages=PINS))
    environment = with_hashes(draft, []).environment
    assert environment.hashes["x86_64"] == environment.hashes["arm64"] == {NAME: sha256(ours)}
    assert environment.sources[NAME] == "named"
    assert layer_hashes(environment, "arm64") == {**function_hashes(), NAME: (sha256(ours),)}
    assert why_without(msgspec.structs.replace(draft, environment=environment)) == ()
    if sys.platform == "linux":
        assert hashes_here(environment)[NAME] == (sha256(ours),)
    stored = with_hashes(draft, [ours]).environment
    assert NAME not in stored.hashes.get("x86_64", {})
