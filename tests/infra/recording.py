"""A Pulumi program's resources as data: build with `record`, assert on what it returns."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi.runtime import mocks, settings

from local.event_loop import event_loop

ACCOUNT = "123456789012"
REGION = "eu-central-1"


@dataclass(frozen=True)
class Recorded:
    """A resource as the engine would be asked for it."""

    type: str
    name: str
    inputs: Mapping[str, Any]
    is_component: bool


class Recording(pulumi.runtime.Mocks):
    """Answers like AWS in shape, and remembers every resource."""

    def __init__(self) -> None:
        self.resources: list[Recorded] = []
        self.urns: list[str] = []
        self.outputs: dict[str, Any] = {}

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        self.resources.append(Recorded(args.typ, args.name, args.inputs, is_component=not args.custom))
        if not args.custom:
            return None, dict(args.inputs)
        arn = f"arn:aws:{args.typ.split(':')[1].split('/')[0]}:{REGION}:{ACCOUNT}:{args.name}"
        computed = {
            "arn": arn,
            "invokeArn": f"{arn}:invoke",
            "version": "7",
            "versionId": f"version of {args.name}",
            "name": args.name,
            "rootResourceId": "root",
            "executionArn": f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{args.name}",
            "invokeUrl": f"https://api.example/{args.inputs.get('stageName', '')}",
        }
        return f"{args.name}-id", {**computed, **args.inputs}

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        answers = {
            "aws:index/getPartition:getPartition": {"partition": "aws", "dnsSuffix": "amazonaws.com"},
            "aws:index/getCallerIdentity:getCallerIdentity": {"accountId": ACCOUNT},
            "aws:index/getRegion:getRegion": {"region": REGION},
        }
        return answers[args.token], []

    def all(self, kind: str) -> list[Recorded]:
        """Every resource whose type ends with `:kind`."""
        return [resource for resource in self.resources if resource.type.endswith(f":{kind}")]

    def one(self, kind: str) -> Recorded:
        """The only resource of its kind."""
        (found,) = self.all(kind)
        return found


def record(program: Callable[[], object], *, stack: str = "dev", config: Mapping[str, str] | None = None) -> Recording:
    """Run a program under Pulumi's mock monitor and return what it declared. Errors of the program are raised."""
    recording = Recording()
    monitor = mocks.MockMonitor(recording)
    settings.set_root_resource(None)  # type: ignore[arg-type]  # the signature forgets that None clears it
    with event_loop():
        _run(recording, monitor, program, stack, config or {})
    recording.urns = list(monitor.get_registered_resources())
    return recording


def _run(
    recording: Recording,
    monitor: mocks.MockMonitor,
    program: Callable[[], object],
    stack: str,
    config: Mapping[str, str],
) -> None:
    pulumi.runtime.set_mocks(recording, project="sklearn-on-lambda", stack=stack, monitor=monitor)
    keys = {key: key if ":" in key else f"sklearn-on-lambda:{key}" for key in config}
    pulumi.runtime.set_all_config({keys[key]: value for key, value in config.items()})

    @pulumi.runtime.test  # type: ignore[untyped-decorator]  # pulumi does not annotate it
    def run() -> pulumi.Output[Any]:
        program()
        root = settings.get_root_resource()
        outputs = dict(getattr(root, "outputs", {}))
        return pulumi.Output.all(**outputs).apply(recording.outputs.update)

    run()
