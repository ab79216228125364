"""The loss curve as a picture."""

from __future__ import annotations

import io
from typing import Any

from worker.model.results import CurvePoint, best_point

# Its own dark grey, so that it reads the same in Discord's light and dark themes.
_BACKGROUND, _GRID, _TEXT = "#2b2d31", "#43464d", "#dbdee1"
_TRAINING, _HELDOUT, _BEST = "#8ea1e1", "#f0b232", "#57f287"


def loss_chart(curve: tuple[CurvePoint, ...], title: str) -> bytes:
    """PNG of 800 x 400 pixels: training and held-out loss over epochs, the best epoch marked.

    Args:
        curve: may be empty.
        title: shown as it is.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(8, 4), dpi=100, facecolor=_BACKGROUND, layout="constrained")
    axes = figure.add_subplot(facecolor=_BACKGROUND)
    epochs = [point.epoch for point in curve]
    marker = "o" if len(curve) < 30 else None
    style: dict[str, Any] = {"marker": marker, "markersize": 3.5, "linewidth": 2}
    axes.plot(epochs, [point.train_loss for point in curve], color=_TRAINING, label="training", **style)
    heldout = [point.heldout_loss for point in curve if point.heldout_loss is not None]
    if curve and len(heldout) == len(curve):
        axes.plot(epochs, heldout, color=_HELDOUT, label="held out", **style)
    if curve:
        best = best_point(curve)
        label = f"best: {best.watched:.3f} in epoch {best.epoch}"
        axes.plot([best.epoch], [best.watched], "o", color=_BEST, markersize=9, label=label, zorder=5)
        axes.legend(facecolor=_BACKGROUND, edgecolor=_GRID, labelcolor=_TEXT)
    # parse_math off: a dollar sign in a title is a dollar sign.
    axes.set_title(title, color=_TEXT, fontsize=13, parse_math=False)
    axes.set_xlabel("epoch", color=_TEXT)
    axes.set_ylabel("loss, nats per character", color=_TEXT)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.tick_params(colors=_TEXT)
    axes.grid(color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_color(_GRID)
    buffer = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(buffer, format="png", facecolor=_BACKGROUND)
    return buffer.getvalue()
