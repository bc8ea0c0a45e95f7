"""Tell others that a tag was moved.

A registry calls its notifier once a move is committed. What the notifier does, or fails to do, changes nothing about
the move, so a notice is a hint: whoever must not miss a move reads the tag's history.
"""

import json
from typing import Any

from model_registry.records import Move, Tag, tag_key
from model_runtime.aws import bucket_address
from model_runtime.errors import CredentialsError, NoticeError
from model_runtime.storage import aws_session

SOURCE = "sklearn-on-lambda"
DETAIL_TYPE = "Model Tag Moved"


class EventBridge:
    """A notifier that puts an event on a bus of Amazon EventBridge; it needs the right `events:PutEvents`.

    `bus` is the name or ARN of the bus, `bucket` the registry's, as `NAME` or `s3://NAME`: the event names the tag's
    object. Credentials are those that the AWS CLI would use; CredentialsError where there are none or no region.
    """

    def __init__(
        self, bus: str = "default", *, bucket: str, profile: str | None = None, region: str | None = None
    ) -> None:
        from botocore.exceptions import BotoCoreError

        self._bus = bus
        self._location = f"s3://{bucket_address(bucket).name}"
        try:
            self._client = aws_session(profile, region).client("events")
        except BotoCoreError as error:
            raise CredentialsError(
                f"events cannot be sent to the bus {bus} ({error}): set AWS_REGION and AWS_PROFILE"
            ) from error

    def __call__(self, tag: Tag, move: Move) -> None:
        """Put the event; NoticeError where EventBridge did not take it."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer = self._client.put_events(Entries=[self._entry(tag, move)])
        except (BotoCoreError, ClientError) as error:
            raise NoticeError(f"the bus {self._bus} was not told ({error}): {_REMEDY}") from error
        # EventBridge answers 200 also where it took none: PutEvents, "Handling failures".
        if answer["FailedEntryCount"]:
            (entry,) = answer["Entries"]
            reason = f"{entry.get('ErrorCode')}: {entry.get('ErrorMessage')}"
            raise NoticeError(f"the bus {self._bus} refused the event ({reason}): {_REMEDY}")

    def _entry(self, tag: Tag, move: Move) -> dict[str, Any]:
        detail = {
            "name": tag.name,
            "tag": tag.tag,
            "sequence": move.sequence,
            "action": move.action,
            "from_version": move.from_version,
            "to_version": move.to_version,
            "by": move.by,
            "caller": move.caller,
            "at": move.at.isoformat(),
            "reason": move.reason,
        }
        return {
            "EventBusName": self._bus,
            "Source": SOURCE,
            "DetailType": DETAIL_TYPE,
            "Time": move.at,
            "Resources": [f"{self._location}/{tag_key(tag.name, tag.tag)}"],
            "Detail": json.dumps(detail),
        }


_REMEDY = "check the bus's name, account and region, and that you may `events:PutEvents` on it"
