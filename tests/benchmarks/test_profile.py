"""The pictures of a cold start."""

import sysconfig
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import profile
from benchmarks.cold import ColdStart
from benchmarks.profile import STDLIB, PackageTime, ProfileError, by_package, parse_imports

# numpy.core is imported by numpy, json by numpy.core, and numpy.linalg by scipy.
IMPORTTIME = """import time: self [us] | cumulative | imported package
import time:       100 |        100 |     json
import time:      1000 |       1100 |   numpy.core
import time:      2000 |       3100 | numpy
a warning of somebody
import time:       500 |        500 |   numpy.linalg
import time:       200 |        700 | scipy
"""


def test_a_package_has_the_time_of_its_modules_and_of_what_they_import() -> None:
    assert by_package(parse_imports(IMPORTTIME)) == [
        PackageTime("numpy", 3.5, 3.6),
        PackageTime("scipy", 0.2, 0.7),
        PackageTime(STDLIB, 0.1, 0.1),
    ]


def test_both_pictures_show_the_function_s_start(
    iris: ColdStart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profile, "_RUNS", 1)
    times, (imports, flame) = profile.profile(iris, "Cold start", tmp_path / "profile")
    assert {"sklearn", "scipy", "numpy", "obstore", "handler", STDLIB} <= {time.package for time in times}
    assert all(0 <= time.alone <= time.with_imports * 1.01 + 0.01 for time in times), "but for the clock's rounding"
    text = imports.read_text()
    assert text.startswith("<?xml")
    assert "</svg>" in text
    frames = flame.read_text()
    assert "model_runtime/start.py" in frames, "the function's own code was sampled"
    assert "handler/app.py" in frames


def test_a_refused_look_says_how_to_allow_it(iris: ColdStart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """py-spy's words where ptrace is not allowed."""
    words = "Error: Failed to find python version\nReason: Permission Denied: Operation not permitted (os error 1)"
    program = f"import sys; sys.exit({words!r})"
    spy = tmp_path / "py-spy"
    spy.write_text(f"#!{iris.command[0]}\n{program}\n")
    spy.chmod(0o755)
    monkeypatch.setattr(sysconfig, "get_path", lambda _name: str(tmp_path))
    with pytest.raises(ProfileError, match=r"os error 1\)\): run as root, or allow ptrace"):
        profile.flame(iris, tmp_path / "flame.svg")


def test_a_start_that_fails_is_no_profile(iris: ColdStart, tmp_path: Path) -> None:
    broken = replace(iris, command=(iris.command[0], "-c", "raise SystemExit('it broke')"))
    with pytest.raises(ProfileError, match=r"^the cold start ended with 1: [\s\S]*it broke$"):
        profile.profile(broken, "Cold start", tmp_path)
