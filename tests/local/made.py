"""Resources of every type, made from the inputs that a program would give."""

import json
from typing import Any

from pulumi import AssetArchive, StringAsset

from local.ministack import LocalAws
from local.resources import RESOURCES
from local.resources.assets import content
from tests.pulumi.lifecycle import exists, remove

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)
READ = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}],
    }
)
BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
CODE = "import greeting\n\ndef handler(event, context):\n    return {'statusCode': 200, 'body': greeting.TEXT}\n"

S3, IAM, LAMBDA, GATEWAY = "aws:s3/", "aws:iam/", "aws:lambda/", "aws:apigateway/"
BUCKET, OBJECT = f"{S3}bucket:Bucket", f"{S3}bucketObjectv2:BucketObjectv2"
VERSIONING, LIFECYCLE = (
    f"{S3}bucketVersioning:BucketVersioning",
    f"{S3}bucketLifecycleConfiguration:BucketLifecycleConfiguration",
)
ACCESS, OWNERSHIP = (
    f"{S3}bucketPublicAccessBlock:BucketPublicAccessBlock",
    f"{S3}bucketOwnershipControls:BucketOwnershipControls",
)
ENCRYPTION = f"{S3}bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
BUCKET_POLICY = f"{S3}bucketPolicy:BucketPolicy"
LOCK, TRAIL = f"{S3}bucketObjectLockConfiguration:BucketObjectLockConfiguration", "aws:cloudtrail/trail:Trail"
ROLE, ROLE_POLICY = f"{IAM}role:Role", f"{IAM}rolePolicy:RolePolicy"
ATTACHMENT, MANAGED_POLICY = f"{IAM}rolePolicyAttachment:RolePolicyAttachment", f"{IAM}policy:Policy"
GROUP = "aws:cloudwatch/logGroup:LogGroup"
PROJECT = "aws:codebuild/project:Project"
LAYER, FUNCTION = f"{LAMBDA}layerVersion:LayerVersion", f"{LAMBDA}function:Function"
ALIAS, PERMISSION = f"{LAMBDA}alias:Alias", f"{LAMBDA}permission:Permission"
API, RESOURCE = f"{GATEWAY}restApi:RestApi", f"{GATEWAY}resource:Resource"
METHOD, INTEGRATION = f"{GATEWAY}method:Method", f"{GATEWAY}integration:Integration"
METHOD_RESPONSE = f"{GATEWAY}methodResponse:MethodResponse"
INTEGRATION_RESPONSE = f"{GATEWAY}integrationResponse:IntegrationResponse"
VALIDATOR, MODEL = f"{GATEWAY}requestValidator:RequestValidator", f"{GATEWAY}model:Model"
RESPONSE, DEPLOYMENT = f"{GATEWAY}response:Response", f"{GATEWAY}deployment:Deployment"
STAGE, SETTINGS = f"{GATEWAY}stage:Stage", f"{GATEWAY}methodSettings:MethodSettings"
ACCOUNT, KEY = f"{GATEWAY}account:Account", f"{GATEWAY}apiKey:ApiKey"
PLAN, PLAN_KEY = f"{GATEWAY}usagePlan:UsagePlan", f"{GATEWAY}usagePlanKey:UsagePlanKey"
DOMAIN, MAPPING = f"{GATEWAY}domainName:DomainName", f"{GATEWAY}basePathMapping:BasePathMapping"
AUTHORIZER, POLICY = f"{GATEWAY}authorizer:Authorizer", f"{GATEWAY}restApiPolicy:RestApiPolicy"
WEB_ACL = "aws:wafv2/webAclAssociation:WebAclAssociation"
ALARM, DASHBOARD = "aws:cloudwatch/metricAlarm:MetricAlarm", "aws:cloudwatch/dashboard:Dashboard"
PROVISIONED = f"{LAMBDA}provisionedConcurrencyConfig:ProvisionedConcurrencyConfig"


class Made:
    """One resource of every type, made from the same inputs as a program would give."""

    def __init__(self, aws: LocalAws, name: str) -> None:
        self.aws = aws
        self.name = name
        self.ids: dict[str, str] = {}
        self.outputs: dict[str, dict[str, Any]] = {}
        self.inputs: dict[str, dict[str, Any]] = {}

    def make(self, token: str, **inputs: Any) -> dict[str, Any]:
        kind = RESOURCES[token]
        inputs = kind.complete(token, f"urn:pulumi:dev::test::{token}::{self.name}", inputs)
        self.inputs[token] = inputs
        self.ids[token], self.outputs[token] = kind.create(self.aws, inputs)
        return inputs | self.outputs[token]

    def update(self, token: str, **changed: Any) -> dict[str, Any]:
        update = RESOURCES[token].update
        assert update
        self.inputs[token] |= changed
        self.outputs[token] |= update(self.aws, self.ids[token], self.inputs[token])
        return self.outputs[token]

    def remove(self, token: str) -> None:
        """Delete a resource: it is there before and not after, and deleting it again is no error."""
        physical, inputs = self.ids.pop(token), self.inputs[token]
        assert exists(token, self.aws, physical, inputs), f"{token} is not found"
        remove(token, self.aws, physical, inputs)
        assert token in STAYS or not exists(token, self.aws, physical, inputs), f"{token} is still there"
        remove(token, self.aws, physical, inputs)

    def remove_all(self) -> None:
        """Delete everything, the last first."""
        for token in list(reversed(self.ids)):
            self.remove(token)


