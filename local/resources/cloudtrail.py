"""Trails of CloudTrail. The local AWS keeps them, and writes no log files."""

from collections.abc import Mapping

from local.ministack import LocalAws
from local.resources.base import Field, Properties, ResourceType, pascal, request, tag_list

_TRAIL: Mapping[str, Field] = {
    "name": "Name",
    "s3BucketName": "S3BucketName",
    "s3KeyPrefix": "S3KeyPrefix",
    "kmsKeyId": "KmsKeyId",
    "enableLogFileValidation": "EnableLogFileValidation",
    "includeGlobalServiceEvents": "IncludeGlobalServiceEvents",
    "isMultiRegionTrail": "IsMultiRegionTrail",
}


def _create(aws: LocalAws, inputs: Properties) -> tuple[str, Properties]:
    cloudtrail = aws.client("cloudtrail")
    arn = cloudtrail.create_trail(**request(_TRAIL, inputs), TagsList=tag_list(inputs.get("tags") or {}))["TrailARN"]
    _select(aws, arn, inputs)
    cloudtrail.start_logging(Name=arn)
    return arn, {"arn": arn}


def _update(aws: LocalAws, arn: str, inputs: Properties) -> Properties:
    aws.client("cloudtrail").update_trail(**request(_TRAIL, inputs) | {"Name": arn})
    _select(aws, arn, inputs)
    return {"arn": arn}


def _select(aws: LocalAws, arn: str, inputs: Properties) -> None:
    if selectors := inputs.get("advancedEventSelectors"):
        chosen = [
            {"Name": one["name"], "FieldSelectors": [_field(field) for field in one["fieldSelectors"]]}
            for one in selectors
        ]
        aws.client("cloudtrail").put_event_selectors(TrailName=arn, AdvancedEventSelectors=chosen)


def _field(selector: Properties) -> Properties:
    # The provider's plural of a list that the service has in the singular.
    return {key.removesuffix("s") if key.endswith("Withs") else key: value for key, value in pascal(selector).items()}


RESOURCES = {
    "aws:cloudtrail/trail:Trail": ResourceType(
        _create,
        frozenset(_TRAIL) | {"advancedEventSelectors", "tags"},
        _update,
        identity=frozenset({"name", "tags"}),
        named="name",
    ),
}
