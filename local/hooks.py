"""Hooks of a program's resources: functions that the engine calls before it creates or updates one."""

from collections.abc import Sequence
from typing import Any

import grpc
from pulumi.runtime.proto import callback_pb2, callback_pb2_grpc, resource_pb2

from local.errors import LocalError
from local.resources.base import Properties


class Hooks:
    """The hooks that a program has registered, called as the engine calls them: over the program's own server."""

    def __init__(self) -> None:
        self._callbacks: dict[str, Any] = {}

    def register(self, request: Any) -> None:
        """Remember a hook by its name."""
        self._callbacks[request.name] = request.callback

    def call(self, names: Sequence[str], *, urn: str, inputs: Properties) -> None:
        """Call hooks one after the other; LocalError with what the first one said that refused.

        `inputs` are those that the resource is to have; of those that it had nothing is known here.
        """
        for name in names:
            request = resource_pb2.ResourceHookRequest(urn=urn)
            request.new_inputs.update(inputs)
            callback = self._callbacks[name]
            with grpc.insecure_channel(callback.target) as channel:
                answer = callback_pb2_grpc.CallbacksStub(channel).Invoke(
                    callback_pb2.CallbackInvokeRequest(token=callback.token, request=request.SerializeToString())
                )
            if error := resource_pb2.ResourceHookResponse.FromString(answer.response).error:
                raise LocalError(error)
