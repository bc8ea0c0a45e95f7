"""How far a piece of work is, in a line for people: how much of how much, and how long the rest takes at this pace."""

import re
import time
from collections.abc import Callable

Progress = Callable[[str], None]

EVERY = 1.0
"""Seconds between two lines of one piece of work."""
_MINUTE = 60
_UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def megabytes(count: int) -> str:
    """Write a number of bytes for people."""
    return f"{count / 1e6:,.1f} MB"


class Pace:
    """Called with how much of the work is done, and says no more than a line a second."""

    def __init__(self, what: str, total: int, say: Progress, *, shown: Callable[[int], str] = megabytes) -> None:
        self._what = what
        self._total = total
        self._say = say
        self._shown = shown
        self._first: tuple[float, int] | None = None
        self._said = 0.0

    def __call__(self, done: int) -> None:
        """So much is done. The time that it takes to begin, until some is done, says nothing about the rest."""
        now = time.monotonic()
        if not 0 < done < self._total:
            return
        if self._first is None:
            self._first, self._said = (now, done), now
        began, before = self._first
        if done == before or now - self._said < EVERY:
            return
        self._said = now
        left = _left(now - began, done - before, self._total - done)
        self._say(f"{self._what}: {self._shown(done)} of {self._shown(self._total)}, {left}")


class Downloads:
    """Reads what uv writes when large downloads begin and end, and says what is under way."""

    def __init__(self, say: Progress) -> None:
        self._say = say
        self._sizes: dict[str, int] = {}
        self._done: set[str] = set()
        self._began = time.monotonic()

    def read(self, line: str) -> None:
        """Look at a line of uv's; all but those of downloads mean nothing here."""
        if found := re.match(r"Downloading (\S+) \((\d+(?:\.\d+)?)(\w+)\)", line):
            name, number, unit = found.groups()
            self._sizes[name] = int(float(number) * _UNITS.get(unit, 1))
        elif (found := re.match(r"\s*Downloaded (\S+)", line)) and found[1] in self._sizes:
            self._done.add(found[1])
        else:
            return
        if under_way := [name for name in self._sizes if name not in self._done]:
            done, total = sum(self._sizes[name] for name in self._done), sum(self._sizes.values())
            left = f", {_left(time.monotonic() - self._began, done, total - done)}" if done else ""
            self._say(f"downloading {', '.join(under_way)}: {megabytes(done)} of {megabytes(total)}{left}")


def _left(seconds: float, done: int, more: int) -> str:
    left = seconds * more / done
    return f"{left / _MINUTE:.0f} min left" if left >= 2 * _MINUTE else f"{left:.0f} s left"
