import json
import re

import pulumi
import pytest
import yaml

from infra.function_code import PROJECT
from infra.settings import RegistrySettings, Settings, SettingsError, read_settings
from infra.settings.account import AccountSettings
from infra.settings.api import ApiSettings
from infra.settings.function import Capacity, Network
from infra.settings.monitoring import Monitoring
from tests.infra.recording import record

SCHEMA = yaml.safe_load((PROJECT / "Pulumi.yaml").read_text(encoding="utf-8"))["config"]
"""As the format reads it: it gives the program the defaults of what a stack does not set."""
DEFAULTS = {
    key: entry["default"] if isinstance(entry["default"], str) else json.dumps(entry["default"])
    for key, entry in SCHEMA.items()
    if "default" in entry
} | {"registryBucket": "models-of-ours"}
KEYS = tuple(f"ed25519:{letter * 43}=" for letter in "AE")


def read(stack: str = "dev", **changes: str) -> Settings | RegistrySettings:
    found: list[Settings | RegistrySettings] = []
    record(lambda: found.append(read_settings()), stack=stack, config={**DEFAULTS, **changes})
    return found[0]


def test_a_stack_follows_the_tag_of_its_own_name_unless_told_otherwise() -> None:
    own, other = read("prod"), read("prod", tag="blue")
    assert isinstance(own, Settings)
    assert isinstance(other, Settings)
    assert (own.tag, other.tag) == ("prod", "blue")


def test_the_registry_stack_needs_the_bucket_only() -> None:
    assert read("registry", model="NOT a slug") == RegistrySettings("models-of-ours")


def test_a_bucket_may_be_given_as_url() -> None:
    assert read("registry", registryBucket="s3://models-of-ours") == RegistrySettings("models-of-ours")


@pytest.mark.parametrize(
    ("key", "value", "remedy"),
    [
        ("memory", "128", "from 256 to 10240 MB"),
        ("memory", "10241", "from 256 to 10240 MB"),
        ("timeout", "0", "from 1 to 29 seconds"),
        ("timeout", "30", "from 1 to 29 seconds"),
        ("architecture", "sparc", "one of x86_64, arm64"),
        ("logRetentionDays", "8", "one of 1, 3, 5, 7"),
        ("model", "My Model", "lower case letters"),
        ("tag", "prod/blue", "lower case letters"),
        ("registryBucket", "x", "3 to 63"),
        ("model", "a" * 33, "32 characters at most"),
        ("format", "tensorflow", "one of joblib, skops, onnx"),
        ("trustedTypes", "Tree", "write package.module.Type"),
        ("publicKey", "ed25519:short", "write ed25519:BASE64"),
        ("publicKey", " ", "write ed25519:BASE64"),
        ("ephemeralStorage", "511", "from 512 to 10240 MB"),
        ("ephemeralStorage", "10241", "from 512 to 10240 MB"),
        ("reservedConcurrency", "-2", "from -1 to"),
        ("provisionedConcurrency", "-1", "from 0 to"),
        ("subnetIds", '["vpc-0a1b2c3d"]', "IDs such as subnet-0a1b2c3d"),
        ("securityGroupIds", '["default"]', "IDs such as sg-0a1b2c3d"),
        ("authorization", "cognito", "one of none, iam"),
        ("usageRate", "-1", "from 0 to"),
        ("usageBurst", "-1", "from 0 to"),
        ("usageQuota", "-1", "from 0 to"),
        ("usageQuotaPeriod", "HOUR", "one of DAY, WEEK, MONTH"),
        ("throttleRate", "-1", "from 0 to"),
        ("throttleBurst", "-1", "from 0 to"),
        ("corsOrigins", '["https://app.example.com/"]', "without a path, or only *"),
        ("corsOrigins", '["https://*.example.com"]', "without a path, or only *"),
        ("corsOrigins", '["app.example.com"]', "without a path, or only *"),
        ("corsOrigins", '["null"]', "without a path, or only *"),
        ("domainName", "https://iris.example.com", "a domain such as iris.example.com"),
        ("domainName", "Iris.example.com", "a domain such as iris.example.com"),
        ("domainName", "localhost", "a domain such as iris.example.com"),
        ("certificateArn", "arn:aws:iam::123456789012:server-certificate/x", "the ARN of a certificate such as"),
        ("accessLog", "on", "a format with $context.requestId in it"),
        ("accessLog", "$context.requestIdentity", "a format with $context.requestId in it"),
        ("kmsKeyArn", "alias/models", "the ARN of a KMS key such as"),
        ("kmsKeyArn", "arn:aws:kms:eu-central-1:123456789012:alias/models", "the ARN of a KMS key such as"),
        ("registryKmsKeyArn", "arn:aws:kms:eu-central-1:12345:key/x", "the ARN of a KMS key such as"),
        ("permissionsBoundaryArn", "arn:aws:iam::123456789012:role/x", "the ARN of an IAM policy such as"),
        ("tags", '{"aws:team": "aws"}', "that does not begin with aws:"),
        ("tags", '{"team": "a*b"}', "0 to 256 letters"),
        ("tags", '{"centre": 4.2}', "VALUE --type string"),
        ("alarmTopicArn", "arn:aws:sqs:eu-central-1:123456789012:x", "the ARN of an SNS topic such as"),
        ("alarmDurationMs", "0", "from 1 to 29000 milliseconds"),
    ],
)
def test_a_bad_value_is_refused_with_the_value_and_the_remedy(key: str, value: str, remedy: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(remedy)) as refusal:
        read(**{key: value})
    assert key in str(refusal.value)
    for word in re.findall(r"[^][{}\s\",:][^][{}\s\",]*", value) if value[0] in "[{" else [value]:
        assert word in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_public_keys_are_separated_by_commas_and_none_means_no_check() -> None:
    found = [read(publicKey=text) for text in ("", KEYS[0], f"{KEYS[0]}, {KEYS[1]}")]
    assert [settings.public_keys for settings in found if isinstance(settings, Settings)] == [(), KEYS[:1], KEYS]


