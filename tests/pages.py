"""The blocks of the documentation's pages, and a shell that follows a page's commands as they stand there."""

import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.structure import ROOT

SHELL, PROGRAMS = ("", "sh"), ("python", "yaml")
"""The languages of blocks that readers run, and of those that they keep as files. All others show something."""
_END = "\x1e"


@dataclass(frozen=True)
class Block:
    """A fenced block; a program is known by its first line, and commands by theirs."""

    page: str
    language: str
    text: str

    @property
    def name(self) -> str:
        """Page and first line; a comment behind a command does not count."""
        first, *_ = re.split(r"\n| +# ", self.text, maxsplit=1)
        return f"{self.page}: {first}"


def blocks() -> list[Block]:
    """What readers are told to run, in the README and on each page that is written by hand; what stands twice, once."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    found = [
        Block(page.name, language, text)
        for page in pages
        if page.name != "command-line.md"  # the build of the site makes it
        for language, text in re.findall(r"^```([^\n]*)\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)
        if language in SHELL + PROGRAMS
    ]
    return list({block.text: block for block in found}.values())


@dataclass(frozen=True)
class Said:
    """A command as it ran, what the page shows of its output, what it printed, and its exit code."""

    command: str
    shown: tuple[str, ...]
    printed: str
    code: int


def commands(block: Block) -> list[tuple[str, tuple[str, ...]]]:
    """The commands of a block, with the lines that the page shows below each: a session has a `$` before commands."""
    lines = block.text.splitlines()
    if not block.text.startswith("$ "):
        return [(line, ()) for line in lines if line]
    sessions = block.text.removeprefix("$ ").split("\n$ ")
    return [(command, tuple(output.splitlines())) for command, _, output in (one.partition("\n") for one in sessions)]


def follow(block: Block, folder: Path, environment: Mapping[str, str], *, moments: Path) -> list[Said]:
    """Run a block's commands one after the other in one shell; a moment is kept after each."""
    steps = commands(block)
    script = "".join(
        f"{command}\nprintf '\\n{_END}%s{_END}' $?; date -u +%Y-%m-%dT%H:%M:%S.%6N+00:00 >> {moments}\n"
        for command, _ in steps
    )
    done = subprocess.run(
        ["bash", "-uc", script],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    *parts, rest = done.stdout.split(_END)
    assert (len(parts), rest) == (2 * len(steps), ""), done.stdout
    pairs = zip(parts[::2], parts[1::2], strict=True)
    return [Said(*step, printed, int(code)) for step, (printed, code) in zip(steps, pairs, strict=True)]


def is_as_shown(said: Said) -> bool:
    """Whether each line that the page shows was printed; `...` is any text, and times are others."""
    return all(re.search(_pattern(line), said.printed, re.MULTILINE) for line in said.shown)


def _pattern(line: str) -> str:
    parts = [re.escape(part) for part in re.split(r"\.\.\.|\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ| +", line.strip())]
    return ".*".join(parts)


def tools(folder: Path) -> Path:
    """A folder for PATH with `python`, which is this one, and a stand-in for the AWS command line."""
    programs = {
        "aws": f'exec "{sys.executable}" "{ROOT}/tests/local/aws_line.py" "$@"',
        "python": f'exec "{sys.executable}" "$@"',
    }
    folder.mkdir()
    for name, body in programs.items():
        (folder / name).write_text(f"#!/bin/sh -e\n{body}\n")
        (folder / name).chmod(0o755)
    return folder
