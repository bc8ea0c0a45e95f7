"""What is missing in an account is said before anything is declared."""

from collections.abc import Callable
from typing import Any

import pulumi
import pytest
from botocore.exceptions import ClientError
from pulumi.runtime import mocks

from infra import aws_account
from infra.aws_account import check_account, check_region, interfaces_remain, logging_is_theirs, own_outputs
from infra.settings import SettingsError
from local.event_loop import event_loop
from local.ministack import REGION
from tests.infra import answering
from tests.infra.answering import AnsweringAws
from tests.infra.examples import settings
from tests.infra.recording import Recording

ROLE = "arn:aws:iam::123456789012:role/of-another-team"
OURS = {"registryBucket": "models-of-ours"}


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """An account that answers these questions so."""

    def answers(**given: Any) -> None:
        own: dict[tuple[str, str], Callable[[Any], dict[str, Any]]] = {
            ("apigateway", "GetAccount"): lambda _p: {"cloudwatchRoleArn": given.get("role", ROLE)},
            ("s3", "HeadBucket"): lambda _p: {"BucketRegion": given.get("region", REGION)},
            ("lambda", "GetAccountSettings"): lambda _p: {
                "AccountLimit": {
                    "ConcurrentExecutions": given.get("all", 1_000),
                    "UnreservedConcurrentExecutions": given.get("free", 1_000),
                }
            },
        }
        monkeypatch.setattr(answering, "_OWN", {**answering._OWN, **own})
        monkeypatch.setattr(aws_account, "client", AnsweringAws().client)

    return answers


def check_all(changes: dict[str, Any], outputs: dict[str, Any]) -> None:
    check_region(settings(**changes))
    check_account(settings(**changes), outputs)


def test_an_account_that_has_all_is_taken(account: Callable[..., None]) -> None:
    account()
    check_all({"reserved_concurrency": 900}, {})


@pytest.mark.parametrize(
    ("given", "changes", "outputs", "remedy"),
    [
        ({"role": ""}, {}, {}, "`pulumi up --stack registry`"),
        ({"role": ""}, {}, {}, "aws apigateway update-account"),
        ({"region": "eu-west-1"}, {}, {}, "`pulumi config set aws:region eu-west-1`"),
        ({}, {"reserved_concurrency": 901}, {}, "the account has 900 to reserve"),
        ({"all": 10, "free": 10}, {"reserved_concurrency": 1}, {}, "the account has 0 to reserve"),
        ({"all": 10, "free": 10}, {"reserved_concurrency": 1}, {}, "request-service-quota-increase"),
    ],
)
def test_what_is_missing_is_said_with_the_command(
    account: Callable[..., None], given: dict[str, Any], changes: dict[str, Any], outputs: dict[str, Any], remedy: str
) -> None:
    account(**given)
    with pytest.raises(SettingsError) as refusal:
        check_all(changes, outputs)
    assert remedy in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_what_the_function_has_reserved_already_counts_as_free(account: Callable[..., None]) -> None:
    account(free=600)
    check_account(settings(reserved_concurrency=900), {"capacity": {"reservedConcurrency": 400.0}})
    with pytest.raises(SettingsError):
        check_account(settings(reserved_concurrency=901), {"capacity": {"reservedConcurrency": 400.0}})


@pytest.mark.parametrize("changes", [{"access_log": "off"}, {"api": "none"}])
def test_nobody_asks_for_rights_that_are_not_needed(account: Callable[..., None], changes: dict[str, Any]) -> None:
    account(role="")
    check_account(settings(**changes), {})


def test_what_may_not_be_asked_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []

    def refuse(_service: str) -> Any:
        class Refusing:
            meta = type("Meta", (), {"region_name": REGION})

            def __getattr__(self, name: str) -> Any:
                raise ClientError({"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPHeaders": {}}}, name)

        return Refusing()

    monkeypatch.setattr(aws_account, "client", refuse)
    monkeypatch.setattr(pulumi.log, "warn", said.append)
    check_account(settings(reserved_concurrency=5), {})
    assert [
        right for right in ("apigateway:GET", "lambda:GetAccountSettings") if any(right in line for line in said)
    ] == [
        "apigateway:GET",
        "lambda:GetAccountSettings",
    ]