STAYS = frozenset({ENCRYPTION, VERSIONING, LOCK, SETTINGS, ACCOUNT, RESPONSE})
"""What has a default that is there in its place."""


def make_bucket(made: Made) -> str:
    return str(made.make(BUCKET, bucket=made.name, forceDestroy=True, tags={"project": "test"})["bucket"])


def make_function(made: Made) -> dict[str, Any]:
    bucket = make_bucket(made)
    layer_zip = AssetArchive({"python/greeting.py": StringAsset("TEXT = 'from the layer'\n")})
    made.aws.client("s3").put_object(Bucket=bucket, Key="layer.zip", Body=content(layer_zip))
    role = made.make(ROLE, name=made.name, assumeRolePolicy=TRUST, description="for a test")
    layer = made.make(
        LAYER,
        layerName=made.name,
        s3Bucket=bucket,
        s3Key="layer.zip",
        compatibleRuntimes=["python3.12"],
        compatibleArchitectures=["x86_64"],
        skipDestroy=True,
    )
    return made.make(
        FUNCTION,
        code=AssetArchive({"app.py": StringAsset(CODE)}),
        role=role["arn"],
        handler="app.handler",
        runtime="python3.12",
        memorySize=256,
        timeout=7,
        layers=[layer["arn"]],
        environment={"variables": {"lower_case": "1"}},
        tracingConfig={"mode": "Active"},
        architectures=["x86_64"],
        ephemeralStorage={"size": 1024},
        loggingConfig={"logFormat": "JSON", "logGroup": "/aws/lambda/x"},
        publish=True,
        reservedConcurrentExecutions=2,
        tags={"project": "test"},
    )


def make_api(made: Made) -> None:
    function = make_function(made)
    alias = made.make(ALIAS, name="live", functionName=function["name"], functionVersion=function["version"])
    api = made.make(API, name=made.name, endpointConfiguration={"types": "REGIONAL"}, tags={"project": "test"})
    made.make(
        PERMISSION,
        function=function["name"],
        qualifier="live",
        action="lambda:InvokeFunction",
        principal="apigateway.amazonaws.com",
        sourceArn=f"{api['executionArn']}/*/*",
    )
    made.make(RESOURCE, restApi=made.ids[API], parentId=api["rootResourceId"], pathPart="predict")
    made.make(MODEL, restApi=made.ids[API], name="Row", contentType="application/json", schema='{"type": "object"}')
    made.make(VALIDATOR, restApi=made.ids[API], validateRequestParameters=True, validateRequestBody=True)
    place = {"restApi": made.ids[API], "resourceId": made.ids[RESOURCE], "httpMethod": "GET"}
    made.make(
        METHOD,
        **place,
        authorization="NONE",
        apiKeyRequired=False,
        requestParameters={"method.request.querystring.x": True},
        requestModels={"application/json": "Row"},
        requestValidatorId=made.ids[VALIDATOR],
    )
    made.make(
        INTEGRATION,
        **place,
        type="AWS_PROXY",
        integrationHttpMethod="POST",
        uri=alias["invokeArn"],
        timeoutMilliseconds=5000,
    )
    made.make(METHOD_RESPONSE, **place, statusCode="200", responseModels={"application/json": "Empty"})
    made.make(INTEGRATION_RESPONSE, **place, statusCode="200", responseTemplates={"application/json": ""})
    made.make(RESPONSE, restApiId=made.ids[API], responseType="BAD_REQUEST_PARAMETERS", statusCode="422")
    made.make(DEPLOYMENT, restApi=made.ids[API], triggers={"content": "1"}, description="first")
    made.make(
        STAGE,
        restApi=made.ids[API],
        stageName="dev",
        deployment=made.ids[DEPLOYMENT],
        xrayTracingEnabled=True,
        variables={"one": "1", "two": "2"},
        accessLogSettings={
            "destinationArn": "arn:aws:logs:us-east-1:000000000000:log-group:x",
            "format": "$context.requestId",
        },
    )
