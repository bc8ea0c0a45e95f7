"""Run a project's own `__main__.py` without Pulumi's engine and create its resources on MiniStack.

It stands in for an AWS account, not for the engine: equal inputs do nothing, changed inputs update a resource or
create it anew, and what the program no longer declares stays until MiniStack stops. Resource options that only
the engine gives a meaning (ignore_changes, protect, aliases, transforms) have none here.
"""

import contextlib
import contextvars
import logging
import runpy
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pulumi
from botocore.exceptions import ParamValidationError
from pulumi.runtime import mocks, rpc, settings
from pulumi.runtime.config import set_all_config
from pulumi.runtime.proto import resource_pb2

from local.configuration import Configuration, read_configuration
from local.errors import ApiModelError, LocalError, UnsupportedError
from local.event_loop import event_loop
from local.ministack import LocalAws
from local.resources import RESOURCES
from local.resources.base import Properties, whole
from local.resources.calls import CALLS
from local.resources.changes import action, changed, digests
from local.stack_state import Deployed, StackState

OnResource = Callable[[str, str, str], None]
OnLog = Callable[[str], None]
ORGANIZATION = "organization"  # what the engine calls the only one of a backend that has none
SECRET = "[secret]"  # noqa: S105 - what is shown in place of one


def deploy(
    project: Path,
    stack: str,
    aws: LocalAws,
    state: Path,
    *,
    config: Mapping[str, str] | None = None,
    on_resource: OnResource | None = None,
    on_log: OnLog | None = None,
) -> dict[str, Any]:
    """Deploy a stack of the project in this folder and return its outputs, with `[secret]` for a secret one.

    Args:
        project: the folder with Pulumi.yaml and `__main__.py`.
        stack: the stack's name; its configuration is in Pulumi.<stack>.yaml.
        aws: where the resources are created, in one region whatever the configuration says.
        state: the folder that keeps what the stack has, so that an interrupted deployment can be repeated.
        config: values that win over the stack's file.
        on_resource: called with type, name and `create`, `update`, `replace` or `same` after each resource, from
            other threads, one call at a time.
        on_log: called with each message that the program gives to pulumi.log.

    Raises:
        LocalError: the configuration is wrong, or the program asks for what the local AWS does not have.
        Exception: whatever the program raised, or boto3 when a resource was refused.

    """
    project = project.resolve()
    configuration = read_configuration(project, stack, config)
    deployed = StackState(state.resolve() / "stacks" / f"{stack}.json", aws)
    own_name = f"{ORGANIZATION}/{configuration.project}/{stack}"
    resources = _Resources(aws, deployed, own_name, on_resource or (lambda _type, _name, _action: None))

    # Pulumi keeps its root, settings and configuration in context variables and leaves event loops open: a context
    # and a thread of its own give every deployment a clean start and leave nothing to the caller.
    with aws.activated(), _inside(project), ThreadPoolExecutor(1, thread_name_prefix="pulumi") as thread:
        try:
            context = contextvars.Context()
            outputs = thread.submit(context.run, _run, project, stack, configuration, resources, on_log).result()
        except KeyboardInterrupt:
            resources.stopped = True
            raise
    deployed.put_outputs(outputs)
    return outputs


def _run(
    project: Path, stack: str, configuration: Configuration, resources: "_Resources", on_log: OnLog | None
) -> dict[str, Any]:
    failures = resources.failures
    outputs: dict[str, Any] = {}

    def program() -> None:
        try:
            runpy.run_path(str(project / "__main__.py"), run_name="__main__")
        except BaseException as error:
            failures.append((error, error.__cause__))
            raise

    failure: BaseException | None = None
    with event_loop() as loop:
        set_all_config(configuration.values, list(configuration.secrets))
        logger = _logger(on_log)
        mocks.set_mocks(
            resources,
            project=configuration.project,
            stack=stack,
            preview=False,
            logger=logger,
            monitor=_Monitor(resources),
            organization=ORGANIZATION,
        )
        try:
            mocks.test(program)()  # type: ignore[no-untyped-call]  # Pulumi leaves it without types
            outputs = loop.run_until_complete(_plain(_root().outputs))
        except BaseException as error:  # noqa: BLE001 - raised below, or the failure that it follows from
            failure = error
    if failures:
        # Pulumi sets causes of its own on the way, even an exception as its own cause.
        failure, cause = failures[0]
        failure.__cause__ = cause
    if failure:
        raise failure
    return outputs


def _root() -> Any:
    return settings.get_root_resource()


async def _plain(outputs: Mapping[str, Any]) -> dict[str, Any]:
    plain = {}
    for name, value in outputs.items():
        output = pulumi.Output.from_input(value)
        plain[name] = SECRET if await output.is_secret() else await output.future()
    return plain


