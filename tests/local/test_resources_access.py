from tests.local.made import API, AUTHORIZER, POLICY, WEB_ACL, Made, make_api


def test_an_authorizer_a_policy_and_a_web_acl_come_and_go(made: Made) -> None:
    """The engine deletes each before or after the others; what is gone already is no error."""
    gateway, waf = made.aws.client("apigateway"), made.aws.client("wafv2")
    make_api(made)
    api = made.ids[API]
    made.make(AUTHORIZER, restApi=api, type="COGNITO_USER_POOLS", providerArns=["arn:aws:cognito-idp:x:1:userpool/a"])
    (authorizer,) = gateway.get_authorizers(restApiId=api)["items"]
    assert authorizer["identitySource"] == "method.request.header.Authorization"
    made.make(POLICY, restApiId=api, policy='{"Statement": []}')
    made.update(POLICY, policy='{"Statement": [{}]}')
    # As AWS does, it gives a policy back with its quotes escaped.
    assert gateway.get_rest_api(restApiId=api)["policy"].replace("\\", "") == '{"Statement": [{}]}'
    visibility = {"SampledRequestsEnabled": False, "CloudWatchMetricsEnabled": False, "MetricName": "x"}
    acl = waf.create_web_acl(Name=made.name, Scope="REGIONAL", DefaultAction={"Allow": {}}, VisibilityConfig=visibility)
    arn, stage = acl["Summary"]["ARN"], f"arn:aws:apigateway:us-east-1::/restapis/{api}/stages/dev"
    made.make(WEB_ACL, resourceArn=stage, webAclArn=arn)
    assert waf.get_web_acl_for_resource(ResourceArn=stage)["WebACL"]["ARN"] == arn


def test_an_api_becomes_private_and_loses_its_default_endpoint_in_place(made: Made) -> None:
    """As with pulumi-aws: another API would have another URL."""
    gateway = made.aws.client("apigateway")
    make_api(made)
    made.update(API, endpointConfiguration={"types": "PRIVATE", "vpcEndpointIds": ["vpce-0a1b2c3d"]})
    made.update(API, disableExecuteApiEndpoint=True)
    api = gateway.get_rest_api(restApiId=made.ids[API])
    assert str(api["disableExecuteApiEndpoint"]).lower() == "true"
