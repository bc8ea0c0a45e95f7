import json
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_registry.records import Move, Tag, decode_tag, tag_key
from model_runtime.errors import InvalidNameError, RecordError
from model_runtime.manifest import (
    Artifact,
    Environment,
    Example,
    Feature,
    Manifest,
    Prediction,
    Signature,
    check_slug,
    decode_manifest,
    digest,
    encode,
    version_key,
)

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
MANIFEST = Manifest(
    name="iris",
    version=3,
    created_at=AT,
    created_by="someone",
    estimator="sklearn.tree.DecisionTreeClassifier",
    parameters={"max_depth": 2},
    artifact=Artifact(file="model.joblib", sha256="0" * 64, size=10),
    environment=Environment(python="3.11", machine="x86_64", packages={"scikit-learn": "1.7.2"}),
    signature=Signature(features=(Feature(name="sl", type="number"),), labels=("no", "yes"), probabilities=True),
    metrics={"accuracy": 0.5},
    examples=(Example(input={"sl": 1.5}, output=Prediction(label="no", probabilities={"no": 1.0, "yes": 0.0})),),
)
TAG = Tag(
    name="iris",
    tag="prod",
    version=3,
    history=(
        Move(
            sequence=1,
            id="m1",
            action="tag",
            from_version=None,
            to_version=3,
            by="me",
            at=AT,
            reason="first",
            previous=None,
        ),
    ),
)


def changed(**members: Any) -> bytes:
    return json.dumps({**json.loads(encode(MANIFEST)), **members}).encode()


def test_decoding_is_the_inverse_of_encoding() -> None:
    assert decode_manifest(encode(MANIFEST)) == MANIFEST
    assert decode_tag(encode(TAG)) == TAG


def test_the_written_json_has_sorted_keys_and_ends_with_a_line_break() -> None:
    written = encode(MANIFEST)
    assert written.endswith(b"}\n")
    assert written.decode() == json.dumps(json.loads(written), indent=2, sort_keys=True) + "\n"


def test_the_order_of_a_dictionary_does_not_change_the_bytes() -> None:
    one, other = ({"a": 1, "b": 2}, {"b": 2, "a": 1})
    written = [encode(msgspec.structs.replace(MANIFEST, parameters=parameters)) for parameters in (one, other)]
    assert written[0] == written[1]


def test_a_manifest_of_format_1_is_read_with_its_formats() -> None:
    """Release 0.1.0 called them engines."""
    document = json.loads(encode(MANIFEST))
    of_format_2 = {"formats", "deployable", "proof", "golden", "code", "wheels", "lineage", "labels", "report"}
    onnx = {"artifact": document["artifact"], "environment": document["environment"], "untrusted_types": []}
    old = {name: value for name, value in document.items() if name not in of_format_2}
    read = decode_manifest(json.dumps({**old, "format": 1, "engines": {"onnx": onnx}}).encode())
    assert (read.format, read.format_names) == (1, ("joblib", "onnx"))
    assert read.proof.kind == "none"
    assert (read.signature, read.artifact) == (MANIFEST.signature, MANIFEST.artifact)
    assert decode_manifest(json.dumps({**old, "format": 1}).encode()).format_names == ("joblib",)


@pytest.mark.parametrize("data", [b'{"a":' * 200_000, b'{"format": 2, "name": "\xff"}'], ids=["deep", "not UTF-8"])
def test_bytes_that_no_json_reader_takes_are_refused_in_one_line(data: bytes) -> None:
    with pytest.raises(RecordError, match=r"the manifest cannot be read .*: restore the object"):
        decode_manifest(data)


def test_fields_of_a_later_release_are_ignored() -> None:
    assert decode_manifest(changed(model_card="later")) == MANIFEST


@pytest.mark.parametrize("data", [changed(format=3), b'{"format": 3}', changed(format=3, version="3.1")])
def test_another_format_is_refused_with_both_numbers(data: bytes) -> None:
    with pytest.raises(RecordError, match="the manifest has format 3, this release reads 1 and 2"):
        decode_manifest(data)


@pytest.mark.parametrize(
    "data",
    [b"", b"\x00", b"null", b"[]", b"{}", encode(MANIFEST)[:-20], changed(version="3"), changed(artifact=None)],
)
def test_a_damaged_manifest_is_refused(data: bytes) -> None:
    with pytest.raises(RecordError, match=r"the manifest cannot be read .*: restore the object"):
        decode_manifest(data)


def test_a_manifest_is_no_tag() -> None:
    with pytest.raises(RecordError, match="the tag cannot be read"):
        decode_tag(encode(msgspec.structs.replace(MANIFEST, format=1)))


