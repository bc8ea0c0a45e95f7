"""What the local AWS can create: a table from Pulumi's type token to the functions that create and update it.

The functions know boto3 and the properties of pulumi-aws, and nothing of Pulumi's engine or SDK but its assets.
"""

from collections.abc import Mapping
from types import MappingProxyType

from local.resources import (
    access,
    cloudtrail,
    cloudwatch,
    codebuild,
    concurrency,
    domains,
    functions,
    gateway,
    iam,
    logs,
    s3,
    tags,
)
from local.resources.base import ResourceType

RESOURCES: Mapping[str, ResourceType] = MappingProxyType(
    tags.followed(
        s3.RESOURCES
        | iam.RESOURCES
        | logs.RESOURCES
        | functions.RESOURCES
        | gateway.RESOURCES
        | cloudwatch.RESOURCES
        | cloudtrail.RESOURCES
        | codebuild.RESOURCES
        | concurrency.RESOURCES
        | domains.RESOURCES
        | access.RESOURCES
    )
)

__all__ = ["RESOURCES", "ResourceType"]
