"""What a part of the benchmark found, and how it gets into docs/benchmarks.md: between markers, the prose stays."""

import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from benchmarks.environments import ROOT

PAGE = ROOT / "docs" / "benchmarks.md"
IMAGES = ROOT / "docs" / "images"
_PACKAGES = ("scikit-learn", "numpy", "scipy", "onnxruntime", "obstore", "msgspec", "boto3")

Table = list[list[str]]
"""The lines of a table, the first one its heading."""


@dataclass(frozen=True)
class Goal:
    """What was to be reached, and what was."""

    what: str
    goal: str
    found: str
    reached: bool | None
    """None if it could not be measured; `found` then says why."""
    part: float | None = None
    """What was found as a part of the limit, if both are numbers."""

    def line(self) -> list[str]:
        """The goal as a line of the table of goals."""
        return [self.what, self.goal, self.found, {True: "yes", False: "**no**", None: "-"}[self.reached]]


def at_most(what: str, ratio: float, limit: float) -> Goal:
    """A figure that is not to be above a limit."""
    found = f"{ratio:.3f}" if ratio < 1 else f"{ratio:.2f}"
    return Goal(what, f"at most {limit:g}", found, ratio <= limit, ratio / limit)


@dataclass(frozen=True)
class Section:
    """One part's results: tables, what they say of the goals, and names of plots in docs/images."""

    name: str
    tables: Sequence[Table]
    note: str
    """What was measured how often, with which seeds and versions, in a sentence or more."""
    goals: Sequence[Goal] = ()
    images: Sequence[tuple[str, str]] = field(default=())
    """File names with what the picture shows, for those who cannot see it."""

    def markdown(self) -> str:
        """The text between the markers."""
        pictures = [f"![{text}](images/{name})" for name, text in self.images]
        return "\n\n".join([self.note, *map(markdown_table, self.tables), *pictures])


def goals_table(goals: Iterable[Goal]) -> Table:
    """The table that says what was reached."""
    return [["measure", "goal", "found", "reached"], *(goal.line() for goal in goals)]


def markdown_table(table: Table) -> str:
    """A table in Markdown."""
    lines = ["| " + " | ".join(line) + " |" for line in table]
    lines.insert(1, "| " + " | ".join("---" for _ in table[0]) + " |")
    return "\n".join(lines)


def setting() -> str:
    """The machine and the versions that were measured, in a sentence."""
    packages = [f"{name} {metadata.version(name)}" for name in _PACKAGES]
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors; {', '.join([python, *packages])}."


def markers(name: str) -> tuple[str, str]:
    """The comments that enclose a part's results."""
    return f"<!-- make bench, {name}: begin -->", f"<!-- make bench, {name}: end -->"


def write(name: str, content: str, page: Path = PAGE) -> None:
    """Put a part's results between its markers on the page; ValueError if it has none."""
    begin, end = markers(name)
    text = page.read_text(encoding="utf-8")
    before, found_begin, rest = text.partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found_begin and found_end):
        raise ValueError(f"{page} has no place for {name}: it needs the lines {begin} and {end}")
    page.write_text(f"{before}{begin}\n\n{content}\n\n{end}{after}", encoding="utf-8")
