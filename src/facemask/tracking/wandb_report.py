"""A report as one run of Weights & Biases: every table and figure of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from facemask.config.compose import Settings
from facemask.config.typed import to_plain
from facemask.reports.findings import Findings
from facemask.reports.sections import Section
from facemask.runs.run_folder import wandb_group
from facemask.tracking.wandb import to_image, to_wandb_table, wandb_node, wandb_run

JOB_TYPE = "evaluation"


def log_report(settings: Settings, folder: Path, all_findings: Sequence[Findings], sections: Sequence[Section]) -> None:
    """Log the report, if the command's loggers say so; faces only where the report has them.

    Args:
        settings: of the command.
        folder: the report's; the run's id is kept there.
        all_findings: of each model.
        sections: what is reported.
    """
    node = wandb_node(settings)
    if node is None:
        return
    model = all_findings[0].evaluated.model
    about = {"data": all_findings[0].about, "models": [f.evaluated.model.label for f in all_findings]}
    group = wandb_group(node, to_plain(model.config))
    with wandb_run(node, folder, f"evaluation {folder.name}", group, JOB_TYPE, settings | about) as run:
        media: dict[str, Any] = {}
        for section in sections:
            media |= {f"{section.key}/{table.key}": to_wandb_table(table.rows) for table in section.tables}
            media |= {f"{section.key}/{d.key}_figure": to_image(d) for d in section.drawings}
        run.log(media)
        for findings in all_findings:
            e = findings.evaluated
            prefix = f"{e.model.label}/" if len(all_findings) > 1 else ""
            run.summary.update({f"{prefix}{name}": value for name, value in e.metrics.items()})
            bounds = {
                f"{prefix}{name}_{end}": v
                for name, ends in e.intervals.items()
                for end, v in zip(("low", "high"), ends, strict=True)
            }
            run.summary.update(bounds)
