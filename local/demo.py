"""A model's life on this machine: train, publish, promote, deploy, call, roll back."""

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sklearn.linear_model import LogisticRegression

from local import iris
from local.errors import LocalError
from local.ministack import LocalAws, local_aws
from training.train_iris import GUIDE_EVENT, train
from training.train_iris import publish as publish_iris

FIRST = "Deploy the stack dev"


class DemoError(LocalError):
    """A step did not give what it should."""


@dataclass
class Steps:
    """Shows each step with its time, and keeps them for the summary."""

    console: Console
    done: list[tuple[str, str, float]] = field(default_factory=list)
    reports: set[tuple[str, ...]] = field(default_factory=set)

    @contextmanager
    def step(self, title: str) -> Iterator["Step"]:
        """Run one step; `step.outcome` goes into the summary."""
        number = len(self.done) + 1
        started = time.perf_counter()
        with self.console.status(f"{number}. {escape(title)}") as status:

            def talk(message: str) -> None:
                first, *more = message.splitlines()
                status.update(f"{number}. {escape(title)}: {escape(first)}")
                if more and tuple(more) not in self.reports:  # a report, not a passing remark
                    self.reports.add(tuple(more))
                    current.show(*message.splitlines(), style="dim")

            current = Step(talk)
            try:
                yield current
            except BaseException:
                self._print(f"[red]{number:2}.[/] {escape(title)}", current)
                raise
        seconds = time.perf_counter() - started
        self.done.append((title, current.outcome, seconds))
        heading = f"[green]{number:2}.[/] {escape(title)} [dim]{seconds:.1f} s[/]  {escape(current.outcome)}"
        self._print(heading, current)

    def _print(self, heading: str, step: "Step") -> None:
        self.console.print(heading, soft_wrap=True)
        for line, style in step.details:
            self.console.print(f"    {line}", style=style, markup=False, highlight=False, soft_wrap=True)

    def summary(self) -> Table:
        """What was done, and its outcome."""
        table = Table("", "step", "outcome", "seconds", title="What happened", title_justify="left")
        for number, (title, outcome, seconds) in enumerate(self.done, 1):
            table.add_row(str(number), escape(title), escape(outcome), f"{seconds:.1f}")
        total = sum(seconds for _, _, seconds in self.done)
        table.add_section()
        table.add_row("", "all", "", f"{total:.1f}")
        return table


@dataclass
class Step:
    """A running step."""

    talk: Callable[[str], None]
    outcome: str = ""
    details: list[tuple[str, str]] = field(default_factory=list)
    """Lines that stand below the step's heading, each with its style."""

    def show(self, *lines: str, style: str = "") -> None:
        """Have lines stand below the heading."""
        self.details += [(line, style) for line in lines]


def run(console: Console) -> None:
    """Run the demo; raises if a step fails, and leaves nothing running either way."""
    steps = Steps(console)
    with tempfile.TemporaryDirectory(prefix="sklearn-on-lambda-") as folder:
        _run(steps, Path(folder))
    console.print(steps.summary())


def _run(steps: Steps, state: Path) -> None:
    with ExitStack() as everything:
        with steps.step("Start the local AWS") as step:
            aws = everything.enter_context(local_aws(state))
            step.outcome = f"{aws.url}, IAM enforced"
        everything.enter_context(aws.activated())
        _story(steps, state, aws)
        with steps.step("Stop the local AWS") as step:
            everything.close()
            step.outcome = "nothing left running"


