"""Which comparisons have a page where the pages are written beforehand."""

from model_registry.site.shelf import LAST, Shelf
from model_registry.summary import ListedVersion, Page
from tests.model_registry.made import made


def shelf(count: int, tags: dict[str, int]) -> Shelf:
    versions = [ListedVersion(number, made(number), "", is_deprecated=False) for number in range(1, count + 1)]
    return Shelf(Page("iris", tuple(versions), tags, {}), {})


def test_any_two_of_the_last_and_the_tagged_versions_are_compared_and_each_with_the_one_before() -> None:
    pairs = shelf(LAST, {"prod": 3, "dev": 49}).written_pairs()
    comparable = [3, *range(41, 51)]
    assert shelf(LAST, {"prod": 3, "dev": 49}).comparable == comparable
    assert {(one, other) for one in comparable for other in comparable if one < other} <= set(pairs)
    assert {(number - 1, number) for number in range(2, 51)} <= set(pairs)
    assert len(pairs) == 55 + 49 - 9
    assert shelf(1, {"prod": 1}).written_pairs() == []
