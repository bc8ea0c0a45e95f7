"""Lambda: layers, functions, aliases and permissions."""

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

from local.ministack import REGION, LocalAws
from local.resources.assets import content
from local.resources.base import Field, Properties, ResourceType, pascal, request

_CODE: Mapping[str, Field] = {
    "code": ("ZipFile", content),
    "s3Bucket": "S3Bucket",
    "s3Key": "S3Key",
    "s3ObjectVersion": "S3ObjectVersion",
}

_LAYER: Mapping[str, Field] = {
    "layerName": "LayerName",
    "compatibleArchitectures": "CompatibleArchitectures",
    "compatibleRuntimes": "CompatibleRuntimes",
    "description": "Description",
    "licenseInfo": "LicenseInfo",
}


def _create_layer(aws: LocalAws, inputs: Properties) -> tuple[str, Properties]:
    layer = aws.client("lambda").publish_layer_version(**request(_LAYER, inputs), Content=request(_CODE, inputs))
    return layer["LayerVersionArn"], {
        "arn": layer["LayerVersionArn"],
        "layerArn": layer["LayerArn"],
        "version": str(layer["Version"]),
        "createdDate": layer["CreatedDate"],
        "codeSha256": layer["Content"]["CodeSha256"],
        "sourceCodeHash": layer["Content"]["CodeSha256"],
        "sourceCodeSize": layer["Content"]["CodeSize"],
    }


_CONFIGURATION: Mapping[str, Field] = {
    "name": "FunctionName",
    "role": "Role",
    "deadLetterConfig": ("DeadLetterConfig", pascal),
    "description": "Description",
    "environment": ("Environment", lambda value: {"Variables": value.get("variables", {})}),
    "ephemeralStorage": ("EphemeralStorage", pascal),
    "handler": "Handler",
    "kmsKeyArn": "KMSKeyArn",
    "layers": "Layers",
    "loggingConfig": ("LoggingConfig", pascal),
    "memorySize": "MemorySize",
    "runtime": "Runtime",
    "snapStart": ("SnapStart", pascal),
    "timeout": "Timeout",
    "tracingConfig": ("TracingConfig", pascal),
    "vpcConfig": ("VpcConfig", pascal),
}
_ONCE: Mapping[str, Field] = {"architectures": "Architectures", "packageType": "PackageType", "tags": "Tags"}

# An update leaves alone what it does not mention, so an input that was removed must be reset.
_DEFAULTS: Properties = {
    "Description": "",
    "Environment": {"Variables": {}},
    "EphemeralStorage": {"Size": 512},
    "KMSKeyArn": "",
    "Layers": [],
    "MemorySize": 128,
    "SnapStart": {"ApplyOn": "None"},
    "Timeout": 3,
    "TracingConfig": {"Mode": "PassThrough"},
    "VpcConfig": {"SubnetIds": [], "SecurityGroupIds": []},
}


_OF_CODE = ("codeSha256", "sourceCodeHash", "sourceCodeSize")


# MiniStack is ready within half a second; boto3 would look again after one to five.
_SOON = {"Delay": 0.1, "MaxAttempts": 600}


def _create_function(aws: LocalAws, inputs: Properties) -> tuple[str, Properties]:
    lambda_ = aws.client("lambda")
    name = inputs["name"]
    lambda_.create_function(**request({**_CONFIGURATION, **_ONCE}, inputs), Code=request(_CODE, inputs))
    lambda_.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig=_SOON)
    return name, _finish_function(aws, name, inputs)


def _update_function(aws: LocalAws, name: str, inputs: Properties) -> Properties:
    lambda_ = aws.client("lambda")
    updated = lambda_.get_waiter("function_updated_v2")
    sent = request({**_CODE, "architectures": "Architectures"}, inputs)
    if not _has_code(lambda_.get_function_configuration(FunctionName=name), sent):
        lambda_.update_function_code(FunctionName=name, **sent)
        updated.wait(FunctionName=name, WaiterConfig=_SOON)
    lambda_.update_function_configuration(**_DEFAULTS | request(_CONFIGURATION, inputs))
    updated.wait(FunctionName=name, WaiterConfig=_SOON)
    return _finish_function(aws, name, inputs)


def _has_code(function: Any, sent: Properties) -> bool:
    """Whether a function has this code already: as the real provider, this one sends no zip that is there."""
    digest = base64.b64encode(hashlib.sha256(sent.get("ZipFile", b"")).digest()).decode()
    return bool(function["CodeSha256"] == digest and function["Architectures"] == sent.get("Architectures", ["x86_64"]))


