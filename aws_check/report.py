"""What a check has seen, as a table for the terminal and as Markdown to send."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from platform import python_version

from rich.markup import escape
from rich.table import Table

from aws_check.engine import PROJECT

_ABOUT = ("pulumi", "pulumi-aws", "scikit-learn")


@dataclass(frozen=True)
class Row:
    """An assumption, what it expects, and what was seen."""

    assumption: str
    expected: str
    seen: str

    @property
    def same(self) -> bool:
        """Whether the assumption holds."""
        return self.expected == self.seen


@dataclass
class Report:
    """The rows of a check, in the order in which they were seen, and figures, of which nothing was assumed."""

    region: str
    names: Mapping[str, str]
    """What is not for others' eyes (account, addresses), with the word that stands for it."""
    rows: list[Row] = field(default_factory=list)
    figures: dict[str, str] = field(default_factory=dict)
    failure: str = ""
    """Why the check did not come to its end; empty where it did."""

    def add(self, assumption: str, expected: object, seen: object) -> Row:
        """Add a row."""
        row = Row(assumption, self._hidden(str(expected)), self._hidden(str(seen)))
        self.rows.append(row)
        return row

    @property
    def different(self) -> list[Row]:
        """The assumptions that do not hold."""
        return [row for row in self.rows if not row.same]

    def table(self) -> Table:
        """For the terminal."""
        table = Table("assumption", "seen", "", title=f"AWS beside what is assumed, {self.region}", show_lines=True)
        for row in self.rows:
            same = "[green]same[/]" if row.same else "[red]not[/]"
            table.add_row(escape(row.assumption), escape(_seen(row, "\n")), same)
        table.add_section()
        for name, value in self.figures.items():
            table.add_row(escape(name), escape(value), "")
        return table

    def markdown(self) -> str:
        """For a file to send: no account number, address or credential is in it."""
        project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
        made_with = ", ".join(f"{name} {version(name)}" for name in _ABOUT)
        same = len(self.rows) - len(self.different)
        lines = [
            f"# AWS beside what is assumed, {self.region}",
            "",
            f"{project['name']} {project['version']}, Python {python_version()}, {made_with}.",
            f"{same} of {len(self.rows)} the same.",
            *(["", f"It did not come to its end: {_cell(self._hidden(self.failure))}"] if self.failure else []),
            "",
            "| Assumption | Seen | Same |",
            "| --- | --- | --- |",
            *(
                f"| {_cell(row.assumption)} | {_cell(_seen(row, ' '))} | {'yes' if row.same else '**no**'} |"
                for row in self.rows
            ),
            "",
            "| Figure | |",
            "| --- | --- |",
            *(f"| {_cell(name)} | {_cell(self._hidden(value))} |" for name, value in self.figures.items()),
            "",
        ]
        return "\n".join(lines)

    def write(self, path: Path) -> None:
        """Write the Markdown."""
        path.write_text(self.markdown())

    def _hidden(self, text: str) -> str:
        for name, word in self.names.items():
            text = text.replace(name, word)
        return text


def _seen(row: Row, separator: str) -> str:
    return row.seen if row.same else f"{row.seen}{separator}(assumed: {row.expected})"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", "<br>")
