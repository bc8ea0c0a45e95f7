"""The registry to look at: pages of HTML, each complete in itself, from what the registry says. Nothing is unpickled.

`ui` serves them on this machine, `site` writes them as files.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache, partial

from model_registry.registry import Registry
from model_registry.site.details import comparison_page, version_page
from model_registry.site.html import document, tag
from model_registry.site.pages import index_page, model_page
from model_registry.site.shelf import Shelf, report_of, shelf_of, shelves_of, sources_of
from model_runtime.errors import InvalidNameError, NotFoundError, RegistryError, StorageError

INDEX = "index.html"
_PATH = re.compile(r"(?P<model>[^/]+)/(?:index|(?P<one>[1-9][0-9]{0,8})(?:-(?P<other>[1-9][0-9]{0,8}))?)\.html")


def files(registry: Registry) -> Iterator[tuple[str, str]]:
    """Every page by its path, the first one last: whoever reads while it is written misses nothing that it links to."""
    shelves = shelves_of(registry)
    for shelf in shelves:
        sources = cache(partial(sources_of, registry, shelf.name))
        for one, other in shelf.written_pairs():
            yield f"{shelf.name}/{one}-{other}.html", _compared(shelf, one, other, sources)
        for number in shelf.manifests:
            yield f"{shelf.name}/{number}.html", _version(registry, shelf, number)
        yield f"{shelf.name}/{INDEX}", model_page(shelf)
    yield INDEX, index_page(registry.location, shelves)


def page_at(registry: Registry, path: str) -> str | None:
    """The page at a path as `files` names it, made anew; None where there is none."""
    if path == INDEX:
        return index_page(registry.location, [Shelf(page, {}) for page in registry.pages()])
    found = _PATH.fullmatch(path)
    if found is None:
        return None
    try:
        shelf = shelf_of(registry, found["model"])
    except (NotFoundError, InvalidNameError):
        return None
    return _page_of(registry, shelf, *versions_of(path))


def versions_of(path: str) -> tuple[int, ...]:
    """The versions that the page at a path is about, by its name; none where it is a model's, or no page."""
    found = _PATH.fullmatch(path)
    return tuple(int(number) for number in found.group("one", "other") if number) if found else ()


def _page_of(registry: Registry, shelf: Shelf, one: int | None = None, other: int | None = None) -> str | None:
    """The page of a model, of a version or of two; None where it does not have them."""
    if one is None:
        return model_page(shelf, comparable=sorted(shelf.manifests))
    if one not in shelf.manifests or other not in {None, *shelf.manifests}:
        return None
    return (
        _version(registry, shelf, one)
        if other is None
        else _compared(shelf, one, other, partial(sources_of, registry, shelf.name))
    )


def _version(registry: Registry, shelf: Shelf, number: int) -> str:
    def drawn() -> str:
        return version_page(shelf, number, report_of(registry, shelf.manifests[number]))

    return _or_why_not(drawn, shelf, f"{shelf.name}/{number}")


def _compared(shelf: Shelf, one: int, other: int, sources: Callable[[int], dict[str, str]]) -> str:
    def drawn() -> str:
        return comparison_page(shelf, one, other, (sources(one), sources(other)))

    return _or_why_not(drawn, shelf, f"{shelf.name} {one} → {other}")


def _or_why_not(drawn: Callable[[], str], shelf: Shelf, title: str) -> str:
    """A page, or one that says why it cannot be drawn: a version that is bad ends the pages of no other."""
    try:
        return drawn()
    except StorageError:
        raise
    except RegistryError as error:
        said = str(error)
    except Exception as error:  # noqa: BLE001  # of whatever publishers wrote that no check has foreseen
        said = f"{title} cannot be drawn ({type(error).__name__}: {error}): do not use it before you know why"
    return document(title, (INDEX, shelf.name), tag("p", said, class_="notice warn"))
