"""The conventions of CONTRIBUTING.md that no linter knows: reasons of exceptions from lint, and the form of errors."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.structure import PACKAGES, ROOT

FILES = sorted(path for folder in (*PACKAGES, "tests", ".ci") for path in (ROOT / folder).rglob("*.py"))
PRODUCT = [path for path in FILES if path.relative_to(ROOT).parts[0] not in {"tests", ".ci"}] + [ROOT / "__main__.py"]
NAMES = {"Lambda", "MiniStack", "Python", "X_example", "X_test", "X_train"}
"""Names that an error may begin with; others are written in capitals, or hold more than letters."""

LONG = {
    "infra/function.py:__init__": "half of it are the arguments of two resources",
    "infra/private_bucket.py:__init__": "as above, of a bucket's five parts",
    "infra/settings/schema.py": "every setting once, in the order of docs/settings.md: a table in which one searches",
    "model_registry/cli/publishing.py:publish": "options with their help, which typer reads from the signature",
    "model_registry/registry.py": "the registry's interface in one class; longer work is in modules beside it",
    "model_registry/registry.py:publish": "arguments, each explained where an editor shows it",
}
"""Modules over 400 lines and functions over 60, and why a reader is better off with them."""


def place(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def test_exceptions_from_lint_and_types_say_why() -> None:
    """In one form: `# noqa: CODE  # reason`, and the same after `type: ignore[code]`."""
    exception = re.compile(r"#\s*(?:noqa|type: ignore)\b")
    right = re.compile(r"(?:  # (?:noqa: [A-Z]+\d+(?:, [A-Z]+\d+)*|type: ignore\[[\w, -]+\]))+  # \S.*$")
    wrong = [
        place(path, number)
        for path in FILES
        if path != Path(__file__)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if exception.search(line) and not right.search(line)
    ]
    assert not wrong


def messages(path: Path) -> Iterator[tuple[int, str]]:
    """What a module's errors say, with `{}` for what is filled in, by line."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args:
            text = node.exc.args[0]
            if isinstance(text, ast.Constant) and isinstance(text.value, str):
                yield node.lineno, text.value
            elif isinstance(text, ast.JoinedStr):
                parts = (part.value if isinstance(part, ast.Constant) else "{}" for part in text.values)
                yield node.lineno, "".join(map(str, parts))


@pytest.mark.parametrize("package", [*PACKAGES, "__main__.py"])
def test_an_error_starts_in_lower_case_and_ends_without_a_full_stop(package: str) -> None:
    found = [
        (place(path, line), text)
        for path in PRODUCT
        if path.relative_to(ROOT).parts[0] == package
        for line, text in messages(path)
    ]
    assert found or package in {"__main__.py", "training", "handler"}
    wrong = []
    for at, text in found:
        first = re.match(r"[A-Za-z]*", text)
        word = first.group() if first else ""
        named = word in NAMES or not word.istitle() or not text[len(word) : len(word) + 1].isspace()
        if text.endswith(".") or not named:
            wrong.append((at, text))
    assert not wrong


def test_modules_and_functions_are_short() -> None:
    found = set()
    for path in PRODUCT:
        text, name = path.read_text(), path.relative_to(ROOT).as_posix()
        if text.count("\n") > 400:
            found.add(name)
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (node.end_lineno or 0) - node.lineno >= 60:
                found.add(f"{name}:{node.name}")
    assert found == LONG.keys()
