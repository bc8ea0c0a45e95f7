from infra.settings.field import fields
from infra.settings.page import ARGUMENTS, PAGE, PULUMI_YAML, argument_types, page, pulumi_yaml, schema, settings
from infra.settings.rules import RULES, own_region, snap_start_python
from infra.settings.schema import RegistrySettings, Settings


def test_the_page_is_current() -> None:
    """Else: `python -m infra.settings.page`."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_the_configurations_schema_is_current() -> None:
    """Else: `python -m infra.settings.page`."""
    text = PULUMI_YAML.read_text(encoding="utf-8")
    assert pulumi_yaml(text) == text


def test_every_setting_has_a_type_a_description_and_a_row() -> None:
    text = page()
    for key, entry in schema().items():
        assert {"type", "description"} <= entry.keys(), key
        assert f"| `{key}` | {entry['type']}" in text
    assert schema().keys() - {key for key, entry in schema().items() if "default" in entry} == {"registryBucket"}


def test_no_setting_of_any_stack_is_left_out() -> None:
    assert {field.key for field in settings()} == {f.key for f in (*fields(Settings), *fields(RegistrySettings))}
    undeclared = {"stack", "region"}
    assert set(Settings.__struct_fields__) - {field.name for field in settings()} == undeclared


def test_every_rule_says_what_it_refuses_and_where_that_stands() -> None:
    text = page()
    for rule in (*RULES, snap_start_python, own_region):
        combination, found, source = (rule.__doc__ or "").partition("Source:")
        assert found, rule
        assert source.strip(), rule
        assert combination.splitlines()[0].rstrip(".").split(":")[0] in text


def test_the_components_arguments_are_current() -> None:
    """Else: `python -m infra.settings.page`."""
    assert ARGUMENTS.read_text(encoding="utf-8") == argument_types()
