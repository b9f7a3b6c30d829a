"""What a whole sweep comes to, as one run of Weights & Biases, beside the runs of its folds and in their group."""

from pathlib import Path

from facemask.runs.run_folder import mean_and_std, wandb_group
from facemask.sweeps.page import caption, pictures, to_table
from facemask.sweeps.ranking import Summary
from facemask.tracking.wandb import to_image, to_wandb_table, wandb_node, wandb_run

JOB_TYPE = "summary"


def log_summary(summary: Summary, folder: Path, has_failed: bool) -> None:
    """Log the ranking, its pictures and the best mean ± std, if the sweep's jobs logged to Weights & Biases.

    Means and deviations over folds are computed here: its own tables know the mean of a group alone.

    Args:
        summary: of the sweep.
        folder: the sweep's; the run's id is kept there, so that a sweep that goes on goes on with the same run.
        has_failed: whether a job failed, which the run's exit code tells.
    """
    settings = next((c.settings for c in summary.configurations if wandb_node(c.settings)), {})
    node = wandb_node(settings)
    if node is None:
        return
    about = {"data": summary.data, "monitor": summary.monitor, "folds": sorted(summary.asked)}
    name, group = f"{settings['name']} summary", wandb_group(node, settings)
    with wandb_run(node, folder, name, group, JOB_TYPE, about, exit_code=1 if has_failed else 0) as run:
        images = {drawing.caption: to_image(drawing) for drawing in pictures(summary)}
        run.log({"ranking": to_wandb_table(to_table(summary)), **images})
        run.summary.update(_figures(summary))


def _figures(summary: Summary) -> dict[str, object]:
    figures: dict[str, object] = {"verdict": summary.verdict, "caption": caption(summary)}
    best = summary.configurations[0]
    if best.rank == 1:
        figures |= {f"best/{summary.monitor}_{kind}": value for kind, value in mean_and_std(best.scores()).items()}
        figures |= {"best/configuration": best.label, "best/command": best.command}
    return figures
