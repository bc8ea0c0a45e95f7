"""How each type of `local/resources` is deleted and read: only the engine asks for that, never the local AWS."""

import json
from collections.abc import Callable, Mapping
from typing import cast

from botocore.exceptions import ClientError

from local.errors import LocalError
from local.ministack import LocalAws
from local.resources.base import Field, Properties, request

Call = Callable[[LocalAws, str, Properties], object]
"""Takes a resource's physical id and its inputs."""

_GONE = frozenset(
    {
        *("ProvisionedConcurrencyConfigNotFoundException", "ResourceNotFound"),
        "WAFNonexistentItemException",
        *("404", "NoSuchBucket", "NoSuchEntity", "NoSuchKey", "NotFoundException", "ResourceNotFoundException"),
        "TrailNotFoundException",
        *("NoSuchBucketPolicy", "NoSuchPublicAccessBlockConfiguration", "NoSuchLifecycleConfiguration"),
        *("OwnershipControlsNotFoundError", "ServerSideEncryptionConfigurationNotFoundError"),
    }
)
"""Error codes by which the services say that a resource, or what it is part of, does not exist."""


def remove(token: str, aws: LocalAws, identity: str, inputs: Properties) -> None:
    """Delete the resource with this physical id; one that is already gone is no error."""
    _unless_gone(_TYPES[token][0], aws, identity, inputs)


def exists(token: str, aws: LocalAws, identity: str, inputs: Properties) -> bool:
    """Whether the resource with this physical id exists."""
    return _unless_gone(_TYPES[token][1], aws, identity, inputs) is not False


def _unless_gone(call: Call, aws: LocalAws, identity: str, inputs: Properties) -> object:
    try:
        return call(aws, identity, inputs)
    except ClientError as error:
        if error.response["Error"]["Code"] not in _GONE:
            raise
        return False


def _call(service: str, method: str, **fields: str) -> Call:
    """The call of a service's method with parameters made from the inputs and from `id`, the physical id."""

    def run(aws: LocalAws, identity: str, inputs: Properties) -> object:
        named = cast("Mapping[str, Field]", fields)
        return cast("object", getattr(aws.client(service), method)(**request(named, inputs | {"id": identity})))

    return run


def _pair(service: str, noun: str, **fields: str) -> tuple[Call, Call]:
    return _call(service, f"delete_{noun}", **fields), _call(service, f"get_{noun}", **fields)


# -- S3 ------------------------------------------------------------------------------------------------------------


def _delete_bucket(aws: LocalAws, name: str, inputs: Properties) -> None:
    # S3 refuses to delete a bucket that holds anything (BucketNotEmpty).
    if inputs.get("forceDestroy"):
        _delete_objects(aws, name, lambda _key: True)
    aws.client("s3").delete_bucket(Bucket=name)


def _delete_object(aws: LocalAws, _identity: str, inputs: Properties) -> None:
    key = inputs["key"]
    _delete_objects(aws, inputs["bucket"], lambda found: found == key, prefix=key)


def _delete_objects(aws: LocalAws, bucket: str, wanted: Callable[[str], bool], prefix: str = "") -> None:
    """Delete every version of the objects with wanted keys, and what marks them as deleted."""
    s3 = aws.client("s3")
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
        for version in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
            if wanted(version["Key"]):
                s3.delete_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])


def _suspend_versioning(aws: LocalAws, bucket: str, _inputs: Properties) -> None:
    # Versioning that was on can only be suspended.
    aws.client("s3").put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})


def _unlock(aws: LocalAws, bucket: str, _inputs: Properties) -> None:
    # A lock that was on stays on; what is written from now on has no retention.
    aws.client("s3").put_object_lock_configuration(
        Bucket=bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"}
    )


# -- IAM, Lambda, CloudWatch ---------------------------------------------------------------------------------------


def _read_attachment(aws: LocalAws, _identity: str, inputs: Properties) -> bool:
    attached = aws.client("iam").list_attached_role_policies(RoleName=inputs["role"])["AttachedPolicies"]
    return any(policy["PolicyArn"] == inputs["policyArn"] for policy in attached)


def _delete_layer(aws: LocalAws, arn: str, inputs: Properties) -> None:
    version = int(arn.rpartition(":")[2])
    aws.client("lambda").delete_layer_version(LayerName=inputs["layerName"], VersionNumber=version)


def _read_permission(aws: LocalAws, identity: str, inputs: Properties) -> bool:
    place = request({"function": "FunctionName", "qualifier": "Qualifier"}, inputs)
    policy = json.loads(aws.client("lambda").get_policy(**place)["Policy"])
    return any(statement["Sid"] == identity for statement in policy["Statement"])


def _delete_alarm(aws: LocalAws, name: str, _inputs: Properties) -> None:
    aws.client("cloudwatch").delete_alarms(AlarmNames=[name])


