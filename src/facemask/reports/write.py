"""Write a report: HTML page, tables as CSV, figures as PNG and SVG, all values as JSON."""

import json
import shutil
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path

from facemask.files import open_atomically, to_csv, to_jsonable, write_atomically
from facemask.reports.page import render
from facemask.reports.sections import Section

PAGE, JSON, TABLES, FIGURES = "report.html", "report.json", "tables", "figures"


def write_report(
    folder: Path, title: str, lead: Sequence[str], sections: Sequence[Section], facts: Mapping[str, object]
) -> None:
    """Write ``report.html``, ``report.json``, ``tables/*.csv`` and ``figures/*.{png,svg}``.

    The page is written last, so a report with a page is complete.

    Args:
        folder: output folder; created if missing.
        title: title of the page.
        lead: sentences under the title.
        sections: what is reported; the JSON file holds their tables by section and table.
        facts: what else the JSON file says, as plain types.
    """
    (folder / PAGE).unlink(missing_ok=True)
    for name in (TABLES, FIGURES):  # of a report that was here before, which may show what this one does not
        shutil.rmtree(folder / name, ignore_errors=True)
    numbers: dict[str, dict[str, list[dict[Hashable, object]]]] = {}
    for section in sections:
        for table in section.tables:
            file = folder / TABLES / f"{table.key}.csv"
            file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(file, to_csv(table.rows))
            numbers.setdefault(section.key, {})[table.key] = table.rows.to_dict(orient="records")
        for drawing in section.drawings:
            for kind, content in (("png", drawing.png), ("svg", drawing.svg)):
                file = folder / FIGURES / f"{drawing.key}.{kind}"
                file.parent.mkdir(parents=True, exist_ok=True)
                with open_atomically(file) as stream:
                    stream.write(content)
    write_atomically(folder / JSON, json.dumps(to_jsonable({**facts, "tables": numbers}), indent=2) + "\n")
    write_atomically(folder / PAGE, render(title, lead, sections))
