"""The layer's life: build, cache, refuse. Real uv and the real package index, small packages."""

import dataclasses
import json
import os
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from infra.layer import build as layer_build
from infra.layer.build import build_layer
from model_registry.lambda_packages import spec as layer_spec
from model_registry.lambda_packages.errors import (
    IndexUnreachableError,
    InstallError,
    LayerTooLargeError,
    PackageNotFoundError,
    SpecError,
    UnsupportedArchitectureError,
    UnsupportedPythonError,
    WheelNotFoundError,
)
from model_registry.lambda_packages.install import pip_install
from model_registry.lambda_packages.size import LIMIT_UNZIPPED
from model_registry.lambda_packages.spec import LayerSpec
from model_runtime.errors import EnvironmentBuildError, InterpreterNotFoundError, UvNotFoundError
from model_runtime.manifest import digest
from tests.package_index import make_wheel

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
ROOT = Path(__file__).parents[3]
SMALL = (("six", "1.17.0"), ("msgspec", "0.22.0"), ("typing_extensions", "4.15.0"))


def spec(*packages: tuple[str, str], python: str = PYTHON, architecture: str = "x86_64") -> LayerSpec:
    return LayerSpec(python, architecture, packages or SMALL)


@pytest.fixture
def no_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uv", None)  # import uv: ImportError
    monkeypatch.setenv("PATH", "")


def test_the_key_changes_with_each_input(monkeypatch: pytest.MonkeyPatch) -> None:
    base = spec(python="3.12")
    keys = {
        base.key,
        dataclasses.replace(base, python="3.13").key,
        dataclasses.replace(base, architecture="arm64").key,
        dataclasses.replace(base, packages=SMALL[:2]).key,
        dataclasses.replace(base, packages=(*SMALL[:2], ("typing-extensions", "4.14.0"))).key,
    }
    monkeypatch.setattr(layer_spec, "RECIPE", layer_spec.RECIPE + 1)
    assert len(keys | {dataclasses.replace(base).key}) == 6


def test_the_key_ignores_order_and_spelling() -> None:
    other = spec(("Typing.Extensions", "4.15.0"), ("msgspec", "0.22.0"), ("SIX", "1.17.0"))
    assert other == spec()
    assert other.key == spec().key
    assert other.packages == (("msgspec", "0.22.0"), ("six", "1.17.0"), ("typing-extensions", "4.15.0"))


