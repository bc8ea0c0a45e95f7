from infra.settings.page import PAGE, page, read_schema
from infra.settings.rules import RULES, snap_start_python


def test_the_page_is_current() -> None:
    """Else: `python -m infra.settings.page`."""
    assert PAGE.read_text(encoding="utf-8") == page(read_schema())


def test_every_setting_has_a_type_a_description_and_a_row() -> None:
    text = page(read_schema())
    for key, entry in read_schema().items():
        assert {"type", "description"} <= entry.keys(), key
        assert f"| `{key}` | {entry['type']}" in text
    assert read_schema().keys() - {key for key, entry in read_schema().items() if "default" in entry} == {
        "registryBucket"
    }


def test_every_rule_says_what_it_refuses_and_where_that_stands() -> None:
    text = page(read_schema())
    for rule in (*RULES, snap_start_python):
        combination, found, source = (rule.__doc__ or "").partition("Source:")
        assert found, rule
        assert source.strip(), rule
        assert combination.splitlines()[0].rstrip(".").split(":")[0] in text
