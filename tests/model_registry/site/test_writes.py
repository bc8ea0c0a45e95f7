"""Tags that are moved through the registry's pages: who may, by which gates, and how it looks in a browser."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
from obstore.store import MemoryStore
from playwright.sync_api import Browser, expect
from typer.testing import CliRunner

from model_registry import Registry, Storage, open_storage
from model_registry.cli import app
from model_registry.promotion import Progress
from model_registry.records import Gates
from model_registry.reference import VersionRef
from model_registry.release import Release
from model_registry.signing import create_key
from model_registry.site.server import Server
from model_registry.site.writes import Writer
from model_runtime.errors import CredentialsError
from model_runtime.manifest import Feature, Signature
from tests.browser.chromium import browser, opened, violations
from tests.model_registry.made import made, put

HOSTILE = '"><img src=x onerror=alert(1)>'
NARROW = Signature(features=(Feature(name="width", type="number"),))


@pytest.fixture
def registry() -> Registry:
    """iris/1 is prod; iris/2 is better, iris/3 worse, iris/4 the best, but it breaks callers."""
    storage = Storage(MemoryStore(), "memory")
    put(
        storage,
        *(made(number, metrics={"accuracy": value}) for number, value in ((1, 0.95), (2, 0.97), (3, 0.9))),
        made(4, metrics={"accuracy": 0.99}, signature=NARROW, description=HOSTILE),
    )
    registry = Registry(storage, actor="ada")
    registry.tag("iris/1", "prod", reason="the first")
    return registry


@contextmanager
def serving(registry: Registry, *, may_write: bool = True) -> Iterator[Server]:
    with Server(registry, 0, may_write=may_write) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))  # soon ended
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def server(registry: Registry) -> Iterator[Server]:
    with serving(registry) as served:
        yield served


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as launched:
        yield launched


def asked(
    server: Server, method: str, path: str, fields: dict[str, str] | None = None, **headers: str
) -> tuple[int, dict[str, str], str]:
    """Send a request to a path below the first page's, or to one that begins with a slash."""
    connection = HTTPConnection(urlsplit(server.url).netloc, timeout=60)
    body = None if fields is None else urlencode(fields)
    form = {} if fields is None else {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request(
        method,
        path if path.startswith("/") else f"{server.root}{path}",
        body,
        {**form, **{name.replace("_", "-"): value for name, value in headers.items()}},
    )
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, dict(answer.headers), text


def form(server: Server, **changes: str) -> dict[str, str]:
    """What the page sends to promote iris/2 to prod."""
    return {"tag": "prod", "version": "2", "sequence": "1", "reason": "better", "token": server.token, **changes}


def moves(registry: Registry) -> list[tuple[int | None, str]]:
    return [(move.to_version, move.reason) for move in registry.history("iris@prod")]


def test_a_form_moves_a_tag_once(server: Server, registry: Registry) -> None:
    """What is sent twice is refused the second time, as the tag is not any more what was looked at."""
    status, headers, _ = asked(
        server, "POST", "iris/promote.html", form(server), Origin=f"http://127.0.0.1:{server.server_port}"
    )
    assert (status, headers["Location"]) == (303, "index.html?moved=prod")
    again, _, page = asked(server, "POST", "iris/promote.html", form(server))
    assert again == 409
    assert "iris@prod was moved meanwhile, by ada to 2" in page
    assert moves(registry) == [(1, "the first"), (2, "better")]
    assert registry.tag_of("iris@prod").history[-1].by == "ada"
    assert "iris@prod points at iris/2." in asked(server, "GET", "iris/index.html?moved=prod")[2]


def test_without_the_token_nothing_is_read_or_moved(server: Server, registry: Registry) -> None:
    wrong = "x" * len(server.token)
    for path in ("/", f"/{wrong}/", "/iris/index.html", f"/{wrong}/iris/promote.html", f"/x/{server.token}/", "/%e9/"):
        for method in ("GET", "HEAD", "POST"):
            fields = form(server) if method == "POST" else None
            status, _, page = asked(server, method, path, fields)
            assert status == 403, (method, path)
            assert server.token not in page
            assert "iris" not in page
    for token in ("", wrong, server.token[:-1]):
        assert asked(server, "POST", "iris/promote.html", form(server, token=token))[0] == 403
    assert len(moves(registry)) == 1


def test_a_form_of_another_start_and_one_without_a_token_are_told_apart(server: Server) -> None:
    for token, said in (("x" * len(server.token), "has another token than this start"), ("", "has no token")):
        assert f"The form {said}" in asked(server, "POST", "iris/promote.html", form(server, token=token))[2]


@pytest.mark.parametrize("option", [("--in-account",), ("--by", "grace"), ("--promoter-key", "key.pem")])
def test_an_option_for_moves_is_refused_where_no_page_moves(tmp_path: Path, option: tuple[str, ...]) -> None:
    put(open_storage(str(tmp_path / "models")), made(1))
    command = ["ui", "--bucket", str(tmp_path / "models"), *option]
    refused = CliRunner().invoke(app, command, env={"COLUMNS": "200"})
    assert (refused.exit_code, f"Invalid value for {option[0]}" in refused.stderr) == (2, True)
    assert "add --write" in refused.stderr


def test_pages_of_others_move_nothing_and_are_not_told_the_token(server: Server, registry: Registry) -> None:
    port = server.server_port
    for headers in (
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Origin": f"http://127.0.0.1:{port + 1}"},
        {"Host": "rebound.example"},
        {"Host": f"rebound.example:{port}"},
    ):
        for method, fields in (("POST", form(server)), ("GET", None)):
            status, _, page = asked(server, method, "iris/promote.html?tag=prod&version=2", fields, **headers)
            assert status == 403, headers
            assert server.token not in page
    assert len(moves(registry)) == 1


def test_looking_writes_nothing_and_takes_no_other_form(server: Server, registry: Registry) -> None:
    storage = registry._storage
    before = {key: storage.read(key) for key in storage.keys("")}
    query = urlencode(form(server))
    for path in ("promote.html", "rollback.html", "index.html"):
        assert asked(server, "GET", f"iris/{path}?{query}")[0] in {200, 404}
    assert asked(server, "GET", "iris/promote.html?tag=new&version=2")[0] == 200
    assert asked(server, "POST", "iris/index.html", form(server))[0] == 404
    assert asked(server, "POST", "iris/promote.html", form(server), Content_Type="text/plain")[0] == 400
    assert asked(server, "POST", "iris/promote.html", form(server, reason="x" * 70_000))[0] == 400
    assert asked(server, "PUT", "iris/promote.html", form(server))[0] == 501
    assert {key: storage.read(key) for key in storage.keys("")} == before


def test_a_server_that_only_reads_has_no_page_that_moves(registry: Registry) -> None:
    with serving(registry, may_write=False) as server:
        assert asked(server, "POST", "iris/promote.html", form(server))[0] == 501
        assert asked(server, "GET", "iris/promote.html?tag=prod&version=2")[0] == 404
        page = asked(server, "GET", "iris/")[2]
        assert "Move a tag" not in page
        assert "form-action 'none'" in page.replace("&#x27;", "'")


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        (
            {"version": "3", "not_worse_than": "prod"},
            422,
            "accuracy of iris/3 is 0.9, worse than 0.95 of iris/1 (prod)",
        ),
        ({"version": "4"}, 422, "allow breaking changes if it is meant"),
        ({"proof": "full"}, 422, "'full' is required"),
        ({"require": "accuracy"}, 400, "write METRIC, one of"),
        ({"version": "99"}, 404, "iris/99"),
        ({"version": "two"}, 400, "version is 'two': give a number"),
        ({"version": ""}, 400, "look at it again"),
        ({"sequence": ""}, 400, "look at it again"),
        ({"proof": "some"}, 400, "proof is 'some': give one of"),
        ({"tag": "No Tag"}, 400, "No Tag"),
        ({"tag": "new"}, 409, "new was moved meanwhile"),
    ],
)
def test_what_is_refused_says_why_and_changes_nothing(
    server: Server, registry: Registry, fields: dict[str, str], status: int, said: str
) -> None:
    found, _, page = asked(server, "POST", "iris/promote.html", form(server, **fields))
    plain = page.replace("&#x27;", "'").replace("&gt;", ">")
    assert (found, said in plain) == (status, True), plain[-600:]
    assert len(moves(registry)) == 1
    if said != "look at it again" and "sequence" not in fields and "moved" not in said:
        look, _, page = asked(server, "GET", f"iris/promote.html?{urlencode(form(server, **fields))}")
        assert said in page.replace("&#x27;", "'").replace("&gt;", ">")
        assert look in {200, status}
        assert 'method="post"' not in page