def test_trusted_types_are_separated_by_commas_and_need_the_format_that_asks_for_them() -> None:
    settings = read(format="skops", trustedTypes="a.B, c.d.E")
    assert isinstance(settings, Settings)
    assert (settings.model_format, settings.trusted_types) == ("skops", ("a.B", "c.d.E"))
    with pytest.raises(SettingsError, match="trustedTypes is set, and the format is joblib"):
        read(trustedTypes="a.B")


def test_a_comma_without_a_key_is_refused() -> None:
    with pytest.raises(SettingsError, match="publicKey: '' is no public key"):
        read(publicKey=f"{KEYS[0]},")


def test_a_name_too_long_for_aws_is_refused() -> None:
    with pytest.raises(SettingsError, match="38 fit into AWS names: use a shorter stack name"):
        read("a-very-long-stack-name", model="a-very-long-model-name")


def test_a_refusal_is_an_error_that_pulumi_prints_as_one_line() -> None:
    assert issubclass(SettingsError, pulumi.RunError)


def test_every_key_of_the_schema_has_a_bad_value_here_or_cannot_have_one() -> None:
    """The format itself refuses what has not the declared type: a boolean has no other bad value."""
    parameters = test_a_bad_value_is_refused_with_the_value_and_the_remedy.pytestmark[0].args[1]  # type: ignore[attr-defined]  # pytest puts its marks there
    booleans = {key for key, entry in SCHEMA.items() if entry["type"] == "boolean"}
    assert SCHEMA.keys() - booleans <= {key for key, _value, _remedy in parameters}


def test_the_defaults_of_the_schema_are_those_of_the_records() -> None:
    """A component that is made without a setting is as the default stack has it."""
    found = read()
    assert isinstance(found, Settings)
    assert found.account == AccountSettings()
    assert found.capacity == Capacity()
    assert found.network == Network()
    assert found.api == ApiSettings()
    assert found.monitoring == Monitoring()


def test_lists_and_tags_are_read() -> None:
    found = read(corsOrigins='["https://b.example", "https://a.example"]', tags='{"team": "a", "cost-centre": 42}')
    assert isinstance(found, Settings)
    assert found.api.cors_origins == ("https://b.example", "https://a.example")
    assert found.account.resource_tags == {"cost-centre": "42", "team": "a"}


def test_the_registry_stack_has_the_accounts_settings() -> None:
    key = "arn:aws:kms:eu-central-1:123456789012:key/0a1b"
    found = read("registry", kmsKeyArn=key, tags='{"team": "a"}')
    assert isinstance(found, RegistrySettings)
    assert found.account == AccountSettings(key, tags={"team": "a"})
    with pytest.raises(SettingsError, match="kmsKeyArn"):
        read("registry", kmsKeyArn="alias/models")


@pytest.mark.parametrize(
    ("key", "value", "limit"),
    [
        ("subnetIds", [f"subnet-{number:08x}" for number in range(17)], "Lambda takes 16"),
        ("securityGroupIds", [f"sg-{number:08x}" for number in range(6)], "Lambda takes 5"),
        ("tags", {f"tag{number}": "" for number in range(51)}, "a resource takes 50"),
        ("corsOrigins", [f"https://{number}.example.com" for number in range(100)], "2,000 fit"),
        ("accessLog", "$context.requestId" + " " * 3_072, "API Gateway takes 3,072"),
        ("accessLog", "$context.requestId\n", "a format must be one line"),
        ("corsOrigins", [1], "which is no text"),
    ],
    ids=["subnets", "groups", "tags", "origins", "a long format", "two lines", "a number"],
)
def test_more_than_aws_takes_is_refused(key: str, value: object, limit: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(limit)) as refusal:
        read(**{key: value if isinstance(value, str) else json.dumps(value)})
    assert str(refusal.value).startswith(key)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("key", "arn"),
    [
        ("kmsKeyArn", "arn:aws:kms:us-east-1:123456789012:key/0a1b"),
        ("alarmTopicArn", "arn:aws:sns:us-east-1:123456789012:alarms"),
    ],
)
def test_an_arn_of_another_region_is_refused_where_the_stack_names_its_own(key: str, arn: str) -> None:
    assert read(**{key: arn}), "the region is not known"
    assert read(**{key: arn, "aws:region": "us-east-1"})
    with pytest.raises(SettingsError, match="of the region us-east-1, and aws:region is eu-central-1"):
        read(**{key: arn, "aws:region": "eu-central-1"})


def test_arns_of_other_partitions_and_of_aws_itself_are_taken() -> None:
    assert read(kmsKeyArn="arn:aws-cn:kms:cn-north-1:123456789012:key/mrk-0a1b")
    assert read(permissionsBoundaryArn="arn:aws:iam::aws:policy/PowerUserAccess")
    assert read(permissionsBoundaryArn="arn:aws-us-gov:iam::123456789012:policy/teams/boundary")


def test_the_format_without_scikit_learn_fits_into_the_smallest_function() -> None:
    settings = read(format="onnx", memory="128")
    assert isinstance(settings, Settings)
    assert (settings.model_format, settings.memory) == ("onnx", 128)
    with pytest.raises(SettingsError, match="from 128 to 10240 MB"):
        read(format="onnx", memory="127")
