"""The function's log as people read it."""

import json
from typing import Any

from rich.console import Console

from local import log_lines
from local.ministack import LocalAws

MOMENT = 1_790_000_000_123
LOADED = {"level": "INFO", "event": "model_loaded", "timestamp": "x", "_aws": {}, "version": 3, "phase": {"load": 1.5}}


def shown(message: str, *, terminal: bool = False) -> str:
    event = {"timestamp": MOMENT, "message": message}
    console = Console(force_terminal=terminal, color_system="standard" if terminal else None, soft_wrap=True)
    with console.capture() as captured:
        console.print(log_lines.readable(event), highlight=False)
    return captured.get()


def test_a_line_has_its_time_level_event_and_the_rest() -> None:
    clock, rest = shown(json.dumps(LOADED)).split(" ", 1)
    assert clock.endswith(".123")
    assert len(clock) == len("12:00:00.123")
    assert rest.rstrip() == 'INFO    model_loaded  version=3 phase={"load": 1.5}'


def test_levels_have_colours_on_a_terminal_alone() -> None:
    error = json.dumps({"level": "ERROR", "event": "request_failed"})
    assert "\x1b[31mERROR" in shown(error, terminal=True)
    assert "\x1b[33mWARNING" in shown(error.replace("ERROR", "WARNING"), terminal=True)
    assert "\x1b" not in shown(error)


def test_what_is_no_json_stays_and_each_of_several_lines_has_the_time() -> None:
    lines = shown("START RequestId: 1\n[markup] stays\n").splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == ["START RequestId: 1", "[markup] stays"]
    assert [line.split(" ", 1)[0][-4:] for line in lines] == [".123", ".123"]


def test_followed_it_goes_on_with_what_is_logged_later_and_repeats_nothing(aws: LocalAws, unique: str) -> None:
    client: Any = aws.client("logs")
    client.create_log_group(logGroupName=unique)
    client.create_log_stream(logGroupName=unique, logStreamName="s")
    written = [MOMENT]

    def write(_seconds: float = 0) -> None:
        written.append(written[-1] + 1)
        event = {"timestamp": written[-1], "message": f"{unique} {len(written)}"}
        client.put_log_events(logGroupName=unique, logStreamName="s", logEvents=[event])

    write()
    found = []
    for event in log_lines.events(aws, follow=True, wait=write):
        if event["message"].startswith(unique):
            found.append(event["message"])
            if len(found) == 3:
                break
    assert found == [f"{unique} {number}" for number in (2, 3, 4)]
    client.delete_log_group(logGroupName=unique)
