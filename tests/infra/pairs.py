"""Every pair of values in few rows: a covering array of strength two."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations

Row = dict[str, str]
Pair = frozenset[tuple[str, str]]


def covering_array(factors: Mapping[str, Sequence[str]], is_valid: Callable[[Row], bool]) -> list[Row]:
    """Rows in which each two values of different factors that can go together do so in one row at least.

    Greedy: a row begins with a pair that is still missing, and each further factor takes the valid value that brings
    most of the missing ones. The first value of a factor must be valid with every valid row.
    """
    rows: list[Row] = []
    missing = dict.fromkeys(pairs(factors))  # in the order of the factors: the same array each time
    while missing:
        first = next(iter(missing))
        row = _completed(dict(sorted(first)), factors, missing, is_valid)
        if row is not None:
            rows.append(row)
        for pair in [first, *(pairs_of(row) if row else ())]:
            missing.pop(pair, None)
    return rows


def pairs(factors: Mapping[str, Sequence[str]]) -> Iterator[Pair]:
    """Each two values of different factors."""
    for (one, values), (other, others) in combinations(factors.items(), 2):
        yield from (frozenset({(one, value), (other, another)}) for value in values for another in others)


def pairs_of(row: Row) -> Iterator[Pair]:
    """The pairs that a row has."""
    return (frozenset(pair) for pair in combinations(row.items(), 2))


def _completed(
    row: Row, factors: Mapping[str, Sequence[str]], missing: Mapping[Pair, None], is_valid: Callable[[Row], bool]
) -> Row | None:
    defaults = {name: values[0] for name, values in factors.items()}
    if not is_valid({**defaults, **row}):
        return None
    for name in factors:
        if name in row:
            continue
        valid = [value for value in factors[name] if is_valid({**defaults, **row, name: value})]
        row[name] = max(
            valid, key=lambda value: sum(frozenset({(name, value), item}) in missing for item in row.items())
        )  # called at once
    return {name: row[name] for name in factors}
