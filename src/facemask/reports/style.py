"""Style of all figures: colour-blind-safe colours that also differ in grey, and axes without a frame."""

from matplotlib.axes import Axes

GREY, BLUE, ORANGE = "#8c8c8c", "#1f5fa8", "#c25b12"
SERIES = (BLUE, ORANGE, "#2f8f6b", "#8a3f86", "#a08a00", "#4a4a4a", "#5fa8d3", "#d68fb4")  # one per run or class
DASHES = ("-", "--", "-.", ":")


def plain(axes: Axes) -> None:
    """Style axes: a light grid and no frame."""
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def series(i: int) -> tuple[str, str]:
    """Return colour and dash of the i-th line."""
    return SERIES[i % len(SERIES)], DASHES[i // len(SERIES) % len(DASHES)]
