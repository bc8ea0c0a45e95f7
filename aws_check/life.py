"""A model's life in a real account: deploy, call, promote, roll back, destroy, and look at what AWS does."""

import base64
import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sklearn.linear_model import LogisticRegression

from aws_check import assumptions
from aws_check.cleaning import SETTLED_SECONDS, destroy
from aws_check.errors import CheckError
from aws_check.exchanges import Exchange, Request, narrowed, send
from aws_check.report import Report
from aws_check.workspace import Workspace
from infra.settings.reading import REGISTRY_STACK
from model_registry import Registry, Storage
from model_registry.identity import caller_identity
from model_runtime.errors import BucketOwnerError, StorageError
from training.train_iris import GUIDE_EVENT, NAME, publish, train

PATIENCE_SECONDS = 60
"""For so long after an update a different answer is asked for again: stages, keys and roles take time to be known."""
PAUSE_SECONDS = 3
RELEASE = ["Alias", "Function"]
"""What a release changes."""
FIRST, CANDIDATE = 1, "candidate"
OF_NOBODY_KNOWN = "123456789012"
"""An account, which AWS's documentation uses."""

Talk = Callable[[str], None]


@dataclass
class Life:
    """One check under way; `report` has what was seen so far."""

    workspace: Workspace
    talk: Talk
    patience: float = PATIENCE_SECONDS
    settled: float = SETTLED_SECONDS
    report: Report = field(init=False)
    _outputs: dict[str, Any] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        account = self.workspace.account
        names = {account.caller: "CALLER", account.number: "ACCOUNT", self.workspace.number: "NUMBER"}
        self.report = Report(account.region, names)

    def run(self) -> Report:
        """Run the check; whatever happens, what was made is removed.

        Raises:
            CheckError: something could not be removed; the message has what and how.

        """
        try:
            self._run()
        except Exception as error:  # noqa: BLE001  # the report says what it was, and what was seen before
            self.report.failure = f"{type(error).__name__}: {error}"
        finally:
            self.talk("destroying both stacks")
            with self._timed("destroy"):
                destroy(self.workspace, settled=self.settled)
            self.report.add("a destroy leaves nothing in the account", "nothing left", "nothing left")
        return self.report

    def _run(self) -> None:
        workspace, stack = self.workspace, self.workspace.stack
        self.talk("deploying the stack registry")
        workspace.init(REGISTRY_STACK)
        with self._timed("first update of the stack registry"):
            workspace.up(REGISTRY_STACK)
        registry = self._registry()
        self.talk("training and publishing")
        publish(registry, train(), "Random forest of the guide")
        registry.tag(f"{NAME}/{FIRST}", stack, reason="first version")
        self._ask_for_the_owner()

        self.talk("deploying the model")
        workspace.init(stack)
        self._update("first update of the model's stack", **assumptions.SETTINGS)
        self._first_request()
        self._compare(assumptions.answers(FIRST))
        self._compare([*assumptions.refusals(), assumptions.preflight("a preflight is answered by the function")])
        self._compare(assumptions.limits(self._rows()))
        self._invoke()
        self.talk("comparing what AWS has with what was sent")
        self.report.add("nothing that AWS makes of what was sent looks like a change", [], workspace.preview(stack))

        self.talk("promoting a second version")
        second = publish(registry, train(LogisticRegression(max_iter=1000)), "Logistic regression").manifest
        registry.tag(second.reference, CANDIDATE, reason="to be compared")
        registry.promote(NAME, from_tag=CANDIDATE, to_tag=stack, reason="better")
        changed = self._update("update to another version")
        self.report.add("a release changes the function and its alias", RELEASE, changed)
        self._compare([assumptions.asked("the promoted version answers", second.version)])

        self.talk("rolling back, and closing the API to all but signed requests with a key")
        registry.rollback(f"{NAME}@{stack}", reason="slow")
        self._update("update to a closed API", **assumptions.CLOSED)
        self._compare(assumptions.closed(self._key(), FIRST))

    def _registry(self) -> Registry:
        account = self.workspace.account
        storage = Storage.open(self.workspace.bucket, profile=account.profile, region=account.region)
        return Registry(storage, actor=lambda: caller_identity(account.profile))

    def _ask_for_the_owner(self) -> None:
        account, seen = self.workspace.account, []
        for owner in (account.number, OF_NOBODY_KNOWN):
            try:
                Storage.open(
                    f"s3://{self.workspace.bucket}?owner={owner}", profile=account.profile, region=account.region
                )
                seen.append("opened")
            except StorageError as error:
                seen.append(type(error).__name__)
        expected = ["opened", BucketOwnerError.__name__]
        self.report.add("S3 shows a bucket to nobody who takes it for another account's", expected, seen)

    def _update(self, title: str, **settings: Any) -> list[str]:
        """Deploy the model's stack with these settings too; returns the kinds of what was changed."""
        stack = self.workspace.stack
        self.workspace.set(stack, settings)
        with self._timed(title):
            changed = self.workspace.up(stack)
        self._outputs = self.workspace.outputs(stack)
        return changed

    @contextmanager
    def _timed(self, title: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.report.figures[title] = f"{time.monotonic() - started:.0f} s"

    def _send(self, request: Request) -> Any:
        base = self._outputs["invokeUrl"].removesuffix("/predict")
        return send(base, request, self.workspace.account)

    def _compare(self, exchanges: Sequence[Exchange]) -> None:
        """Add a row for each. All of them share the patience: an assumption that is wrong for good costs it once."""
        started = time.monotonic()
        for each in exchanges:
            self.talk(each.assumption)
            while True:
                seen = narrowed(self._send(each.request), each.expected)
                if seen == each.expected or time.monotonic() - started > self.patience:
                    break
                time.sleep(PAUSE_SECONDS)
            self.report.add(each.assumption, each.expected, seen)

    def _first_request(self) -> None:
        """How long a caller waits who comes at once: the function starts, and its role may still be unknown to S3."""
        started = time.monotonic()
        answer = self._send(assumptions.batch_of(1))
        self.report.figures["first request after the first update"] = (
            f"{answer.status} after {time.monotonic() - started:.1f} s"
        )

    def _rows(self) -> int:
        one, two = (self._send(assumptions.batch_of(number)) for number in (1, 2))
        if not isinstance(one.body, dict) or not isinstance(two.body, dict):
            raise CheckError(f"a batch of one was answered with {one}, its size cannot be told: see the function's log")
        return assumptions.rows_that_fit(one.body, two.body)

    def _invoke(self) -> None:
        """The guide's way, past the gateway; Lambda's own line tells how the function started."""
        answer = self.workspace.account.client("lambda").invoke(
            FunctionName=self._outputs["functionAlias"], LogType="Tail", Payload=json.dumps(GUIDE_EVENT).encode()
        )
        expected = {"statusCode": 200, "body": "virginica"}
        self.report.add("a direct invocation answers as the guide's", expected, json.loads(answer["Payload"].read()))
        log = base64.b64decode(answer.get("LogResult", "")).decode(errors="replace")
        for name in ("Init Duration", "Duration", "Max Memory Used"):
            found = re.search(rf"(?<!\w )\b{name}: ([\d.]+ \w+)", log)
            self.report.figures[f"Lambda's {name} of a direct invocation"] = found[1] if found else "not told"

    def _key(self) -> str:
        gateway = self.workspace.account.client("apigateway")
        return str(gateway.get_api_key(apiKey=self._outputs["apiKeyId"], includeValue=True)["value"])
