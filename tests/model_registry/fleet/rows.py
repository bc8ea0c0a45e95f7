"""Small tables that every estimator can be fitted on, each with rows that publishing never sees."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

Form = Literal["array", "frame", "array with gaps", "frame with gaps", "pipeline"]
FORMS: tuple[Form, ...] = ("array", "frame", "array with gaps", "frame with gaps", "pipeline")

_ROWS = 36
_EXAMPLES = 4
_HELD_OUT = 7
_NAMES = ("area", "rooms", "build year", "rent")


@dataclass(frozen=True)
class Rows:
    """What an estimator is fitted on, what its owner publishes with, and rows that come with requests later."""

    X: Any
    classes: Any
    numbers: Any

    @property
    def examples(self) -> Any:
        return self.X[:_EXAMPLES]

    @property
    def training(self) -> Any:
        return self.X[_EXAMPLES:-_HELD_OUT]

    @property
    def later(self) -> Any:
        return self.X[-_HELD_OUT:]


def rows_of(form: Form) -> Rows:
    """Rows of a form: numbers from 0 to 1; three classes for arrays, two with names for frames."""
    rng = np.random.default_rng(7)
    classes = np.arange(_ROWS) % 3
    X = rng.uniform(0.05, 0.4, size=(_ROWS, len(_NAMES))) + 0.2 * classes[:, None]
    numbers = X @ [1.0, 2.0, 0.5, 1.5] + rng.uniform(0.1, 0.2, size=_ROWS)
    if form.endswith("gaps"):
        X[::5, 1] = np.nan
        X[2::7, 3] = np.nan
    if form.startswith("array"):
        return Rows(X, classes, numbers)
    frame = pd.DataFrame(X, columns=_NAMES)
    named = np.array(["no", "yes", "yes"])[classes]
    if form == "pipeline":
        frame = _mixed(frame, rng)
    return Rows(frame, named, numbers)


def _mixed(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Text with gaps, as `read_csv` gives it, whole numbers, numbers with gaps."""
    district = pd.Series(rng.choice(["north", "south", "east"], _ROWS), dtype="object").astype(pd.Series([""]).dtype)
    district[1::6] = np.nan
    frame["district"] = district
    frame["build year"] = rng.integers(1950, 2025, _ROWS)
    frame.loc[::5, "rooms"] = np.nan
    return frame[["district", *_NAMES]]


def texts() -> Rows:
    """A text a row."""
    words = ["good", "bad", "fair", "never again", "again and again"]
    X = [f"{words[i % 5]} {words[(i * i) % 5]} place" for i in range(_ROWS)]
    return Rows(X, np.arange(_ROWS) % 2, np.arange(_ROWS) * 0.1)


def objects() -> Rows:
    """A mapping a row, as a DictVectorizer takes it."""
    X = [{"city": f"c{i % 3}", "size": i * 0.5} for i in range(_ROWS)]
    return Rows(X, np.arange(_ROWS) % 2, np.arange(_ROWS) * 0.1)


def one_column(form: Form) -> Rows:
    """Rows with one feature only."""
    rows = rows_of(form)
    return Rows(rows.X.iloc[:, :1] if hasattr(rows.X, "iloc") else rows.X[:, :1], rows.classes, rows.numbers)


def kernel() -> Rows:
    """A column for each row: how alike the two are."""
    rows = rows_of("array")
    distances = ((rows.X[:, None] - rows.X[None]) ** 2).sum(axis=2)
    return Rows(np.exp(-distances), rows.classes, rows.numbers)
