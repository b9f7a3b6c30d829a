"""What ``prepare_data.py`` does: the task that its configuration is of."""

from pathlib import Path

from rich.console import Console

from facemask.config.schemas import AuditConfig, CropConfig, ExploreConfig, ImportConfig, TaskConfig
from facemask.preparation.result import TaskResult


def prepare(config: TaskConfig, folder: Path) -> TaskResult:
    """Crop, import, split, audit or explore, as the type of the configuration says.

    Args:
        config: checked, as :func:`facemask.config.checks.preparation.resolve_preparation` returns it.
        folder: where the reports of ``audit`` and ``explore`` go; the other tasks write what their keys name.

    Raises:
        FaceMaskError: the photos or the set of faces cannot be used.
    """
    if isinstance(config, CropConfig):
        from facemask.preparation.cropping import crop

        return crop(config)
    if isinstance(config, ImportConfig):
        from facemask.preparation.importing import import_faces

        return import_faces(config)
    if isinstance(config, AuditConfig):
        from facemask.preparation.auditing import audit

        return audit(config, folder)
    if isinstance(config, ExploreConfig):
        from facemask.preparation.exploring import explore

        return explore(config, folder)
    from facemask.preparation.splitting import split

    return split(config)


def show(result: TaskResult, console: Console) -> None:
    """Print what a task came to."""
    result.show(console)
