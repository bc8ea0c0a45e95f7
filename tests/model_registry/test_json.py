"""What `--json` prints has the members that docs/json.md says; pipes, and narrow terminals."""

import io
import json
import re
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.naive_bayes import GaussianNB
from typer.testing import CliRunner

from model_registry.cli import app, common
from model_runtime.manifest import Manifest

X = np.arange(12.0).reshape(6, 2)
PAGE = Path(__file__).parents[2] / "docs" / "json.md"
COMMANDS = {
    "publish": "publish model.joblib -n iris -x rows.json",
    "show": "show iris/1",
    "report": "report iris/1",
    "list": "list",
    "list NAME": "list iris",
    "compare": "compare iris/1 iris/2",
    "resolve": "resolve iris@prod",
    "which": "which iris@prod --at 2999-01-01",
    "tag": "tag iris/1 dev",
    "promote": "promote iris --version 2 --to prod",
    "rollback": "rollback iris@prod",
    "history": "history iris@prod",
    "history NAME": "history iris",
    "untag": "untag iris@dev",
    "rules": "rules iris@prod --require accuracy>=0",
    "download": "download iris/1 --to there",
    "deprecate": "deprecate iris/2",
    "revoke": "revoke iris/2",
    "delete": "delete iris/2 -m mistake",
    "gc": "gc",
    "copy": "copy iris/1 --to ./other",
    "verify": "verify iris/1 --quick",
    "doctor": "doctor",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a registry of one version, a model and rows."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MODEL_REGISTRY", "./models")
    joblib.dump(GaussianNB().fit(X, [0, 0, 0, 1, 1, 1]), "model.joblib")
    Path("rows.json").write_text(json.dumps(X.tolist()))
    said("publish model.joblib -n iris -x rows.json")
    said("tag iris/1 prod")
    return tmp_path


def said(command: str, given: bytes | None = None) -> str:
    done = CliRunner().invoke(app, command.split(), input=given)
    assert done.exit_code in {0, 3}, (command, done.stderr)
    return done.stdout


def documented() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for commands, members in re.findall(r"^\| (`.*?) \| [a-z ]+ \| (.*) \|$", PAGE.read_text(), re.MULTILINE):
        names = set(re.findall(r"`(\w+)`", members.partition(", as in")[0]))
        for command in re.findall(r"`([a-z]+(?: NAME)?)`", commands.partition(", each of")[0]):
            found[f"{command}, each" if "each of" in commands else command] = names
    return found


@pytest.mark.usefixtures("folder")
def test_every_command_prints_what_is_documented() -> None:
    expected = documented()
    manifest = set(Manifest.__struct_fields__)
    expected["publish"] = manifest | {"manifest_sha256"}
    expected["show"] = manifest | {"manifest_sha256", "deprecated"}
    expected["history NAME"] = expected["history"]
    assert expected.keys() - {"list NAME, each"} == COMMANDS.keys()
    for name, command in COMMANDS.items():
        printed: Any = json.loads(said(f"{command} --json"))
        assert name != "doctor" or printed == []
        for document in printed if isinstance(printed, list) else [printed]:
            assert document.keys() == expected[name], name
        if name == "list NAME":
            assert printed["versions"][0].keys() == expected["list NAME, each"] - {"error"}


@pytest.mark.usefixtures("folder")
def test_a_model_or_its_rows_may_come_from_standard_input() -> None:
    model, rows = Path("model.joblib").read_bytes(), Path("rows.json").read_bytes()
    assert said("publish - -n piped -x rows.json", model) == "piped/1\n"
    assert said("publish model.joblib -n piped -x -", rows) == "piped/2\n"
    said("download piped/1 --to there")
    assert Path("there/model.joblib").read_bytes() == model


def test_a_table_without_room_is_printed_row_by_row(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr("sys.stdout", terminal := Terminal())
    digest = "0123456789abcdef" * 4
    rows: list[Any] = [{"version": "1", "by": "ada", "metrics": "accuracy 0.98", "note": digest}]
    common.print_table(rows, title="iris")
    lines = terminal.getvalue().splitlines()
    assert [line for line in lines if line.startswith("by: ")] == ["by: ada"]
    assert f"note: {digest}" in lines, "nothing is folded"


def test_promote_names_what_it_lacks(folder: Path) -> None:
    del folder
    refused = CliRunner().invoke(app, ["promote", "iris", "--to", "prod"])
    assert "(--from-tag TAG or --version NUMBER)" in refused.stderr
