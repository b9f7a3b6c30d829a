"""The terminal: names from files cannot control it."""

import unicodedata
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text


class SafeConsole(Console):
    """Console that shows control characters, such as escape sequences in file names, instead of obeying them."""

    def render_str(self, text: str, **how: Any) -> Text:
        """Convert a string to rich text; see :meth:`rich.console.Console.render_str`."""
        return super().render_str(visible(text), **how)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render an object; see :meth:`rich.console.Console.render`."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)


def visible(text: str) -> str:
    r"""Return a text in which control characters are spelled out.

    Args:
        text: text of one or several lines.

    Example:
        >>> visible("photo\x1b[2J.jpg")
        'photo\\x1b[2J.jpg'
    """
    if text.isprintable():
        return text
    return "".join(c if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Cs") else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
