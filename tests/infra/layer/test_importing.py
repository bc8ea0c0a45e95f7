"""A built layer is imported before anybody deploys it. Real uv, wheels made here."""

import platform
import sys
from pathlib import Path

import pytest

from infra.layer import importing
from infra.layer.build import Trial, build_layer
from infra.layer.importing import top_level_modules, why_not_here
from model_registry.environments import RUNNING, find_interpreter
from model_registry.lambda_packages.errors import LayerAnswerError, LayerImportError
from model_registry.lambda_packages.platform import machine, runtime_for
from model_registry.lambda_packages.spec import LayerSpec
from tests.package_index import make_wheel

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux can import what is made for Lambda")
HERE = "x86_64" if machine("x86_64") == platform.machine() else "arm64"
FINE = {"name.py": "import sys\nprint('modules may print')\nassert sys.flags.no_site\n"}


def build(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    files: dict[str, str],
    architecture: str = HERE,
    trial: Trial | None = None,
) -> list[str]:
    """Build the layer of one package; returns what was said."""
    make_wheel(folder, "under-test", "1.0", files)
    monkeypatch.setenv("UV_FIND_LINKS", str(folder))
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(folder / "uv"))
    said: list[str] = []
    build_layer(LayerSpec(RUNNING, architecture, (("under-test", "1.0"),)), folder / "layers", said.append, trial=trial)
    return said


def test_each_module_is_imported_in_a_process_that_has_the_layer_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "importing name from the layer" in build(tmp_path, monkeypatch, FINE)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import ctypes\nctypes.CDLL('libnothing.so.7')\n", r"name of under-test \(OSError.*libnothing\.so\.7"),
        ("import name.tests.absent\n", r"name of under-test \(ModuleNotFoundError"),
        ("import sys\nsys.exit('a program')\n", r"name of under-test \(SystemExit"),
    ],
)
def test_a_module_that_does_not_import_stops_the_build_and_nothing_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, said: str
) -> None:
    with pytest.raises(LayerImportError, match=said):
        build(tmp_path, monkeypatch, {"name.py": source})
    assert list((tmp_path / "layers").iterdir()) == []


def test_a_layer_is_tried_where_it_is_unpacked_and_one_that_fails_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(opt: Path, interpreter: str) -> None:
        assert (opt / f"python/lib/python{RUNNING}/site-packages/name.pyc").exists()
        raise LayerAnswerError(interpreter)

    with pytest.raises(LayerAnswerError, match=find_interpreter(RUNNING)):
        build(tmp_path, monkeypatch, FINE, trial=refuse)
    assert list((tmp_path / "layers").iterdir()) == []
    tried: list[Path] = []
    for _ in range(2):
        build(tmp_path, monkeypatch, FINE, trial=lambda opt, _interpreter: tried.append(opt))
    assert len(tried) == 1, "one that is kept has passed"


def test_a_package_that_another_can_use_may_be_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which packages a model needs is what its proof shows."""
    build(tmp_path, monkeypatch, {"name.py": "import a_package_for_plots\n"})


def test_a_process_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "_SECONDS", 0.5)
    with pytest.raises(LayerImportError, match=r"did not import from the layer within 0\.5 s: name"):
        build(tmp_path, monkeypatch, {"name.py": "import time\ntime.sleep(600)\n"})


def test_a_process_that_crashes_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LayerImportError, match=r"name of under-test \(the process ended with -6\)"):
        build(tmp_path, monkeypatch, {"name.py": "import os\nos.abort()\n"})


def test_what_this_machine_cannot_run_is_not_imported_and_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = "arm64" if HERE == "x86_64" else "x86_64"
    said = build(tmp_path, monkeypatch, {"name.py": "1 / 0\n"}, other)
    assert f"neither importing from the layer nor asking it here: it is for Linux on {other}" in said


def test_an_older_glibc_than_the_images_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", "2.17"))
    assert why_not_here(runtime_for("3.12"), HERE) == "this machine's glibc 2.17 is older than the image's 2.34"


def test_top_level_modules_are_those_that_people_import() -> None:
    files = ["a/__init__.pyc", "b.py", "c.cpython-312-x86_64-linux-gnu.so", "a/x.pyc", "_private.pyc", "a.libs/l.so"]
    files += ["a-1.dist-info/METADATA", "namespace/part/__init__.pyc", "not-a-name.pyc", "setup.pyc"]
    files += ["tests/__init__.pyc"]
    assert list(top_level_modules(dict.fromkeys(files, "it"))) == ["a", "b", "c"]
