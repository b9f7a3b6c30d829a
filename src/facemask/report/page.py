"""A report as one HTML page that loads nothing from anywhere: ``page.html`` filled in."""

import base64
import io
from collections.abc import Sequence
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from matplotlib.figure import Figure

from facemask.report.sections import Drawing, Section, to_cells, word_columns


def render(title: str, lead: Sequence[str], sections: Sequence[Section]) -> str:
    """Return the page.

    Args:
        title: of the page.
        lead: sentences under the title, the first of them emphasised.
        sections: in order; several get a list of links.
    """
    return _template().render(title=title, lead=lead, sections=sections)


def render_figure(figure: Figure, kind: str) -> bytes:
    """Return a figure as ``svg`` or ``png``, the same bytes for the same figure."""
    stream = io.BytesIO()
    figure.savefig(stream, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else None)
    return stream.getvalue()


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("facemask.report", ""), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.globals |= {"to_cells": to_cells, "word_columns": word_columns, "zip": zip}
    environment.globals |= {"to_data_uri": _to_data_uri, "width": _width}
    return environment.get_template("page.html")


def _width(drawing: Drawing) -> int:
    """Return the pixels that a figure was drawn for, at 96 an inch."""
    return round(float(drawing.figure.get_figwidth()) * 96)


def _to_data_uri(drawing: Drawing) -> str:
    kind, mime = ("png", "image/png") if drawing.is_photo else ("svg", "image/svg+xml")
    return f"data:{mime};base64,{base64.b64encode(render_figure(drawing.figure, kind)).decode()}"
