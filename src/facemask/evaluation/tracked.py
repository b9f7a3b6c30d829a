"""Log a report to Weights & Biases."""

from collections.abc import Sequence
from pathlib import Path

from facemask.config.schemas import EvaluateConfig
from facemask.config.typed import to_plain
from facemask.reports.findings import Findings
from facemask.reports.sections import Section
from facemask.tracking.wandb import Media, log_media, wandb_group, wandb_node

JOB_TYPE = "evaluation"


def log_report(
    config: EvaluateConfig, folder: Path, all_findings: Sequence[Findings], sections: Sequence[Section]
) -> None:
    """Log the tables and figures of a report if W&B is configured; faces only if the report shows them.

    Args:
        config: configuration of the command.
        folder: folder of the report, which stores the run's id.
        all_findings: findings of each model.
        sections: sections of the report.
    """
    node = wandb_node(config.logger)
    if node is None:
        return
    models = [findings.evaluated.model for findings in all_findings]
    about = {"data": all_findings[0].about, "models": [model.label for model in models]}
    tables = {f"{section.key}/{table.key}": table.rows for section in sections for table in section.tables}
    drawn = {f"{section.key}/{d.key}_figure": d.png for section in sections for d in section.drawings}
    media = Media(tables, drawn, _figures(all_findings))
    group = wandb_group(node, models[0].config.name)
    log_media(node, folder, f"evaluation {folder.name}", group, JOB_TYPE, to_plain(config) | about, media)


def _figures(all_findings: Sequence[Findings]) -> dict[str, object]:
    """Return every metric with its interval, with the model's label if there are several models."""
    figures: dict[str, object] = {}
    for findings in all_findings:
        e = findings.evaluated
        prefix = f"{e.model.label}/" if len(all_findings) > 1 else ""
        figures |= {f"{prefix}{name}": value for name, value in e.metrics.items()}
        for name, (low, high) in e.intervals.items():
            figures |= {f"{prefix}{name}_low": low, f"{prefix}{name}_high": high}
    return figures
