"""The registry's pages: as text, as files, and in a browser that `ui` serves them to."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from obstore.store import MemoryStore
from playwright.sync_api import Browser, expect
from sklearn.linear_model import LogisticRegression
from typer.testing import CliRunner, Result

from local.ministack import LocalAws
from model_registry import Registry, Storage, open_storage, site
from model_registry.cli import app
from model_registry.records import Gates
from model_registry.reference import VersionRef
from model_registry.report.figures import Report
from model_registry.site import files, page_at
from model_registry.site.details import version_page
from model_registry.site.shelf import Shelf
from model_registry.site.writing import Place, place_at, write_pages
from model_runtime.manifest import Artifact, OwnCode
from tests.browser.chromium import browser, opened, violations
from tests.model_registry.made import made, put
from tests.model_registry.processes import add

PROJECT = Path(__file__).parents[3]
MARK = re.compile(r'<meta name="registry" content="[0-9a-f]{64}">')
X = np.arange(12.0).reshape(6, 2)
HOSTILE = '"><img src=x onerror=alert(1)><script>alert(2)</script>'
TRANSFORMER = """
from sklearn.base import BaseEstimator, TransformerMixin


class Scaled(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X * {factor}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry with two models: one of three versions, tags and own code, one whose texts attack."""
    folder = tmp_path_factory.mktemp("registry")
    registry = Registry(open_storage(str(folder)), actor="ada", proof="none")
    scaled(registry, tmp_path_factory.mktemp("own"), [1, 2])
    registry.publish(
        LogisticRegression().fit(X, [0, 0, 1, 1, 2, 2]), name="iris", X_example=X, metrics={"accuracy": 0.75}
    )
    registry.tag("iris/1", "prod", reason="the first")
    registry.tag("iris/2", "dev")
    registry.promote(
        "iris", from_tag="dev", to_tag="prod", gates=Gates(require=("accuracy>=0.9",)), reason="better by far"
    )
    registry.publish(
        LogisticRegression().fit(X, [0, 0, 0, 1, 1, 1]),
        name="attack",
        X_example=X,
        X_test=np.tile(X, (5, 1)),
        y_test=[0, 1, 0, 1, 1, 1] * 5,
        feature_names=[HOSTILE.replace('"', "'"), "harmless"],
        class_names=[HOSTILE, "harmless"],
        metrics={HOSTILE: 1.0},
        description=HOSTILE,
        labels={"team": HOSTILE},
    )
    registry.tag("attack/1", "dev", reason=HOSTILE)
    return folder


def scaled(registry: Registry, own: Path, factors: list[int]) -> None:
    """Publish a version for each factor, which stands in the owner's own module."""
    for factor in factors:
        (own / "own_scaling.py").write_text(TRANSFORMER.format(factor=factor))
        program = f"""
import sys
sys.path.insert(0, {str(own)!r})
import numpy as np
from own_scaling import Scaled
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from model_registry import Registry, open_storage
X = np.arange(12.0).reshape(6, 2)
Registry(open_storage({registry.location.removeprefix("file://")!r}), actor="ada", proof="none").publish(
    make_pipeline(Scaled(), LogisticRegression()).fit(X, [0, 0, 0, 1, 1, 1]),
    name="iris", X_example=X, metrics={{"accuracy": 0.9 + {factor} / 100, "log_loss": 0.{factor}}},
)
"""
        subprocess.run([sys.executable, "-c", program], check=True, cwd=PROJECT)


@pytest.fixture(scope="module")
def pages(folder: Path) -> dict[str, str]:
    return dict(files(Registry(open_storage(str(folder)), actor="nobody")))


@pytest.fixture(scope="module")
def ui(folder: Path) -> Iterator[str]:
    """The URL that `ui` prints; Ctrl-C ends it."""
    command = [sys.executable, "-m", "model_registry", "ui", "--bucket", str(folder)]
    process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield process.stdout.readline().strip()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said.split()[-1]) == (0, "stopped")


@pytest.fixture(scope="module")
def chromium(ui: str) -> Iterator[Browser]:
    """A browser, started after everything else: Playwright keeps an event loop in this thread."""
    assert ui
    with browser() as launched:
        yield launched


