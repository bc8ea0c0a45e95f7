"""Curves as pictures for the page, and as tables for those who want the numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, StrMethodFormatter

from benchmarks.environments import ROOT
from benchmarks.page import Goal, Table

IMAGES = ROOT / "docs" / "images"
# The same curves give the same file: no date, no random ids.
_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "sklearn-on-lambda",
    "svg.fonttype": "none",
    "font.size": 9,
    "axes.grid": True,
    "grid.alpha": 0.3,
}
_COLUMNS = 2
_WIDTH, _HEIGHT = 9.0, 3.2
"""Inches: the page's width, and a panel's height."""


@dataclass(frozen=True)
class Panel:
    """How something grows: values `y` by label over the common `x`; both axes are logarithmic."""

    title: str
    x_label: str
    y_label: str
    x: Sequence[float]
    y: Mapping[str, Sequence[float]]

    def table(self) -> Table:
        """The same as lines of a table."""
        head = [self.x_label, *(f"{label}, {self.y_label}" for label in self.y)]
        return [head, *([f"{x:,g}", *(_number(values[i]) for values in self.y.values())] for i, x in enumerate(self.x))]


def draw(panels: Sequence[Panel], name: str, folder: Path = IMAGES) -> None:
    """Write the panels as one SVG file below docs/images."""
    rows = -(-len(panels) // _COLUMNS)
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH, _HEIGHT * rows), layout="constrained")
        axes = list(figure.subplots(rows, _COLUMNS, squeeze=False).flat)
        for panel, ax in zip(panels, axes, strict=False):
            _draw_panel(panel, ax)
        for ax in axes[len(panels) :]:
            ax.axis("off")
        _save(figure, folder / name)


def draw_goals(goals: Sequence[Goal], name: str, folder: Path = IMAGES) -> None:
    """Write the goals that are ratios as bars, each as a part of its limit: left of the line is reached."""
    found = [(goal, goal.part) for goal in goals if goal.part is not None]
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH, 0.3 * len(found) + 0.8), layout="constrained")
        ax = figure.subplots()
        labels = [f"{goal.what}: {goal.found}, {goal.goal}" for goal, _ in found]
        colours = ["tab:green" if part <= 1 else "tab:red" for _, part in found]
        ax.barh(labels, [part for _, part in found], color=colours)
        ax.axvline(1, color="black", linewidth=1)
        ax.set_xscale("log")
        ax.set_xlim(left=min([0.1, *(part / 2 for _, part in found)]))
        ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        ax.invert_yaxis()
        ax.set_xlabel("found / goal, logarithmic: left of the line is reached")
        _save(figure, folder / name)


def _draw_panel(panel: Panel, ax: Axes) -> None:
    for label, values in panel.y.items():
        ax.plot(panel.x, values, marker="o", markersize=3, label=label)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    ax.set_xticks(panel.x, [f"{x:,g}" for x in panel.x])
    ax.minorticks_off()
    ax.set(title=panel.title, xlabel=panel.x_label, ylabel=panel.y_label)
    ax.legend(fontsize=7)


def _save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})


def _number(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}"  # noqa: PLR2004  # three digits are enough
