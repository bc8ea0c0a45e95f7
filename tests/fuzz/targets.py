"""What is fuzzed: each target takes bytes, and raises where something but a known refusal comes of them."""

import gzip
import io
import json
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import numpy as np
from obstore.store import MemoryStore

from handler.app import App
from model_registry import Registry, Storage, gates, reference
from model_registry.records import decode_counter, decode_mark, decode_rules, decode_segment, decode_tag
from model_registry.trail import Trail
from model_runtime.errors import RegistryError
from model_runtime.manifest import Example, Prediction, decode_manifest
from model_runtime.signing import parse_public_keys, verify
from tests.handler.conftest import gateway, model
from tests.model_registry import reading

KEY = "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
"""A key of RFC 8032's tests."""
_OBJECTS = reading.objects()
_KINDS = sorted(reading.KEYS)
_DECODERS: tuple[Callable[[bytes], object], ...] = (
    decode_manifest,
    decode_tag,
    decode_segment,
    decode_mark,
    decode_rules,
    decode_counter,
    lambda data: verify(b"manifest", data, [KEY], what="iris/1"),
)
_READERS: tuple[Callable[[str], object], ...] = (reference.parse, gates.parse, parse_public_keys, Trail.parse)
_PATHS = ("/predict", "/invocations", "/predict/batch", "/model", "/", "/ping", "/openapi.json", "/nothing")
_TYPES = ("application/json", "text/csv", "application/x-www-form-urlencoded", "application/json; charset=utf-8")
_FORBIDDEN = ("pickle.find_class", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn")


def records(data: bytes) -> None:
    """Each kind of record, and each text that people give, one after the other."""
    for decode in _DECODERS:
        with suppress(RegistryError):
            decode(data)
    for read in _READERS:
        with suppress(RegistryError):
            read(data.decode("utf-8", "surrogateescape"))
    list(Trail("logs").seen(_Logs(data), "models", "k"))


def registry(data: bytes) -> None:
    """Each verb on a registry in which one object has other bytes; the first says which."""
    storage = Storage(MemoryStore(), "memory")
    kind = _KINDS[data[0] % len(_KINDS)] if data else _KINDS[0]
    for key, stored in {**_OBJECTS, reading.KEYS[kind]: data[1:]}.items():
        storage.overwrite(key, stored)
    reading.use(Registry(storage, actor="somebody", proof="none"))


def requests(data: bytes) -> None:
    """A request with this body, as this query string, or as an event; the first byte says to what and of which type."""
    app, (first, rest) = _app(), (data[0], data[1:]) if data else (0, b"")
    text = rest.decode("utf-8", "replace")
    path, kind = _PATHS[first % len(_PATHS)], _TYPES[first // len(_PATHS) % len(_TYPES)]
    headers = {"multiValueHeaders": {"Content-Type": [kind]}}
    events = [gateway("POST", path, text, **headers), gateway("GET", path, query={"a": [text], text: ["1"]})]
    for event in events:
        _check(app(event, None))
    with suppress(ValueError, RecursionError):
        event = json.loads(text)
        if isinstance(event, dict) and event.get("raise") is not True:  # which raises what is refused, as it says
            _check(app(event, None))


TARGETS: Mapping[str, Callable[[bytes], None]] = {"records": records, "registry": registry, "requests": requests}


def seeds(target: str) -> Iterator[bytes]:
    """What a target begins with: each form that it reads."""
    if target == "records":
        yield from _OBJECTS.values()
        yield from (b"iris/1", b"iris@prod", b"accuracy>=0.95", KEY.encode(), b"s3://bucket/prefix")
    elif target == "registry":
        yield from (bytes([number]) + _OBJECTS.get(reading.KEYS[kind], b"{}") for number, kind in enumerate(_KINDS))
    else:
        bodies = (
            {"a": 1.5, "b": None},
            {"instances": [{"a": 1, "b": 2}] * 2},
            {"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2]]}},
            [[1, 2], [3, None]],
        )
        yield from (bytes([path]) + json.dumps(body).encode() for path in range(3) for body in bodies)
        yield b"\x09a,b\n1,2\n3,\n"
        yield b"\x00" + json.dumps(gateway("POST", "/predict", {"a": 1, "b": 1})).encode()


_ODD: tuple[Any, ...] = (
    *(
        None,
        True,
        -1,
        0,
        2**63,
        2**64,
        1e308,
        0.5,
        "",
        "x" * 300,
        "1",
        "\x00",
        "\ud800",
        "../..",
        "2999-01-01T00:00:00Z",
    ),
    *([], {}, [[]], {"": None}, [1] * 100, {"a": 1, "b": 2}),
)


def edited(data: bytes, seed: int) -> bytes:
    """JSON with one of its values another, twice there, or gone; what is none stays as it is.

    The fuzzer's own edits are of bytes, most of which are no JSON any more.
    """
    chance = random.Random(seed)  # noqa: S311  # nothing secret
    start = next((place for place in range(min(2, len(data))) if data[place : place + 1] in {b"{", b"["}), 0)
    try:
        document = json.loads(data[start:])
    except (ValueError, RecursionError):
        return data
    places = list(_places(document))
    if not places:
        return data
    holder, key = chance.choice(places)
    others = [place[where] for place, where in places]
    how = chance.randrange(4)
    if how == 0:
        del holder[key]
    elif how == 1 and isinstance(holder, list):
        holder.insert(key, holder[key])
    else:
        holder[key] = chance.choice(_ODD if how == 2 else others)
    with suppress(ValueError, RecursionError):  # one that holds itself by now
        return data[:start] + json.dumps(document).encode("utf-8", "surrogatepass")
    return data


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each value within a document, as what holds it and where."""
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])


def forbid() -> None:
    """From now on nothing is unpickled and nothing started: it ends the process."""

    def hook(event: str, _arguments: tuple[Any, ...]) -> None:
        if event in _FORBIDDEN:
            raise AssertionError(f"{event} while data was read")

    sys.addaudithook(hook)


def _check(answer: Any) -> None:
    status = answer.get("statusCode", 200)
    assert status < 500, answer
    json.dumps(answer, allow_nan=False)


def _app() -> App:
    golden = Example(input={"a": 1, "b": 1}, output=Prediction(value=2.0))
    return App(lambda: model(lambda rows: np.nan_to_num(np.nansum(rows, axis=1)), examples=(golden,)))


class _Logs:
    """A bucket with one log file of these bytes, packed."""

    def __init__(self, data: bytes) -> None:
        self._packed = gzip.compress(b'{"Records": [' + data + b"]}", 1)

    def get_paginator(self, _operation: str) -> "_Logs":
        return self

    def paginate(self, **_place: str) -> list[Any]:
        return [{"Contents": [{"Key": "AWSLogs/1/CloudTrail/eu-central-1/2026/11/26/x.json.gz"}]}]

    def get_object(self, **_place: str) -> Any:
        return {"Body": io.BytesIO(self._packed)}
