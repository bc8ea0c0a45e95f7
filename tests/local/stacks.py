"""The project's own program, deployed on the local AWS for tests."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.deployment import deploy
from local.iris import PROJECT, Answer, call
from local.ministack import LocalAws
from model_registry import Registry, Storage


@dataclass
class Deployed:
    """A stack: its outputs, and what its last deployment did to which resource and said."""

    aws: LocalAws
    name: str
    state: Path
    config: Mapping[str, str]
    outputs: dict[str, Any] = field(default_factory=dict)
    actions: dict[str, str] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    def up(self) -> "Deployed":
        """Deploy, or deploy again."""
        self.actions.clear()
        self.messages.clear()
        self.outputs = deploy(
            PROJECT,
            self.name,
            self.aws,
            self.state,
            config=self.config,
            on_resource=self._note,
            on_log=self.messages.append,
        )
        return self

    def changed(self) -> set[str]:
        """Kinds of the resources that the last deployment touched."""
        return {self.types[name] for name, action in self.actions.items() if action != "same"}

    def counts(self) -> Counter[str]:
        """How often the last deployment did what."""
        return Counter(self.actions.values())

    def get(self, **query: object) -> Answer:
        """GET a prediction."""
        parameters = "&".join(f"{name}={value}" for name, value in query.items())
        return call(f"{self.outputs['invokeUrl']}?{parameters}")

    def post(self, body: object) -> Answer:
        """POST a body to the prediction."""
        return call(self.outputs["invokeUrl"], body)

    def read(self, path: str) -> Answer:
        """GET another path of the API."""
        return call(self.outputs["invokeUrl"].removesuffix("predict") + path)

    def invoke(self, event: object, qualifier: str = "live") -> Any:
        """Invoke the function directly."""
        answer = self.aws.client("lambda").invoke(
            FunctionName=self.outputs["functionName"], Qualifier=qualifier, Payload=json.dumps(event).encode()
        )
        return json.loads(answer["Payload"].read())

    def configuration(self) -> dict[str, Any]:
        """The function as Lambda has it."""
        client = self.aws.client("lambda")
        return dict(client.get_function_configuration(FunctionName=self.outputs["functionName"], Qualifier="live"))

    def start_anew(self, **variables: str) -> None:
        """Publish the function once more, behind the stack's back, so that the next request starts an environment.

        `variables` are added to the function's, or take the place of its own.
        """
        client, name = self.aws.client("lambda"), self.outputs["functionName"]
        known = self.configuration()["Environment"]["Variables"]
        client.update_function_configuration(
            FunctionName=name, Description="published once more", Environment={"Variables": {**known, **variables}}
        )
        version = client.publish_version(FunctionName=name)["Version"]
        client.update_alias(FunctionName=name, Name="live", FunctionVersion=version)

    def role(self) -> str:
        """Name of the function's role."""
        return str(self.configuration()["Role"].rpartition("/")[2])

    def log(self) -> list[dict[str, Any]]:
        """The function's own JSON lines, oldest first."""
        group = self.configuration()["LoggingConfig"]["LogGroup"]
        events = self.aws.client("logs").filter_log_events(logGroupName=group)["events"]
        lines = [line for event in events for line in event["message"].splitlines()]
        return [json.loads(line) for line in lines if line.startswith("{")]

    def _note(self, kind: str, name: str, action: str) -> None:
        self.actions[name] = action
        self.types[name] = kind.rpartition(":")[2]


def registry_of(aws: LocalAws, bucket: str) -> Registry:
    """A registry in a bucket, written to as the account's root."""
    with aws.activated():
        return Registry(Storage.open(bucket), actor="the tests")
