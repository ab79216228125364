"""The loss curve as a picture, and the colours of all pictures."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any

from galvanic.fonts import drawable
from galvanic.results import CurvePoint, best_point

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Its own dark grey, so that it reads the same in Discord's light and dark themes.
BACKGROUND, GRID, TEXT, MUTED = "#2b2d31", "#43464d", "#f2f3f5", "#b5bac1"
_TRAINING, _HELDOUT, _BEST = "#8ea1ff", "#f0b232", "#57f287"
_BITS = 1 / math.log(2)
_DOTTED = 30
"""With fewer epochs each is marked."""


def loss_chart(curve: tuple[CurvePoint, ...], title: str) -> bytes:
    """PNG of 800 x 400 pixels: training and held-out loss over epochs, the best epoch marked.

    Args:
        curve: may be empty.
        title: shown as it is.
    """
    figure = new_figure(8, 4)
    axes = figure.add_subplot()
    draw_curve(axes, curve)
    # parse_math off: a dollar sign in a title is a dollar sign.
    axes.set_title(drawable(title), color=TEXT, fontsize=14, fontweight="bold", loc="left", parse_math=False)
    return to_png(figure)


def new_figure(width: float, height: float) -> Figure:
    """An empty picture of so many hundred pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=100, facecolor=BACKGROUND, layout="constrained")
    FigureCanvasAgg(figure)
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.12)  # type: ignore[union-attr, call-arg]  # the constrained one
    return figure


def to_png(figure: Figure) -> bytes:
    """The finished picture."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", facecolor=BACKGROUND)
    return buffer.getvalue()


def draw_curve(axes: Axes, curve: tuple[CurvePoint, ...]) -> None:
    """Training and held-out loss over epochs, in bits per character, the best epoch marked and named.

    Args:
        axes: to draw into.
        curve: may be empty.
    """
    from matplotlib.ticker import MaxNLocator

    axes.set_facecolor(BACKGROUND)
    epochs = [point.epoch for point in curve]
    marker = "o" if len(curve) < _DOTTED else None
    style: dict[str, Any] = {"marker": marker, "markersize": 4, "linewidth": 2.2}
    axes.plot(epochs, [point.train_loss * _BITS for point in curve], color=_TRAINING, label="its own text", **style)
    heldout = [point.heldout_loss * _BITS for point in curve if point.heldout_loss is not None]
    if curve and len(heldout) == len(curve):
        axes.plot(epochs, heldout, color=_HELDOUT, label="held-out text", **style)
    if curve:
        _mark_best(axes, curve)
        axes.legend(facecolor=BACKGROUND, edgecolor=GRID, labelcolor=TEXT, framealpha=0.85, fontsize=11)
    axes.set_xlabel("epoch", color=MUTED, fontsize=11)
    axes.set_ylabel("bits per character", color=MUTED, fontsize=11)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.tick_params(colors=MUTED, labelsize=10)
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(GRID)


def _mark_best(axes: Axes, curve: tuple[CurvePoint, ...]) -> None:
    best = best_point(curve)
    height = best.watched * _BITS
    label = f"best: {height:.2f} in epoch {best.epoch}"
    axes.axvline(best.epoch, color=_BEST, linewidth=1, linestyle=(0, (3, 4)), alpha=0.7, zorder=1)
    axes.plot(
        [best.epoch],
        [height],
        linestyle="none",
        marker="o",
        color=_BEST,
        markeredgecolor=BACKGROUND,
        markeredgewidth=1.5,
        markersize=11,
        label=label,
        zorder=5,
    )
