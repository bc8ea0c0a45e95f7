import json
import re
from typing import Any

import pulumi
import pytest

from infra.access_log import log_format
from infra.settings import RegistrySettings, Settings, SettingsError, read_settings
from infra.settings.field import Field, fields
from infra.settings.page import schema
from tests.infra.examples import PUBLIC_KEY
from tests.infra.recording import record
from tests.infra.settings.bad import bad_values

REQUIRED = {"registryBucket": "models-of-ours"}
KEYS = (PUBLIC_KEY, "ed25519:6g+KA2hKZ4gCfxv9urYmhgnsvQsDZIc/UIOv8mZjXG4=")


def read(stack: str = "dev", **changes: str) -> Settings | RegistrySettings:
    found: list[Settings | RegistrySettings] = []
    record(lambda: found.append(read_settings()), stack=stack, config={**REQUIRED, **changes})
    return found[0]


def written(value: Any) -> str:
    """A value as it stands in the configuration."""
    return value if isinstance(value, str) else json.dumps(value)


def test_a_stack_follows_the_tag_of_its_own_name_unless_told_otherwise() -> None:
    own, other = read("prod"), read("prod", tag="blue")
    assert isinstance(own, Settings)
    assert isinstance(other, Settings)
    assert (own.followed_tag, other.followed_tag) == ("prod", "blue")


def test_the_registry_stack_needs_the_bucket_only() -> None:
    assert read("registry", model="NOT a slug") == RegistrySettings(registry_bucket="models-of-ours")


def test_a_bucket_may_be_given_as_url() -> None:
    assert read("registry", registryBucket="s3://models-of-ours") == RegistrySettings(registry_bucket="models-of-ours")


# What the messages of some settings must say. Which bad values a setting has follows from its declaration.
WORDS = {
    "memory": "from 128 to 10240 MB",
    "timeout": "from 1 to 900 seconds",
    "gatewayTimeout": "from 1 to 300 seconds",
    "architecture": "one of x86_64, arm64",
    "logRetentionDays": "one of 1, 3, 5, 7",
    "model": "lower case letters",
    "tag": "lower case letters",
    "registryBucket": "3 to 63",
    "format": "one of joblib, skops, onnx",
    "trustedTypes": "write package.module.Type",
    "publicKey": "write ed25519:BASE64",
    "reservedConcurrency": "from -1 to",
    "corsOrigins": "without a path, or only *",
    "domainName": "a domain such as iris.example.com",
    "certificateArn": "the ARN of a certificate such as",
    "kmsKeyArn": "the ARN of a KMS key such as",
    "alarmTopicArn": "the ARN of an SNS topic such as",
}
BAD = [(field, value) for field in fields(Settings) for value in bad_values(field)]


@pytest.mark.parametrize(("field", "value"), BAD, ids=[f"{field.key}={str(value)[:40]}" for field, value in BAD])
def test_a_bad_value_is_refused_with_the_value_and_the_remedy(field: Field, value: Any) -> None:
    with pytest.raises(SettingsError) as refusal:
        read(**{field.key: written(value)})
    message = str(refusal.value)
    assert message.startswith(field.key)
    shown = value if isinstance(value, str | int) else next(iter(value))
    assert str(shown)[:8].encode("unicode_escape").decode() in message or "bytes" in message or "entries" in message
    assert re.search(r"pulumi config set|remove some|write |take |name fewer", message), message
    assert "\n" not in message


@pytest.mark.parametrize("key", WORDS)
def test_the_refusal_says_which_values_there_are(key: str) -> None:
    (field,) = [field for field in fields(Settings) if field.key == key]
    with pytest.raises(SettingsError, match=re.escape(WORDS[key])):
        read(**{key: written(next(iter(bad_values(field))))})


def test_every_setting_but_a_boolean_has_bad_values() -> None:
    """The engine itself refuses what has not the declared type: a boolean has no other bad value."""
    assert {field.key for field in fields(Settings)} - {field.key for field, _ in BAD} == {
        key for key, entry in schema().items() if entry["type"] == "boolean"
    }