def text(page: str) -> str:
    """What a reader sees of a page."""
    return " ".join(re.sub(r"<[^>]*>", " ", re.sub(r"<(style|script)>.*?</\1>", "", page, flags=re.DOTALL)).split())


def test_there_is_a_page_for_each_model_version_and_comparison(pages: dict[str, str]) -> None:
    assert set(pages) == {
        "index.html",
        "attack/index.html",
        "attack/1.html",
        "iris/index.html",
        *(f"iris/{name}.html" for name in ("1", "2", "3", "1-2", "1-3", "2-3")),
    }
    assert list(pages)[-1] == "index.html"


def test_every_link_leads_to_a_page(pages: dict[str, str]) -> None:
    for path, page in pages.items():
        for target in re.findall(r'<a href="([^"]*)"', page):
            assert Path("/", path).parent.joinpath(target).resolve().relative_to("/").as_posix() in pages


def test_the_models_with_their_tags_and_metrics(pages: dict[str, str]) -> None:
    shown = text(pages["index.html"])
    assert "iris 3 dev → 2 prod → 2 accuracy 0.75" in shown


def test_a_tag_s_life_says_who_when_why_and_which_gates_were_passed(pages: dict[str, str]) -> None:
    shown = text(pages["iris/index.html"])
    assert re.search(
        r"promote 1 → 2 · better by far \d{4}-\d\d-\d\d \d\d:\d\d by ada Gates passed: .*accuracy.* "
        r"tag nothing → 1 · the first",
        shown,
    )
    assert (
        'aria-label="accuracy by version: version 1: 0.91, version 2: 0.92, version 3: 0.75"'
        in pages["iris/index.html"]
    )


def test_two_versions_are_compared_to_the_line_of_own_code(pages: dict[str, str]) -> None:
    compared = pages["iris/1-2.html"]
    assert "Callers of the one can go on with the other." in text(compared)
    assert "accuracy 0.91 0.92 +0.01" in text(compared)
    assert "<del>-        return X * 1</del>" in compared
    assert "<ins>+        return X * 2</ins>" in compared


def test_a_comparison_says_what_callers_notice(pages: dict[str, str]) -> None:
    shown = text(pages["iris/2-3.html"])
    assert "Callers notice: see the signature." in shown
    assert "label 2 was added breaks callers" in shown


def test_no_text_of_the_registry_becomes_html(pages: dict[str, str]) -> None:
    for path, page in pages.items():
        assert "<img" not in page, path
        assert page.count("<script>") == 1, path
    assert text(pages["attack/1.html"]).count("onerror=alert(1)") >= 4


def test_a_version_s_page_draws_its_report_and_tells_its_history(pages: dict[str, str]) -> None:
    shown = text(pages["attack/1.html"])
    assert "30 test rows; they were not looked for among training rows" in shown
    assert "accuracy 0.8333" in shown
    for heading in ("Classes", "ROC", "Calibration", "Permutation importance", "Distribution of the test rows"):
        assert f"<h2>{heading}</h2>" in pages["attack/1.html"]
    assert "Tag dev tag nothing → 1" in shown
    assert "test rows; no training" not in text(pages["iris/1.html"])


def test_a_report_that_is_not_the_one_published_is_not_drawn(folder: Path) -> None:
    stored = folder / "models" / "attack" / "versions" / "1" / "report.json"
    data = stored.read_bytes()
    try:
        stored.write_bytes(data.replace(b'"rows":30', b'"rows":99'))
        page = page_at(Registry(open_storage(str(folder)), actor="nobody"), "attack/1.html")
    finally:
        stored.write_bytes(data)
    assert page is not None
    assert "report.json of attack/1 has SHA-256" in text(page)
    assert "99 rows" not in page