class _Resources(mocks.Mocks):
    """Creates what the program declares, keeping note of it in the stack's state."""

    def __init__(self, aws: LocalAws, state: StackState, own_name: str, on_resource: OnResource) -> None:
        self.aws = aws
        self.state = state
        self.own_name = own_name
        self.on_resource = on_resource
        self.registering = threading.local()
        self.failures: list[tuple[BaseException, BaseException | None]] = []
        self.stopped = False
        self._lock = threading.Lock()

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        try:
            return self._new_resource(args)
        except BaseException as error:
            self.failures.append((error, error.__cause__))
            raise

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]]]:
        if args.token == _STACK_OUTPUTS:
            return self._stack_outputs(args.args["name"]), []
        if args.token not in CALLS:
            raise UnsupportedError(
                f"The program calls {args.token}; the local AWS has {', '.join(CALLS)}. Add it to "
                f"local/resources/calls.py."
            )
        return CALLS[args.token](self.aws), []

    def _stack_outputs(self, name: str) -> dict[Any, Any]:
        """Answer as the engine does: the outputs of the last deployment that succeeded, empty before the first."""
        if name != self.own_name:
            raise UnsupportedError(
                f"The program reads the outputs of {name}; here it can read its own only, {self.own_name}."
            )
        secret = [key for key, value in self.state.outputs.items() if value == SECRET]
        return {"name": name, "outputs": self.state.outputs, "secretOutputNames": secret}

    def _new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, Properties]:
        if args.resource_id:
            raise UnsupportedError(
                f"{args.name} ({args.typ}) is an existing resource that is read or imported: the local AWS has only "
                f"what the program creates. Give its name by configuration."
            )
        if not args.custom:
            return "", args.inputs
        if args.typ not in RESOURCES:
            raise UnsupportedError(
                f"{args.name} is of type {args.typ}, which the local AWS does not have: leave it out for this stack, "
                f"or add it to local/resources."
            )
        if self.stopped or self.failures:
            raise LocalError(f"{args.name} ({args.typ}) was not created: the deployment has ended before.")
        urn = self.registering.urn
        secret = {name for name, value in args.inputs.items() if rpc.is_rpc_secret(value)}
        secret.update(self.registering.secret_outputs)
        inputs = RESOURCES[args.typ].complete(args.typ, urn, _received(args.inputs), self.state.salt)
        resource = self._ensure(args.typ, args.name, urn, inputs)
        outputs = inputs | resource.outputs
        hidden = {name: rpc.wrap_rpc_secret(outputs[name]) for name in secret & outputs.keys()}
        return resource.id, outputs | hidden

    def _ensure(self, token: str, name: str, urn: str, inputs: Properties) -> Deployed:
        kind = RESOURCES[token]
        new = digests(inputs)
        old = self.state.resources.get(urn)
        todo = action(kind, changed(old.inputs, new)) if old else "create"
        try:
            if old and todo == "same":
                resource = old
            elif old and kind.update and todo == "update":
                outputs = old.outputs | kind.update(self.aws, old.id, inputs)
                resource = Deployed(token, old.id, new, outputs)
            else:
                physical, outputs = kind.create(self.aws, inputs)
                resource = Deployed(token, physical, new, outputs)
        except (ApiModelError, ParamValidationError) as error:
            raise ApiModelError(f"{name} ({token}): {error}") from error
        with self._lock:
            if resource is not old:
                self.state.put(urn, resource)
            self.on_resource(token, name, todo)
        return resource


class _Monitor(mocks.MockMonitor):
    """Pulumi's mock monitor, with what the mocks are not told and the engine would refuse."""

    mocks: _Resources

    def __init__(self, resources: _Resources) -> None:
        super().__init__(resources)
        self._urns: set[str] = set()
        self._lock = threading.Lock()

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the name of the engine's call
        urn = self.make_urn(request.parent, request.type, request.name)
        with self._lock:
            if urn in self._urns:
                error = LocalError(f"Duplicate resource URN {urn!r}: give the second {request.name} another name.")
                self.mocks.failures.append((error, None))
                raise error
            self._urns.add(urn)
        # This call and the mock's run in the same thread, one of several.
        self.mocks.registering.urn = urn
        self.mocks.registering.secret_outputs = set(request.additionalSecretOutputs)
        return super().RegisterResource(request)  # type: ignore[no-untyped-call]  # Pulumi leaves it without types

    def GetDeploymentInfo(self, request: Any) -> Any:  # noqa: N802 - the name of the engine's call
        # A resource given as an input then arrives as its id, as it does at a provider.
        info = super().GetDeploymentInfo(request)  # type: ignore[no-untyped-call]  # Pulumi leaves it without types
        features = info.supportedFeatures
        reference = resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_REFERENCES
        return resource_pb2.DeploymentInfo(supportedFeatures=[one for one in features if one != reference])


_STACK_OUTPUTS = "pulumi:pulumi:readStackOutputs"


def _received(value: Any) -> Any:
    """Return inputs as the program meant them: secrets bare, and whole numbers, which travel as floats, whole."""
    if rpc.is_rpc_secret(value):
        return _received(rpc.unwrap_rpc_secret(value))
    if isinstance(value, dict):
        return {key: _received(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_received(item) for item in value]
    return whole(value)


@contextlib.contextmanager
def _inside(project: Path) -> Iterator[None]:
    """Give the program its folder and its modules, and the caller its own afterwards."""
    path = list(sys.path)
    sys.path.insert(0, str(project))
    try:
        with contextlib.chdir(project):
            yield
    finally:
        sys.path[:] = path


def _logger(on_log: OnLog | None) -> logging.Logger:
    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if on_log:
                on_log(record.getMessage())

    # Not from logging.getLogger, which would keep it, and its handler, for the whole process.
    logger = logging.Logger("pulumi", logging.INFO)  # noqa: LOG001 - for the reason above
    logger.addHandler(Handler())
    return logger
