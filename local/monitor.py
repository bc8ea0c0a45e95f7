"""What Pulumi's SDK talks to in place of the engine: it creates on MiniStack what a program registers.

Equal inputs do nothing, changed inputs update a resource or replace it, and what the program no longer declares
stays until MiniStack stops.
"""

import threading
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ParamValidationError
from pulumi.runtime import mocks, rpc
from pulumi.runtime.proto import resource_pb2

from local.errors import ApiModelError, LocalError, UnsupportedError
from local.hooks import Hooks
from local.ministack import LocalAws
from local.resources import RESOURCES
from local.resources.base import Properties, whole
from local.resources.calls import CALLS
from local.resources.changes import action, changed, digests
from local.stack_state import Deployed, StackState

OnResource = Callable[[str, str, str], None]
SECRET = "[secret]"  # noqa: S105  # what is shown in place of one
_STACK_OUTPUTS = "pulumi:pulumi:readStackOutputs"
_RESOURCE_OUTPUTS = "pulumi:pulumi:readStackResourceOutputs"


class Resources:
    """The resources of a stack on MiniStack. What several threads register is noted one at a time."""

    def __init__(self, aws: LocalAws, state: StackState, on_resource: OnResource) -> None:
        self._aws = aws
        self._state = state
        self._on_resource = on_resource
        self._urns: set[str] = set()
        self._lock = threading.Lock()
        self.failures: list[tuple[BaseException, BaseException | None]] = []
        """What went wrong, each with its cause: Pulumi sets causes of its own on the way."""
        self.components: dict[str, Properties] = {}
        """What components have as outputs in this deployment, by URN."""
        self.stopped = False
        self.hooks = Hooks()

    def failed(self, error: BaseException) -> None:
        """Note a failure; nothing is created after the first."""
        self.failures.append((error, error.__cause__))

    def reserve(self, urn: str, name: str) -> None:
        """Refuse a URN that is already registered, as the engine does."""
        with self._lock:
            if urn in self._urns:
                raise LocalError(f"duplicate resource URN {urn!r}: give the second {name} another name")
            self._urns.add(urn)

    def create(
        self, urn: str, args: mocks.MockResourceArgs, secret_outputs: set[str], before: Any = None
    ) -> tuple[str, Properties]:
        """Create or update what a program registers; returns its id and its outputs, secret ones wrapped.

        `before` has the names of the hooks that are called before either.
        """
        if args.resource_id:
            raise UnsupportedError(
                f"{args.name} ({args.typ}) is an existing resource that is read or imported: the local AWS has only "
                f"what the program creates; give its name by configuration"
            )
        if not args.custom:
            return "", args.inputs
        if args.typ not in RESOURCES:
            raise UnsupportedError(
                f"{args.name} is of type {args.typ}, which the local AWS does not have: leave it out for this stack, "
                f"or add it to local/resources"
            )
        if self.stopped or self.failures:
            raise LocalError(f"{args.name} ({args.typ}) was not created: the deployment has ended before")
        secret = secret_outputs | {name for name, value in args.inputs.items() if rpc.is_rpc_secret(value)}
        inputs = RESOURCES[args.typ].complete(args.typ, urn, _received(args.inputs), self._state.salt)
        resource = self._ensure(args.typ, args.name, urn, inputs, before)
        outputs = inputs | resource.outputs
        hidden = {name: rpc.wrap_rpc_secret(outputs[name]) for name in secret & outputs.keys()}
        return resource.id, outputs | hidden

    def _ensure(self, token: str, name: str, urn: str, inputs: Properties, before: Any) -> Deployed:
        kind = RESOURCES[token]
        new = digests(inputs)
        old = self._state.resources.get(urn)
        todo = action(kind, changed(old.inputs, new)) if old else "create"
        try:
            if old and todo == "same":
                resource = old
            elif old and kind.update and todo == "update":
                if before:
                    self.hooks.call(before.before_update, urn=urn, inputs=inputs)
                outputs = old.outputs | kind.update(self._aws, old.id, inputs)
                resource = Deployed(token, old.id, new, outputs)
            else:
                if before:
                    self.hooks.call(before.before_create, urn=urn, inputs=inputs)
                physical, outputs = kind.create(self._aws, inputs)
                resource = Deployed(token, physical, new, outputs)
        except (ApiModelError, ParamValidationError) as error:
            raise ApiModelError(f"{name} ({token}): {error}") from error
        with self._lock:
            if resource is not old:
                self._state.put(urn, resource)
            self._on_resource(token, name, todo)
        return resource