@pytest.mark.parametrize(
    ("key", "value", "limit"),
    [
        ("subnetIds", [f"subnet-{number:08x}" for number in range(17)], "it takes 16 at most"),
        ("securityGroupIds", [f"sg-{number:08x}" for number in range(6)], "it takes 5 at most"),
        ("tags", {f"tag{number}": "" for number in range(51)}, "a resource takes 50"),
        ("tags", {"aws:team": "aws"}, "that does not begin with aws:"),
        ("tags", {"team": "a*b"}, "0 to 256 letters"),
        ("tags", {"centre": 4.2}, "VALUE --type string"),
        ("accessLog", "$context.requestId" + " " * 3_072, "API Gateway takes 3,072"),
        ("accessLog", "$context.requestId\n", "must be one line"),
        ("accessLog", "on", "a format with $context.requestId in it"),
        ("corsOrigins", [1], "has 1, it must be"),
        ("memory", "lots", "must be of type integer"),
        ("apiKey", "perhaps", "must be of type boolean"),
        ("memory", "12.5", "from 128 to 10240 MB"),
    ],
)
def test_the_refusal_names_the_limit(key: str, value: object, limit: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(limit)) as refusal:
        read(**{key: written(value)})
    assert str(refusal.value).startswith(key)
    assert "\n" not in str(refusal.value)


def test_the_remedy_of_a_bad_entry_has_its_place() -> None:
    with pytest.raises(SettingsError, match=re.escape("has 'b@d', it must be")) as refusal:
        read(corsOrigins=written(["https://a.example.com", "https://b.example.com", "b@d"]))
    assert "--path 'corsOrigins[2]' VALUE" in str(refusal.value)


def test_no_format_writes_callers_keys_into_the_access_log() -> None:
    """Whoever may read the log could call as each of them; a key's ID tells them apart as well."""
    for variable in ("$context.identity.apiKey", '{"key":"$context.identity.apiKey"}'):
        with pytest.raises(SettingsError, match=re.escape("take $context.identity.apiKeyId")):
            read(accessLog=f"$context.requestId {variable}")
    read(accessLog="$context.requestId $context.identity.apiKeyId")
    assert 'identity.apiKey"' not in str(log_format("detailed"))


def test_a_record_that_is_made_without_a_configuration_is_checked_too() -> None:
    with pytest.raises(SettingsError, match="memory is 64, it must be from 128"):
        Settings(registry_bucket="models-of-ours", stack="dev", memory=64)


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
    with pytest.raises(SettingsError, match="publicKey: '' is not a public key"):
        read(publicKey=f"{KEYS[0]},")


def test_a_name_too_long_for_aws_is_refused() -> None:
    with pytest.raises(SettingsError, match="38 fit into AWS names: use a shorter stack name"):
        read("a-very-long-stack-name", model="a-very-long-model-name")


def test_a_refusal_is_an_error_that_pulumi_prints_as_one_line() -> None:
    assert issubclass(SettingsError, pulumi.RunError)


def test_the_defaults_of_the_schema_are_those_of_the_records() -> None:
    """A component that is made without a setting is as the default stack has it."""
    declared = {key: written(entry["default"]) for key, entry in schema().items() if "default" in entry}
    assert read(**declared) == read() == Settings(registry_bucket="models-of-ours", stack="dev")


def test_lists_and_tags_are_read() -> None:
    found = read(corsOrigins='["https://b.example", "https://a.example"]', tags='{"team": "a", "cost-centre": 42}')
    assert isinstance(found, Settings)
    assert found.cors_origins == ("https://b.example", "https://a.example")
    assert found.resource_tags == {"cost-centre": "42", "team": "a"}


def test_the_registry_stack_has_the_accounts_settings() -> None:
    key = "arn:aws:kms:eu-central-1:123456789012:key/0a1b"
    found = read("registry", kmsKeyArn=key, tags='{"team": "a"}')
    assert isinstance(found, RegistrySettings)
    assert (found.kms_key, found.resource_tags) == (key, {"team": "a"})
    with pytest.raises(SettingsError, match="kmsKeyArn"):
        read("registry", kmsKeyArn="alias/models")


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
    with pytest.raises(SettingsError, match="which needs 256 MB for scikit-learn"):
        read(memory="255")
