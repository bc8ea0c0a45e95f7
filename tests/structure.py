"""The import graph: `python -m tests.structure` writes which folder imports which into CONTRIBUTING.md.

`python -m tests.structure COMMIT` prints how many modules and lines the product had in a commit.
"""

import ast
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "CONTRIBUTING.md"
PACKAGES = (
    *("aws_check", "benchmarks", "handler", "infra", "local", "model_registry", "model_runtime", "sklearn_on_lambda"),
    "training",
)
BEGIN, END = "<!-- python -m tests.structure: begin -->", "<!-- python -m tests.structure: end -->"


@cache
def modules() -> Mapping[str, frozenset[str]]:
    """Each module of the project, tests left out, with the modules that it imports, for type checking too."""
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    found = {module: frozenset(graph.find_modules_directly_imported_by(module)) for module in graph.modules}
    return found | {"__main__": imported_by_main()}


def imported_by_main() -> frozenset[str]:
    """The modules of the project that `__main__.py` imports."""
    tree = ast.parse((ROOT / "__main__.py").read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    return frozenset(name for name in names if name.partition(".")[0] in PACKAGES)


def folders() -> dict[str, list[str]]:
    """Each folder with modules, with the other folders that it imports from."""
    found: dict[str, set[str]] = defaultdict(set)
    for module, imported in modules().items():
        found[_folder(module)] |= {_folder(each) for each in imported}
    return {folder: sorted(found[folder] - {folder}) for folder in sorted(found)}


def listing() -> str:
    """The folders and what they import, as the code block of CONTRIBUTING.md."""
    found = folders()
    width = max(map(len, found))
    lines = [f"{folder:{width}} -> {', '.join(imported) or 'nothing of ours'}" for folder, imported in found.items()]
    return "\n".join([BEGIN, "", "```", *lines, "```", "", END])


def page(text: str) -> str:
    """The text of CONTRIBUTING.md with the current listing."""
    before, _, rest = text.partition(BEGIN)
    return before + listing() + rest.partition(END)[2]


def counts(commit: str) -> dict[str, tuple[int, int]]:
    """Modules and lines of each package, and of the program, in a commit."""
    listed = ["git", "grep", "--count", "", commit, "--", "__main__.py", *(f"{name}/*.py" for name in PACKAGES)]
    found: dict[str, tuple[int, int]] = {}
    for line in subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines():
        _, path, lines = line.rsplit(":", 2)
        package = path.partition("/")[0]
        modules_before, lines_before = found.get(package, (0, 0))
        found[package] = (modules_before + 1, lines_before + int(lines))
    return found


def _folder(module: str) -> str:
    path = ROOT.joinpath(*module.split("."))
    return module if path.is_dir() or module == "__main__" else module.rpartition(".")[0]


def main(commits: Sequence[str]) -> None:
    """Run the command line."""
    for commit in commits:
        found = counts(commit)
        found["all"] = (sum(each[0] for each in found.values()), sum(each[1] for each in found.values()))
        for package, (number, lines) in found.items():
            print(f"{commit} {package}: {number} modules, {lines:,} lines")  # noqa: T201  # what the command is for
    if not commits:
        PAGE.write_text(page(PAGE.read_text()))


if __name__ == "__main__":
    main(sys.argv[1:])
