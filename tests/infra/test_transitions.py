import pytest

from infra.settings import SettingsError
from infra.transitions import capacity_output, check_transition
from tests.infra.examples import settings


def change(before: dict[str, object], after: dict[str, object]) -> None:
    check_transition(settings(**after), {"capacity": capacity_output(settings(**before))})


@pytest.mark.parametrize(
    ("before", "after", "steps"),
    [
        (
            {"provisioned_concurrency": 2},
            {"snap_start": True},
            ("provisionedConcurrency 0", "then `pulumi config set snapStart true`"),
        ),
        (
            {"provisioned_concurrency": 5, "reserved_concurrency": 8},
            {"provisioned_concurrency": 2, "reserved_concurrency": 3},
            ("reservedConcurrency 8`, `pulumi config set provisionedConcurrency 2`", "reservedConcurrency 3"),
        ),
        (
            {"provisioned_concurrency": 5},
            {"reserved_concurrency": 0},
            ("reservedConcurrency -1`, `pulumi config set provisionedConcurrency 0`", "reservedConcurrency 0"),
        ),
    ],
)
def test_what_aws_would_refuse_on_the_way_is_refused_with_the_two_updates(
    before: dict[str, object], after: dict[str, object], steps: tuple[str, ...]
) -> None:
    with pytest.raises(SettingsError) as refusal:
        change(before, after)
    message = str(refusal.value)
    assert message.count("`pulumi up`") == 2
    for step in steps:
        assert step in message


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"snap_start": True}),
        ({"snap_start": True}, {"provisioned_concurrency": 2}),
        ({"snap_start": True}, {"snap_start": True}),
        ({"provisioned_concurrency": 2}, {"provisioned_concurrency": 9, "reserved_concurrency": 9}),
        ({"provisioned_concurrency": 9, "reserved_concurrency": 9}, {"reserved_concurrency": 9}),
        ({"provisioned_concurrency": 9, "reserved_concurrency": 9}, {}),
        ({"reserved_concurrency": 9}, {"reserved_concurrency": 0}),
    ],
)
def test_what_one_update_reaches_is_taken(before: dict[str, object], after: dict[str, object]) -> None:
    change(before, after)


def test_the_first_update_and_one_after_an_older_release_have_nothing_to_be_compared_with() -> None:
    check_transition(settings(snap_start=True), {})
    check_transition(settings(snap_start=True), {"modelName": "iris", "modelVersion": 1.0})
