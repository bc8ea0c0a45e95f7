"""One set of rules for every use of uv. Real uv, an index on loopback."""

import hashlib
import os
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from infra.layer.build import build_layer
from local.environment import ministack_python
from model_registry import Registry, Storage, uv
from model_registry.environments import RUNNING, environment_for
from model_registry.lambda_packages.spec import LayerSpec
from model_registry.shipping import layer_packages
from model_registry.verification import verify_version
from model_runtime.errors import EnvironmentBuildError
from tests.model_registry.test_verification import craft
from tests.package_index import installed_wheel, make_wheel, serving
from training.train_iris import Trained, publish

ONLY_HERE = "served-on-loopback"
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither the machine's settings nor its caches count."""
    for name in [name for name in os.environ if name.startswith(("UV_", "PIP_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("SKLEARN_ON_LAMBDA_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    (tmp_path / "wheels").mkdir()
    return make_wheel(tmp_path / "wheels", ONLY_HERE, "1.0", {"served.py": "ANSWER = 42\n"})


@pytest.fixture
def index(tmp_path: Path, wheel: Path) -> Iterator[str]:
    with serving(tmp_path / "index", [wheel]) as url:
        yield url


def test_an_index_that_only_pip_names_builds_a_layer_verifies_and_serves_the_local_aws(
    registry: Registry, storage: Storage, trained_iris: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = make_wheel(tmp_path, ONLY_HERE, "1.0", {"served.py": "ANSWER = 42\n"})
    manifest = publish(registry, trained_iris, "").manifest
    packages = {**manifest.environment.packages, ONLY_HERE: "1.0"}
    craft(registry, storage, environment=msgspec.structs.replace(manifest.environment, packages=packages))
    rest = [installed_wheel(tmp_path, name) for name in layer_packages(manifest.environment.packages)]
    lock = tmp_path / "requirements.lock"
    lock.write_text(f"{ONLY_HERE}==1.0 --hash=sha256:{_sha256(wheel)}\n", encoding="utf-8")
    with serving(tmp_path / "index", [wheel, *rest]) as url:
        monkeypatch.setenv("PIP_INDEX_URL", url)
        layer = build_layer(LayerSpec(RUNNING, "x86_64", ((ONLY_HERE, "1.0"),)))
        verified = verify_version(registry, "iris/2")
        local = ministack_python(tmp_path / "local", lock=lock)
    with zipfile.ZipFile(layer.path) as archive:
        assert f"python/lib/python{RUNNING}/site-packages/served.pyc" in archive.namelist()
    assert verified.packages == len(packages)
    assert subprocess.check_output([local, "-I", "-c", "import served; print(served.ANSWER)"], text=True) == "42\n"


@pytest.mark.parametrize("named", ["UV_DEFAULT_INDEX", "UV_INDEX", "PIP_EXTRA_INDEX_URL", "uv.toml", "UV_CONFIG_FILE"])
def test_an_index_is_used_wherever_uv_or_pip_lets_users_name_it(
    index: str, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config" / "uv" / "uv.toml"
    config.parent.mkdir(parents=True)
    if named in {"uv.toml", "UV_CONFIG_FILE"}:
        path = config if named == "uv.toml" else tmp_path / "other.toml"
        path.write_text(f'[[index]]\nname = "ours"\nurl = "{index}"\ndefault = true\n', encoding="utf-8")
    monkeypatch.setenv(named, str(tmp_path / "other.toml") if named == "UV_CONFIG_FILE" else index)
    assert environment_for({ONLY_HERE: "1.0"}, RUNNING).exists()


def test_a_private_package_is_never_taken_from_the_public_index(
    index: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first index that has a package is the only one that is asked for it, even for a version that it lacks."""
    (tmp_path / "foreign").mkdir()
    foreign = [
        make_wheel(tmp_path / "foreign", ONLY_HERE, version, {"served.py": "ANSWER = 'foreign'\n"})
        for version in ("1.0", "2.0")
    ]
    with serving(tmp_path / "public", foreign) as public:
        monkeypatch.setenv("PIP_INDEX_URL", public)
        monkeypatch.setenv("PIP_EXTRA_INDEX_URL", index)
        python = environment_for({ONLY_HERE: "1.0"}, RUNNING)
        with pytest.raises(EnvironmentBuildError, match=rf"(?s){ONLY_HERE}==2\.0"):
            environment_for({ONLY_HERE: "2.0"}, RUNNING)
    assert subprocess.check_output([python, "-I", "-c", "import served; print(served.ANSWER)"], text=True) == "42\n"


@pytest.mark.parametrize("by", ["PIP_FIND_LINKS", "UV_FIND_LINKS"])
def test_a_folder_of_wheels_is_enough_without_an_index(wheel: Path, by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative one too: uv runs in the caller's folder."""
    monkeypatch.chdir(wheel.parent.parent)
    monkeypatch.setenv(by, wheel.parent.name)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert environment_for({ONLY_HERE: "1.0"}, RUNNING).exists()


def test_what_would_change_the_result_has_no_say(
    index: str, wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither as a variable nor in a configuration file nor in the project around the caller."""
    make_wheel(wheel.parent, ONLY_HERE, "0.9", {"served.py": "ANSWER = 41\n"})
    rules = tmp_path / "rules.txt"
    rules.write_text(f"{ONLY_HERE}==0.9\n", encoding="utf-8")
    for name in ("UV_CONSTRAINT", "UV_OVERRIDE", "UV_BUILD_CONSTRAINT", "UV_EXCLUDE"):
        monkeypatch.setenv(name, str(rules))
    monkeypatch.setenv("UV_EXCLUDE_NEWER", "2001-01-01")
    monkeypatch.setenv("UV_REQUIRE_HASHES", "1")
    monkeypatch.setenv("UV_NO_BINARY", "1")
    monkeypatch.setenv("UV_PYTHON", "2.7")
    monkeypatch.setenv("UV_PROJECT", str(tmp_path))
    monkeypatch.setenv("UV_LINK_MODE", "symlink")
    rules_as_toml = [f'override-dependencies = ["{ONLY_HERE}==0.9"]', f'constraint-dependencies = ["{ONLY_HERE}<1"]']
    text = "\n".join([*rules_as_toml, 'link-mode = "symlink"\n'])
    config = tmp_path / "config" / "uv" / "uv.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f'{text}index-url = "{index}"\n[pip]\nrequire-hashes = true\n', encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text(f"[tool.uv]\n{text}", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    python = environment_for({ONLY_HERE: "1.0"}, RUNNING)
    found = subprocess.check_output(
        [python, "-I", "-c", "import served; print(served.ANSWER, served.__file__)"], text=True
    )
    answer, path = found.split()
    assert answer == "42"
    assert not Path(path).is_symlink()
    with zipfile.ZipFile(build_layer(LayerSpec(RUNNING, "x86_64", ((ONLY_HERE, "1.0"),))).path) as archive:
        assert not [name for name in archive.namelist() if "0.9" in name]


def test_pips_settings_reach_uv_unless_it_has_its_own() -> None:
    pip = {
        "PIP_INDEX_URL": "https://a.example/simple",
        "PIP_EXTRA_INDEX_URL": "https://b.example/simple",
        "PIP_FIND_LINKS": "one two",
        "PIP_CERT": "ca.pem",
        "PIP_TRUSTED_HOST": "a.example",
    }
    indexes = {"UV_DEFAULT_INDEX": "https://a.example/simple", "UV_INDEX": "https://b.example/simple"}
    rest = {"UV_FIND_LINKS": "one,two", "SSL_CERT_FILE": "ca.pem", "UV_INSECURE_HOST": "a.example"}

    def given(variables: dict[str, str], config: dict[str, Any] | None = None) -> dict[str, str]:
        return {name: value for name, value in uv.environment(variables, config).items() if name not in {"PATH", *pip}}

    assert given(pip) == indexes | rest
    assert given(pip, {"index": [{"url": "https://c.example"}]}) == rest
    assert given(pip, {"pip": {"index-url": "https://c.example"}}) == rest
    own = {"UV_DEFAULT_INDEX": "https://c.example/simple", "SSL_CERT_FILE": "own.pem"}
    assert given({**pip, **own}) == rest | own


def test_of_uvs_own_variables_only_the_listed_pass_and_of_others_what_helpers_need() -> None:
    passed = {"UV_OFFLINE": "1", "UV_INDEX_OURS_PASSWORD": "x", "HTTPS_PROXY": "p", "AWS_PROFILE": "for a keyring"}
    dropped = {"UV_A_SETTING_OF_A_LATER_UV": "1", "PYTHONPATH": "p", "VIRTUAL_ENV": "v", "CONDA_PREFIX": "c"}
    assert uv.environment(passed | dropped).keys() - {"PATH"} == passed.keys()


def test_a_configuration_passes_with_its_indexes_only_and_reads_back_the_same(tmp_path: Path) -> None:
    (tmp_path / "uv.toml").write_text(
        """
        exclude-newer = "2020-01-01"
        native-tls = true
        extra-index-url = ["https://a.example/'quoted\\"é"]
        [[index]]
        name = "ours"
        url = "https://b.example"
        explicit = false
        [pip]
        no-binary = ["numpy"]
        keyring-provider = "subprocess"
        """,
        encoding="utf-8",
    )
    config = uv.user_config({"UV_CONFIG_FILE": str(tmp_path / "uv.toml")})
    assert config == {
        "native-tls": True,
        "extra-index-url": ["https://a.example/'quoted\"é"],
        "index": [{"name": "ours", "url": "https://b.example", "explicit": False}],
        "pip": {"keyring-provider": "subprocess"},
    }
    assert tomllib.loads(uv.config_text(config)) == config
    assert uv.user_config({"UV_CONFIG_FILE": str(tmp_path / "uv.toml"), "UV_NO_CONFIG": "1"}) == {}


def test_a_configuration_that_is_not_toml_is_named(tmp_path: Path) -> None:
    (tmp_path / "uv.toml").write_text("index = [", encoding="utf-8")
    with pytest.raises(EnvironmentBuildError, match=r"uv\.toml, uv's configuration, cannot be read .*: correct it"):
        uv.user_config({"UV_CONFIG_FILE": str(tmp_path / "uv.toml")})


def test_an_interruption_ends_uv_too(tmp_path: Path, index: str, wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `progress` raises leaves no process behind."""
    big = make_wheel(wheel.parent, "large", "1.0", {"large.py": f"x = '{'x' * 3_000_000}'\n"})
    monkeypatch.setenv("UV_FIND_LINKS", index.removesuffix("/simple") + "/simple/large/")
    (tmp_path / "index" / "simple" / "large").mkdir()
    (tmp_path / "index" / "simple" / "large" / "index.html").write_text(f'<a href="{big.name}">x</a>', encoding="utf-8")
    (tmp_path / "index" / "simple" / "large" / big.name).symlink_to(big)

    def interrupt(_line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        uv.run(["pip", "install", "--target", str(tmp_path / "t"), "--no-deps", "large"], progress=interrupt)
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    if sys.platform == "linux":
        names = [Path(f"/proc/{pid}/comm").read_text().strip() for pid in children.read_text().split()]
        assert "uv" not in names


def test_nothing_else_starts_uv() -> None:
    folders = ["handler", "infra", "local", "model_registry", "model_runtime", "training", "benchmarks"]
    sources = {path for folder in folders for path in (ROOT / folder).rglob("*.py")}
    found = {path.relative_to(ROOT).as_posix() for path in sources if "uv_bin" in path.read_text(encoding="utf-8")}
    assert found == {"model_registry/uv.py"}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
