"""Who somebody is, is asked where it is known that there is an STS, and nowhere else."""

from pathlib import Path

import pytest

from model_registry.identity import caller_identity
from model_runtime.aws import aws_session, has_known_sts
from model_runtime.errors import CredentialsError

NAMED = """[profile named]
services = ours
[services ours]
sts =
  endpoint_url = http://sts
[profile all]
endpoint_url = http://all
"""


@pytest.mark.parametrize(
    ("variables", "profile", "is_known"),
    [
        ({}, None, True),
        ({"AWS_ENDPOINT_URL": "http://all"}, None, False),
        ({"AWS_ENDPOINT_URL_S3": "http://s3"}, None, False),
        ({"AWS_ENDPOINT_URL": "http://all", "AWS_ENDPOINT_URL_STS": "http://all"}, None, True),
        ({"AWS_ENDPOINT_URL_S3": "http://s3", "AWS_ENDPOINT_URL": "http://all"}, None, True),
        ({"AWS_ENDPOINT_URL_S3": "http://s3"}, "named", True),
        ({}, "all", False),
    ],
)
def test_sts_is_asked_at_amazon_or_where_somebody_said_that_it_is(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    variables: dict[str, str],
    profile: str | None,
    is_known: bool,  # noqa: FBT001  # a value of the table
) -> None:
    (tmp_path / "config").write_text(NAMED)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert has_known_sts(aws_session(profile)) is is_known


def test_elsewhere_nothing_is_asked_and_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(CredentialsError, match=r"service is not Amazon's: set MODEL_REGISTRY_ACTOR, or give --by NAME"):
        caller_identity()
