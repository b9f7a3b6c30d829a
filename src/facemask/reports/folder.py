"""Write the report of one model, or of several models with a comparison."""

import re
import shutil
from collections.abc import Sequence
from math import isnan
from pathlib import Path

from facemask.config.typed import to_plain
from facemask.files import to_csv, write_atomically, write_table
from facemask.reports.comparison import comparison_sections, difference_table, mcnemar_table
from facemask.reports.evaluated import HEADLINE, Evaluated
from facemask.reports.findings import Findings, caveats, missing_classes
from facemask.reports.model import model_sections
from facemask.reports.sections import Section
from facemask.reports.write import JSON, PAGE, write_report
from facemask.runs.run_folder import PREDICTIONS, environment
from facemask.runs.samples import Samples


def write_reports(folder: Path, all_findings: Sequence[Findings], samples: Samples, command: str) -> list[Section]:
    """Write the report of one model; for several, a report each in subfolders and a comparison.

    Args:
        folder: output folder.
        all_findings: findings of each model on the same samples.
        samples: evaluation samples.
        command: command line that repeats the evaluation.

    Returns:
        The sections of the top-level report.
    """
    for old in folder.glob(f"*/{JSON}"):  # from an earlier comparison in this folder
        shutil.rmtree(old.parent)
    places = [folder]
    if len(all_findings) > 1:
        places = [folder / name for name in folder_names([f.evaluated.model.label for f in all_findings])]
    sections: list[Section] = []
    for place, findings in zip(places, all_findings, strict=True):
        place.mkdir(parents=True, exist_ok=True)
        sections = model_sections(findings)
        write_table(place / PREDICTIONS, findings.evaluated.predictions)
        if len(samples.unreadable):
            write_atomically(place / "unreadable.csv", to_csv(samples.unreadable))
        title = f"{findings.evaluated.model.label} on {samples.data}"
        if len(places) == 1:
            title = findings.config.report.title or title
        lead = [_sentence(findings), *missing_classes(findings.evaluated), *caveats([findings])]
        write_report(place, title, lead, sections, _facts([findings], samples, command))
    if len(all_findings) > 1:
        pages = [f"{place.name}/{PAGE}" for place in places]
        sections = comparison_sections(all_findings, pages)
        title = all_findings[0].config.report.title or f"{len(all_findings)} models on {samples.data}"
        write_report(
            folder,
            title,
            [in_one_sentence(all_findings), *caveats(all_findings)],
            sections,
            _facts(all_findings, samples, command),
        )
    return sections


def folder_names(labels: Sequence[str]) -> list[str]:
    """Return a unique folder name for each label."""
    names: list[str] = []
    for label in labels:
        name = re.sub(r"[^A-Za-z0-9=.+-]+", "_", label).strip("_.")[:80] or "model"
        while name in names:
            name += "_"
        names.append(name)
    return names


def _sentence(findings: Findings) -> str:
    """Return the main result as one sentence."""
    e = findings.evaluated
    words = [_score(e, name) for name in ("accuracy", "f1", "auroc") if not isnan(e.metrics[name])]
    sentence = ", ".join(words)
    return f"{sentence[:1].upper()}{sentence[1:]}. {findings.about}; {e.n_groups:,} groups."


def _score(e: Evaluated, name: str) -> str:
    low, high = e.intervals[name]
    interval = "" if isnan(low) else f" ({low:.3f}–{high:.3f})"
    return f"{HEADLINE[name]} {e.metrics[name]:.3f}{interval}"


def in_one_sentence(all_findings: Sequence[Findings]) -> str:
    """Return one sentence that compares the two most accurate models."""
    ranked = sorted((f.evaluated for f in all_findings), key=lambda e: -e.metrics["accuracy"])[:2]
    names, about = [e.model.label for e in ranked], all_findings[0].about
    row = difference_table(ranked).iloc[0]
    low, high, p = row["difference_low"], row["difference_high"], mcnemar_table(ranked)["p"].iloc[0]
    if row["difference"] == 0:
        return f"{names[0]} and {names[1]} are equally accurate. {about}."
    if isnan(low):
        return f"{names[0]} is the most accurate, by {row['difference']:.3f} over {names[1]}; one group. {about}."
    verdict = "the interval excludes 0" if low > 0 else "not significant"
    n = len(all_findings)
    flattered = (
        f" The best of {n} models was selected on these images, so its score is slightly optimistic." if n > 2 else ""
    )
    return (
        f"{names[0]} is the most accurate, by {row['difference']:.3f} ({low:.3f} to {high:.3f}) over "
        f"{names[1]}: {verdict} (McNemar's p = {p:.2g}).{flattered} {about}."
    )


def _facts(all_findings: Sequence[Findings], samples: Samples, command: str) -> dict[str, object]:
    """Return the facts of the JSON file besides the tables."""
    first = all_findings[0].evaluated
    return {
        "data": {
            "name": samples.data,
            "part": samples.part,
            "root": str(samples.root),
            "n": {name: int((samples.table["label"] == name).sum()) for name in first.class_names},
            "groups": first.n_groups,
            "unreadable": len(samples.unreadable),
            "fingerprint": samples.fingerprint,
        },
        "models": [
            {
                "label": f.evaluated.model.label,
                "folder": str(f.evaluated.model.folder),
                "classes": f.evaluated.class_names,
                "metrics": f.evaluated.metrics,
                "intervals": f.evaluated.intervals,
                "leaked": int(f.leakage.leaked.sum()) if not f.leakage.reason else None,
            }
            for f in all_findings
        ],
        "positive": first.class_names[first.positive] if len(first.class_names) == 2 else None,
        "intervals": {
            "method": "expanded percentile interval of a bootstrap over groups",
            "level": 0.95,
            "n_bootstraps": first.n_bootstraps,
        },
        "command": command,
        "environment": to_plain(environment(first.model.device)),
    }
