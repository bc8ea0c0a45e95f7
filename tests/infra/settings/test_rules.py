import re

import pytest

from infra.settings import Settings, SettingsError
from infra.settings.rules import RULES, check_python
from tests.infra.settings.test_settings import read

CERTIFICATE = "arn:aws:acm:eu-central-1:123456789012:certificate/0a1b"
DOMAIN = {"domainName": "iris.example.com", "certificateArn": CERTIFICATE}
ENDPOINT, TRUSTSTORE = '["vpce-0a1b2c3d"]', "s3://trusted/authorities.pem"
WEB_ACL = "arn:aws:wafv2:eu-central-1:123456789012:regional/webacl/ours/0a1b"
POOL = "arn:aws:cognito-idp:eu-central-1:123456789012:userpool/eu-central-1_AbC1"
AUTHORIZER = "arn:aws:lambda:eu-central-1:123456789012:function:who-may"
TOPIC = "arn:aws:sns:eu-central-1:123456789012:alarms"

REFUSED: dict[str, tuple[dict[str, str], str]] = {
    "stack_name": ({"stack": "Dev_1"}, "stack: name 'Dev_1' is not usable: take lower case letters"),
    "name_length": ({"model": "a" * 20 + "-" + "b" * 11, "stack": "of-eight"}, "38 fit into AWS names"),
    "memory_for_format": ({"memory": "255"}, "config set memory 256"),
    "snap_start_provisioned": ({"snapStart": "true", "provisionedConcurrency": "2"}, "Lambda has one or the other"),
    "snap_start_storage": ({"snapStart": "true", "ephemeralStorage": "1024"}, "config set ephemeralStorage 512"),
    "snap_start_region": ({"snapStart": "true", "aws:region": "ap-southeast-6"}, "config set snapStart false"),
    "provisioned_within_reserved": (
        {"provisionedConcurrency": "5", "reservedConcurrency": "4"},
        "config set reservedConcurrency 5",
    ),
    "whole_network": ({"subnetIds": '["subnet-0a1b2c3d"]'}, "securityGroupIds is empty, a VPC needs both"),
    "usage_needs_key": ({"usageQuota": "100"}, "config set apiKey true"),
    "whole_usage_limits": ({"usageRate": "5", "apiKey": "true"}, "usageBurst is 0, one needs the other"),
    "throttle_is_lifted": ({"throttle": "none", "throttleRate": "5"}, "config rm throttleRate"),
    "domain_with_certificate": ({"domainName": "iris.example.com"}, "certificateArn is empty, one needs the other"),
    "private_without_domain": ({"vpcEndpointIds": ENDPOINT, **DOMAIN}, "config rm vpcEndpointIds"),
    "default_endpoint_beside_domain": ({"defaultEndpoint": "false"}, "config set domainName VALUE"),
    "truststore_of_domain": ({"truststoreUri": TRUSTSTORE}, "config rm truststoreUri"),
    "truststore_alone": ({"truststoreUri": TRUSTSTORE, **DOMAIN}, "config set defaultEndpoint false"),
    "every_origin_alone": ({"corsOrigins": '["*", "https://a.example"]'}, "stands alone"),
    "timeout_within_gateway": ({"timeout": "30"}, "config set gatewayTimeout 30` where the account's quota was raised"),
    "without_api": ({"api": "none", "apiKey": "true"}, "config rm apiKey"),
    "alarm_within_timeout": ({"alarmTopicArn": TOPIC, "alarmDurationMs": "5000", "timeout": "5"}, "less than 5000"),
    "trusted_types_format": ({"trustedTypes": "a.B"}, "trustedTypes is set, and the format is joblib"),
}
"""A combination for each rule, and its remedy."""
REVERSED: list[dict[str, str]] = [
    {"timeout": "301", "gatewayTimeout": "300"},
    {"gatewayTimeout": "20"},
    {"api": "none", "authorization": "iam"},
    {"api": "none", "corsOrigins": '["*"]'},
    {"api": "none", "domainName": "iris.example.com", "certificateArn": CERTIFICATE},
    {"api": "none", "throttle": "none"},
    {"api": "none", "authorization": POOL},
    {"api": "none", "vpcEndpointIds": ENDPOINT},
    {"api": "none", "webAclArn": WEB_ACL},
    {"authorization": POOL, "aws:region": "eu-west-1"},
    {"authorization": "iam", "accessLog": "$context.requestId $context.identity.apiKey"},
    {"securityGroupIds": '["sg-0a1b2c3d"]'},
    {"certificateArn": CERTIFICATE},
    {"usageBurst": "5", "apiKey": "true"},
    {"throttle": "none", "throttleBurst": "5"},
    {"usageRate": "5", "usageBurst": "5"},
    {"reservedConcurrency": "0", "provisionedConcurrency": "1"},
]
TAKEN: list[dict[str, str]] = [
    {"snapStart": "true", "tracing": "true", "architecture": "arm64"},
    {"provisionedConcurrency": "5", "reservedConcurrency": "5", "ephemeralStorage": "10240"},
    {"provisionedConcurrency": "5"},
    {"subnetIds": '["subnet-0a1b2c3d"]', "securityGroupIds": '["sg-0123456789abcdef0"]'},
    {"apiKey": "true", "authorization": "iam", "usageRate": "5", "usageBurst": "5", "usageQuota": "9"},
    {"throttleRate": "5"},
    {"throttle": "none"},
    DOMAIN,
    {**DOMAIN, "defaultEndpoint": "false", "truststoreUri": TRUSTSTORE},
    {"vpcEndpointIds": ENDPOINT, "authorization": "iam", "webAclArn": WEB_ACL, "aws:region": "eu-central-1"},
    {"authorization": POOL, "aws:region": "eu-central-1"},
    {"authorization": AUTHORIZER + ":live", "apiKey": "true"},
    {"accessLog": "$context.requestId $context.identity.apiKeyId"},
    {"corsOrigins": '["*"]'},
    {"corsOrigins": '["https://a.example", "http://localhost:8080"]'},
    {"alarmDurationMs": "5000", "timeout": "5"},
    {"timeout": "300", "gatewayTimeout": "300"},
    {"timeout": "900", "api": "none"},
    {"alarmTopicArn": TOPIC, "alarmDurationMs": "4999", "timeout": "5"},
]


