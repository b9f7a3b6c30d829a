"""Page, tables and JSON file of a report agree, and the page needs no other file."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from facemask.reports.page import render
from facemask.reports.sections import Drawing, Section, Table, to_cells, word_columns
from facemask.reports.write import write_report


def drawing(key: str = "line", **options: bool) -> Drawing:
    figure = Figure(figsize=(2, 1))
    figure.subplots().plot([0, 1], [1, 0])
    return Drawing(key, "A <falling> line.", figure, **options)


def test_numbers_are_rounded_for_the_eye_and_intervals_stand_beside_them() -> None:
    rows = pd.DataFrame(
        {
            "name": ["a_b", "c"],
            "score_of_it": [0.98765, np.nan],
            "score_of_it_low": [0.9, np.nan],
            "score_of_it_high": [1.0, np.nan],
            "gain": [-0.01, 0.02],
            "gain_low": [-0.02, 0.01],
            "gain_high": [0.005, 0.03],
            "n": [1234567, 0],
            "ms": [1234.5, 0.00001],
            "mobilenetv2_100": [True, False],
        }
    )
    cells = to_cells(rows)
    assert list(cells) == ["name", "score of it", "gain", "n", "ms", "mobilenetv2_100"]
    assert cells.iloc[0].tolist() == [
        "a_b",
        "0.9877 (0.900–1.000)",
        "-0.0100 (-0.020 to 0.005)",
        "1,234,567",
        "1,234",
        "yes",
    ]
    assert cells.iloc[1].tolist() == ["c", "–", "0.0200 (0.010–0.030)", "0", "1.0e-05", "no"]
    assert word_columns(rows) == {"name"}


def test_the_page_escapes_html_and_loads_nothing() -> None:
    table = Table("t", "Files <of> mine", pd.DataFrame({"file": ["<script>alert(1)</script>", "b"]}), at_most=1)
    sections = [Section("one", "One & all", ["x < y"], [table], [drawing()]), Section("two", "Two")]
    page = render("Title <b>", ["Lead"], sections)
    assert "<script>" not in page
    assert "One &amp; all" in page
    assert "The first 1 of 2; all are in tables/t.csv." in page
    assert re.findall(r'(?:src|href)="([^"]{0,12})', page) == ["data:,", "#one", "#two", "data:image/s"]
    assert page == render("Title <b>", ["Lead"], sections)  # the same bytes, drawn again or not


def test_json_csv_and_page_hold_the_same_figures(tmp_path: Path) -> None:
    rows = pd.DataFrame({"name": ["a", "b"], "value": [1 / 3, np.nan], "n": [1, 2]})
    write_report(tmp_path / "new", "T", ["L"], [Section("one", "One", tables=[Table("t", "", rows)])], {"fact": 1})
    content = json.loads((tmp_path / "new/report.json").read_text())
    assert content == {
        "fact": 1,
        "tables": {"one": {"t": [{"name": "a", "value": 1 / 3, "n": 1}, {"name": "b", "value": None, "n": 2}]}},
    }
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "new/tables/t.csv"), rows)
    assert "0.3333" in (tmp_path / "new/report.html").read_text()
    assert not list((tmp_path / "new").rglob("*.partial"))
