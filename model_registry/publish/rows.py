"""Rows on which a converted model is compared with its estimator, made from what the estimator itself has learnt.

Three kinds, as each finds what the others miss: rows that the caller gave, rows uniform in the range of the features,
and rows at the edges of a tree's thresholds, where a rounded number falls on the other side. Texts are composed from
the vocabulary and from words that tokenizers disagree about.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from model_registry.publish import boosting
from model_runtime.manifest import Feature, Signature
from model_runtime.schema import Row

UNIFORM_ROWS = 10_000
"""At least this many are compared, whatever was given."""

_MOST_GIVEN = 20_000
_MOST_SPLITS = 5_000  # each gives six rows
_MOST_VALUES = 200  # of one string feature
_MARGIN = 0.1  # of the range, on either side
_MISSING = 0.1  # of the values, where they may be missing
_UNKNOWN = "a value that no training row had"

# Accents, other scripts, digits, underscores, one letter, what lower case makes longer: tokenizers differ in these.
_ODD_WORDS = (
    "café",
    "naïve",
    "Über",
    "x1",
    "a",
    "I",
    "42",
    "cat_dog",
    "don't",
    "日本語",
    "straße",
    "İstanbul",
    "e\u0301te\u0301",
)
_SEPARATORS = (" ", " ", " ", ", ", "-", "\n", "\t", "  ", "...", " \u2019", "/", "\u00a0")


def replay_rows(estimator: Any, signature: Signature, given: Sequence[Row], *, seed: int = 0) -> list[Row]:
    """At least 10,000 rows: those given, uniform ones and edges of thresholds, then a few that a model may refuse.

    `given` has at least one row. The same seed gives the same rows.
    """
    rng = np.random.default_rng(seed)
    if len(given) > _MOST_GIVEN:
        given = [given[index] for index in rng.choice(len(given), _MOST_GIVEN, replace=False)]
    if signature.container == "list" and signature.features[0].type == "string":
        return [*given, *_texts(estimator, [row[0] for row in given], rng)]
    thresholds = dict(_splits_of_inputs(estimator))
    pools = [
        _pool(feature, [row[index] for row in given if row[index] is not None], thresholds.get(index, ()), estimator)
        for index, feature in enumerate(signature.features)
    ]
    columns = [_column(feature, pool, rng) for feature, pool in zip(signature.features, pools, strict=True)]
    uniform = list(zip(*columns, strict=True))
    base = [*given, *uniform]
    return [*base, *_edges(signature.features, thresholds, base, rng), *_odd(signature.features, given[0])]


def walk(estimator: Any) -> Iterator[Any]:
    """An estimator and all that it consists of, each once."""
    todo, seen = [estimator], set()
    while todo:
        found = todo.pop()
        if id(found) in seen:
            continue
        seen.add(id(found))
        if isinstance(found, dict):
            todo += found.values()
        elif isinstance(found, list | tuple) or (isinstance(found, np.ndarray) and found.dtype == object):
            todo += list(np.asarray(found, dtype=object).ravel()) if isinstance(found, np.ndarray) else found
        elif hasattr(found, "get_params") and not isinstance(found, type):
            yield found
            todo += vars(found).values()


def _splits_of_inputs(estimator: Any) -> Iterator[tuple[int, Any]]:
    """Thresholds by the number of the input that they are compared with, where nothing comes before the trees."""
    if isinstance(estimator, Pipeline):
        steps = [step for _, step in estimator.steps if step not in (None, "passthrough")]
        if len(steps) != 1:
            return
        estimator = steps[0]
    found: dict[int, list[Any]] = {}
    for feature, threshold in splits(estimator):
        found.setdefault(feature, []).append(threshold)
    yield from ((feature, np.unique(thresholds)) for feature, thresholds in found.items())


def splits(estimator: Any) -> Iterator[tuple[int, float]]:
    """The number of a feature and a threshold, for each inner node of each tree in an estimator."""
    for part in walk(estimator):
        if hasattr(part, "tree_"):
            inner = part.tree_.feature >= 0
            yield from zip(part.tree_.feature[inner].tolist(), part.tree_.threshold[inner].tolist(), strict=True)
        for predictors in getattr(part, "_predictors", ()):
            for predictor in predictors:
                nodes = predictor.nodes[predictor.nodes["is_leaf"] == 0]
                yield from zip(nodes["feature_idx"].tolist(), nodes["num_threshold"].tolist(), strict=True)
        yield from boosting.thresholds(part)


def _pool(feature: Feature, values: Sequence[Any], thresholds: Sequence[float], estimator: Any) -> Sequence[Any]:
    """The values of a string feature, or the ends of a number's range."""
    if feature.type == "boolean":
        return (False, True)
    if feature.type == "string":
        return list(dict.fromkeys([*values, *_categories(estimator)]))[:_MOST_VALUES]
    known = [*values, *thresholds] or [0.0]
    low, high = float(min(known)), float(max(known))
    margin = _MARGIN * (high - low) or max(1.0, abs(low))
    return (low - margin, high + margin)


