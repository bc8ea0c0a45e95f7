"""Each committed move is announced; an announcement that fails changes nothing."""

import json
import logging
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from sklearn.naive_bayes import GaussianNB

from local.ministack import LocalAws
from model_registry import Registry, Storage
from model_registry.events import DETAIL_TYPE, SOURCE, EventBridge
from model_registry.records import Move, Tag
from model_runtime.errors import ConflictError, CredentialsError, NoticeError
from tests.conftest import ACTOR

X = np.arange(12.0).reshape(6, 2)
ESTIMATOR = GaussianNB().fit(X, [0, 0, 0, 1, 1, 1])
TIME = datetime(2026, 1, 1, tzinfo=UTC)


class Bus:
    """An event bus of EventBridge whose events arrive in a queue."""

    def __init__(self, aws: LocalAws) -> None:
        self.name = f"moves-{uuid.uuid4().hex[:8]}"
        self._sqs = aws.client("sqs")
        self._queue = self._sqs.create_queue(QueueName=self.name)["QueueUrl"]
        attributes = self._sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])
        events = aws.client("events")
        events.create_event_bus(Name=self.name)
        pattern = json.dumps({"source": [SOURCE], "detail-type": [DETAIL_TYPE], "detail": {"tag": ["prod"]}})
        events.put_rule(Name=self.name, EventBusName=self.name, EventPattern=pattern)
        target = {"Id": "queue", "Arn": attributes["Attributes"]["QueueArn"]}
        events.put_targets(Rule=self.name, EventBusName=self.name, Targets=[target])

    def events(self) -> Iterator[dict[str, Any]]:
        """What has arrived, until nothing more comes."""
        while True:
            answer = self._sqs.receive_message(QueueUrl=self._queue, WaitTimeSeconds=1, MaxNumberOfMessages=10)
            messages = answer.get("Messages", [])
            if not messages:
                return
            for message in messages:
                self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
                yield json.loads(message["Body"])


@pytest.fixture
def models(registry: Registry) -> Registry:
    """A registry with two versions."""
    for _ in range(2):
        registry.publish(ESTIMATOR, name="iris", X_example=X)
    return registry


def noticed(storage: Storage, notifier: Any) -> Registry:
    return Registry(storage, actor=ACTOR, notifier=notifier)


@pytest.mark.usefixtures("models")
def test_every_move_is_announced_after_it_was_committed_and_no_other_call(storage: Storage) -> None:
    heard: list[tuple[str, int, int | None, int | None]] = []

    def notifier(tag: Tag, move: Move) -> None:
        assert reader.tag_of(f"{tag.name}@{tag.tag}") == tag
        assert tag.history[-1] == move
        heard.append((move.action, move.sequence, move.from_version, move.to_version))

    reader = Registry(storage, actor=ACTOR)
    registry = noticed(storage, notifier)
    registry.tag("iris/1", "dev")
    registry.tag("iris/1", "dev")  # it is there already
    registry.promote("iris", from_tag="dev", to_tag="prod")
    registry.tag("iris/2", "prod")
    registry.rollback("iris@prod")
    registry.untag("iris@prod")
    assert heard == [
        ("tag", 1, None, 1),
        ("promote", 1, None, 1),
        ("tag", 2, 1, 2),
        ("rollback", 3, 2, 1),
        ("untag", 4, 1, None),
    ]


@pytest.mark.usefixtures("models")
def test_a_failed_notice_is_logged_and_changes_nothing(storage: Storage, caplog: pytest.LogCaptureFixture) -> None:
    def notifier(tag: Tag, move: Move) -> None:
        raise NoticeError(f"{tag.tag} {move.sequence} was not heard")

    with caplog.at_level(logging.WARNING):
        tag = noticed(storage, notifier).tag("iris/1", "prod")
    assert (tag.version, len(tag.history)) == (1, 1)
    assert Registry(storage, actor=ACTOR).tag_of("iris@prod") == tag
    assert [(entry.name, entry.levelname, entry.getMessage()) for entry in caplog.records] == [
        (
            "model_registry.registry",
            "WARNING",
            "iris@prod was moved, but its notice failed: prod 1 was not heard",
        )
    ]


@pytest.mark.usefixtures("models")
def test_a_move_that_was_not_made_is_not_announced(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[Move] = []
    registry = noticed(storage, lambda _tag, move: heard.append(move))

    def refuse(*_arguments: object, **_more: object) -> None:
        raise ConflictError("another writer was first")

    monkeypatch.setattr(Storage, "create", refuse)
    with pytest.raises(ConflictError):
        registry.tag("iris/1", "prod")
    assert heard == []


@pytest.mark.usefixtures("models")
def test_an_event_arrives_through_eventbridge_with_the_whole_move(aws: LocalAws, storage: Storage, bucket: str) -> None:
    bus = Bus(aws)
    registry = noticed(storage, EventBridge(bus.name, bucket=bucket))
    registry.tag("iris/1", "dev")  # the rule does not ask for it
    registry.tag("iris/1", "prod", reason="first")
    moved = registry.tag("iris/2", "prod", reason="better — 98 %")
    registry.untag("iris@prod")
    arrived = sorted(bus.events(), key=lambda event: int(event["detail"]["sequence"]))
    assert [event["detail"]["sequence"] for event in arrived] == [1, 2, 3]
    event, move = arrived[1], moved.history[-1]
    assert (event["source"], event["detail-type"]) == ("sklearn-on-lambda", "Model Tag Moved")
    assert event["resources"] == [f"s3://{bucket}/models/iris/tags/prod.json"]
    assert event["detail"] == {
        "name": "iris",
        "tag": "prod",
        "sequence": 2,
        "action": "tag",
        "from_version": 1,
        "to_version": 2,
        "by": ACTOR,
        "caller": "",
        "at": move.at.isoformat(),
        "reason": "better — 98 %",
    }
    assert arrived[0]["detail"]["from_version"] is None
    assert arrived[2]["detail"]["to_version"] is None


def test_an_answer_that_says_that_the_event_was_not_taken_is_a_failure(
    models: Registry, storage: Storage, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EventBridge answers 200 then; MiniStack never does so, so the answer is given here."""
    bridge = EventBridge(bucket=f"s3://{bucket}")
    refused = {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "ThrottlingException", "ErrorMessage": "slow down"}]}
    monkeypatch.setattr(bridge._client, "put_events", lambda **_: refused)
    tag = models.tag("iris/1", "prod")
    with pytest.raises(NoticeError, match=r"the bus default refused the event \(ThrottlingException: slow down\)"):
        bridge(tag, tag.history[-1])
    assert noticed(storage, bridge).tag("iris/2", "prod").version == 2


@pytest.mark.usefixtures("outsider")
def test_a_caller_who_may_not_put_events_is_told_which_right_is_missing(bucket: str) -> None:
    move = Move(
        sequence=1, id="1", action="tag", from_version=None, to_version=1, by=ACTOR, at=TIME, reason="", previous=None
    )
    tag = Tag(name="iris", tag="prod", version=1, history=(move,))
    with pytest.raises(NoticeError, match="events:PutEvents"):
        EventBridge(bucket=bucket)(tag, move)


def test_without_a_region_or_profile_no_notifier_is_made() -> None:
    with pytest.raises(CredentialsError, match="events cannot be sent to the bus default"):
        EventBridge(bucket="models-of-ours")
    with pytest.raises(CredentialsError, match="nobody"):
        EventBridge(bucket="models-of-ours", profile="nobody", region="eu-central-1")
