import pytest

from infra.versions import Published, Version


def made(*numbers: int, aliased: int, in_vpc: tuple[int, ...] = ()) -> Published:
    versions = tuple(Version(number, number in in_vpc) for number in numbers)
    return Published("iris", versions, frozenset({aliased}))


@pytest.mark.parametrize(
    ("numbers", "aliased", "keep", "gone"),
    [
        ((1, 2, 3, 4, 5), 5, 2, [1, 2, 3]),
        ((1, 2, 3), 3, 10, []),
        ((1, 2, 3, 4, 5), 2, 2, [3]),
        ((3, 7, 8, 9), 7, 2, []),
        ((5, 1, 4, 2, 3), 5, 2, [1, 2, 3]),
        ((1,), 1, 2, []),
    ],
)
def test_the_newest_stay_and_the_alias_with_the_one_before_it(
    numbers: tuple[int, ...], aliased: int, keep: int, gone: list[int]
) -> None:
    assert made(*numbers, aliased=aliased).to_delete(keep) == gone


def test_every_aliased_version_stays() -> None:
    """An alias of someone else's, or one with weights, points at more than one."""
    found = Published("iris", tuple(map(Version, range(1, 10))), frozenset({2, 6}))
    assert found.to_delete(2) == [3, 4, 7]


def test_interfaces_are_held_while_any_version_has_them() -> None:
    assert made(1, 2, aliased=2, in_vpc=(1,)).hold_interfaces
    assert not made(1, 2, aliased=2).hold_interfaces
    assert not Published().hold_interfaces
