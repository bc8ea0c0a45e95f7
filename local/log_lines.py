"""The function's log for people: a line for each event with its time, the level in front."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from rich.text import Text

from local.ministack import LocalAws

_STYLES = {"ERROR": "red", "CRITICAL": "red", "WARNING": "yellow", "WARN": "yellow", "INFO": "green", "DEBUG": "dim"}
_SECONDS = 0.5
_LONG = 300


def events(aws: LocalAws, *, follow: bool, wait: Callable[[float], None] = time.sleep) -> Iterator[Mapping[str, Any]]:
    """Every event of every log group, oldest first; those to come, too, where it is to `follow`."""
    client, seen = aws.client("logs"), set[str]()
    while True:
        groups = [group["logGroupName"] for group in client.describe_log_groups()["logGroups"]]
        found = [
            {**event, "group": group}
            for group in groups
            for page in client.get_paginator("filter_log_events").paginate(logGroupName=group)
            for event in page["events"]
        ]
        for event in sorted(found, key=lambda event: event["timestamp"]):
            identity = str(event.get("eventId") or (event["group"], event["timestamp"], event["message"]))
            if identity not in seen:
                seen.add(identity)
                yield event
        if not follow:
            return
        wait(_SECONDS)


def readable(event: Mapping[str, Any]) -> Text:
    """An event as lines of a terminal, each with the event's time; what is not JSON stays as it is."""
    moment = datetime.fromtimestamp(event["timestamp"] / 1000).astimezone().strftime("%H:%M:%S.%f")[:-3]
    shown = Text()
    for line in event["message"].rstrip().splitlines():
        shown.append("\n" if shown else "")
        shown.append(f"{moment} ", style="dim")
        shown.append_text(_line(line))
    return shown


def _line(line: str) -> Text:
    try:
        fields = json.loads(line)
    except ValueError:
        return Text(line, style="dim")
    if not isinstance(fields, dict):
        return Text(line)
    level, event = str(fields.pop("level", "INFO")).upper(), str(fields.pop("event", fields.pop("message", "")))
    for machine in ("_aws", "timestamp", "time"):
        fields.pop(machine, None)
    more = " ".join(f"{name}={_value(value)}" for name, value in fields.items())
    return Text.assemble((f"{level:<8}", _STYLES.get(level, "")), (event, "bold"), f"  {more}")


def _value(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return f"{text[:_LONG]}…" if len(text) > _LONG else text
