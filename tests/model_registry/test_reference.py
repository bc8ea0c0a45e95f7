from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_registry.reference import Reference, TagRef, VersionRef, parse
from model_runtime.errors import InvalidNameError

slugs = st.from_regex(r"[a-z0-9]{1,8}(-[a-z0-9]{1,7}){0,3}", fullmatch=True).filter(lambda text: len(text) <= 32)
references = st.builds(VersionRef, slugs, st.integers(1, 999_999_999)) | st.builds(TagRef, slugs, slugs)


@given(references)
def test_parsing_is_the_inverse_of_printing(reference: Reference) -> None:
    assert parse(str(reference)) == reference


@given(st.text())
def test_whatever_is_not_refused_prints_as_it_was_written(text: str) -> None:
    with suppress(InvalidNameError):
        assert str(parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "iris",
        "iris/",
        "iris/0",
        "iris/01",
        "iris/-1",
        "iris/1.0",
        "iris/٣",
        "iris/1/2",
        "/1",
        "iris@",
        "@prod",
        "iris@prod@dev",
        "iris@prod/1",
        "Iris/1",
        "iris@Prod",
        "../iris/1",
        "iris /1",
        "iris/latest",
        "iris/" + "9" * 5000,
    ],
)
def test_what_addresses_no_version_is_refused(text: str) -> None:
    with pytest.raises(InvalidNameError):
        parse(text)
