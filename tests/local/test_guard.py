import io
import json
import stat
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from local import ministack
from local.guard import refusal
from local.ministack import LocalAws, client_as
from tests.local.stacks import Deployed

FUNCTION = {"Runtime": "python3.11", "Handler": "theirs.handler", "Role": "arn:aws:iam::000000000000:role/theirs"}


def _zip() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("theirs.py", "import os\ndef handler(event, context):\n    return os.getuid()\n")
    return content.getvalue()


def _status(url: str, **headers: str) -> int:
    request = urllib.request.Request(url, headers=headers)  # noqa: S310  # http of the local AWS
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


@pytest.mark.parametrize("key", ["test", "000000000000", "AKIAIOSFODNN7EXAMPLE"])
def test_nobody_without_its_credentials_makes_a_function(aws: LocalAws, key: str, unique: str) -> None:
    """A function runs as who started the local AWS: whoever creates one runs code as them."""
    with pytest.raises(ClientError, match="security token included in the request is invalid"):
        client_as(aws.url, "lambda", key, "test").create_function(
            FunctionName=unique, Code={"ZipFile": _zip()}, **FUNCTION
        )
    names = [function["FunctionName"] for function in aws.client("lambda").list_functions()["Functions"]]
    assert unique not in names


def test_the_key_without_its_secret_opens_nothing(aws: LocalAws) -> None:
    """The root's signature is checked as a user's is."""
    with pytest.raises(ClientError, match="signature we calculated does not match"):
        client_as(aws.url, "lambda", aws.access_key, "wrong").list_functions()


def test_every_start_has_credentials_of_its_own(aws: LocalAws, tmp_path: Path) -> None:
    """What was noted of one opens no other."""
    with ministack.local_aws(tmp_path) as other:
        assert {other.access_key, other.secret_key}.isdisjoint({aws.access_key, aws.secret_key})
        with pytest.raises(ClientError, match="invalid"):
            client_as(other.url, "lambda", aws.access_key, aws.secret_key).list_functions()
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path, tmp_path / "ministack.json")}
        assert modes == {tmp_path.name: 0o700, "ministack.json": 0o600}
        written = [path for path in (tmp_path / "tmp").rglob("*") if path.exists() and not path.is_symlink()]
        assert written
        assert [path for path in written if stat.S_IMODE(path.stat().st_mode) & 0o077] == []


def test_what_an_earlier_release_started_is_stopped_and_not_used(tmp_path: Path) -> None:
    """It has the credentials that everybody knows."""
    aws = ministack.start(tmp_path)
    note = tmp_path / "ministack.json"
    known = json.loads(note.read_text())
    note.write_text(json.dumps({name: known[name] for name in ("url", "port", "pid", "started", "log")}))
    assert ministack.running(tmp_path) is None
    with ministack.local_aws(tmp_path) as again:
        assert again.pid != aws.pid


def test_requests_of_web_pages_and_for_other_hosts_are_refused(aws: LocalAws, served: Deployed) -> None:
    """A page of any site can make a browser send to loopback, by its name or, after a change of DNS, by the site's."""
    url = served.outputs["invokeUrl"].replace("/predict", "/openapi.json")
    assert _status(url) == 200
    assert _status(url, Origin="https://app.example.com") == 200  # CORS of the API says who may read it
    assert _status(url, Host=f"localhost:{aws.port}") == 200
    assert _status(url, Host="evil.example.com") == 403
    assert _status(f"{aws.url}/bucket", Host="evil.example.com") == 403
    assert _status(f"{aws.url}/bucket", Origin="https://evil.example.com") == 403
    assert _status(f"{aws.url}/bucket") == 403
    assert _status(f"{aws.url}/_ministack/health", Host="evil.example.com") == 403


def test_ministacks_own_paths_are_closed(aws: LocalAws) -> None:
    """They ask for no credentials: one of them forgets everything, another gives out functions' code."""
    paths = ("reset", "config", "lambda-code/000000000000/us-east-1/x")
    assert {path: _status(f"{aws.url}/_ministack/{path}") for path in paths} == dict.fromkeys(paths, 403)
    assert _status(f"{aws.url}/_ministack/health") == 200


@pytest.mark.parametrize(
    ("host", "path", "key", "why"),
    [
        ("127.0.0.1:1", "/bucket", "AKIA", None),
        ("127.0.0.1:2", "/bucket", "AKIA", None),
        ("evil.example.com:1", "/bucket", "AKIA", "host"),
        ("127.0.0.1:1", "/_aws/execute-api/a/dev/predict", "", None),
        ("127.0.0.1:1", "/_ministack/reset", "AKIA", "closed"),
        ("iris.example.com", "/predict", "", None),
        ("iris.example.com", "/_ministack/reset", "", "host"),
        ("evil.example.com", "/_aws/execute-api/a/dev/predict", "", "host"),
    ],
)
def test_who_is_let_through(host: str, path: str, key: str, why: str | None) -> None:
    """The names of this machine with credentials, an API without, a custom domain for its API alone."""
    found = refusal(
        path,
        {"host": host},
        port=1,
        access_key=key,
        is_api=lambda host, path: host == "iris.example.com" or path.startswith("/_aws/execute-api/"),
    )
    assert found is None if why is None else why in (found or "")
