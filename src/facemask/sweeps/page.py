"""Write a summary as CSV, Markdown and a self-contained HTML page."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

import pandas as pd
from filelock import FileLock

from facemask.errors import RunError
from facemask.files import to_csv, write_atomically
from facemask.reports.page import render
from facemask.reports.run import METRIC_COLUMNS
from facemask.reports.sections import Drawing, Section, Table
from facemask.runs.results import Spread
from facemask.sweeps.configurations import runs_below
from facemask.sweeps.figures import draw_boxes, draw_curves, draw_heat_map
from facemask.sweeps.ranking import Summary, summarise


def rebuild(folder: Path) -> Summary:
    """Write ``summary.csv``, ``summary.md`` and ``summary.html`` of the runs below a folder; return the summary.

    Concurrent processes take turns.

    Raises:
        RunError: there are no runs, or they cannot be compared; an outdated summary is deleted.
    """
    csv, markdown, html = (folder / f"summary.{suffix}" for suffix in ("csv", "md", "html"))
    with FileLock(folder / ".summary.lock"):
        try:
            summary = summarise(folder)
        except RunError:
            if any(runs_below(folder)):  # else the files are somebody else's
                for outdated in (csv, markdown, html):
                    outdated.unlink(missing_ok=True)
            raise
        write_atomically(csv, to_csv(to_table(summary)))
        write_atomically(markdown, to_markdown(summary))
        write_atomically(html, to_html(summary))
    return summary


def to_table(summary: Summary) -> pd.DataFrame:
    """Return one row per configuration, numbers at full precision."""
    rows = []
    for c in summary.configurations:
        values = c.values
        row: dict[str, object] = {"rank": c.rank, "configuration": c.label, "model": c.model}
        row |= {key: values.get(key) for key in summary.varied}
        row |= {"folds": len(c.folds), "of": len(summary.asked), "monitor": summary.monitor}
        if c.folds:
            spreads = {"score": c.spread()} | {name: c.metric(name) for name in METRIC_COLUMNS}
            for name, spread in spreads.items():
                row |= {f"{name}_mean": spread.mean, f"{name}_std": spread.std}
            row |= {
                "best_epochs": " ".join(str(c.folds[fold].best_epoch) for fold in sorted(c.folds)),
                "seconds": c.seconds,
                "parameters": c.parameters,
                "peak_memory_bytes": c.peak_memory,
            }
        rows.append(row | {"problems": " | ".join(c.problems), "command": c.command})
    table = pd.DataFrame(rows)
    table["rank"] = table["rank"].astype("Int64")
    return table


def to_markdown(summary: Summary) -> str:
    """Return the ranking, its verdict and the failures as Markdown."""
    header, rows = cells(summary)
    lines = [_row(header), _row(["---"] * len(header)), *map(_row, rows)]
    failed = [f"- {escape(label, quote=False)}: {escape(problem, quote=False)}" for label, problem in summary.problems]
    parts = [
        escape(caption(summary), quote=False),
        "\n".join(lines),
        escape(summary.verdict, quote=False),
        "\n".join(["Not complete:", *failed]) if failed else "",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def to_html(summary: Summary) -> str:
    """Return a self-contained page with the ranking, its figures, the failures and the commands."""
    header, rows = cells(summary)
    ranking = Table("ranking", "", pd.DataFrame(rows, columns=header), wrapped={"configuration"})
    sections = [Section("ranking", "Ranking", tables=[ranking])]
    sections += [Section(drawing.key, drawing.caption, drawings=[drawing]) for drawing in pictures(summary)]
    commands = [(c.label, c.command) for c in summary.configurations if c.command]
    for key, title, words, column in (
        ("not-complete", "Not complete", summary.problems, "reason"),
        ("commands", "Commands", commands, "command"),
    ):
        if words:
            table = Table(key, "", pd.DataFrame(words, columns=["configuration", column]), {"configuration", column})
            sections.append(Section(key, title, tables=[table]))
    return render(summary.title, [summary.verdict, caption(summary)], sections)


def pictures(summary: Summary) -> list[Drawing]:
    """Return the figures that the summary has data for."""
    drawn = {
        "Scores of the folds": draw_boxes(summary),
        "Learning rate and batch size": draw_heat_map(summary),
        "Learning curves": draw_curves(summary),
    }
    return [Drawing(title.lower().replace(" ", "-"), title, figure) for title, figure in drawn.items() if figure]


def cells(summary: Summary) -> tuple[list[str], list[list[str]]]:
    """Return the ranking as text: the header, and one row per configuration."""
    header = [
        "rank",
        "configuration",
        summary.monitor,
        "folds",
        *_metrics(summary).values(),
        "best epoch",
        "time",
        "parameters",
        "peak memory",
    ]
    rows = []
    for c in summary.configurations:
        row = ["–" if c.rank is None else str(c.rank), c.label]
        row += [_words(c.spread()) if c.folds else "", f"{len(c.folds)} of {len(summary.asked)}"]
        if c.folds:
            epochs = [fold.best_epoch for fold in c.folds.values()]
            row += [_words(c.metric(name)) for name in _metrics(summary)]
            row += [f"{min(epochs)}" if min(epochs) == max(epochs) else f"{min(epochs)}–{max(epochs)}"]
            row += [f"{c.seconds:,.0f} s", f"{c.parameters / 1e6:.2f} M"]
            row += ["–" if c.peak_memory is None else f"{c.peak_memory / 2**30:.1f} GiB"]
        else:
            row += [""] * (len(header) - len(row))
        rows.append(row)
    return header, rows


def caption(summary: Summary) -> str:
    """Return data, split and number of images."""
    spread = "; ± is the standard deviation over folds" if len(summary.asked) > 1 else ""
    return f"{summary.data}{spread}. The best epoch is chosen on the same images; no test image was used."


def _metrics(summary: Summary) -> dict[str, str]:
    """Return the other metrics in the table, with their titles."""
    return {name: title for name, title in METRIC_COLUMNS.items() if f"val/{name}" != summary.monitor}


def _row(words: Sequence[str]) -> str:
    return "| " + " | ".join(escape(word, quote=False).replace("|", "\\|") for word in words) + " |"


def _words(spread: Spread) -> str:
    """Return ``mean ± std``, or only the mean for one value."""
    return f"{spread.mean:.4f}" if spread.std is None else f"{spread.mean:.4f} ± {spread.std:.4f}"