def test_a_version_that_is_bad_ends_the_pages_of_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Own code that is gone, and a report that nobody foresaw: their pages say so, all others are as they were."""
    storage = Storage(MemoryStore(), "memory")
    lost = OwnCode(artifact=Artifact(file="code.zip", sha256="0" * 64, size=9), modules=("own",))
    put(storage, made(1), made(2, code=lost), made(3), made(4))
    add(storage, "other", b"model")
    registry = Registry(storage, actor="nobody")

    def drawn(shelf: Shelf, number: int, report: Report | str | None) -> str:
        if number == 3:
            raise ValueError("<b>[1]</b> is not foreseen")
        return version_page(shelf, number, report)

    monkeypatch.setattr(site, "version_page", drawn)
    written = dict(files(registry))
    assert {path for path, page in written.items() if "notice warn" in page} == {
        *("iris/3.html", "iris/1-2.html", "iris/2-3.html", "iris/2-4.html")
    }
    assert "iris/3 cannot be drawn (ValueError: &lt;b&gt;[1]&lt;/b&gt; is not foreseen)" in written["iris/3.html"]
    assert "iris/2 has lost its code.zip: publish it again" in written["iris/1-2.html"]
    assert {"index.html", "other/1.html", "iris/2.html", "iris/4.html"} < written.keys()
    assert {path: page_at(registry, path) for path in written} == written


def test_a_page_made_anew_is_the_one_that_is_written(folder: Path, pages: dict[str, str]) -> None:
    registry = Registry(open_storage(str(folder)), actor="nobody")
    assert {path: page_at(registry, path) for path in pages} == pages
    for path in ("iris/4.html", "iris/1-4.html", "none/index.html", "Not A Name/index.html", "iris/0.html", "../x"):
        assert page_at(registry, path) is None


def test_nothing_is_written_or_unpickled(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("unpickled")

    monkeypatch.setattr("pickle.Unpickler", refuse)
    monkeypatch.setattr("joblib.load", refuse)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert len(dict(files(Registry(open_storage(str(folder)), actor="nobody")))) == 10
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def test_the_site_is_written_to_a_folder(folder: Path, pages: dict[str, str], tmp_path: Path) -> None:
    result = run("site", "--bucket", str(folder), "--to", str(tmp_path / "site"))
    assert (result.exit_code, result.stdout) == (0, f"{tmp_path / 'site'}/index.html\n")
    assert result.stderr == "10 pages\n"
    assert {
        path.relative_to(tmp_path / "site").as_posix(): MARK.sub("", path.read_text(encoding="utf-8"))
        for path in (tmp_path / "site").rglob("*.html")
    } == pages
    (tmp_path / "file").write_text("")
    refused = run("site", "--bucket", str(folder), "--to", str(tmp_path / "file"))
    assert refused.exit_code == 1
    assert "name a folder that you may write to" in refused.stderr


def test_the_site_is_written_to_a_bucket(folder: Path, aws: LocalAws, bucket: str) -> None:
    assert run("site", "--bucket", str(folder), "--to", f"s3://{bucket}/looked/at").exit_code == 0
    stored = aws.client("s3").head_object(Bucket=bucket, Key="looked/at/iris/1-2.html")
    assert stored["ContentType"] == "text/html; charset=utf-8"
    refused = run("site", "--bucket", str(folder), "--to", "s3://no-bucket-of-this-name")
    assert refused.exit_code == 1
    assert "there is no such bucket: check the name" in refused.stderr
    assert "names no bucket" in run("site", "--bucket", str(folder), "--to", "s3://").stderr


def test_pages_are_not_written_into_the_registry_itself(tmp_path: Path, bucket: str) -> None:
    """Its `doctor` would find a strange object in each of them."""
    models = tmp_path / "models"
    add(open_storage(str(models)), "iris", b"model")
    for registry, to in (
        (models, models),
        (models, models / "pages"),
        (f"file://{models}", f"file://{models}/pages"),
        (models, tmp_path / "other" / ".." / "models" / "pages"),
        (f"s3://{bucket}", f"s3://{bucket}"),
        (bucket, f"s3://{bucket}/pages"),
        (bucket, f"s3://{bucket}?owner=123456789012/pages"),
    ):
        refused = run("site", "--bucket", str(registry), "--to", str(to))
        assert (refused.exit_code, refused.stdout) == (1, ""), to
        assert f"{to} is in the registry " in refused.stderr
    assert not list(models.rglob("*.html"))
    assert run("site", "--bucket", str(models), "--to", f"file://{tmp_path}/models-site").exit_code == 0
    assert (tmp_path / "models-site" / "index.html").is_file()


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path, bucket: str) -> Place:
    return place_at(str(tmp_path / "site") if request.param == "folder" else f"s3://{bucket}/site", None)


@pytest.fixture
def three(tmp_path: Path) -> Registry:
    """A registry with three versions of iris."""
    storage = open_storage(str(tmp_path / "models"))
    for _ in range(3):
        add(storage, "iris", b"model")
    return Registry(storage, actor="ada")


def written(place: Place, registry: Registry) -> tuple[int, int]:
    return write_pages(place, files(registry), registry)


def test_pages_of_deleted_versions_are_removed_and_nothing_else(place: Place, three: Registry) -> None:
    """Neither what is no page, nor what somebody else has put in the place of one."""
    assert written(place, three) == (8, 0)
    others = {"iris/notes.html": b"mine", "iris/1-2.html": b"mine, too", "private.html": b"hers", "iris/1.txt": b"his"}
    three.delete(VersionRef("iris", 1), reason="mistake")
    for path, data in others.items():
        place.write(path, data, "text/html")
    assert written(place, three) == (5, 2)
    assert place.files("iris") == ["1-2.html", "1.txt", "2-3.html", "2.html", "3.html", "index.html", "notes.html"]
    assert {path: place.read(path) for path in others} == others
    assert (place.read("iris/2-3.html") or b"").startswith(b"<!doctype html>")
    for version in (2, 3):
        three.delete(VersionRef("iris", version), reason="mistake")
    assert written(place, three) == (1, 4)
    assert place.files("iris") == ["1-2.html", "1.txt", "notes.html"]


def test_pages_of_another_registry_at_the_same_place_stay(place: Place, three: Registry, tmp_path: Path) -> None:
    other = Registry(open_storage(str(tmp_path / "others")), actor="bob")
    for _ in range(2):
        add(open_storage(str(tmp_path / "others")), "iris", b"another")
    written(place, three)
    assert written(place, other) == (5, 0)
    for version in (1, 2, 3):
        three.delete(VersionRef("iris", version), reason="mistake")
    assert written(place, three) == (1, 3), "3.html, 1-3.html and 2-3.html"
    assert place.files("iris") == ["1-2.html", "1.html", "2.html", "index.html"]


def test_the_page_of_a_model_that_has_a_version_again_stays(three: Registry, tmp_path: Path) -> None:
    """Another run has written it since this one has looked, and found none."""
    place = place_at(str(tmp_path / "site"), None)
    for version in (1, 2, 3):
        three.delete(VersionRef("iris", version), reason="mistake")
    slow = list(files(three))
    add(open_storage(str(tmp_path / "models")), "iris", b"model")
    written(place, three)
    assert write_pages(place, slow, three) == (1, 0)
    assert place.files("iris") == ["4.html", "index.html"]


def test_pages_of_living_versions_stay_though_they_are_not_written_again(
    three: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of those beyond the last fifty, comparisons of earlier runs, and what cannot be read at the moment."""
    place = place_at(str(tmp_path / "site"), None)
    written(place, three)
    before = place.files("iris")
    (tmp_path / "models" / "models" / "iris" / "versions" / "2" / "manifest.json").write_text("{}")
    monkeypatch.setattr("model_registry.site.shelf.LAST", 2)
    assert written(place, three) == (3, 0)
    assert place.files("iris") == before
    three.delete(VersionRef("iris", 1), reason="mistake")
    assert written(place, three) == (3, 3)
    assert place.files("iris") == ["2-3.html", "2.html", "3.html", "index.html"]