def _finish_function(aws: LocalAws, name: str, inputs: Properties) -> Properties:
    lambda_ = aws.client("lambda")
    reserved = inputs.get("reservedConcurrentExecutions", -1)
    if reserved >= 0:
        lambda_.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=reserved)
    elif "ReservedConcurrentExecutions" in lambda_.get_function_concurrency(FunctionName=name):
        lambda_.delete_function_concurrency(FunctionName=name)
    version = "$LATEST"
    if inputs.get("publish"):
        version = lambda_.publish_version(FunctionName=name)["Version"]
        lambda_.get_waiter("published_version_active").wait(FunctionName=name, Qualifier=version, WaiterConfig=_SOON)
    function = lambda_.get_function_configuration(FunctionName=name)
    arn = function["FunctionArn"]
    return {
        "arn": arn,
        "invokeArn": _invoke_arn(arn),
        "qualifiedArn": f"{arn}:{version}",
        "qualifiedInvokeArn": _invoke_arn(f"{arn}:{version}"),
        "version": version,
        "lastModified": function["LastModified"],
        "codeSha256": function["CodeSha256"],
        "sourceCodeHash": function["CodeSha256"],
        "sourceCodeSize": function["CodeSize"],
    }


def _invoke_arn(arn: str) -> str:
    return f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{arn}/invocations"


_ALIAS: Mapping[str, Field] = {
    "functionName": "FunctionName",
    "name": "Name",
    "functionVersion": "FunctionVersion",
    "description": "Description",
    "routingConfig": ("RoutingConfig", pascal),
}


def _create_alias(aws: LocalAws, inputs: Properties) -> tuple[str, Properties]:
    alias = aws.client("lambda").create_alias(**request(_ALIAS, inputs))
    return alias["AliasArn"], _alias(alias)


def _update_alias(aws: LocalAws, _identity: str, inputs: Properties) -> Properties:
    # As with functions: what was removed must be reset.
    defaults: Properties = {"Description": "", "RoutingConfig": {}}
    return _alias(aws.client("lambda").update_alias(**defaults | request(_ALIAS, inputs)))


def _alias(alias: Any) -> Properties:
    return {"arn": alias["AliasArn"], "invokeArn": _invoke_arn(alias["AliasArn"])}


_PERMISSION: Mapping[str, Field] = {
    "function": "FunctionName",
    "statementId": "StatementId",
    "action": "Action",
    "principal": "Principal",
    "eventSourceToken": "EventSourceToken",
    "functionUrlAuthType": "FunctionUrlAuthType",
    "principalOrgId": "PrincipalOrgID",
    "qualifier": "Qualifier",
    "sourceAccount": "SourceAccount",
    "sourceArn": "SourceArn",
}


def _create_permission(aws: LocalAws, inputs: Properties) -> tuple[str, Properties]:
    aws.client("lambda").add_permission(**request(_PERMISSION, inputs))
    return inputs["statementId"], {}


def _update_permission(aws: LocalAws, _identity: str, inputs: Properties) -> Properties:
    aws.client("lambda").remove_permission(**request(_STATEMENT, inputs))
    return _create_permission(aws, inputs)[1]


_STATEMENT = {name: _PERMISSION[name] for name in ("function", "statementId", "qualifier")}


RESOURCES = {
    "aws:lambda/layerVersion:LayerVersion": ResourceType(
        _create_layer,
        frozenset({*_LAYER, *_CODE}),
        ignored=frozenset({"skipDestroy", "sourceCodeHash"}),
    ),
    "aws:lambda/function:Function": ResourceType(
        _create_function,
        frozenset({*_CONFIGURATION, *_ONCE, *_CODE, "publish", "reservedConcurrentExecutions"}),
        _update_function,
        ignored=frozenset({"skipDestroy", "sourceCodeHash"}),
        identity=frozenset({"name", "packageType"}),
        renewed=frozenset({"version", "qualifiedArn", "qualifiedInvokeArn", "lastModified", *_OF_CODE}),
        named="name",
    ),
    "aws:lambda/alias:Alias": ResourceType(
        _create_alias,
        frozenset(_ALIAS),
        _update_alias,
        identity=frozenset({"functionName", "name"}),
        named="name",
    ),
    "aws:lambda/permission:Permission": ResourceType(
        _create_permission,
        frozenset(_PERMISSION),
        _update_permission,
        identity=frozenset({"function", "statementId", "qualifier"}),
        named="statementId",
    ),
}
