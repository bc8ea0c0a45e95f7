"""The settings as a component's arguments."""

from typing import Any

import pulumi
import pytest

from infra.component_args import SklearnModelArgs
from infra.settings import RegistrySettings, Settings, SettingsError
from infra.settings.arguments import (
    argument,
    argument_fields,
    model_arguments,
    model_settings,
    registry_arguments,
    registry_settings,
)
from infra.settings.field import fields
from tests.infra.recording import record
from tests.infra.settings.bad import bad_values

KEY = "arn:aws:kms:eu-central-1:123456789012:key/mine"
BUCKET = {"registry_bucket": "models-of-ours"}


def read(**args: Any) -> Settings:
    found: list[Settings] = []
    record(lambda: found.append(model_settings("iris-dev", BUCKET | args)))
    return found[0]


def test_every_setting_is_an_argument_of_the_component_that_has_it() -> None:
    of_the_registry = {field.key for field in argument_fields(RegistrySettings)}
    assert of_the_registry == {field.key for field in fields(RegistrySettings)}
    of_a_model = {field.key for field in argument_fields(Settings)}
    assert of_a_model | of_the_registry == {field.key for field in fields(Settings)}
    assert set(SklearnModelArgs.__annotations__) == set(map(argument, of_a_model))


def test_arguments_of_settings_are_these_settings() -> None:
    given = Settings(
        stack="dev", registry_bucket="models-of-ours", memory=512, cors_origins=("https://a.example.com",),
        trusted_types=("numpy.ndarray", "own.steps.Step"), model_format="skops", tags={"team": "forecasting"},
        kms_key_arn=KEY, subnet_ids=("subnet-0a1b2c3d",), security_group_ids=("sg-0a1b2c3d",),
    )  # fmt: skip
    assert read(**model_arguments(given)) == given
    registry = RegistrySettings(registry_bucket="models-of-ours", organization_id="o-a1b2c3d4e5")
    found: list[RegistrySettings] = []
    record(lambda: found.append(registry_settings(registry_arguments(registry))))
    assert found == [registry]


def test_every_bad_value_is_refused_with_the_argument_as_remedy() -> None:
    """As from a program without configuration, where no `pulumi config` helps."""
    for field in argument_fields(Settings):
        for value in bad_values(field):
            with pytest.raises(SettingsError) as refused:
                read(**{argument(field.key): value})
            assert field.key in str(refused.value), value
            assert "pulumi config" not in str(refused.value), value


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"memroy": 512}, "there is no argument memroy: the arguments are"),
        ({"registry_bucket": None}, "the argument registry_bucket is missing"),
        ({"memory": 5}, "memory is 5, it must be from 128 to 10240 MB: the argument `memory=VALUE`"),
        ({"public_key": ["ed25519:AAAA"]}, "must be of type string"),
        ({"usage_burst": 1}, "the argument `api_key=true`"),
    ],
)
def test_what_cannot_be_an_argument_is_refused(args: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read(**args)
    assert said in str(refused.value)


def test_a_whole_number_of_another_language_is_one() -> None:
    assert read(memory=512.0).memory == 512


def later(**args: Any) -> Any:
    """What the key of settings is whose arguments are outputs."""

    def program() -> None:
        outputs = {name: pulumi.Output.from_input(value) for name, value in args.items()}
        key: Any = model_settings("iris", BUCKET | outputs).kms_key
        pulumi.export("key", key)

    return record(program).outputs["key"]


def test_an_output_is_taken_where_a_setting_may_be_one_and_checked_when_it_is_known() -> None:
    assert later(kms_key_arn=KEY) == KEY
    with pytest.raises(SettingsError, match="kmsKeyArn is 'mine', it must be the ARN of a KMS key"):
        later(kms_key_arn="mine")
    with pytest.raises(SettingsError, match="memory is the output of a resource, and its value is needed before"):
        later(memory=512)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"subnet_ids": ["subnet-0a1b2c3d"]}, "subnetIds is an output and securityGroupIds is empty"),
        ({"certificate_arn": "arn:aws:acm:eu-central-1:123456789012:certificate/mine"}, "certificateArn is an output"),
    ],
)
def test_what_goes_with_an_output_is_asked_for_before_it_is_known(args: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        later(**args)


@pytest.mark.parametrize("name", ["Iris", "iris_dev", "iris--dev", "-iris", "i" * 39, ""])
def test_a_name_after_which_nothing_can_be_named_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="38 characters at most"):
        record(lambda: model_settings(name, BUCKET))
