"""Sections of a report with text, tables and figures, from which all files are written."""

import io
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.figure import Figure

from facemask.reports.style import use_letters

LOW, HIGH = "_low", "_high"  # columns ``x``, ``x_low`` and ``x_high`` are a value and its interval


@dataclass(frozen=True)
class Table:
    """A table of the page, also saved as a file.

    Attributes:
        key: file name without suffix.
        caption: data, split and number of samples, unless the section states them.
        rows: values at full precision.
        wrapped: text columns that may wrap; ``command`` is shown as code.
        is_collapsed: whether the table is collapsed by default.
        at_most: maximum number of rows on the page; the file has all.
    """

    key: str
    caption: str
    rows: pd.DataFrame
    wrapped: Collection[str] = ()
    is_collapsed: bool = False
    at_most: int | None = None


@dataclass(frozen=True)
class Drawing:
    """A figure of the page, also saved as PNG and SVG.

    Attributes:
        key: file name without suffix.
        caption: caption.
        figure: the figure.
        is_photo: whether it contains photos, whose colours must not be inverted in dark mode.
    """

    key: str
    caption: str
    figure: Figure
    is_photo: bool = False

    @cached_property
    def svg(self) -> bytes:
        """The figure as deterministic SVG."""
        return self._render("svg", metadata={"Date": None})

    @cached_property
    def png(self) -> bytes:
        """The figure as PNG."""
        return self._render("png", dpi=150)

    def _render(self, kind: str, **options: Any) -> bytes:
        stream = io.BytesIO()
        use_letters(self.figure)
        if self.figure.get_layout_engine() is not None:  # it would arrange the figure again for each file
            self.figure.draw_without_rendering()
            self.figure.set_layout_engine("none")
        with rc_context({"svg.hashsalt": self.key}):
            self.figure.savefig(stream, format=kind, **options)
        return stream.getvalue()


@dataclass
class Section:
    """A section of a report.

    Attributes:
        key: anchor on the page.
        title: heading.
        notes: sentences before the tables and figures.
        tables: tables.
        drawings: figures.
    """

    key: str
    title: str
    notes: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    drawings: list[Drawing] = field(default_factory=list)


def to_cells(rows: pd.DataFrame, interval: str = " ({})") -> pd.DataFrame:
    """Return a table as rounded text, with each interval behind its value.

    Args:
        rows: the table.
        interval: what is written behind a value, with braces for its bounds.
    """
    shown = [c for c in rows if not any(_is_bound(str(c), end, rows) for end in (LOW, HIGH))]
    cells = pd.DataFrame(index=rows.index)
    for column in shown:
        words = [_to_words(value) for value in rows[column]]
        if _is_bound(f"{column}{LOW}", LOW, rows):
            bounds = zip(words, rows[f"{column}{LOW}"], rows[f"{column}{HIGH}"], strict=True)
            words = [word if pd.isna(low) else word + interval.format(_range(low, high)) for word, low, high in bounds]
        cells[title(column)] = words
    return cells


def title(column: object) -> str:
    """Return a column name as text; names with digits are not changed."""
    name = str(column)
    return name.replace("_", " ") if name.replace("_", "").isalpha() else name


def word_columns(rows: pd.DataFrame) -> set[str]:
    """Return the text columns by their names from :func:`to_cells`."""
    return {
        title(column)
        for column in rows
        if all(isinstance(value, str) and not value[:1].isdigit() for value in rows[column])
    }


def _is_bound(column: str, suffix: str, rows: pd.DataFrame) -> bool:
    name = column.removesuffix(suffix)
    return name != column and {name, f"{name}{LOW}", f"{name}{HIGH}"} <= set(rows)


def _range(low: float, high: float) -> str:
    return f"{low:.3f} to {high:.3f}" if low < 0 else f"{low:.3f}–{high:.3f}"


def _to_words(value: Any) -> str:
    """Return a number with four significant digits, or a dash for NaN."""
    if isinstance(value, str | bool | np.bool_):
        return value if isinstance(value, str) else "yes" if value else "no"
    if pd.isna(value):
        return "–"
    if isinstance(value, int | np.integer):
        return f"{value:,}"
    for at_least, pattern in ((1e3, ",.0f"), (1e2, ".1f"), (1e1, ".2f"), (1e-3, ".4f")):
        if abs(value) >= at_least:
            return f"{value:{pattern}}"
    return "0" if value == 0 else f"{value:.1e}"
