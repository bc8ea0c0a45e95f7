"""Log groups."""

from collections.abc import Mapping

from local.ministack import REGION, LocalAws
from local.resources.base import Field, Properties, ResourceType, account, request

_GROUP: Mapping[str, Field] = {
    "name": "logGroupName",
    "kmsKeyId": "kmsKeyId",
    "logGroupClass": "logGroupClass",
    "tags": "tags",
}


def _create_group(aws: LocalAws, inputs: Properties) -> tuple[str, Properties]:
    aws.client("logs").create_log_group(**request(_GROUP, inputs))
    return inputs["name"], _update_group(aws, inputs["name"], inputs)


def _update_group(aws: LocalAws, name: str, inputs: Properties) -> Properties:
    logs = aws.client("logs")
    if inputs.get("retentionInDays"):
        logs.put_retention_policy(logGroupName=name, retentionInDays=inputs["retentionInDays"])
    else:
        logs.delete_retention_policy(logGroupName=name)
    return {"arn": f"arn:aws:logs:{REGION}:{account(aws)}:log-group:{name}"}


RESOURCES = {
    "aws:cloudwatch/logGroup:LogGroup": ResourceType(
        _create_group,
        frozenset(_GROUP) | {"retentionInDays"},
        _update_group,
        ignored=frozenset({"skipDestroy"}),
        identity=frozenset({"name", "kmsKeyId", "logGroupClass"}),
        named="name",
    ),
}
