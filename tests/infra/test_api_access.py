"""Who reaches an API: its endpoint, its policy, its authorizer, its web ACL."""

import json
from typing import Any

import pytest

from infra.api import ApiArgs, ModelApi
from infra.curl import get_line, post_line
from infra.custom_domain import CustomDomain
from infra.function import FunctionArgs, ModelFunction
from infra.policies import api_access
from infra.settings import SettingsError
from infra.transitions import check_transition
from tests.iam import Asked, decisions
from tests.infra.examples import IRIS, release, settings
from tests.infra.recording import Recording, record
from tests.infra.test_api import asked

ENDPOINTS = ("vpce-0a1b2c3d", "vpce-1a1b2c3d")
POOL = "arn:aws:cognito-idp:eu-central-1:123456789012:userpool/eu-central-1_AbC1"
FUNCTION = "arn:aws:lambda:eu-central-1:123456789012:function:who-may:live"
WEB_ACL = "arn:aws:wafv2:eu-central-1:123456789012:regional/webacl/ours/0a1b"
EXECUTION = "arn:aws:execute-api:eu-central-1:123456789012:abc123"


def declare(*, had_policy: bool = False, **changes: Any) -> Recording:
    def program() -> None:
        given = settings(**changes)
        function = ModelFunction("iris-dev", FunctionArgs(release=release(), layer_arn="arn:layer", settings=given))
        ModelApi("iris-dev-api", ApiArgs(IRIS, function, given, had_policy=had_policy))

    return record(program)


def trigger(recording: Recording) -> Any:
    return recording.one("Deployment").inputs["triggers"]


def test_an_api_on_the_internet_has_no_policy() -> None:
    plain = declare()
    assert plain.one("RestApi").inputs["endpointConfiguration"] == {"types": "REGIONAL"}
    assert plain.one("RestApi").inputs["disableExecuteApiEndpoint"] is False
    assert not plain.all("RestApiPolicy") + plain.all("Authorizer") + plain.all("WebAclAssociation")


def test_a_private_api_answers_through_its_endpoints_alone() -> None:
    private = declare(vpc_endpoint_ids=ENDPOINTS)
    api = private.one("RestApi").inputs
    assert api["endpointConfiguration"] == {"types": "PRIVATE", "vpcEndpointIds": list(ENDPOINTS)}
    document = json.loads(private.one("RestApiPolicy").inputs["policy"])
    assert document["Statement"][1]["Condition"] == {"StringNotEquals": {"aws:SourceVpce": list(ENDPOINTS)}}
    assert trigger(private) != trigger(declare())
    assert trigger(private) != trigger(declare(vpc_endpoint_ids=ENDPOINTS[:1]))


def test_an_api_that_was_private_keeps_a_policy_which_takes_everybody() -> None:
    """A deployment made before the policy goes would refuse everybody from elsewhere, for good."""
    before, after = declare(vpc_endpoint_ids=ENDPOINTS), declare(had_policy=True)
    assert after.one("RestApiPolicy").name == before.one("RestApiPolicy").name
    (only,) = json.loads(after.one("RestApiPolicy").inputs["policy"])["Statement"]
    assert (only["Effect"], only["Principal"]) == ("Allow", "*")
    assert trigger(after) != trigger(before)


@pytest.mark.parametrize("signed", [False, True])
def test_the_policy_as_an_evaluator_reads_it(*, signed: bool) -> None:
    """With a signature, the callers' own policies decide: the API's allows nobody by itself."""
    policy = api_access(EXECUTION, vpc_endpoint_ids=ENDPOINTS, signed=signed)
    nothing: dict[str, Any] = {"Version": "2012-10-17", "Statement": []}
    may = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "execute-api:*", "Resource": "*"}]}
    ways: tuple[dict[str, str], ...] = ({"aws:SourceVpce": ENDPOINTS[1]}, {"aws:SourceVpce": "vpce-of-another"}, {})
    asked = [
        Asked("execute-api:Invoke", f"{EXECUTION}/dev/GET/predict", own, bucket_policy=policy, keys=way)
        for own in (may, nothing)
        for way in ways
    ]
    found = decisions(asked)
    assert found[:3] == ["Allow", "Deny", "Deny"]
    assert found[4:] == ["Deny", "Deny"]
    assert found[3] == "Allow" or signed
    account = json.loads(policy)["Statement"][0]["Principal"]
    assert account == ({"AWS": "arn:aws:iam::123456789012:root"} if signed else "*")


