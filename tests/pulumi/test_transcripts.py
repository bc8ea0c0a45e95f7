"""docs/transcripts: what was recorded is what one types today, and says nothing of the machine that recorded it."""

import json
import re
from pathlib import Path

import pytest

from local.iris import PROJECT
from tests.pulumi.transcripts import FOLDER, TITLES, lines_of, record

LABELS = {"template": "stays", "component": "leaves", "repository": "virginica"}


def typed(transcript: str) -> list[str]:
    return re.findall(r"^\$ (.*)$", transcript, re.MULTILINE)


def answer(transcript: str) -> dict[str, object]:
    return dict(json.loads(transcript.splitlines()[-1]))


@pytest.mark.parametrize("way", TITLES)
def test_a_transcript_has_the_lines_of_its_way_and_nothing_of_the_machine(way: str) -> None:
    text = (FOLDER / f"{way}.txt").read_text()
    assert typed(text) == [line.replace(str(PROJECT), "~/sklearn-on-lambda") for line in lines_of(way)]
    assert text.count("Updating (") == text.count(" created\n") == lines_of(way).count("pulumi up")
    if way in LABELS:
        assert answer(text)["label"] == LABELS[way]
    assert not re.search(r"\x1b|\r|/(tmp|home|root|Users)/|\bAKIA|passphrase", text)
    assert set(re.findall(r"http://[^/]+/", text)) <= {"http://127.0.0.1:4566/"}


@pytest.mark.soak
def test_a_new_recording_creates_and_answers_the_same(engine: Path, tmp_path: Path) -> None:
    for way, text in record(tmp_path, engine):
        committed = (FOLDER / f"{way}.txt").read_text()
        assert typed(text) == typed(committed)
        assert created(text) == created(committed)
        assert way not in LABELS or answer(text)["label"] == LABELS[way]


def created(transcript: str) -> list[str]:
    return sorted(re.findall(r"^ \+  (\S+ \S+) created", transcript, re.MULTILINE))
