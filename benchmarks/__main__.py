"""All measures in one run: `python -m benchmarks [--quick] [PART ...]`.

A full run writes docs/benchmarks.md: each part between its markers, and the goals when all parts ran.
`--quick` has tiny counts and leaves out what takes long: it shows that everything works, and only prints.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import joblib  # noqa: F401  # before dill, which Pulumi imports: whatever is pickled later would need it, too
from rich.console import Console
from rich.table import Table

from benchmarks import deployment, layer, models, page, plots, registry, scale, servers, starts, warm
from benchmarks.bench import Bench
from benchmarks.environments import ROOT
from benchmarks.page import Section
from local.ministack import local_aws

# What is sensitive to the machine comes first, and first of all what is measured in this process: publishing models
# scatters its memory. The registry leaves 20,000 objects in the local AWS, so it comes last.
PARTS: Mapping[str, Callable[[Bench], Section]] = {
    "warm": warm.measure,
    "cold": starts.measure,
    "models": models.measure,
    "servers": servers.measure,
    "layer": layer.measure,
    "deployment": deployment.measure,
    "scale": scale.measure,
    "registry": registry.measure,
}
GOALS, GOALS_IMAGE = "goals", "goals.svg"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and, but for `--quick`, write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny counts, no model servers; writes nothing")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"one or more of {', '.join(PARTS)}; by default all")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.parts) - PARTS.keys())
    if unknown:
        parser.error(f"unknown part {', '.join(unknown)}: choose from {', '.join(PARTS)}")
    out, talk = Console(), Console(stderr=True)
    start = time.monotonic()
    sections = []
    for section in run(options.parts or list(PARTS), talk.print, quick=options.quick):
        show(section, out)
        sections.append(section)
        if not options.quick:  # at once: a later part may fail
            page.write(section.name, section.markdown())
    minutes = (time.monotonic() - start) / 60
    if not options.quick and {section.name for section in sections} == PARTS.keys():
        write_goals(sections, minutes)
    where = "nothing is written" if options.quick else f"written to {page.PAGE.relative_to(ROOT)}"
    talk.print(f"{minutes:.1f} minutes; {where}")


def run(parts: Sequence[str], say: Callable[[str], object], *, quick: bool) -> Iterator[Section]:
    """Measure some parts, one after the other, on a local AWS of their own."""
    with tempfile.TemporaryDirectory() as temporary, local_aws(Path(temporary, "aws")) as aws, aws.activated():
        bench = Bench.on(aws, Path(temporary, "bench"), say, quick=quick)
        for number, part in enumerate(parts, 1):
            started = time.monotonic()
            say(f"[{number}/{len(parts)}] {part}")
            section = PARTS[part](bench)
            say(f"[{number}/{len(parts)}] {part}: {time.monotonic() - started:.0f} s")
            yield section


def show(section: Section, console: Console) -> None:
    """Print a section's tables and what they say of the goals."""
    console.print(f"\n{section.name}: {section.note}")
    for lines in [*section.tables, *([page.goals_table(section.goals)] if section.goals else [])]:
        table = Table(*lines[0])
        for line in lines[1:]:
            table.add_row(*line)
        console.print(table)


def write_goals(sections: Sequence[Section], minutes: float) -> None:
    """Put what was reached on the page: all of it comes from this one run."""
    goals = [goal for section in sections for goal in section.goals]
    plots.draw_goals(goals, GOALS_IMAGE)
    reached = sum(goal.reached is True for goal in goals)
    note = f"{page.setting()} One run of {minutes:.0f} minutes; {reached} of {len(goals)} goals are reached."
    image = (GOALS_IMAGE, "Each goal that is a ratio, as a part of its limit")
    page.write(GOALS, Section(GOALS, [page.goals_table(goals)], note, images=[image]).markdown())


if __name__ == "__main__":
    main()