def test_a_tag_that_moved_since_it_was_looked_at_stays(server: Server, registry: Registry) -> None:
    registry.promote("iris", to_tag="prod", version=3, reason="meanwhile")
    for page in ("promote.html", "rollback.html"):
        status, _, said = asked(server, "POST", f"iris/{page}", form(server))
        assert (status, "was moved meanwhile, by ada to 3" in said) == (409, True)
    registry.delete(VersionRef("iris", 2), reason="mistake")
    status, _, said = asked(server, "POST", "iris/rollback.html", form(server, sequence="2"))
    assert (status, "goes back to iris/1, and not to 2" in said) == (409, True)
    assert registry.tag_of("iris@prod").version == 3


def test_a_rollback_to_a_deprecated_version_needs_leave(server: Server, registry: Registry) -> None:
    registry.promote("iris", to_tag="prod", version=2)
    registry.deprecate("iris/1", reason=HOSTILE)
    _, _, page = asked(server, "GET", "iris/rollback.html?tag=prod")
    assert "iris/1 is deprecated" in page
    assert "<img" not in page
    assert 'method="post"' not in page
    back = form(server, version="1", sequence="2", reason="slow")
    assert asked(server, "POST", "iris/rollback.html", back)[0] == 422
    assert 'method="post"' in asked(server, "GET", "iris/rollback.html?tag=prod&allow_deprecated=yes")[2]
    assert asked(server, "POST", "iris/rollback.html", {**back, "allow_deprecated": "yes"})[0] == 303
    assert moves(registry)[-1] == (1, "slow")


