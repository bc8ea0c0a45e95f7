"""Where the time of a cold start goes: a picture of the imports, and a flame graph.

    python -m benchmarks.profile

It starts the function's own files with the real layer, fetching the guide's model from a local S3 (`benchmarks.cold`).
`import-time.svg` has what CPython's `-X importtime` measured, by package; `flame.svg` what py-spy sampled. Both measure
with their own cost: they show what is large, `make bench` how long it takes.
"""

import re
import subprocess
import sys
import sysconfig
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from benchmarks.cold import ColdStart, prepare, publish_iris
from local.ministack import local_aws

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".local" / "profile"

STDLIB = "standard library"
RATE = 1000
"""Samples of py-spy each second."""
_RUNS = 5
_SHOWN = 12
# `import time: self [us] | cumulative | imported package`, the name indented by two for each level.
_LINE = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \| ( *)(\S+)")


class ProfileError(Exception):
    """A profile could not be made; the message says why and what to do."""


@dataclass(frozen=True)
class Import:
    """One line of `-X importtime`: times in microseconds, `depth` counted from the importer."""

    name: str
    alone: int
    with_imports: int
    depth: int

    @property
    def package(self) -> str:
        """The top-level package, all of the standard library as one."""
        top = self.name.partition(".")[0]
        return STDLIB if top in sys.stdlib_module_names else top


@dataclass(frozen=True)
class PackageTime:
    """What importing a package took, in milliseconds: its own modules, and with all that they import."""

    package: str
    alone: float
    with_imports: float


def parse_imports(text: str) -> list[Import]:
    """Read what `-X importtime` wrote to stderr; other lines are passed over."""
    found = (_LINE.fullmatch(line.rstrip()) for line in text.splitlines())
    return [Import(m[4], int(m[1]), int(m[2]), len(m[3]) // 2) for m in found if m]


def by_package(imports: Sequence[Import]) -> list[PackageTime]:
    """Sum up by package, the longest first.

    The time with imports counts only a package's outermost modules, as those within it are part of them.
    """
    alone: defaultdict[str, int] = defaultdict(int)
    nested: defaultdict[str, int] = defaultdict(int)
    for item, importers in _with_importers(imports):
        alone[item.package] += item.alone
        if item.package not in importers:
            nested[item.package] += item.with_imports
    sums = (PackageTime(name, alone[name] / 1000, nested[name] / 1000) for name in alone)
    return sorted(sums, key=lambda each: -each.alone)


def _with_importers(imports: Sequence[Import]) -> Iterator[tuple[Import, set[str]]]:
    """Each import with the packages that it happened in. A line comes after those of what the module imports."""
    open_: list[Import] = []
    for item in reversed(imports):
        while open_ and open_[-1].depth >= item.depth:
            open_.pop()
        yield item, {each.package for each in open_}
        open_.append(item)


def import_times(start: ColdStart) -> list[Import]:
    """Start several times, and take the run that was disturbed least."""
    runs = [parse_imports(_run(start.with_options("-X", "importtime"), "the cold start")) for _ in range(_RUNS)]
    return min(runs, key=lambda run: sum(item.alone for item in run))


def draw(times: Sequence[PackageTime], title: str, path: Path) -> None:
    """Draw the packages as bars, the longest at the top; the small ones are summed up."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    shown, rest = list(times[:_SHOWN]), times[_SHOWN:]
    if rest:
        small = PackageTime(f"{len(rest)} more", sum(t.alone for t in rest), sum(t.alone for t in rest))
        shown.append(small)
    figure, axes = plt.subplots(figsize=(9, 0.4 * len(shown) + 1.6), layout="constrained")
    names = [time.package for time in shown]
    axes.barh(names, [time.with_imports for time in shown], color="#c6d5e6", label="with all that it imports")
    bars = axes.barh(names, [time.alone for time in shown], height=0.5, color="#2a5d93", label="its own modules")
    axes.bar_label(bars, fmt="%.1f", padding=3, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("milliseconds, as -X importtime measures them")
    axes.set_title(title, fontsize=10, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right")
    figure.savefig(path)
    plt.close(figure)


def flame(start: ColdStart, path: Path) -> None:
    """Let py-spy sample one start; ProfileError if the system does not let it look into the process."""
    spy = Path(sysconfig.get_path("scripts")) / "py-spy"
    if not spy.exists():
        raise ProfileError(f"{spy} does not exist: install the extra `dev`, as `make .venv/.ready` does")
    _run(start.under(str(spy), "record", "--rate", str(RATE), "--output", str(path), "--"), "py-spy")
    if not path.exists():
        raise ProfileError(f"py-spy wrote no {path.name}")


def _run(start: ColdStart, what: str) -> str:
    """Run it and give its stderr."""
    done = subprocess.run(  # noqa: S603  # the command is our own
        start.command, cwd=start.folder, env=dict(start.environment), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ProfileError(_explained(what, done.returncode, done.stderr))
    return done.stderr


def _explained(what: str, code: int, stderr: str) -> str:
    words = stderr.strip()[-2000:]
    if what == "py-spy" and any(sign in words.lower() for sign in ("permission denied", "operation not permitted")):
        return (
            f"py-spy may not look into the process that it starts ({words.splitlines()[-1]}): run as root, or allow "
            "ptrace (`sysctl kernel.yama.ptrace_scope=1`; in a container, the capability SYS_PTRACE)"
        )
    return f"{what} ended with {code}: {words}"


def profile(start: ColdStart, title: str, folder: Path) -> tuple[list[PackageTime], list[Path]]:
    """Draw both pictures of a start into a folder; returns the times by package and the pictures' paths."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = [folder / "import-time.svg", folder / "flame.svg"]
    for picture in pictures:
        picture.unlink(missing_ok=True)  # an old one must not be taken for this one
    imports = import_times(start)
    times = by_package(imports)
    total = sum(item.alone for item in imports) / 1000
    draw(times, f"{title}: {len(imports):,} imports, {total:,.0f} ms", pictures[0])
    flame(start, pictures[1])
    return times, pictures


def main() -> None:
    """Profile the guide's model, and say where the pictures are."""
    say = sys.stdout.write
    with tempfile.TemporaryDirectory() as temporary, local_aws(Path(temporary, "aws")) as aws:
        say("publishing the model and building its layer\n")
        start = prepare(aws, Path(temporary, "start"), "profile", publish_iris(aws, "profile"))
        say(f"starting {_RUNS + 1} times\n")
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        title = f"Cold start, scikit-learn {metadata.version('scikit-learn')}, Python {version}"
        try:
            times, pictures = profile(start, title, FOLDER)
        except ProfileError as error:
            raise SystemExit(f"error: {error}") from error
    for time in times[:_SHOWN]:
        say(f"{time.alone:8.1f} ms {time.with_imports:8.1f} ms with its imports  {time.package}\n")
    for picture in pictures:
        say(f"{picture.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
