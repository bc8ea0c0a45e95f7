"""Records each way of docs/start-your-own.md: `python -m tests.pulumi.transcripts` writes docs/transcripts anew.

Each is a run by Pulumi's own engine on a local AWS, of the page's own programs; together they take two minutes.
"""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from local.iris import PROJECT
from local.ministack import LocalAws, local_aws
from tests.conftest import let_vpc_reach_s3
from tests.pulumi.engine import find_engine
from tests.pulumi.shell import run_lines
from tests.pulumi.stacks import make_project
from tests.pulumi.ways import block, empty_program, make_team, new_project, program, readme_lines, registry_program

FOLDER = PROJECT / "docs" / "transcripts"
TITLES = {
    "registry": "The registry, and your model",
    "template": "A project by pulumi new",
    "component": "A component in a program that you have",
    "repository": "This repository",
}
_UP = ("pulumi stack init dev", "pulumi config set aws:region us-east-1", "pulumi up")
_HEAD = """\
# {title} (docs/start-your-own.md)
# Recorded by `python -m tests.pulumi.transcripts`: Pulumi's engine, the local AWS. Packages were installed before, the
# wheel among them; PULUMI_SKIP_CONFIRMATIONS gave Pulumi's answers. Lines of progress are left out.
"""
_PROGRESS = re.compile(
    r"^(?:.*warning: using pulumi-.* from \$PATH|@ (?:previewing|updating)| [+~ ]  \S+ \S+ (?:create|creating)\b).*\n",
    re.MULTILINE,
)


def lines_of(way: str) -> list[str]:
    """What is typed in a way."""
    return {
        "registry": ["cat __main__.py", *_UP, "cat train.py", "python -W ignore train.py"],
        "template": [new_project("forecasts"), "cat __main__.py", "pulumi up", 'eval "$(pulumi stack output curl)"'],
        "component": ["cat __main__.py", *_UP, 'curl "$(pulumi stack output url)?calls=9&months=2"'],
        "repository": readme_lines(),
    }[way]


def record(folder: Path, engine: Path) -> Iterator[tuple[str, str]]:
    """Walk each way, and give its name and its transcript."""
    (folder / ".curlrc").write_text("silent\nshow-error\n")
    with local_aws(folder / "cloud") as cloud:
        let_vpc_reach_s3(cloud)
        team = make_team(folder, engine, cloud)
        registry = registry_program(team, folder / "registry")
        (registry.folder / "train.py").write_text(block("train"))
        template = empty_program(team, folder / "template")
        component = program(team, folder / "component", "own", block("python"))
        for way, made in {"registry": registry, "template": template, "component": component}.items():
            yield way, _transcript(way, made.folder, made.shell, folder, cloud)
    with local_aws(folder / "cloud") as cloud:
        let_vpc_reach_s3(cloud)
        project = make_project(folder / "repository", engine, cloud)
        yield "repository", _transcript("repository", project.folder, project.environment, folder, cloud)


def _transcript(way: str, where: Path, environment: dict[str, str], folder: Path, cloud: LocalAws) -> str:
    path = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
    lines = lines_of(way)
    said = run_lines(lines, where, {**environment, "PATH": path, "CURL_HOME": str(folder)})
    parts = [_HEAD.format(title=TITLES[way])]
    for line, output in zip(lines, said, strict=True):
        shown = readable(output) if line.startswith("pulumi ") else output
        parts.append(f"$ {line}\n{shown.strip()}".rstrip() + "\n")
    return anywhere("\n".join(parts), folder, cloud)


def readable(said: str) -> str:
    """What Pulumi said, without what a terminal would write over."""
    said = _PROGRESS.sub("", said)
    said = re.sub(r"\d+ warnings?(?:; )?", "", said)  # those of our host and provider, left out above
    said = re.sub(r"^Diagnostics:\n  pulumi:pulumi:Stack \(\S+\):\n\s*^Outputs", "Outputs", said, flags=re.MULTILINE)
    return re.sub(r" +$", "", re.sub(r"\n{2,}", "\n", said), flags=re.MULTILINE)


def anywhere(text: str, folder: Path, cloud: LocalAws) -> str:
    """The text without what is of this machine: folders, and the local AWS's port."""
    for path, shown in ((folder, "~"), (PROJECT, "~/sklearn-on-lambda"), (Path.home(), "~")):
        text = text.replace(str(path), shown)
    return text.replace(f":{cloud.port}/", ":4566/")


def main() -> None:
    """Write the transcripts."""
    FOLDER.mkdir(exist_ok=True)
    with TemporaryDirectory() as folder:
        for way, text in record(Path(folder), find_engine(print)):
            (FOLDER / f"{way}.txt").write_text(text)
            print(f"docs/transcripts/{way}.txt")  # noqa: T201  # a script prints


if __name__ == "__main__":
    main()
