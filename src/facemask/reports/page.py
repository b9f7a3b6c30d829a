"""Render a report as one self-contained HTML page from ``page.html``."""

import base64
from collections.abc import Sequence
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from facemask.reports.sections import Drawing, Section, to_cells, word_columns


def render(title: str, lead: Sequence[str], sections: Sequence[Section]) -> str:
    """Return the page.

    Args:
        title: title of the page.
        lead: sentences below the title, the first emphasised.
        sections: sections; several get a table of contents.
    """
    return _template().render(title=title, lead=lead, sections=sections)


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("facemask.reports", ""), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.globals |= {"to_cells": to_cells, "word_columns": word_columns, "zip": zip}
    environment.globals |= {"to_data_uri": _to_data_uri, "width": _width}
    return environment.get_template("page.html")


def _width(drawing: Drawing) -> int:
    """Return the width of a figure in pixels at 96 dpi."""
    return round(float(drawing.figure.get_figwidth()) * 96)


def _to_data_uri(drawing: Drawing) -> str:
    mime, content = ("image/png", drawing.png) if drawing.is_photo else ("image/svg+xml", drawing.svg)
    return f"data:{mime};base64,{base64.b64encode(content).decode()}"
