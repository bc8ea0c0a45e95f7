import os
import subprocess
import sys
from pathlib import Path

import pytest

from local.environment import LOCK, ministack_python
from local.errors import StartError
from local.ministack import ENVIRONMENTS


def test_it_holds_ministack_and_not_what_functions_get_from_their_layer() -> None:
    """A function that imports scikit-learn without a layer has to fail here as it does on AWS."""
    python = ministack_python(ENVIRONMENTS)
    found = subprocess.run(
        [python, "-c", "import ministack, importlib.util as u; print(u.find_spec('sklearn'), u.find_spec('boto3'))"],
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
    )
    assert found.stdout.split() == ["None", "None"]


def test_it_is_built_once_and_anew_for_another_lock(tmp_path: Path) -> None:
    """An empty lock builds at once; its environment is kept, and a changed lock gets its own."""
    lock = tmp_path / "lock"
    lock.write_text("# one\n")
    first = ministack_python(tmp_path / "envs", lock=lock)
    built = first.parent.parent.stat().st_mtime_ns
    assert ministack_python(tmp_path / "envs", lock=lock) == first
    assert first.parent.parent.stat().st_mtime_ns == built
    lock.write_text("# two\n")
    assert ministack_python(tmp_path / "envs", lock=lock) != first


def test_a_failed_build_leaves_nothing_and_says_what_uv_said(tmp_path: Path) -> None:
    """A lock that cannot be installed ends in one error, with no half-made environment."""
    lock = tmp_path / "lock"
    lock.write_text("./nowhere-1.0-py3-none-any.whl --hash=sha256:" + "0" * 64 + "\n")
    with pytest.raises(StartError, match=r"(?s)uv pip sync ended with \d.*nowhere"):
        ministack_python(tmp_path / "envs", lock=lock)
    assert list((tmp_path / "envs").iterdir()) == []


def test_two_builders_at_once_both_get_the_same_whole_environment(tmp_path: Path) -> None:
    """The second to finish uses what the first has put in place."""
    lock = tmp_path / "lock"
    lock.write_text("# nothing\n")
    code = (
        "import sys; from pathlib import Path; from local.environment import ministack_python as build; "
        "print(build(Path(sys.argv[1]), lock=Path(sys.argv[2])))"
    )
    environment = os.environ | {"PYTHONPATH": str(LOCK.parents[1])}
    builders = [
        subprocess.Popen(
            [sys.executable, "-c", code, tmp_path / "envs", lock], stdout=subprocess.PIPE, text=True, env=environment
        )
        for _ in range(2)
    ]
    built = {builder.communicate(timeout=60)[0].strip() for builder in builders}
    assert [builder.returncode for builder in builders] == [0, 0]
    assert len(built) == 1
    assert len(list((tmp_path / "envs").iterdir())) == 1
    assert Path(built.pop()).exists()
