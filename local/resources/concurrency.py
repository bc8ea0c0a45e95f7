"""Lambda's provisioned concurrency. MiniStack stores it, and starts no environment for it."""

from collections.abc import Mapping

from local.ministack import LocalAws
from local.resources.base import Field, Properties, ResourceType, request

_PLACE: Mapping[str, Field] = {"functionName": "FunctionName", "qualifier": "Qualifier"}
_PROVISIONED: Mapping[str, Field] = {
    **_PLACE,
    "provisionedConcurrentExecutions": "ProvisionedConcurrentExecutions",
}


def _create(aws: LocalAws, inputs: Properties) -> tuple[str, Properties]:
    return f"{inputs['functionName']},{inputs['qualifier']}", _update(aws, "", inputs)


def _update(aws: LocalAws, _identity: str, inputs: Properties) -> Properties:
    aws.client("lambda").put_provisioned_concurrency_config(**request(_PROVISIONED, inputs))
    return {}


RESOURCES = {
    "aws:lambda/provisionedConcurrencyConfig:ProvisionedConcurrencyConfig": ResourceType(
        _create,
        frozenset(_PROVISIONED),
        _update,
        ignored=frozenset({"skipDestroy"}),
        identity=frozenset(_PLACE),
    ),
}
