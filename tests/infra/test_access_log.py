import json

import pytest

from infra.access_log import log_format


def test_the_standard_line_has_no_query_strings_and_no_addresses() -> None:
    line = str(log_format("standard"))
    assert json.loads(line)["resource"] == "$context.resourcePath"
    for personal in ("identity", "path}", "querystring", "$context.path", "userAgent"):
        assert personal not in line


def test_the_detailed_line_says_who_called_and_all_that_the_standard_one_says() -> None:
    standard, detailed = json.loads(str(log_format("standard"))), json.loads(str(log_format("detailed")))
    assert standard.items() <= detailed.items()
    assert {"$context.identity.sourceIp", "$context.identity.userArn"} <= set(detailed.values())


def test_another_text_is_a_format_itself_and_off_is_none() -> None:
    assert log_format("$context.requestId $context.status") == "$context.requestId $context.status"
    assert log_format("off") is None


@pytest.mark.parametrize("setting", ["standard", "detailed"])
def test_a_format_of_ours_is_one_line_that_api_gateway_takes(setting: str) -> None:
    line = str(log_format(setting))
    assert "$context.requestId" in line
    assert "\n" not in line
    assert len(line) < 3_072