@pytest.mark.parametrize(
    ("packages", "said"),
    [
        ((), "no packages"),
        ((("six", "1.17.0"), ("six", "1.16.0")), "more than one version is given of six"),
        ((("six", ">=1"),), "one exact version"),
        ((("--index-url", "1"),), "one exact version"),
    ],
)
def test_packages_that_are_no_pins_are_refused(packages: tuple[tuple[str, str], ...], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        LayerSpec(PYTHON, "x86_64", packages)


def test_a_python_or_an_architecture_that_lambda_lacks_is_refused_with_the_choice() -> None:
    with pytest.raises(UnsupportedPythonError, match=r"'3\.9'.*3\.11, 3\.12"):
        spec(python="3.9")
    with pytest.raises(UnsupportedArchitectureError, match=r"'sparc'.*x86_64, arm64"):
        spec(architecture="sparc")


def test_a_layer_is_built_then_cached_then_needs_no_uv(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    said: list[str] = []
    built = build_layer(spec(), tmp_path, said.append)
    assert not built.cached
    assert said[0].startswith("resolving 3 packages for python")
    assert any(line.startswith("compiling ") for line in said)
    assert any(line.startswith("writing zip") for line in said)
    assert [size.name for size in built.packages] == ["msgspec", "typing-extensions", "six"]
    assert built.unzipped_bytes == sum(size.unzipped_bytes for size in built.packages)
    with zipfile.ZipFile(built.path) as archive:
        assert built.unzipped_bytes == sum(entry.file_size for entry in archive.infolist())
        names = {name.removeprefix(f"python/lib/python{PYTHON}/site-packages/") for name in archive.namelist()}
    assert {"six.pyc", "six-1.17.0.dist-info/METADATA", "six-1.17.0.dist-info/LICENSE", "msgspec/json.pyc"} <= names
    assert not [name for name in names if name.endswith((".py", ".pyi", "RECORD", "INSTALLER", "WHEEL", ".lock"))]
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{built.key}.json", f"{built.key}.zip"]

    request.getfixturevalue("no_uv")
    again = build_layer(spec(), tmp_path, said.append)
    assert again == dataclasses.replace(built, cached=True)
    assert "from the cache" in again.report()
    assert "msgspec 0.22.0" in again.report()
    with pytest.raises(UvNotFoundError, match="pip install"):
        build_layer(spec(("six", "1.16.0")), tmp_path)


@pytest.mark.parametrize("damage", ["zip", "truncated", "json", "fields", "both", "another layer's"])
def test_a_damaged_cache_is_rebuilt(tmp_path: Path, damage: str) -> None:
    built = build_layer(spec(SMALL[0]), tmp_path)
    record = tmp_path / f"{built.key}.json"
    data = built.path.read_bytes()
    if damage == "zip":
        built.path.write_bytes(data[:100] + bytes([data[100] ^ 1]) + data[101:])
    elif damage == "truncated":
        built.path.write_bytes(data[:-1])
    elif damage == "json":
        record.write_text("{", encoding="utf-8")
    elif damage == "both":  # by somebody who writes a record that fits
        other = {**json.loads(record.read_bytes()), "zip_bytes": len(data) + 4, "sha256": digest(data + b"evil")}
        built.path.write_bytes(data + b"evil")
        record.write_text(json.dumps(other), encoding="utf-8")
    elif damage == "another layer's":
        another = build_layer(spec(("six", "1.16.0")), tmp_path)
        built.path.write_bytes(another.path.read_bytes())
        record.write_bytes((tmp_path / f"{another.key}.json").read_bytes())
    else:
        record.write_text(json.dumps({"sha256": built.sha256}), encoding="utf-8")
    assert build_layer(spec(SMALL[0]), tmp_path) == built
    assert built.path.read_bytes() == data


def test_a_cache_counts_for_whoever_has_its_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that a pipeline restores: it is believed where the key is given, and built again where it is not."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    cache = tmp_path / "cache"
    assert not build_layer(spec(SMALL[0]), cache).cached
    assert build_layer(spec(SMALL[0]), cache).cached
    (key,) = (tmp_path / "config" / "sklearn-on-lambda").iterdir()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    key.unlink()
    assert not build_layer(spec(SMALL[0]), cache).cached
    monkeypatch.setenv("SKLEARN_ON_LAMBDA_CACHE_KEY", "a secret of the pipeline")
    assert not build_layer(spec(SMALL[0]), cache).cached
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "another"))
    assert build_layer(spec(SMALL[0]), cache).cached


def test_a_wheel_file_is_installed_and_what_is_in_it_addresses_the_layer(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "on-no-index", "1.0", {"ours.py": "ANSWER = 1\n"})
    given = LayerSpec(PYTHON, "x86_64", (SMALL[0], ("On.No.Index", "0.9")), (wheel,))
    assert given.packages == (("on-no-index", "1.0"), SMALL[0])
    layer = build_layer(given, tmp_path / "layers")
    with zipfile.ZipFile(layer.path) as archive:
        assert {name.rpartition("/")[2] for name in archive.namelist()} >= {"ours.pyc", "six.pyc"}
    wheel.unlink()
    make_wheel(tmp_path, "on-no-index", "1.0", {"ours.py": "ANSWER = 2\n"})
    assert dataclasses.replace(given).key != given.key
    with pytest.raises(EnvironmentBuildError, match=r"six\.zip is not a wheel"):
        LayerSpec(PYTHON, "x86_64", (SMALL[0],), (tmp_path / "six.zip",))


def test_a_missing_wheel_names_package_system_and_remedies_that_work(tmp_path: Path) -> None:
    wanted = spec(("scikit-learn", "1.9.1"), ("six", "1.17.0"), python="3.11")
    with pytest.raises(WheelNotFoundError) as caught:
        build_layer(wanted, tmp_path)
    message = str(caught.value)
    assert message.startswith(
        "scikit-learn 1.9.1 has no wheel for Lambda's python3.11 on x86_64 (Amazon Linux 2, glibc 2.26): "
        "train with Python 3.12, 3.13 or 3.14, or train with earlier versions that have one (scikit-learn 1.7."
    )
    assert list(tmp_path.iterdir()) == []


