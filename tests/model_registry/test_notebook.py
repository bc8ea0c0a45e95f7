"""What a notebook shows of releases, tags and registries."""

import re
from pathlib import Path

import pytest

from model_registry import Registry, open_storage
from tests.model_registry.processes import add

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(open_storage(str(tmp_path / "models")), actor=HOSTILE, proof="none")


@pytest.fixture
def filled(registry: Registry, tmp_path: Path) -> Registry:
    add(open_storage(str(tmp_path / "models")), "iris", b"model")
    registry.tag("iris/1", "dev", reason="a <b>first</b>")
    return registry


def shown(thing: object) -> str:
    """The words of what a notebook shows."""
    html: str = thing._repr_html_()  # type: ignore[attr-defined]  # as IPython asks
    assert HOSTILE not in html
    assert "<b>" not in html
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def test_a_release_is_shown_by_what_it_is(filled: Registry) -> None:
    release = filled.resolve("iris@dev")
    assert repr(release) == f"<Release iris/1: {release.manifest.estimator}>"
    words = shown(release)
    assert words.startswith("iris/1 field value estimator ")
    assert f"features {release.manifest.signature.features[0].name}: number" in words


def test_a_tag_is_shown_with_its_moves_and_their_texts_are_texts(filled: Registry) -> None:
    words = shown(filled.tag_of("iris@dev"))
    assert words.startswith("iris@dev → iris/1 at what from to by why ")
    assert words.endswith("tag 1 &lt;img src=x onerror=alert(1)&gt; a &lt;b&gt;first&lt;/b&gt;")


def test_a_registry_is_shown_by_its_models(filled: Registry) -> None:
    assert shown(filled).endswith("models model latest tags iris 1 dev → 1")
    assert repr(filled) == f"<Registry {filled.location}>"


def test_a_registry_without_models_says_so(registry: Registry) -> None:
    assert shown(registry).endswith("model none yet")