def test_a_model_is_verified_when_the_form_is_sent_and_where_the_verifier_says(registry: Registry) -> None:
    asked_for: list[str] = []

    def elsewhere(release: Release, *, model_format: str | None, progress: Progress) -> object:
        del model_format, progress
        asked_for.append(release.manifest.reference)
        return "verified"

    registry.set_rules("iris@prod", Gates(verify=True), reason="")
    writer = Writer(registry, "token", elsewhere)
    wanted = {"tag": "prod", "version": "2", "sequence": "1"}
    status, page = writer.look("iris/promote.html", wanted) or (None, "")
    assert (status, asked_for) == (200, [])
    assert "the model is verified when you confirm" in page
    assert writer.move("iris/promote.html", wanted) == (303, "index.html?moved=prod")
    assert asked_for == ["iris/2"]
    assert registry.tag_of("iris@prod").history[-1].checks == ("verified, in the account",)
    _, page = Writer(registry, "token").look("iris/promote.html", {**wanted, "version": "4"}) or (None, "")
    assert "say that you mean it" in page


def test_a_move_says_under_whose_name_it_will_be_recorded_before_it_is_confirmed(registry: Registry) -> None:
    registry.promote("iris", to_tag="prod", version=2)
    storage = registry._storage
    writer = Writer(Registry(storage, actor="grace", caller=lambda: "arn:aws:iam::111122223333:role/promoter"), "token")
    recorded = "<dt>Recorded under</dt><dd>grace (as arn:aws:iam::111122223333:role/promoter)</dd>"
    for path, fields in (("promote", {"tag": "prod", "version": "3"}), ("rollback", {"tag": "prod"})):
        assert recorded in (writer.look(f"iris/{path}.html", fields) or (None, ""))[1], path
    assert "Recorded" not in (writer.look("iris/promote.html", {"tag": "prod", "version": "4"}) or (None, ""))[1]

    def nobody() -> str:
        raise CredentialsError("who you are is not known: give --by NAME")

    status, page = Writer(Registry(storage, actor=nobody), "token").look("iris/rollback.html", {"tag": "prod"}) or (
        0,
        "",
    )
    assert (status, "give --by NAME" in page, "<button" in page) == (502, True, False)


