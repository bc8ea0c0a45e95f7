import json
import shlex
from urllib.parse import parse_qs, urlsplit

import pytest

from infra.curl import get_line, post_line
from model_runtime.manifest import Feature, Signature
from tests.infra.examples import release

MIXED = Signature(
    features=(
        Feature(name="length", type="number"),
        Feature(name="count", type="integer"),
        Feature(name="city", type="string"),
        Feature(name="new", type="boolean"),
    )
)


def test_the_get_line_asks_for_the_first_golden_example() -> None:
    line = get_line("https://api.example/dev/predict", release(MIXED).manifest)
    command, url = shlex.split(line)
    assert command == "curl"
    assert parse_qs(urlsplit(url).query) == {"length": ["1.5"], "count": ["2"], "city": ["it's"], "new": ["true"]}


def test_the_post_line_sends_it_as_json() -> None:
    words = shlex.split(post_line("https://api.example/dev/predict", release(MIXED).manifest))
    assert json.loads(words[words.index("-d") + 1]) == {"length": 1.5, "count": 2, "city": "it's", "new": True}
    assert words[-1] == "https://api.example/dev/predict"


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["not a parameter"], 'API Gateway takes no query string parameter that is called "not a parameter"'),
        ([f"x{i}" for i in range(200)], "the model has 200 features, and a query string takes 50 at most"),
    ],
    ids=["name", "number"],
)
def test_the_get_line_is_a_comment_that_says_why_where_there_is_no_query_form(names: list[str], reason: str) -> None:
    signature = Signature(features=tuple(Feature(name=name, type="number") for name in names))
    line = get_line("https://api.example", release(signature).manifest)
    assert line == f"# There is no GET, as {reason}: take curlPost."
    assert shlex.split(line, comments=True) == []


def test_lines_for_a_closed_api_have_a_place_for_the_key() -> None:
    manifest = release().manifest
    assert "x-api-key: YOUR-KEY" in get_line("https://api.example", manifest, api_key=True)
    assert "x-api-key: YOUR-KEY" in post_line("https://api.example", manifest, api_key=True)


def test_lines_for_iam_sign_with_the_callers_own_credentials() -> None:
    """The shell fills them in: none stands in the outputs."""
    manifest = release().manifest
    for line in (str(get_line("https://api.example", manifest, signed=True)), post_line("u", manifest, signed=True)):
        assert '--aws-sigv4 "aws:amz:$AWS_REGION:execute-api"' in line
        assert '--user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY"' in line


def test_a_signed_query_string_is_in_its_canonical_form() -> None:
    """Sorted by name, as older versions of curl sign it as it stands."""
    line = str(get_line("https://api.example", release(MIXED).manifest, signed=True))
    query = urlsplit(line.rpartition(" ")[2].strip("'")).query
    assert [part.partition("=")[0] for part in query.split("&")] == ["city", "count", "length", "new"]
