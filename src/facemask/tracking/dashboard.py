"""Create a W&B workspace view: ``python -m facemask.tracking.dashboard ENTITY/PROJECT``, once per project."""

import sys

import wandb_workspaces.reports.v2 as panels
import wandb_workspaces.workspaces as workspaces

USAGE = "usage: python -m facemask.tracking.dashboard ENTITY/PROJECT"


def dashboard(entity: str, project: str) -> workspaces.Workspace:
    """Return a workspace view: rankings of sweeps, results of folds, learning curves.

    Runs are grouped by sweep, then by job type (``fold`` or ``summary``).

    Args:
        entity: user or team.
        project: project, as in ``logger.wandb.project``.
    """
    ranking = [
        panels.WeavePanelSummaryTable(table_name="ranking"),
        panels.MediaBrowser(media_keys=["Learning rate and batch size"]),
        panels.MediaBrowser(media_keys=["Scores of the folds"]),
        panels.MediaBrowser(media_keys=["Learning curves"]),
    ]
    best = [
        panels.ParallelCoordinatesPlot(
            columns=[
                panels.ParallelCoordinatesPlotColumn(panels.Config("lr"), log=True),
                panels.ParallelCoordinatesPlotColumn(panels.Config("bs")),
                panels.ParallelCoordinatesPlotColumn(panels.SummaryMetric("best/auroc")),
            ]
        ),
        panels.ScatterPlot(x=panels.Config("lr"), y=panels.SummaryMetric("best/auroc"), log_x=True),
        *(panels.BarPlot(metrics=[panels.Metric(f"best/{name}")]) for name in ("auroc", "accuracy", "f1")),
        panels.MediaBrowser(media_keys=["val/predictions"]),
    ]
    curves = [
        panels.LinePlot(x="epoch", y=[name], title=name)
        for name in ("val/auroc", "val/accuracy", "val/f1", "val/loss", "train/loss", "lr", "seconds", "data_seconds")
    ]
    return workspaces.Workspace(
        entity=entity,
        project=project,
        name="facemask",
        sections=[
            workspaces.Section(name="Rankings of sweeps", panels=ranking, is_open=True),
            workspaces.Section(name="Best epochs", panels=best, is_open=True),
            workspaces.Section(name="Learning curves", panels=curves, is_open=True),
        ],
        settings=workspaces.WorkspaceSettings(x_axis="epoch"),
        runset_settings=workspaces.RunsetSettings(
            groupby=[workspaces.Metric("Group"), workspaces.Metric("JobType")],
        ),
    )


def main() -> None:
    """Save the view of the project given on the command line."""
    entity, slash, project = sys.argv[1].partition("/") if len(sys.argv) == 2 else ("", "", "")
    if not (entity and slash and project):
        sys.exit(USAGE)
    try:
        saved = dashboard(entity, project).save()
    except Exception as error:  # wandb's errors have no common base class
        print(
            f"error: the dashboard of {entity}/{project} cannot be saved ({error}); log in with 'wandb login', and "
            "give a project that has runs.",
            file=sys.stderr,
        )
        sys.exit(2)
    print(f"Saved: {saved.url}")


if __name__ == "__main__":
    main()