def _categories(estimator: Any) -> list[str]:
    pooled = (list(array) for part in walk(estimator) for array in getattr(part, "categories_", ()))
    return [value for array in pooled for value in array if isinstance(value, str)]


def _column(feature: Feature, pool: Sequence[Any], rng: np.random.Generator) -> list[Any]:
    if feature.type in {"boolean", "string"}:
        values = [pool[index] for index in rng.integers(len(pool), size=UNIFORM_ROWS)]
    elif feature.type == "integer":
        values = rng.integers(int(np.floor(pool[0])), int(np.ceil(pool[1])) + 1, size=UNIFORM_ROWS).tolist()
    else:
        values = rng.uniform(pool[0], pool[1], size=UNIFORM_ROWS).tolist()
    if feature.nullable:
        missing = rng.random(UNIFORM_ROWS) < _MISSING
        values = [None if gone else value for gone, value in zip(missing, values, strict=True)]
    return values


def _edges(
    features: Sequence[Feature], thresholds: dict[int, Any], base: Sequence[Row], rng: np.random.Generator
) -> Iterator[Row]:
    """Each threshold, the numbers next to it, and the same in float32, in rows that are taken from `base`."""
    pairs = [(index, float(split)) for index in sorted(thresholds) for split in thresholds[index]]
    if len(pairs) > _MOST_SPLITS:
        pairs = [pairs[number] for number in rng.choice(len(pairs), _MOST_SPLITS, replace=False)]
    for index, split in pairs:
        for value in dict.fromkeys(_around(split)):
            row = list(base[int(rng.integers(len(base)))])
            if features[index].type == "number":
                row[index] = value
            elif features[index].type == "integer":
                row[index] = int(np.floor(value)) + int(rng.integers(2))
            else:
                continue
            yield tuple(row)


def _around(split: float) -> Iterator[float]:
    with np.errstate(over="ignore", under="ignore"):
        for kind in (np.float64, np.float32):
            number = kind(split)
            for near in (number, np.nextafter(number, kind(-np.inf)), np.nextafter(number, kind(np.inf))):
                if np.isfinite(near):
                    yield float(near)


def _odd(features: Sequence[Feature], row: Row) -> Iterator[Row]:
    """What an estimator may refuse, one value at a time: its conversion must refuse the same."""
    for index, feature in enumerate(features):
        odd: list[Any] = [_UNKNOWN] if feature.type == "string" else []
        if feature.nullable:
            odd.append(None)
        yield from ((*row[:index], value, *row[index + 1 :]) for value in odd)


def _texts(estimator: Any, given: Sequence[str], rng: np.random.Generator) -> Iterator[Row]:
    vocabulary = [word for part in walk(estimator) for word in getattr(part, "vocabulary_", ())]
    words = sorted({word for text in (*given, *vocabulary) for word in text.split()}) or ["word"]
    yield ("",)
    for _ in range(UNIFORM_ROWS):
        count = int(rng.integers(1, 15))
        chosen = [words[index] for index in rng.integers(len(words), size=count)]
        if rng.random() < 1 / 3:
            chosen[int(rng.integers(count))] = _ODD_WORDS[int(rng.integers(len(_ODD_WORDS)))]
        cased = [word.upper() if rng.random() < _MARGIN else word for word in chosen]
        gaps = [_SEPARATORS[index] for index in rng.integers(len(_SEPARATORS), size=count)]
        yield ("".join(part for pair in zip(cased, gaps, strict=True) for part in pair),)