def test_a_package_without_any_wheel_has_another_remedy(tmp_path: Path) -> None:
    with pytest.raises(WheelNotFoundError, match=r"docopt 0\.6\.2 has no wheel.*use packages that publish wheels"):
        build_layer(spec(("docopt", "0.6.2")), tmp_path)


def test_unknown_versions_and_packages_are_named(tmp_path: Path) -> None:
    with pytest.raises(PackageNotFoundError) as caught:
        build_layer(spec(("six", "99.0"), ("no-such-package-as-this-one", "1.0"), SMALL[1]), tmp_path)
    assert "six has no version 99.0" in str(caught.value)
    assert "there is no package 'no-such-package-as-this-one'" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_an_index_that_does_not_answer_is_no_missing_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")  # the discard port: nothing listens
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    with pytest.raises(IndexUnreachableError, match="the package index does not answer"):
        build_layer(spec(SMALL[0]), tmp_path / "layers")


def test_a_uv_that_replaces_a_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that a user can configure does that; the layer must still be what the manifest says."""
    monkeypatch.setattr(
        layer_build, "pip_install", lambda _, *rest, **more: pip_install(["six==1.16.0"], *rest, **more)
    )
    with pytest.raises(InstallError, match=r"six 1\.16\.0, six 1\.17\.0 differ"):
        build_layer(spec(SMALL[0]), tmp_path / "layers")


def test_a_python_that_is_not_here_is_named_with_the_command_that_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = "3.14" if PYTHON != "3.14" else "3.13"
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path / "none"))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InterpreterNotFoundError, match=f"uv python install {other}"):
        build_layer(spec(SMALL[0], python=other), tmp_path / "layers")
    assert list((tmp_path / "layers").iterdir()) == []


def test_a_layer_over_the_limit_lists_the_largest_packages_and_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layer_build, "LIMIT_UNZIPPED", 500_000)
    with pytest.raises(LayerTooLargeError) as caught:
        build_layer(spec(), tmp_path)
    lines = str(caught.value).splitlines()
    assert "500,000" in lines[0]
    assert [line.split()[2] for line in lines[1:]] == ["msgspec", "typing-extensions", "six"]
    assert list(tmp_path.iterdir()) == []


def test_the_functions_own_code_counts_also_for_a_cached_layer(tmp_path: Path) -> None:
    built = build_layer(spec(SMALL[0]), tmp_path, reserve=1000)
    with pytest.raises(LayerTooLargeError):
        build_layer(spec(SMALL[0]), tmp_path, reserve=LIMIT_UNZIPPED - built.unzipped_bytes + 1)
    exact = LIMIT_UNZIPPED - built.unzipped_bytes
    assert build_layer(spec(SMALL[0]), tmp_path, reserve=exact).cached


@pytest.mark.parametrize("step", ["resolving", "compiling", "writing"])
def test_an_interrupted_build_leaves_nothing(tmp_path: Path, step: str) -> None:
    def interrupt(line: str) -> None:
        if line.startswith(step):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_layer(spec(SMALL[0]), tmp_path, interrupt)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_build_left_is_removed_a_day_later(tmp_path: Path) -> None:
    old, recent = tmp_path / "build-old", tmp_path / "build-recent"
    for folder in (old, recent):
        folder.mkdir()
    os.utime(old, (0, 0))
    build_layer(spec(SMALL[0]), tmp_path)
    assert not old.exists()
    assert recent.exists()


def test_two_builders_at_once_leave_one_valid_layer(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from infra.layer.build import *;"
        "from model_registry.lambda_packages.spec import LayerSpec;"
        f"print(build_layer(LayerSpec({PYTHON!r}, 'x86_64', {SMALL!r}), Path(sys.argv[1])).sha256)"
    )
    builders = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path)],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("1", "2")
    ]
    digests = {builder.communicate()[0].strip() for builder in builders}
    layer = build_layer(spec(), tmp_path)
    assert digests == {layer.sha256}
    assert layer.cached
    assert len(list(tmp_path.iterdir())) == 2


def test_the_project_that_surrounds_the_cache_has_no_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.uv]\nconstraint-dependencies = ["six<1"]', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UV_REQUIRE_HASHES", "1")
    assert build_layer(spec(SMALL[0]), Path("cache")).path.is_absolute()
