"""Projects of CodeBuild. The local AWS keeps them, and runs no build."""

from collections.abc import Mapping

from local.ministack import LocalAws
from local.resources.base import Field, Properties, ResourceType, request


def _tags(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in sorted(tags.items())]


def _logs(config: Properties) -> Properties:
    # The provider has another spelling than the service.
    return {"cloudWatchLogs": config["cloudwatchLogs"]}


_PROJECT: Mapping[str, Field] = {
    "name": "name",
    "description": "description",
    "serviceRole": "serviceRole",
    "source": "source",
    "sourceVersion": "sourceVersion",
    "artifacts": "artifacts",
    "environment": "environment",
    "logsConfig": ("logsConfig", _logs),
    "buildTimeout": "timeoutInMinutes",
    "queuedTimeout": "queuedTimeoutInMinutes",
    "concurrentBuildLimit": "concurrentBuildLimit",
    "tags": ("tags", _tags),
}


def _create(aws: LocalAws, inputs: Properties) -> tuple[str, Properties]:
    arn = aws.client("codebuild").create_project(**request(_PROJECT, inputs))["project"]["arn"]
    return arn, {"arn": arn}


def _update(aws: LocalAws, arn: str, inputs: Properties) -> Properties:
    aws.client("codebuild").update_project(**request(_PROJECT, inputs))
    return {"arn": arn}


RESOURCES = {
    "aws:codebuild/project:Project": ResourceType(
        _create,
        frozenset(_PROJECT),
        _update,
        identity=frozenset({"name"}),
        named="name",
    ),
}