def test_a_digest_is_sha256_in_hex() -> None:
    """The example of FIPS 180-2, appendix B.1."""
    assert digest(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_keys_are_those_of_the_documented_layout() -> None:
    assert version_key("iris", 3, "manifest.json") == "models/iris/versions/3/manifest.json"
    assert tag_key("iris", "prod") == "models/iris/tags/prod.json"


@pytest.mark.parametrize("slug", ["iris", "iris-v2", "0", "a-b-c", "a" * 32])
def test_a_slug_is_returned(slug: str) -> None:
    assert check_slug(slug, "tag") == slug


@given(st.text().filter(lambda text: not (text.isascii() and text.replace("-", "").isalnum())))
def test_a_name_with_any_other_character_is_refused(text: str) -> None:
    with pytest.raises(InvalidNameError):
        check_slug(text, "tag")


@pytest.mark.parametrize("name", ["", "-a", "a-", "a--b", "A", "a_b", "a.b", "a/b", "a b", "a\n", "a" * 33, ".."])
def test_a_bad_slug_is_refused_with_its_kind_its_value_and_an_example(name: str) -> None:
    with pytest.raises(InvalidNameError) as caught:
        check_slug(name, "model name")
    assert str(caught.value).startswith(f"model name {name!r} is not usable")
    assert "for example 'iris-v2'" in str(caught.value)


DECODED_AT_ONCE = """
import sys, threading
from concurrent.futures import ThreadPoolExecutor
from model_runtime.manifest import decode_manifest

data, meet = sys.stdin.buffer.read(), threading.Barrier(16)
sys.setswitchinterval(1e-6)

def decoded(_):
    meet.wait()
    return decode_manifest(data).version

with ThreadPoolExecutor(16) as pool:
    print(set(pool.map(decoded, range(16))))
"""


def test_the_first_manifests_of_a_process_may_be_read_by_several_threads() -> None:
    """As `list NAME` and `doctor` do. msgspec alone crashed 44 of 60 such processes."""
    for _ in range(5):
        command = [sys.executable, "-c", DECODED_AT_ONCE]
        done = subprocess.run(command, input=encode(MANIFEST), capture_output=True, check=False)
        assert (done.returncode, done.stdout) == (0, b"{%d}\n" % MANIFEST.version), done.stderr


INSTRUCTIONS = [
    "evil @ https://a.example/evil.whl",
    "--index-url=https://a.example",
    "-r /etc/passwd",
    "numpy\n--index-url https://a.example",
    "numpy\n",
    "numpy; echo",
    "$(touch x)",
    "../numpy",
    "/opt/evil/python",
    "",
    "\x1b[2J",
    "\uff4eumpy",
]
"""What an installer, a shell, a terminal or a file of requirements would take for more than a name."""


@pytest.mark.parametrize("text", INSTRUCTIONS)
@pytest.mark.parametrize("place", ["joblib", "onnx"])
def test_no_string_of_an_environment_is_an_instruction(text: str, place: str) -> None:
    """Every place of the type that holds one: a new member has to be named here."""
    sha256 = "0" * 64
    fine = {"python": "3.12", "machine": "x86_64", "packages": {"numpy": "2.0"}}
    of_environment: dict[str, list[dict[str, object]]] = {
        "python": [{"python": text}],
        "machine": [{"machine": text or None}],
        "packages": [{"packages": {text: "2.0"}}, {"packages": {"numpy": text}}],
        "hashes": [
            {"hashes": {text or "\n": {}}},
            {"hashes": {"arm64": {text: sha256}}},
            {"hashes": {"arm64": {"a": text}}},
        ],
        "sources": [{"sources": {text: "default"}}, {"sources": {"numpy": text}}],
    }
    assert of_environment.keys() == set(Environment.__struct_fields__)
    for changes in of_environment.values():
        for change in changes:
            environment = {**fine, **change}
            form = {"artifact": {"file": "model.onnx", "sha256": sha256, "size": 1}, "environment": environment}
            data = changed(environment=environment) if place == "joblib" else changed(formats={"onnx": form})
            with pytest.raises(RecordError, match=r"the manifest cannot be read .*environment"):
                decode_manifest(data)


def test_names_and_versions_as_indexes_have_them_are_read() -> None:
    packages = {"scikit-learn": "1.7.2", "ruamel.yaml": "0.18", "A_b": "1!2.0.post1+cpu.1", "x": "1.0rc1", "torch": "2"}
    hashes = {"x86_64": {"x": "a" * 64}, "macosx-14.0-arm64": {"x": "b" * 64}}
    environment = Environment(
        python="3.14", machine="AMD64", packages=packages, hashes=hashes, sources={"x": "named", "torch": "folder"}
    )
    read = decode_manifest(encode(msgspec.structs.replace(MANIFEST, environment=environment)))
    assert read.environment == environment