class Monitor(mocks.MockMonitor):
    """Pulumi's mock monitor, with what it does not tell its mocks and the engine would refuse."""

    def __init__(self, resources: Resources, aws: LocalAws, own_name: str, state: StackState) -> None:
        """Answer for a stack.

        Args:
            resources: what the program registers goes there.
            aws: where the program's calls are answered.
            own_name: the stack's, as `organization/project/stack`.
            state: has the outputs of its last deployment that succeeded.

        """
        super().__init__(_Calls(aws, own_name, state))
        self.stack = resources

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802  # the name of the engine's call
        """Register a resource; its URN is known here, and not to a mock."""
        urn = self.make_urn(request.parent, request.type, request.name)
        # One monitor for each registration: several threads register at once.
        registering = mocks.MockMonitor(_Registration(self.stack, urn, request))
        registering.resources = self.resources
        try:
            self.stack.reserve(urn, request.name)
            return registering.RegisterResource(request)  # type: ignore[no-untyped-call]  # Pulumi leaves it without types
        except BaseException as error:
            self.stack.failed(error)
            raise

    def RegisterResourceHook(self, request: Any) -> Any:  # noqa: N802  # the name of the engine's call
        """Remember a function that is to be called before a resource is created or updated."""
        self.stack.hooks.register(request)
        return super().RegisterResourceHook(request)  # type: ignore[no-untyped-call]  # Pulumi leaves it without types

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802  # the name of the engine's call
        """Remember what a component has as outputs, which the next deployment may read; of secrets only that."""
        self.stack.components[request.urn] = _shown(rpc.deserialize_properties(request.outputs))
        return super().RegisterResourceOutputs(request)  # type: ignore[no-untyped-call]  # Pulumi leaves it without types

    def ReadResource(self, request: Any) -> Any:  # noqa: N802  # the name of the engine's call
        """Refuse to read an existing resource."""
        args = mocks.MockResourceArgs(request.type, request.name, {}, request.provider, request.id)
        try:
            return self.stack.create("", args, set())
        except BaseException as error:
            self.stack.failed(error)
            raise

    def GetDeploymentInfo(self, request: Any) -> Any:  # noqa: N802  # the name of the engine's call
        """Tell what is supported: all but references, so that a resource as an input arrives as its id."""
        info = super().GetDeploymentInfo(request)  # type: ignore[no-untyped-call]  # Pulumi leaves it without types
        features = info.supportedFeatures
        reference = resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_REFERENCES
        return resource_pb2.DeploymentInfo(supportedFeatures=[one for one in features if one != reference])


class _Registration(mocks.Mocks):
    """One resource that a program registers, with what the mock monitor does not pass on."""

    def __init__(self, resources: Resources, urn: str, request: Any) -> None:
        self._resources = resources
        self._urn = urn
        self._request = request

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        secret_outputs = set(self._request.additionalSecretOutputs)
        return self._resources.create(self._urn, args, secret_outputs, self._request.hooks)

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]]]:
        raise NotImplementedError(args.token)


class _Calls(mocks.Mocks):
    """What a program asks AWS, or the engine, without creating anything."""

    def __init__(self, aws: LocalAws, own_name: str, state: StackState) -> None:
        self._aws = aws
        self._own_name = own_name
        self._state = state

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        raise NotImplementedError(args.name)

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]]]:
        if args.token == _STACK_OUTPUTS:
            return self._stack_outputs(args.args["name"]), []
        if args.token == _RESOURCE_OUTPUTS:
            return self._resource_outputs(args.args["stackName"]), []
        if args.token not in CALLS:
            raise UnsupportedError(
                f"the program calls {args.token}; the local AWS has {', '.join(CALLS)}: add it to "
                f"local/resources/calls.py"
            )
        return CALLS[args.token](self._aws), []

    def _stack_outputs(self, name: str) -> dict[Any, Any]:
        self._check(name)
        outputs = self._state.outputs
        secret = [key for key, value in outputs.items() if value == SECRET]
        return {"name": name, "outputs": outputs, "secretOutputNames": secret}

    def _resource_outputs(self, name: str) -> dict[Any, Any]:
        """Those of the stack's components: the engine gives those of all resources."""
        self._check(name)
        return {"name": name, "outputs": {urn: {"outputs": found} for urn, found in self._state.components.items()}}

    def _check(self, name: str) -> None:
        if name != self._own_name:
            raise UnsupportedError(
                f"the program reads the outputs of {name}, and here only its own can be read: {self._own_name}"
            )


def _shown(value: Any) -> Any:
    if rpc.is_rpc_secret(value):
        return SECRET
    return {key: _shown(one) for key, one in value.items()} if isinstance(value, dict) else whole(value)


def _received(value: Any) -> Any:
    """Return inputs as the program meant them: secrets bare, and whole numbers, which travel as floats, whole."""
    if rpc.is_rpc_secret(value):
        return _received(rpc.unwrap_rpc_secret(value))
    if isinstance(value, dict):
        return {key: _received(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_received(item) for item in value]
    return whole(value)