@pytest.mark.parametrize(
    ("authorization", "kind", "named"),
    [
        (POOL, "COGNITO_USER_POOLS", {"type": "COGNITO_USER_POOLS", "providerArns": [POOL]}),
        (
            FUNCTION,
            "CUSTOM",
            {
                "type": "TOKEN",
                "authorizerUri": "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/"
                f"{FUNCTION}/invocations",
            },
        ),
    ],
)
def test_a_pool_or_a_function_says_who_may_call(authorization: str, kind: str, named: dict[str, Any]) -> None:
    """Preflights stay open: browsers send no token with them."""
    recording = declare(authorization=authorization)
    authorizer = recording.one("Authorizer")
    assert named.items() <= authorizer.inputs.items()
    assert {(m.inputs["authorization"], m.inputs["authorizerId"]) for m in asked(recording)} == {
        (kind, f"{authorizer.name}-id")
    }
    options = [m.inputs for m in recording.all("Method") if m.inputs["httpMethod"] == "OPTIONS"]
    assert {(method["authorization"], method.get("authorizerId")) for method in options} == {("NONE", None)}
    assert trigger(recording) != trigger(declare())


def test_from_a_pool_to_a_function_the_new_one_is_there_before_the_old_one_goes() -> None:
    names = {declare(authorization=one).one("Authorizer").name for one in (POOL, FUNCTION)}
    assert len(names) == 2


def test_a_web_acl_looks_at_the_stage() -> None:
    association = declare(web_acl_arn=WEB_ACL).one("WebAclAssociation").inputs
    assert association["webAclArn"] == WEB_ACL
    assert "/stages/" in association["resourceArn"] or "stage" in association["resourceArn"]


def test_callers_are_limited_unless_the_stack_lifts_it() -> None:
    """By a stated rate, of which one caller's mistake cannot take more from the account."""
    limits = declare().one("MethodSettings").inputs["settings"]
    assert limits == {"throttlingRateLimit": 100, "throttlingBurstLimit": 200}
    assert not declare(throttle="none").all("MethodSettings")


def test_without_its_default_endpoint_an_api_is_reached_by_its_domain() -> None:
    closed = declare(default_endpoint=False)
    assert closed.one("RestApi").inputs["disableExecuteApiEndpoint"] is True
    assert trigger(closed) != trigger(declare())


def test_at_a_domain_with_a_truststore_callers_show_a_certificate() -> None:
    def program(**changes: Any) -> Recording:
        given = settings(
            domain_name="iris.example.com",
            certificate_arn="arn:aws:acm:eu-central-1:123456789012:certificate/0a1b",
            **changes,
        )
        return record(lambda: CustomDomain("iris-dev-domain", settings=given, rest_api="rest-id", stage="dev"))

    asks = program(default_endpoint=False, truststore_uri="s3://trusted/a.pem").one("DomainName").inputs
    assert asks["mutualTlsAuthentication"] == {"truststoreUri": "s3://trusted/a.pem"}
    assert "mutualTlsAuthentication" not in program().one("DomainName").inputs


def test_lines_have_a_place_for_token_and_certificate() -> None:
    manifest = release().manifest
    for line in (get_line, post_line):
        said = line("https://iris.example.com/predict", manifest, token=True, certificate=True)
        assert "-H 'Authorization: YOUR-TOKEN'" in said
        assert "--cert YOUR-CERTIFICATE --key YOUR-KEY-FILE" in said


def test_a_domain_goes_before_its_api_becomes_private() -> None:
    private = settings(vpc_endpoint_ids=ENDPOINTS)
    check_transition(private, {})
    with pytest.raises(SettingsError) as refusal:
        check_transition(private, {"domainUrl": "https://iris.example.com/predict"})
    assert str(refusal.value).count("`pulumi up`") == 2
