"""Names in any script can be read in figures and on frames."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from facemask.detection.drawing import LabelledBox, draw_boxes
from facemask.reports import style
from facemask.reports.sections import Drawing
from facemask.reports.style import use_letters


def titled(words: str) -> Figure:
    figure = Figure(layout="constrained")
    figure.subplots().set_title(words)
    return figure


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("mask", "mask"),
        ("\u043c\u0430\u0441\u043a\u0430", "\u043c\u0430\u0441\u043a\u0430"),  # Cyrillic is in every font
        ("\u6234\u53e3\u7f69 5\u201310", "DaiKouZhao 5-10"),
    ],
)
def test_letters_without_a_font_become_latin(monkeypatch: pytest.MonkeyPatch, words: str, shown: str) -> None:
    monkeypatch.setattr(style, "_eastern_font", lambda: "")
    figure = titled(words)
    use_letters(figure)
    assert figure.axes[0].get_title() == shown


def test_a_font_that_has_the_letters_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(style, "_eastern_font", lambda: "STIXGeneral")
    figure = titled("\u2a0b")  # a sign that only this font has
    use_letters(figure)
    assert figure.axes[0].get_title() == "\u2a0b"
    assert figure.axes[0].title.get_fontfamily() == ["DejaVu Sans", "STIXGeneral"]


@pytest.mark.filterwarnings("error:Glyph")
def test_no_drawing_lacks_letters() -> None:
    assert b"<svg" in Drawing("x", "", titled("\u6234\u53e3\u7f69")).svg


def test_labels_on_frames_are_latin() -> None:
    pictures = []
    for words in ("\u6234\u53e3\u7f69 0.9", "DaiKouZhao 0.9", "??? 0.9"):
        pictures.append(np.zeros((200, 300, 3), np.uint8))
        draw_boxes(pictures[-1], [LabelledBox(np.array([20, 60, 120, 160], np.float32), words, (0, 90, 0))])
    assert (pictures[0] == pictures[1]).all()
    assert (pictures[0] != pictures[2]).any()
