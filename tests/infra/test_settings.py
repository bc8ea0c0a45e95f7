import re

import pulumi
import pytest

from infra.settings import RegistrySettings, Settings, SettingsError, read_settings
from tests.infra.recording import record

DEFAULTS = {
    "registryBucket": "models-of-ours",
    "model": "iris",
    "tag": "",
    "memory": "1024",
    "timeout": "29",
    "architecture": "x86_64",
    "apiKey": "false",
    "logRetentionDays": "30",
    "tracing": "true",
    "allowBreaking": "false",
    "publicKey": "",
    "engine": "sklearn",
    "trustedTypes": "",
}
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
        ("engine", "tensorflow", "one of sklearn, skops, onnx"),
        ("trustedTypes", "Tree", "write package.module.Type"),
        ("publicKey", "ed25519:short", "write ed25519:BASE64"),
        ("publicKey", " ", "write ed25519:BASE64"),
    ],
)
def test_a_bad_value_is_refused_with_the_value_and_the_remedy(key: str, value: str, remedy: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(remedy)) as refusal:
        read(**{key: value})
    assert value in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_public_keys_are_separated_by_commas_and_none_means_no_check() -> None:
    found = [read(publicKey=text) for text in ("", KEYS[0], f"{KEYS[0]}, {KEYS[1]}")]
    assert [settings.public_keys for settings in found if isinstance(settings, Settings)] == [(), KEYS[:1], KEYS]


def test_trusted_types_are_separated_by_commas_and_need_the_engine_that_asks_for_them() -> None:
    settings = read(engine="skops", trustedTypes="a.B, c.d.E")
    assert isinstance(settings, Settings)
    assert (settings.engine, settings.trusted_types) == ("skops", ("a.B", "c.d.E"))
    with pytest.raises(SettingsError, match="trustedTypes is set, and the engine is sklearn"):
        read(trustedTypes="a.B")


def test_a_comma_without_a_key_is_refused() -> None:
    with pytest.raises(SettingsError, match="publicKey: '' is no public key"):
        read(publicKey=f"{KEYS[0]},")


def test_a_name_too_long_for_aws_is_refused() -> None:
    with pytest.raises(SettingsError, match="38 fit into AWS names: use a shorter stack name"):
        read("a-very-long-stack-name", model="a-very-long-model-name")


def test_a_refusal_is_an_error_that_pulumi_prints_as_one_line() -> None:
    assert issubclass(SettingsError, pulumi.RunError)
