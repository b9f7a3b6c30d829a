"""``prepare_data.py``: run the task of the configuration."""

from pathlib import Path

from rich.console import Console

from facemask.config.preparation_schemas import AuditConfig, CropConfig, ExploreConfig, ImportConfig, TaskConfig
from facemask.files import private_files
from facemask.preparation.result import TaskResult


def prepare(config: TaskConfig, folder: Path) -> TaskResult:
    """Crop, import, split, audit or explore, depending on the type of the configuration.

    Args:
        config: validated configuration from :func:`facemask.config.checks.preparation.resolve_preparation`.
        folder: folder for the reports of ``audit`` and ``explore``; the other tasks write to their ``out``.

    Raises:
        FaceMaskError: the photos or the data set cannot be used.
    """
    with private_files(bool(getattr(config, "private", False)), folder):
        return _run(config, folder)


def _run(config: TaskConfig, folder: Path) -> TaskResult:
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
    """Print the result of a task."""
    result.show(console)
