"""A sweep as one run of Weights & Biases, beside the runs of its folds and in their group."""

from pathlib import Path

from facemask.runs.run_folder import mean_and_std
from facemask.sweeps.page import caption, pictures, to_table
from facemask.sweeps.ranking import Summary
from facemask.tracking.wandb import Media, log_media, wandb_group, wandb_node

JOB_TYPE = "summary"


def log_summary(summary: Summary, folder: Path, has_failed: bool) -> None:
    """Log the ranking, its pictures and the best mean ± std, if the sweep's jobs logged to Weights & Biases.

    Means and deviations over folds are computed here: its own tables show the mean of a group alone.

    Args:
        summary: of the sweep.
        folder: the sweep's; the run's id is kept there, so that a resumed sweep continues the same run.
        has_failed: whether a job failed, which the run's exit code tells.
    """
    configs = [c.config for c in summary.configurations if c.config is not None]
    found = next(((config, node) for config in configs if (node := wandb_node(config.logger))), None)
    if found is None:
        return
    config, node = found
    about = {"data": summary.data, "monitor": summary.monitor, "folds": sorted(summary.asked)}
    drawn = {drawing.caption: drawing.png for drawing in pictures(summary)}
    media = Media({"ranking": to_table(summary)}, drawn, _figures(summary))
    group = wandb_group(node, config.name)
    log_media(node, folder, f"{config.name} summary", group, JOB_TYPE, about, media, exit_code=1 if has_failed else 0)


def _figures(summary: Summary) -> dict[str, object]:
    figures: dict[str, object] = {"verdict": summary.verdict, "caption": caption(summary)}
    best = summary.configurations[0]
    if best.rank == 1:
        figures |= {f"best/{summary.monitor}_{kind}": value for kind, value in mean_and_std(best.scores()).items()}
        figures |= {"best/configuration": best.label, "best/command": best.command}
    return figures
