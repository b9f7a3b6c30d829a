"""Style of all figures: colour-blind-safe colours that also differ in grey, plain axes, and letters of any script."""

from functools import cache

from anyascii import anyascii
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font
from matplotlib.text import Text

GREY, BLUE, ORANGE = "#8c8c8c", "#1f5fa8", "#c25b12"
SERIES = (BLUE, ORANGE, "#2f8f6b", "#8a3f86", "#a08a00", "#4a4a4a", "#5fa8d3", "#d68fb4")  # one per run or class
DASHES = ("-", "--", "-.", ":")
# Fonts of the usual systems with the letters of East Asia, which the font of matplotlib lacks.
EASTERN = (
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "Source Han Sans SC", "WenQuanYi Micro Hei"),
    *("PingFang SC", "Hiragino Sans GB", "Microsoft YaHei", "SimHei", "Arial Unicode MS"),
)


def plain(axes: Axes) -> None:
    """Style axes: a light grid and no frame."""
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def series(i: int) -> tuple[str, str]:
    """Return colour and dash of the i-th line."""
    return SERIES[i % len(SERIES)], DASHES[i // len(SERIES) % len(DASHES)]


def use_letters(figure: Figure) -> None:
    """Give every text of a figure a font that has its letters; without one, write it in Latin letters."""
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        words = text.get_text()
        if words.isascii() or _has_letters(words, "DejaVu Sans"):
            continue
        font = _eastern_font()
        if font and all(_has_letters(letter, "DejaVu Sans") or _has_letters(letter, font) for letter in words):
            text.set_fontfamily(["DejaVu Sans", font])
        else:
            text.set_text(anyascii(words))


@cache
def _eastern_font() -> str:
    installed = {font.name for font in fontManager.ttflist}
    return next((name for name in EASTERN if name in installed), "")


def _has_letters(words: str, name: str) -> bool:
    font = get_font(findfont(FontProperties(family=name)))
    return all(letter.isspace() or font.get_char_index(ord(letter)) for letter in words)