def test_pages_of_a_run_that_was_cut_off_are_removed_once_their_version_is_deleted(
    place: Place, three: Registry
) -> None:
    written(place, three)
    three.tag("iris/3", "dev")
    three.tag("iris/2", "dev")
    with pytest.raises(KeyboardInterrupt):
        write_pages(place, cut_off(files(three), "iris/index.html"), three)
    assert b"dev" in (place.read("iris/3.html") or b"")
    three.delete(VersionRef("iris", 3), reason="erasure")
    assert written(place, three) == (5, 3)
    assert place.files("iris") == ["1-2.html", "1.html", "2.html", "index.html"]


def cut_off(pages: Iterator[tuple[str, str]], at: str) -> Iterator[tuple[str, str]]:
    """The pages before one, in whose place the run is interrupted."""
    for path, page in pages:
        if path == at:
            raise KeyboardInterrupt
        yield path, page


def test_pages_of_two_runs_at_once_are_removed_once_their_version_is_deleted(place: Place, three: Registry) -> None:
    """Also those that the slower one writes of a version that was deleted since it has read it."""
    slow = list(files(three))
    three.tag("iris/3", "dev")
    three.tag("iris/2", "dev")
    written(place, three)
    write_pages(place, slow, three)
    three.delete(VersionRef("iris", 3), reason="erasure")
    assert written(place, three) == (5, 3)
    assert write_pages(place, slow, three) == (8, 3)
    assert place.files("iris") == ["1-2.html", "1.html", "2.html", "index.html"]


