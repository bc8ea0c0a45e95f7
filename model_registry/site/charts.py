"""Lines, bars and histograms as inline SVG: no library, no script, and what they show in words beside them."""

from collections.abc import Sequence
from dataclasses import dataclass

from model_registry.report.figures import Histogram
from model_registry.report.times import time_at
from model_registry.site.html import Content, Html, tag
from model_registry.site.plots import share

_WIDTH, _HEIGHT = 260, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 10, 10, 36


@dataclass(frozen=True)
class Axis:
    """What an axis shows, from which number to which."""

    name: str
    low: float = 0.0
    high: float = 1.0


def figure(caption: str, value: str, drawing: Html, note: str = "") -> Html:
    """A drawing with its name and the number that it comes down to."""
    said: list[Content] = [tag("b", caption), " ", tag("span", value) if value else None]
    return tag("figure", tag("figcaption", *said, tag("small", note) if note else None), drawing)


def line(
    x: Sequence[float],
    y: Sequence[float],
    across: Axis,
    up: Axis,
    *,
    said: str,
    diagonal: bool = False,
    marked: bool = False,
) -> Html:
    """A line in a frame, with its points `marked`.

    `diagonal` draws where both axes are equal, `said` is what is seen, in words.
    """
    points = [(_x(one, across), _y(two, up)) for one, two in zip(x, y, strict=True)]
    guide = (
        tag("line", x1=_x(across.low, across), y1=_y(up.low, up), x2=_x(across.high, across), y2=_y(up.high, up))
        if diagonal
        else None
    )
    marks = [tag("circle", cx=f"{a:.1f}", cy=f"{b:.1f}", r=2.5) for a, b in points] if marked else []
    return tag(
        "svg",
        *_frame(across, up),
        guide,
        tag("polyline", points=" ".join(f"{a:.1f},{b:.1f}" for a, b in points)),
        *marks,
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img",
        aria_label=said,
        class_="chart",
    )


def bars(histogram: Histogram, *, said: str) -> Html:
    """How many rows lie in each bin: the area of a bar is its share of them, as bins differ in width."""
    edges, counts = histogram.edges, histogram.counts
    heights = [count / (b - a) for count, a, b in zip(counts, edges, edges[1:], strict=False)]
    top, base, width = max(heights, default=1.0) or 1.0, 80, _WIDTH
    drawn = []
    for count, height, left, right in zip(counts, heights, edges, edges[1:], strict=False):
        x1, x2 = (width * share(edge, edges[0], edges[-1]) for edge in (left, right))
        tall = (base - 4) * height / top
        told = tag("title", f"{edge_of(histogram, left)} to {edge_of(histogram, right)}: {count:,} rows")
        drawn.append(
            tag(
                "rect",
                told,
                x=f"{x1:.1f}",
                y=f"{base - tall:.1f}",
                width=f"{max(x2 - x1 - 1, 0.5):.1f}",
                height=f"{tall:.1f}",
            )
        )
    ends = [
        tag("text", edge_of(histogram, edges[0]), x=0, y=base + 15),
        tag("text", edge_of(histogram, edges[-1]), x=width, y=base + 15, text_anchor="end"),
    ]
    ground = tag("path", d=f"M0 {base}H{width}")
    return tag(
        "svg", *drawn, ground, *ends, viewBox=f"0 0 {width} {base + 20}", role="img", aria_label=said, class_="chart"
    )


def bar(part: float) -> Html:
    """A bar for a part of the whole, beside a number that says the same."""
    return tag(
        "svg",
        tag("rect", x=0, y=0, width=f"{100 * min(max(part, 0.0), 1.0):.1f}", height=4),
        viewBox="0 0 100 4",
        preserveAspectRatio="none",
        aria_hidden="true",
        class_="bar",
    )


def edge_of(histogram: Histogram, edge: float) -> str:
    """An edge as a number, or as the time that it is."""
    return time_at(edge, histogram.of) or number(edge)


def number(value: float) -> str:
    """A number in a few digits, whole ones up to a million as they are."""
    return f"{value:.0f}" if value == int(value) and abs(value) < 1e6 else f"{value:.4g}"  # noqa: PLR2004  # a million


def _x(value: float, axis: Axis) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * share(value, axis.low, axis.high)


def _y(value: float, axis: Axis) -> float:
    return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - share(value, axis.low, axis.high))


def _frame(across: Axis, up: Axis) -> list[Html]:
    bottom, left = _HEIGHT - _BOTTOM, _LEFT
    return [
        tag("path", d=f"M{left} {_TOP}V{bottom}H{_WIDTH - _RIGHT}"),
        tag("text", number(up.low), x=left - 5, y=bottom, text_anchor="end"),
        tag("text", number(up.high), x=left - 5, y=_TOP + 8, text_anchor="end"),
        tag("text", number(across.low), x=left, y=bottom + 14),
        tag("text", number(across.high), x=_WIDTH - _RIGHT, y=bottom + 14, text_anchor="end"),
        tag("text", across.name, x=(left + _WIDTH - _RIGHT) / 2, y=bottom + 29, text_anchor="middle"),
        tag(
            "text",
            up.name,
            x=-(_TOP + bottom) / 2,
            y=12,
            text_anchor="middle",
            transform="rotate(-90)",
        ),
    ]
