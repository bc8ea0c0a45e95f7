"""What people see while a command works: what is being done, and of a large file how much and how long it takes."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.spinner import Spinner
from rich.text import Text

from model_registry.printable import printable


def plain(text: str) -> Text:
    """Stored text for the terminal: as it is, with control characters made visible."""
    return Text(printable(text, but="\n"))


class Work:
    """A line that says what is being done, called with the next one, and a bar for each file under way."""

    def __init__(self, what: str) -> None:
        self._spinner = Spinner("dots", plain(what))
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        self._tasks: dict[str, TaskID] = {}
        self.shown = Group(self._spinner, self._bars)

    def __call__(self, line: str) -> None:
        """Show what is being done now."""
        self._spinner.update(text=plain(line))

    def transferred(self, key: str, done: int, size: int) -> None:
        """So many bytes of an object were transferred, of so many that it has."""
        if key not in self._tasks:
            self._tasks[key] = self._bars.add_task(key.rpartition("/")[2], total=size)
        self._bars.update(self._tasks[key], completed=done)
        if done >= size:
            self._bars.remove_task(self._tasks.pop(key))


@contextmanager
def working(what: str, console: Console) -> Iterator[Work]:
    """Show what is being done, on a terminal, until the block ends."""
    work = Work(what)
    with Live(work.shown, console=console, transient=True):
        yield work
