"""Times as histograms count them, in months, days, hours or minutes since 1970, and as people write them. Pure."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from model_registry.report.figures import Of

_START = datetime(1970, 1, 1, tzinfo=UTC)
_MONTHS = 12
_FORMS: Mapping[Of, str] = {"days": "%Y-%m-%d", "hours": "%Y-%m-%d %H:%M", "minutes": "%Y-%m-%d %H:%M"}

STEPS: tuple[tuple[timedelta, Of, int | None], ...] = (
    (timedelta(minutes=1), "minutes", 1),
    (timedelta(minutes=2), "minutes", 2),
    (timedelta(minutes=5), "minutes", 5),
    (timedelta(minutes=15), "minutes", 15),
    (timedelta(hours=1), "hours", 1),
    (timedelta(hours=3), "hours", 3),
    (timedelta(hours=6), "hours", 6),
    (timedelta(days=1), "days", 1),
    (timedelta(days=3), "days", 3),
    (timedelta(days=10), "days", 10),
    (timedelta(days=31), "months", 1),
    (timedelta(days=92), "months", 3),
    (timedelta(days=183), "months", 6),
    (timedelta(days=366), "years", None),
)
"""How wide a bin of times may be, as a unit and a number of these, which of years may be any."""

NUMBERS: Mapping[Of, Callable[[datetime], int]] = {
    "years": lambda time: time.year,
    "months": lambda time: (time.year - _START.year) * _MONTHS + time.month - 1,
    "days": lambda time: (time - _START) // timedelta(days=1),
    "hours": lambda time: (time - _START) // timedelta(hours=1),
    "minutes": lambda time: (time - _START) // timedelta(minutes=1),
}
"""The number of a time in UTC, by its unit."""


def time_at(edge: float, of: Of) -> str | None:
    """The edge of a histogram as a date, with hours and minutes where it counts such; None where it is a number."""
    try:
        if of == "months":
            year, month = divmod(int(edge), _MONTHS)
            return f"{datetime(_START.year + year, month + 1, 1, tzinfo=UTC):%Y-%m}"
        return f"{_START + timedelta(**{of: edge}):{_FORMS[of]}}" if of in _FORMS else None
    except (OverflowError, ValueError):  # beyond what dates there are
        return None