def test_the_token_is_in_no_log_and_no_referrer(
    server: Server, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        for method, path in (("GET", "iris/"), ("GET", "none"), ("PUT", "iris/"), ("POST", "iris/promote.html")):
            _, headers, _ = asked(server, method, path)
            assert method == "PUT" or headers["Referrer-Policy"] == "strict-origin"
    said = capfd.readouterr()
    assert server.token not in said.out + said.err + caplog.text


def test_the_command_prints_the_address_with_the_token_and_moves_tags_as_who_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, key = str(tmp_path / "models"), tmp_path / "key.pem"
    storage = open_storage(folder)
    put(storage, made(1))
    public_key = create_key(key)
    addresses: list[str] = []

    def serve(server: Server) -> None:
        if not addresses:
            answer = server.writer.move("iris/promote.html", form(server, version="1", sequence="0"))
            assert answer == (303, "index.html?moved=prod")
        addresses.append(server.url)
        raise KeyboardInterrupt

    monkeypatch.setattr(Server, "serve_forever", serve)
    for _ in range(2):
        command = ["ui", "--bucket", folder, "--write", "--by", "grace", "--promoter-key", str(key)]
        result = CliRunner().invoke(app, command)
        assert (result.exit_code, result.stdout) == (0, f"{addresses[-1]}\n"), result.output
    assert len(set(addresses)) == 2
    assert all(len(urlsplit(address).path) > 40 for address in addresses)
    (move,) = Registry(storage, actor="").history("iris@prod")
    assert (move.by, move.to_version, move.reason, move.public_key) == ("grace", 1, "better", public_key)


def test_a_promotion_and_a_rollback_in_a_browser(server: Server, registry: Registry, chromium: Browser) -> None:
    """Also one that somebody else is quicker at."""
    registry.set_rules("iris@prod", Gates(require=("accuracy>=0.96",), allow_breaking=True), reason="")
    with opened(chromium, f"{server.url}iris/", color_scheme="dark", viewport={"width": 390, "height": 844}) as page:
        assert violations(page) == ""
        page.locator("select[name=version]").select_option("3")
        page.get_by_label("Tag", exact=True).fill("prod")
        page.get_by_role("button", name="Look at the move").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Promote iris/3 to prod")
        expect(page.get_by_text("accuracy of iris/3 is 0.9, >= 0.96 is required")).to_be_visible()
        expect(page.get_by_role("button", name="Promote iris/3")).to_have_count(0)
        assert violations(page) == ""
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.locator("select[name=version]").select_option("2")
        page.get_by_text("Gates beside the tag's promotion rules").click()
        page.get_by_label("Not worse than").select_option("prod")
        page.get_by_role("button", name="Look at the move").click()
        expect(page.get_by_text("accuracy 0.97 is not worse than 0.95 of iris/1 (prod)")).to_be_visible()
        expect(page.get_by_role("region", name="Metrics")).to_contain_text("+0.02")
        assert violations(page) == ""
        page.get_by_label("Why").fill("better by two points")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_have_text("iris@prod points at iris/2.")
        expect(page.get_by_text("better by two points")).to_be_visible()
        page.get_by_role("link", name="Roll back prod").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Roll back iris@prod")
        assert violations(page) == ""
        registry.promote("iris", to_tag="prod", version=4, gates=Gates(allow_breaking=True))
        page.get_by_role("button", name="Roll back to iris/1").click()
        expect(page.get_by_role("alert")).to_contain_text("iris@prod was moved meanwhile, by ada to 4")
        assert violations(page) == ""
        page.get_by_role("link", name="Look at the move again").click()
        page.get_by_role("button", name="Roll back to iris/2").click()
        expect(page.get_by_role("status")).to_have_text("iris@prod points at iris/2.")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert [(move.action, move.to_version) for move in registry.history("iris@prod")][1:] == [
        ("promote", 2),
        ("promote", 4),
        ("rollback", 2),
    ]
    assert registry.history("iris@prod")[1].checks == (
        "accuracy 0.97 >= 0.96",
        "accuracy 0.97 is not worse than 0.95 of iris/1 (prod)",
    )


def test_a_promotion_needs_no_script(server: Server, registry: Registry, chromium: Browser) -> None:
    with opened(chromium, f"{server.url}iris/", java_script_enabled=False) as page:
        page.locator("select[name=version]").select_option("2")
        page.locator("input[name=tag]").fill("prod")
        page.get_by_role("button", name="Look at the move").click()
        page.get_by_role("button", name="Promote iris/2 to prod").click()
        expect(page.get_by_role("status")).to_have_text("iris@prod points at iris/2.")
    assert registry.tag_of("iris@prod").version == 2
