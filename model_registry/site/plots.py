"""A metric over versions as inline SVG: no library, no script, the numbers in its description."""

from collections.abc import Sequence

from model_registry.printable import figure
from model_registry.site.html import Html, tag

WIDTH, HEIGHT = 320, 120
_LEFT, _RIGHT, _TOP, _BOTTOM = 12, 12, 16, 24
_MARKED = 40
"""Versions of which each has its own point; of more a line is enough."""


def plot(name: str, values: Sequence[tuple[int, float]]) -> Html:
    """A line through a metric's values by version, in ascending order of at least one version."""
    numbers = [value for _, value in values]
    low, high = min(numbers), max(numbers)
    places = [
        (_LEFT + (WIDTH - _LEFT - _RIGHT) * share(index, 0, len(values) - 1), _height(value, low, high))
        for index, (_, value) in enumerate(values)
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    shown = places if len(places) <= _MARKED else places[-1:]
    points = [tag("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=3) for x, y in shown]
    ends = [
        tag("text", f"{values[0][0]}", x=_LEFT, y=HEIGHT - 4),
        tag("text", f"{values[-1][0]}", x=WIDTH - _RIGHT, y=HEIGHT - 4, text_anchor="end"),
    ]
    said = ", ".join(f"version {version}: {figure(value)}" for version, value in values[-_MARKED:])
    drawing = tag(
        "svg",
        tag("polyline", points=line),
        *points,
        *ends,
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=f"{name} by version: {said}",
    )
    range_ = figure(low) if low == high else f"{figure(low)} to {figure(high)}"
    caption = tag("figcaption", tag("b", name), " ", tag("span", figure(numbers[-1])), tag("small", range_))
    return tag("figure", caption, drawing)


def share(value: float, low: float, high: float) -> float:
    """Where a value lies between two others, from 0 to 1; in the middle where those are the same."""
    return 0.5 if low == high else (value - low) / (high - low)


def _height(value: float, low: float, high: float) -> float:
    return _TOP + (HEIGHT - _TOP - _BOTTOM) * (1 - share(value, low, high))
