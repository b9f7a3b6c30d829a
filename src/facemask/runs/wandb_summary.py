"""What a whole sweep comes to, as one run of Weights & Biases, beside the runs of its folds and in their group."""

import io
import sys
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from facemask.config import Settings, first_line
from facemask.runs.record import is_wandb, mean_and_std, wandb_group, wandb_id
from facemask.runs.summary import Summary
from facemask.runs.summary_page import caption, pictures, to_table

JOB_TYPE = "summary"


def log_summary(summary: Summary, folder: Path, has_failed: bool) -> None:
    """Log the ranking, its pictures and the best mean ± std, if the sweep's jobs logged to Weights & Biases.

    Means and deviations over folds are computed here: its own tables know the mean of a group alone.

    Args:
        summary: of the sweep.
        folder: the sweep's; the run's id is kept there, so that a sweep that goes on goes on with the same run.
        has_failed: whether a job failed, which the run's exit code tells.
    """
    settings = next((c.settings for c in summary.configurations if _wandb_node(c.settings)), {})
    node = _wandb_node(settings)
    if node is None:
        return
    import wandb  # takes a second to import, and most sweeps do without

    run = None
    try:
        run = wandb.init(
            project=node["project"],
            mode=node["mode"],
            group=wandb_group(node, settings),
            job_type=JOB_TYPE,
            name=f"{settings['name']} summary",
            id=wandb_id(folder),
            resume="allow",
            dir=str(folder),
            config={"data": summary.data, "monitor": summary.monitor, "folds": sorted(summary.asked)},
        )
        table = to_table(summary).astype(object)
        ranking = wandb.Table(dataframe=table.where(table.notna(), None), allow_mixed_types=True)
        run.log(
            {"ranking": ranking, **{title: wandb.Image(_rasterised(figure)) for title, figure in pictures(summary)}}
        )
        run.summary.update(_figures(summary))
        run.finish(exit_code=1 if has_failed else 0)
    except Exception as error:  # its errors have no base class in common, and the sweep itself is safe on disk
        print(f"warning: no summary run at Weights & Biases: {first_line(error)}", file=sys.stderr)
        if run is not None:
            run.finish(exit_code=1)


def _wandb_node(settings: Settings) -> Settings | None:
    nodes = (settings.get("logger") or {}).values()
    return next((node for node in nodes if is_wandb(node)), None)


def _figures(summary: Summary) -> dict[str, object]:
    figures: dict[str, object] = {"verdict": summary.verdict, "caption": caption(summary)}
    best = summary.configurations[0]
    if best.rank == 1:
        figures |= {f"best/{summary.monitor}_{kind}": value for kind, value in mean_and_std(best.scores()).items()}
        figures |= {"best/configuration": best.label, "best/command": best.command}
    return figures


def _rasterised(figure: Figure) -> Image.Image:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=150)
    return Image.open(stream)
