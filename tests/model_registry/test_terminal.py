"""What a terminal shows, and what it does not: widths, colours, and none of them where nobody looks."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import msgspec
import pytest
from typer.testing import CliRunner

from model_registry import Registry, open_storage
from model_registry.cli import app
from model_runtime.manifest import Feature, Signature
from tests.model_registry.made import made, put
from tests.model_registry.processes import add
from tests.structure import ROOT

COLOUR = re.compile(r"\x1b\[[0-9;]*3\dm")
LOGS = """
import json
from local import cli, log_lines

event = {"timestamp": 0, "message": json.dumps({"level": "ERROR", "event": "request_failed"})}
cli._running = lambda _: None
cli._stack = lambda *_: type("Stack", (), {"outputs": {}})
log_lines.events = lambda _, *, follow: [event] if follow else []
cli.app(["logs", "--follow"])
"""


def seen(*arguments: str, variables: Mapping[str, str] = MappingProxyType({})) -> str:
    """All that a program writes to a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    kept = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "NO_COLOR", "FORCE_COLOR"}}
    environment = {**kept, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore", **variables}
    with subprocess.Popen(
        [sys.executable, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=environment, close_fds=True
    ):
        os.close(theirs)
        found = b""
        while True:
            try:
                piece = os.read(ours, 4096)
            except OSError:  # Linux says so that nobody has the other end any more
                break
            if not piece:
                break
            found += piece
    os.close(ours)
    return found.decode()


@pytest.fixture
def models(tmp_path: Path) -> str:
    storage = open_storage(str(tmp_path / "models"))
    registry = Registry(storage, actor="somebody with a name that takes room")
    add(storage, "iris", b"first")
    registry.tag("iris/1", "prod", reason="a reason that is told at some length, as people should do it")
    return str(tmp_path / "models")


def test_a_table_fits_the_terminal_and_keeps_every_word(models: str) -> None:
    said = seen("-m", "model_registry", "history", "iris@prod", "--bucket", models)
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in said.splitlines()]
    assert max(map(len, lines)) <= 80
    assert "length" in said


@pytest.mark.parametrize(("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_an_error_is_red_on_a_terminal_unless_nobody_wants_colours(
    models: str, variables: dict[str, str], *, coloured: bool
) -> None:
    said = seen("-m", "model_registry", "show", "iris/2", "--bucket", models, variables=variables)
    assert "iris/2" in said
    assert bool(COLOUR.search(said)) == coloured


def test_a_table_has_the_width_that_is_asked_for_also_in_a_pipe(models: str) -> None:
    said = CliRunner().invoke(app, ["history", "iris@prod", "--bucket", models], env={"COLUMNS": "80"}).stdout
    assert (max(map(len, said.splitlines())), "length" in said) == (80, True)


def test_a_width_that_is_none_hides_nothing(models: str) -> None:
    """As Emacs sets it: rich prints nothing at all there, and no error either."""
    for arguments, stream, word in (
        (["-m", "model_registry", "list", "-b", models], "stdout", "iris"),
        (["-m", "model_registry", "list", "-b", "./none"], "stderr", "there is no folder"),
        (["-c", "from local import cli; cli.talk.print('told')"], "stderr", "told"),
    ):
        environment = {**os.environ, "COLUMNS": "0", "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False
        )
        assert word in getattr(done, stream)


def test_metrics_that_are_compared_have_the_digits_that_tables_have(tmp_path: Path) -> None:
    folder = str(tmp_path / "models")
    features = (Feature(name="plan", type="string", categories=("free", "pro")),)
    metrics = [{"accuracy": 17 / 30, "close": 0.95}, {"accuracy": 0.6, "close": 0.9500000001}]
    one, other = (made(number, metrics=each) for number, each in enumerate(metrics, 1))
    put(open_storage(folder), one, msgspec.structs.replace(other, signature=Signature(features=features)))
    said = CliRunner().invoke(app, ["compare", "iris/1", "iris/2", "--bucket", folder]).stdout.split()
    assert {"0.566667", "0.95", "0.9500000001"} <= set(said)
    assert "plan: string (free or pro)" in CliRunner().invoke(app, ["show", "iris/2", "--bucket", folder]).stdout


def test_what_is_piped_has_no_colours(models: str) -> None:
    command = [sys.executable, "-m", "model_registry", "show", "iris/2", "--bucket", models]
    environment = {**os.environ, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, "\x1b" in done.stderr) == (1, False)


@pytest.mark.parametrize(("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_a_log_that_is_followed_has_the_colours_of_its_levels(variables: dict[str, str], *, coloured: bool) -> None:
    said = seen("-c", LOGS, variables=variables)
    assert "request_failed" in said
    assert ("\x1b[31mERROR" in said) == coloured