def _story(steps: Steps, state: Path, aws: LocalAws) -> None:
    with steps.step("Deploy the stack registry") as step:
        bucket = iris.deploy_registry(aws, state, step.talk)["registryBucket"]
        step.outcome = f"s3://{bucket}"
    registry = iris.open_registry()

    with steps.step("Train a random forest on Iris and publish it") as step:
        forest = train()
        first = publish_iris(registry, forest, "Random forest of the guide").manifest
        step.outcome = f"{first.reference}, accuracy {forest.accuracy:.2f}"
    with steps.step("Tag it dev") as step:
        registry.tag(first.reference, "dev", reason="first version")
        step.outcome = f"iris@dev -> {first.reference}"
    url = _deploy(steps, state, aws, FIRST)
    _call(steps, url, first.version)

    with steps.step("Train a logistic regression and publish it") as step:
        other = train(LogisticRegression(max_iter=1000))
        second = publish_iris(registry, other, "Logistic regression").manifest
        registry.tag(second.reference, "candidate", reason="to be compared")
        step.outcome = f"{second.reference}, accuracy {other.accuracy:.2f}"
    with steps.step("Promote it from candidate to dev") as step:
        moved = registry.promote("iris", from_tag="candidate", to_tag="dev", reason="better on the test part")
        step.outcome = f"iris@dev -> iris/{moved.version}"
    url = _deploy(steps, state, aws, "Deploy dev again")
    _call_again(steps, url, second.version)

    with steps.step("Roll dev back to the first version") as step:
        registry.tag(first.reference, "dev", reason="rollback")
        step.outcome = f"iris@dev -> {first.reference}"
    url = _deploy(steps, state, aws, "Deploy dev again")
    _call_again(steps, url, first.version)


def _deploy(steps: Steps, state: Path, aws: LocalAws, title: str) -> str:
    with steps.step(title) as step:
        outputs = iris.deploy_model(aws, state, step.talk)
        url: str = outputs["invokeUrl"]
        step.outcome = f"{outputs['modelName']}/{outputs['modelVersion']} is served"
        if title == FIRST:
            step.show(f"invokeUrl: {url}", style="cyan")
    return url


def _call(steps: Steps, url: str, version: int) -> None:
    query = urlencode(GUIDE_EVENT)
    with steps.step("GET a prediction") as step:
        answer = iris.call(f"{url}?{query}")
        _show(step, f"GET /predict?{query}", answer)
        step.outcome = _predicted(answer, version, "virginica")
    with steps.step("POST a batch of two") as step:
        body = {"instances": [GUIDE_EVENT, {"sl": 5.1, "sw": 3.5, "pl": 1.4, "pw": 0.2}]}
        answer = iris.call(url, body)
        _show(step, f"POST /predict {json.dumps(body)}", answer)
        labels = [prediction["label"] for prediction in answer.body.get("predictions", [])]
        _require(labels == ["virginica", "setosa"], f"the batch was answered with {answer.body}")
        step.outcome = ", ".join(labels)
    with steps.step("GET without pw is refused by the gateway") as step:
        partial = urlencode({name: value for name, value in GUIDE_EVENT.items() if name != "pw"})
        answer = iris.call(f"{url}?{partial}")
        _show(step, f"GET /predict?{partial}", answer)
        _require(answer.status == 400 and "pw" in str(answer.body), f"{answer.status} {answer.body}")  # noqa: PLR2004  # HTTP's Bad Request
        step.outcome = f"{answer.status} {answer.body['detail']}"


def _call_again(steps: Steps, url: str, version: int) -> None:
    with steps.step("POST the same flower") as step:
        answer = iris.call(url, GUIDE_EVENT)
        _show(step, f"POST /predict {json.dumps(GUIDE_EVENT)}", answer)
        step.outcome = _predicted(answer, version, "virginica")


def _predicted(answer: iris.Answer, version: int, label: str) -> str:
    expected = (200, label, version)
    found = (answer.status, answer.body.get("label"), answer.body.get("version"))
    _require(found == expected, f"status, label and version are {found}, they must be {expected}")
    return f"{label}, answered by version {answer.headers['x-model-version']}"


def _require(holds: bool, message: str) -> None:  # noqa: FBT001  # reads like assert
    if not holds:
        raise DemoError(f"a step went wrong: {message}; `make test` finds out where")


def _show(step: Step, request: str, answer: iris.Answer) -> None:
    step.show(request, style="cyan")
    step.show(f"{answer.status} {json.dumps(answer.body)}")