@pytest.mark.parametrize(
    ("role", "outputs", "theirs"),
    [
        ("", {}, None),
        (ROLE, {}, ROLE),
        (ROLE, {"apiLogging": "created"}, None),
        (ROLE, {"apiLogging": ROLE}, ROLE),
        ("arn:aws:iam::123456789012:role/api-logging-role-0a1b2c3", OURS, None),
        (
            "arn:aws:iam::123456789012:role/api-logging-role-0a1b2c3",
            {},
            "arn:aws:iam::123456789012:role/api-logging-role-0a1b2c3",
        ),
    ],
    ids=["none", "another's", "ours", "another's, as before", "ours, by an older release", "of a registry elsewhere"],
)
def test_the_role_of_api_gateway_is_made_only_where_there_is_none(
    account: Callable[..., None], role: str, outputs: dict[str, Any], theirs: str | None
) -> None:
    account(role=role)
    assert logging_is_theirs(outputs) == theirs


class HalfWritten(Recording):
    """An engine that is asked while it writes its state: so many answers are `EOF`."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.left = times

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        self.left -= 1
        if self.left >= 0:
            raise RuntimeError(f"invocation of {args.token} returned an error: failed to load checkpoint: EOF")
        return {"outputs": {"modelVersion": 3}}, []


def test_outputs_are_read_again_while_the_engine_writes_its_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """CI saw it: `failed to load checkpoint: EOF` from a state in a folder, at a stack's first update."""
    monkeypatch.setattr(aws_account, "_PAUSES", (0.0, 0.0))
    for times in (0, 1, 2):
        pulumi.runtime.set_mocks(HalfWritten(times))
        with event_loop():
            assert own_outputs() == {"modelVersion": 3}
    pulumi.runtime.set_mocks(HalfWritten(3))
    with event_loop(), pytest.raises(RuntimeError, match="EOF"):
        own_outputs()


@pytest.mark.parametrize(
    ("given", "memory", "told"),
    [({"all": 10, "free": 10}, 3_009, True), ({"all": 10, "free": 10}, 3_008, False), ({}, 10_240, False)],
)
def test_memory_that_a_new_account_may_not_have_is_told_before_anything_is_created(
    account: Callable[..., None],
    given: dict[str, Any],
    memory: int,
    monkeypatch: pytest.MonkeyPatch,
    *,
    told: bool,
) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", warnings.append)
    account(**given)
    check_all({"memory": memory}, {})
    assert ["`pulumi config set memory 3008`" in warning for warning in warnings] == [True] * told


@pytest.mark.parametrize(("found", "remain"), [([], False), ([{"NetworkInterfaceId": "eni-1"}], True)])
def test_interfaces_that_lambda_has_still_to_remove_are_those_of_the_functions_name(
    monkeypatch: pytest.MonkeyPatch, found: list[dict[str, str]], *, remain: bool
) -> None:
    aws = AnsweringAws()
    own = {("ec2", "DescribeNetworkInterfaces"): lambda _p: {"NetworkInterfaces": found}}
    monkeypatch.setattr(answering, "_OWN", {**answering._OWN, **own})
    monkeypatch.setattr(aws_account, "client", aws.client)
    assert interfaces_remain("iris-dev-function-1a2b3c4") is remain
    assert "AWS Lambda VPC ENI-iris-dev-function-1a2b3c4-*" in str(aws.requests[-1].parameters)


def test_interfaces_of_which_nobody_may_know_are_taken_to_remain(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_service: str) -> None:
        raise ClientError({"Error": {"Code": "UnauthorizedOperation"}}, "DescribeNetworkInterfaces")

    monkeypatch.setattr(aws_account, "client", refuse)
    assert interfaces_remain("iris-dev-function-1a2b3c4")
