"""`pulumi-resource-aws` for the tests: what `local/resources` can do on MiniStack, under Pulumi's real engine.

It takes the place of the pulumi-aws provider. Where the choice is the provider's, it does as that one does: names are
made up once and kept, a changed identity replaces a resource, and a replaced one whose name the program gives is
deleted first. AWS_ENDPOINT_URL says where MiniStack is.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
from pulumi import Archive, Asset
from pulumi.provider.experimental import provider as rpc
from pulumi.provider.experimental.property_value import PropertyValue, ResourceReference
from pulumi.provider.experimental.server import ProviderServicer
from pulumi.runtime import proto
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
from pulumi.runtime.proto import provider_pb2_grpc
from pulumi.runtime.rpc import UNKNOWN, _special_sig_key

from local.errors import LocalError, UnsupportedError
from local.ministack import LocalAws
from local.resources import RESOURCES
from local.resources.base import Properties, ResourceType, whole
from local.resources.calls import CALLS
from local.resources.changes import action, changed, digests
from tests.pulumi import lifecycle
from tests.pulumi.parent import is_orphan

DIGESTS = "__digests"
"""Input: digests of the others (`local.resources.changes`). `diff` compares these: it sees no content of assets."""
MADE_UP = "__defaults"
"""Input: which names were made up here and not given by the program. pulumi-aws has the same note of the same name."""
FAIL_VARIABLE, HANG_VARIABLE = "TEST_PROVIDER_FAILS_AT", "TEST_PROVIDER_HANGS_AT"
"""Variables that name a type whose creation fails, or is never answered: for tests of what follows."""
HANG_MARKER_VARIABLE = "TEST_PROVIDER_HANGS"
"""Names a file that is made when a creation begins to hang."""


class AwsProvider(rpc.Provider):
    """Serves every type of the resource table, and refuses any other by name."""

    def __init__(self, aws: LocalAws) -> None:
        self._aws = aws

    async def configure(self, _request: rpc.ConfigureRequest) -> rpc.ConfigureResponse:
        """Take plain values: the engine then marks as secret what was secret, as with any older provider."""
        return rpc.ConfigureResponse(supports_preview=True)

    async def invoke(self, request: rpc.InvokeRequest) -> rpc.InvokeResponse:
        if request.tok not in CALLS:
            raise UnsupportedError(f"The program calls {request.tok}; the local AWS has {', '.join(CALLS)}.")
        return rpc.InvokeResponse(_sent(await asyncio.to_thread(CALLS[request.tok], self._aws)))

    async def check(self, request: rpc.CheckRequest) -> rpc.CheckResponse:
        """Complete the inputs with a made-up name, which an existing resource keeps."""
        token = _token(request.urn)
        kind = RESOURCES.get(token)
        if kind is None:
            reason = f"the local AWS has no {token}: leave it out for this stack, or add it to local/resources"
            return rpc.CheckResponse(failures=[rpc.CheckFailure("", reason)])
        old, inputs = _received(request.old_inputs), _received(request.new_inputs)
        made_up = [kind.named] if kind.named and kind.named not in inputs else []
        inputs |= {name: old[name] for name in made_up if name in old.get(MADE_UP, [])}
        try:
            inputs = kind.complete(token, request.urn, inputs, request.random_seed.hex())
        except UnsupportedError as error:
            return rpc.CheckResponse(failures=[rpc.CheckFailure("", str(error))])
        own = {MADE_UP: made_up, DIGESTS: digests(inputs)}
        return rpc.CheckResponse(_sent(inputs | own))

    async def diff(self, request: rpc.DiffRequest) -> rpc.DiffResponse:
        kind, old, inputs = RESOURCES[_token(request.urn)], _received(request.old_state), _received(request.new_inputs)
        was, now = old[DIGESTS], inputs[DIGESTS]
        names = changed(was, now)
        replace = action(kind, names) == "replace"
        # A second resource of a name that the program gave cannot be made beside the first.
        given = kind.named is not None and kind.named not in names and not inputs[MADE_UP]
        return rpc.DiffResponse(
            changes=bool(names),
            replaces=sorted((names & kind.identity) or names) if replace else [],
            delete_before_replace=replace and given,
            diffs=sorted(names),
            detailed_diff={name: _difference(name in was, name in now, replace=replace) for name in names},
        )

    async def create(self, request: rpc.CreateRequest) -> rpc.CreateResponse:
        kind, inputs = RESOURCES[_token(request.urn)], _received(request.properties)
        if request.preview:
            return rpc.CreateResponse(None, _state(inputs, {}))
        if _token(request.urn) == os.environ.get(FAIL_VARIABLE):
            raise LocalError(f"{request.name} fails, as the test wants it")
        if _token(request.urn) == os.environ.get(HANG_VARIABLE):
            await asyncio.to_thread(Path(os.environ[HANG_MARKER_VARIABLE]).touch)
            await asyncio.Event().wait()
        physical, outputs = await asyncio.to_thread(kind.create, self._aws, inputs)
        return rpc.CreateResponse(physical, _state(inputs, outputs))

    async def update(self, request: rpc.UpdateRequest) -> rpc.UpdateResponse:
        kind, inputs = RESOURCES[_token(request.urn)], _received(request.news)
        outputs = _outputs(kind, _received(request.olds), inputs)
        assert kind.update  # `diff` has said so
        if not request.preview:
            outputs |= await asyncio.to_thread(kind.update, self._aws, request.resource_id, inputs)
        return rpc.UpdateResponse(_state(inputs, outputs))

    async def exists(self, urn: str, physical: str, state: Mapping[str, PropertyValue]) -> bool:
        """Tell whether a resource is still there; what it is like is not looked at."""
        return await asyncio.to_thread(lifecycle.exists, _token(urn), self._aws, physical, _received(state))

    async def delete(self, request: rpc.DeleteRequest) -> None:
        token, state = _token(request.urn), _received(request.properties)
        await asyncio.to_thread(lifecycle.remove, token, self._aws, request.resource_id, state)


def _token(urn: str) -> str:
    """Return the type that a URN names; the types of its parents come before it."""
    return urn.split("::")[2].rpartition("$")[2]


def _state(inputs: Properties, outputs: Properties) -> dict[str, PropertyValue]:
    return _sent({name: value for name, value in inputs.items() if not isinstance(value, Asset | Archive)} | outputs)


def _outputs(kind: ResourceType, state: Properties, inputs: Properties) -> Properties:
    """Return the outputs of an existing resource that an update leaves as they are."""
    unsure = inputs.keys() | state[DIGESTS].keys() | kind.renewed
    return {name: value for name, value in state.items() if name not in unsure}


def _difference(was: bool, now: bool, *, replace: bool) -> rpc.PropertyDiff:  # noqa: FBT001  # names would say no more
    kind = "UPDATE" if was and now else "ADD" if now else "DELETE"
    return rpc.PropertyDiff(rpc.PropertyDiffKind[f"{kind}_REPLACE" if replace else kind], input_diff=True)


def _received(properties: Mapping[str, PropertyValue]) -> Properties:
    """Return properties as the resource table takes them; what a preview does not know yet is UNKNOWN."""
    return {name: _plain(value) for name, value in properties.items()}


def _plain(sent: PropertyValue) -> Any:
    value = sent.value
    if isinstance(value, Mapping):
        return _received(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, ResourceReference):
        return UNKNOWN if value.resource_id is None else _plain(value.resource_id)
    return whole(value)


def _sent(properties: Properties) -> dict[str, PropertyValue]:
    return {name: _sent_value(value) for name, value in properties.items() if value is not None}


def _sent_value(value: Any) -> PropertyValue:
    if isinstance(value, dict):
        return PropertyValue(_sent(value))
    if isinstance(value, list | tuple):
        return PropertyValue([_sent_value(item) for item in value])
    if isinstance(value, bool | str | Asset | Archive):
        return PropertyValue(value)
    return PropertyValue(float(value))


class Servicer(ProviderServicer):
    """The SDK's server of a provider, without its two faults.

    It cannot read an asset whose content the engine has left out, as it does where only the hash counts; and what it
    answers to a Read without inputs takes the inputs from the state.
    """

    def __init__(self, arguments: list[str], provider: AwsProvider, engine: str) -> None:
        super().__init__(arguments, version("pulumi-aws"), provider, engine)
        self._aws_provider = provider

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802  # the name of the engine's call
        _drop_assets(request.olds)
        return await super().Check(request, context)

    async def Diff(self, request: Any, context: Any) -> Any:  # noqa: N802  # the name of the engine's call
        _drop_assets(request.olds)
        _drop_assets(request.news)
        return await super().Diff(request, context)

    async def Read(self, request: Any, _context: Any) -> Any:  # noqa: N802  # the name of the engine's call
        state = PropertyValue.unmarshal_map(request.properties)
        if not await self._aws_provider.exists(request.urn, request.id, state):
            return proto.ReadResponse()
        return proto.ReadResponse(id=request.id, properties=request.properties, inputs=request.inputs)


def _drop_assets(properties: Any) -> None:
    for name in [name for name, value in properties.fields.items() if _special_sig_key in value.struct_value.fields]:
        del properties.fields[name]


async def _until_orphan() -> None:
    while not is_orphan():  # noqa: ASYNC110  # nobody tells of it
        await asyncio.sleep(0.2)


async def serve(engine: str, aws: LocalAws) -> None:
    """Serve until the engine goes; it reads the port from the first line."""
    server = grpc.aio.server(options=_GRPC_CHANNEL_OPTIONS)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Servicer([], AwsProvider(aws), engine), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)  # noqa: T201  # how the engine learns of it
    await _until_orphan()


def main() -> None:
    """Serve the MiniStack that the environment names, with the credentials that it has: IAM decides what they may."""
    url = os.environ["AWS_ENDPOINT_URL"]
    credentials = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
    aws = LocalAws(url, urlsplit(url).port or 80, os.getppid(), 0.0, Path(os.devnull), *credentials)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(next(one for one in sys.argv[1:] if not one.startswith("-")), aws))


if __name__ == "__main__":
    main()
