"""Log a sweep to Weights & Biases as one run, in the group of its folds."""

from pathlib import Path

from facemask.runs.run_folder import mean_and_std
from facemask.sweeps.page import caption, pictures, to_table
from facemask.sweeps.ranking import Summary
from facemask.tracking.wandb import Media, log_media, wandb_group, wandb_node

JOB_TYPE = "summary"


def log_summary(summary: Summary, folder: Path, has_failed: bool) -> None:
    """Log the ranking, its figures and the best mean ± std, if the sweep's jobs logged to W&B.

    Means and standard deviations over folds are computed here, because W&B only shows group means.

    Args:
        summary: summary of the sweep.
        folder: folder of the sweep, which stores the run's id for resuming.
        has_failed: whether a job failed; sets the run's exit code.
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