@pytest.mark.parametrize(("changes", "remedy"), REFUSED.values(), ids=REFUSED)
def test_a_combination_that_cannot_work_is_refused_with_the_remedy(changes: dict[str, str], remedy: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(remedy)) as refusal:
        read(**changes)
    assert "\n" not in str(refusal.value)


def test_every_rule_has_such_a_test() -> None:
    assert [rule.__name__ for rule in RULES] == list(REFUSED)


@pytest.mark.parametrize("changes", REVERSED, ids=str)
def test_the_other_half_alone_is_refused_too(changes: dict[str, str]) -> None:
    with pytest.raises(SettingsError):
        read(**changes)


@pytest.mark.parametrize("changes", TAKEN, ids=str)
def test_what_goes_together_is_taken(changes: dict[str, str]) -> None:
    assert isinstance(read(**changes), Settings)


def test_snap_start_is_refused_for_a_model_of_python_3_11() -> None:
    """The Python is known once the tag is resolved, which is still before anything is created."""
    with_snapshot, without = read(snapStart="true"), read()
    assert isinstance(with_snapshot, Settings)
    assert isinstance(without, Settings)
    with pytest.raises(SettingsError, match=re.escape("Python 3.11, SnapStart is for 3.12 and later")):
        check_python(with_snapshot, "3.11")
    for python in ("3.12", "3.13", "3.14"):
        check_python(with_snapshot, python)
    check_python(without, "3.11")


def test_a_lock_needs_its_days() -> None:
    with pytest.raises(SettingsError, match=re.escape("`pulumi config set objectLockDays NUMBER`")):
        read("registry", objectLockMode="compliance")
    assert read("registry", objectLockMode="compliance", objectLockDays="1")
    assert read("dev", objectLockMode="compliance"), "the lock is no matter of this stack"