def test_site_says_how_many_pages_of_deleted_versions_it_removed(three: Registry, tmp_path: Path) -> None:
    arguments = ("site", "--bucket", str(tmp_path / "models"), "--to", str(tmp_path / "site"))
    assert run(*arguments).stderr == "8 pages\n"
    three.delete(VersionRef("iris", 1), reason="mistake")
    assert run(*arguments).stderr == "5 pages, 3 of deleted versions removed\n"


def test_ui_answers_this_machine_by_its_own_name_and_changes_nothing(ui: str) -> None:
    """A page elsewhere whose name was made to lead to loopback must not read the registry."""
    place = urlsplit(ui)
    assert place.hostname == "127.0.0.1"
    statuses = {}
    for method, path, host in (
        ("GET", "/", place.netloc),
        ("HEAD", "/iris/", place.netloc),
        ("GET", "/", f"localhost:{place.port}"),
        ("GET", "/", "rebound.example"),
        ("GET", "/iris/9.html", place.netloc),
        ("POST", "/", place.netloc),
    ):
        connection = HTTPConnection(place.netloc, timeout=60)
        connection.request(method, path, headers={"Host": host})
        statuses[method, path, host.partition(":")[0]] = connection.getresponse().status
        connection.close()
    assert list(statuses.values()) == [200, 200, 200, 403, 404, 501]


def test_a_port_that_is_taken_is_one_line(folder: Path, ui: str) -> None:
    port = str(urlsplit(ui).port)
    result = run("ui", "--bucket", str(folder), "--port", port)
    assert result.exit_code == 1
    assert f"cannot listen on 127.0.0.1:{port}" in result.stderr


@pytest.mark.parametrize("place", ["ui", "files"])
def test_any_two_versions_are_compared_by_a_form_with_and_without_a_server(
    chromium: Browser, ui: str, pages: dict[str, str], tmp_path: Path, place: str
) -> None:
    write_pages(
        place_at(str(tmp_path), None), pages.items(), Registry(open_storage(str(tmp_path / "none")), actor="nobody")
    )
    with opened(chromium, f"{ui}iris/index.html" if place == "ui" else f"file://{tmp_path}/iris/index.html") as page:
        page.get_by_role("combobox", name="Version").select_option("3")
        page.get_by_role("combobox", name="With").select_option("1")
        page.get_by_role("button", name="Compare").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("iris 1 → 3")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_are_walked_through_in_a_browser(chromium: Browser, ui: str, scheme: str) -> None:
    size = {"width": 390, "height": 844} if scheme == "dark" else {"width": 1200, "height": 900}
    with opened(chromium, ui, color_scheme=scheme, viewport=size) as page:
        assert violations(page) == ""
        page.get_by_role("link", name="iris").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("iris")
        assert violations(page) == ""
        versions = page.locator("tbody tr td:first-child")
        expect(versions).to_have_text(["3", "2", "1"])
        page.get_by_role("button", name="accuracy").click()
        expect(page.get_by_role("columnheader", name="accuracy")).to_have_attribute("aria-sort", "descending")
        expect(versions).to_have_text(["2", "1", "3"])
        page.get_by_role("button", name="accuracy").click()
        expect(versions).to_have_text(["3", "1", "2"])
        page.get_by_role("link", name="2", exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_have_text("iris/2")
        assert violations(page) == ""
        page.get_by_role("link", name="What is different from version 1").click()
        expect(page.get_by_role("region", name="Own code")).to_contain_text("return X * 2")
        assert violations(page) == ""
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.goto(f"{ui}attack/1.html")
        expect(page.get_by_role("img", name="true positives over false positives")).to_have_count(1)
        expect(page.get_by_role("region", name="Confusion matrix")).to_be_visible()
        assert violations(page) == ""
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