def _read_alarm(aws: LocalAws, name: str, _inputs: Properties) -> bool:
    return bool(aws.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"])


def _delete_dashboard(aws: LocalAws, name: str, _inputs: Properties) -> None:
    cloudwatch = aws.client("cloudwatch")
    if any(entry["DashboardName"] == name for entry in cloudwatch.list_dashboards()["DashboardEntries"]):
        cloudwatch.delete_dashboards(DashboardNames=[name])


def _read_project(aws: LocalAws, _identity: str, inputs: Properties) -> bool:
    return bool(aws.client("codebuild").batch_get_projects(names=[inputs["name"]])["projects"])


# -- API Gateway ---------------------------------------------------------------------------------------------------


def _delete_deployment(aws: LocalAws, deployment: str, inputs: Properties) -> None:
    gateway = aws.client("apigateway")
    stages = gateway.get_stages(restApiId=inputs["restApi"], deploymentId=deployment)["item"]
    # MiniStack deletes it nevertheless. API Gateway refuses in these words.
    if names := [stage["stageName"] for stage in stages if stage["deploymentId"] == deployment]:
        raise LocalError(
            f"active stages pointing to this deployment must be moved or deleted: deployment {deployment} is that of "
            f"{', '.join(names)}"
        )
    gateway.delete_deployment(restApiId=inputs["restApi"], deploymentId=deployment)


def _delete_settings(aws: LocalAws, _identity: str, inputs: Properties) -> None:
    path, _, method = inputs["methodPath"].rpartition("/")
    patch = [{"op": "remove", "path": f"/{path.replace('/', '~1')}/{method}"}]
    place = request({"restApi": "restApiId", "stageName": "stageName"}, inputs)
    aws.client("apigateway").update_stage(**place, patchOperations=patch)


def _reset_account(aws: LocalAws, _identity: str, _inputs: Properties) -> None:
    patch = [{"op": "replace", "path": "/cloudwatchRoleArn", "value": ""}]
    aws.client("apigateway").update_account(patchOperations=patch)


def _delete_plan(aws: LocalAws, plan: str, inputs: Properties) -> None:
    gateway = aws.client("apigateway")
    # A plan that has stages is not deleted.
    stages = [f"{stage['apiId']}:{stage['stage']}" for stage in inputs.get("apiStages", [])]
    patch = [{"op": "remove", "path": "/apiStages", "value": stage} for stage in stages]
    if patch:
        gateway.update_usage_plan(usagePlanId=plan, patchOperations=patch)
    gateway.delete_usage_plan(usagePlanId=plan)


def _base_path(text: str) -> str:
    return "" if text == "(none)" else text  # the service's word for no base path


def _delete_mapping(aws: LocalAws, _identity: str, inputs: Properties) -> None:
    base_path = inputs.get("basePath") or "(none)"
    aws.client("apigateway").delete_base_path_mapping(domainName=inputs["domainName"], basePath=base_path)


def _read_mapping(aws: LocalAws, _identity: str, inputs: Properties) -> bool:
    mappings = aws.client("apigateway").get_base_path_mappings(domainName=inputs["domainName"]).get("items", [])
    return any(_base_path(mapping["basePath"]) == inputs.get("basePath", "") for mapping in mappings)


def _delete_policy(aws: LocalAws, api: str, _inputs: Properties) -> None:
    # As the Terraform provider does it.
    patch = [{"op": "replace", "path": "/policy", "value": ""}]
    aws.client("apigateway").update_rest_api(restApiId=api, patchOperations=patch)


def _read_policy(aws: LocalAws, api: str, _inputs: Properties) -> bool:
    return bool(aws.client("apigateway").get_rest_api(restApiId=api).get("policy"))


def _always(_aws: LocalAws, _identity: str, _inputs: Properties) -> bool:
    return True


_PLACE = {"restApi": "restApiId", "resourceId": "resourceId", "httpMethod": "httpMethod"}
_STAGE = {"restApi": "restApiId", "stageName": "stageName"}
_PROVISIONED = {"functionName": "FunctionName", "qualifier": "Qualifier"}
_ROLE_POLICY = {"role": "RoleName", "name": "PolicyName"}

_TYPES: Mapping[str, tuple[Call, Call]] = {
    "aws:s3/bucket:Bucket": (_delete_bucket, _call("s3", "head_bucket", id="Bucket")),
    "aws:s3/bucketVersioning:BucketVersioning": (
        _suspend_versioning,
        _call("s3", "get_bucket_versioning", bucket="Bucket"),
    ),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": _pair("s3", "public_access_block", bucket="Bucket"),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": _pair(
        "s3", "bucket_encryption", bucket="Bucket"
    ),
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": _pair("s3", "bucket_ownership_controls", bucket="Bucket"),
    "aws:s3/bucketPolicy:BucketPolicy": _pair("s3", "bucket_policy", bucket="Bucket"),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": (
        _call("s3", "delete_bucket_lifecycle", bucket="Bucket"),
        _call("s3", "get_bucket_lifecycle_configuration", bucket="Bucket"),
    ),
    "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration": (
        _unlock,
        _call("s3", "get_object_lock_configuration", bucket="Bucket"),
    ),
    "aws:s3/bucketObjectv2:BucketObjectv2": (_delete_object, _call("s3", "head_object", bucket="Bucket", key="Key")),
    "aws:iam/policy:Policy": _pair("iam", "policy", id="PolicyArn"),
    "aws:iam/role:Role": _pair("iam", "role", id="RoleName"),
    "aws:iam/rolePolicy:RolePolicy": _pair("iam", "role_policy", **_ROLE_POLICY),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": (
        _call("iam", "detach_role_policy", role="RoleName", policyArn="PolicyArn"),
        _read_attachment,
    ),
    "aws:lambda/layerVersion:LayerVersion": (_delete_layer, _call("lambda", "get_layer_version_by_arn", id="Arn")),
    "aws:lambda/function:Function": (
        _call("lambda", "delete_function", id="FunctionName"),
        _call("lambda", "get_function_configuration", id="FunctionName"),
    ),
    "aws:lambda/alias:Alias": _pair("lambda", "alias", functionName="FunctionName", name="Name"),
    "aws:lambda/permission:Permission": (
        _call("lambda", "remove_permission", function="FunctionName", statementId="StatementId", qualifier="Qualifier"),
        _read_permission,
    ),
    "aws:lambda/provisionedConcurrencyConfig:ProvisionedConcurrencyConfig": _pair(
        "lambda", "provisioned_concurrency_config", **_PROVISIONED
    ),
    "aws:cloudwatch/logGroup:LogGroup": (
        _call("logs", "delete_log_group", id="logGroupName"),
        _call("logs", "list_tags_log_group", id="logGroupName"),
    ),
    "aws:cloudwatch/metricAlarm:MetricAlarm": (_delete_alarm, _read_alarm),
    "aws:cloudwatch/dashboard:Dashboard": (
        _delete_dashboard,
        _call("cloudwatch", "get_dashboard", id="DashboardName"),
    ),
    "aws:cloudtrail/trail:Trail": _pair("cloudtrail", "trail", id="Name"),
    "aws:codebuild/project:Project": (_call("codebuild", "delete_project", name="name"), _read_project),
    "aws:apigateway/restApi:RestApi": _pair("apigateway", "rest_api", id="restApiId"),
    "aws:apigateway/resource:Resource": _pair("apigateway", "resource", restApi="restApiId", id="resourceId"),
    "aws:apigateway/method:Method": _pair("apigateway", "method", **_PLACE),
    "aws:apigateway/integration:Integration": _pair("apigateway", "integration", **_PLACE),
    "aws:apigateway/methodResponse:MethodResponse": _pair(
        "apigateway", "method_response", **_PLACE, statusCode="statusCode"
    ),
    "aws:apigateway/integrationResponse:IntegrationResponse": _pair(
        "apigateway", "integration_response", **_PLACE, statusCode="statusCode"
    ),
    "aws:apigateway/response:Response": _pair(
        "apigateway", "gateway_response", restApiId="restApiId", responseType="responseType"
    ),
    "aws:apigateway/requestValidator:RequestValidator": _pair(
        "apigateway", "request_validator", restApi="restApiId", id="requestValidatorId"
    ),
    "aws:apigateway/model:Model": _pair("apigateway", "model", restApi="restApiId", name="modelName"),
    "aws:apigateway/deployment:Deployment": (
        _delete_deployment,
        _call("apigateway", "get_deployment", restApi="restApiId", id="deploymentId"),
    ),
    "aws:apigateway/stage:Stage": _pair("apigateway", "stage", **_STAGE),
    "aws:apigateway/methodSettings:MethodSettings": (_delete_settings, _call("apigateway", "get_stage", **_STAGE)),
    "aws:apigateway/account:Account": (_reset_account, _always),
    "aws:apigateway/apiKey:ApiKey": _pair("apigateway", "api_key", id="apiKey"),
    "aws:apigateway/usagePlan:UsagePlan": (_delete_plan, _call("apigateway", "get_usage_plan", id="usagePlanId")),
    "aws:apigateway/usagePlanKey:UsagePlanKey": _pair(
        "apigateway", "usage_plan_key", usagePlanId="usagePlanId", keyId="keyId"
    ),
    "aws:apigateway/domainName:DomainName": _pair("apigateway", "domain_name", id="domainName"),
    "aws:apigateway/basePathMapping:BasePathMapping": (_delete_mapping, _read_mapping),
    "aws:apigateway/authorizer:Authorizer": _pair("apigateway", "authorizer", restApi="restApiId", id="authorizerId"),
    "aws:apigateway/restApiPolicy:RestApiPolicy": (_delete_policy, _read_policy),
    "aws:wafv2/webAclAssociation:WebAclAssociation": (
        _call("wafv2", "disassociate_web_acl", resourceArn="ResourceArn"),
        _call("wafv2", "get_web_acl_for_resource", resourceArn="ResourceArn"),
    ),
}
"""For each type the calls that delete and read it."""
