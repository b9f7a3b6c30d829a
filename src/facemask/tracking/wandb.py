"""W&B runs for reports and sweep summaries."""

import io
import secrets
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from facemask.config.component import Component
from facemask.errors import first_line
from facemask.files import write_atomically


@dataclass(frozen=True)
class Media:
    """Content of a run.

    Attributes:
        tables: tables by name.
        pictures: PNG files by name.
        summary: values and sentences by name.
    """

    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    summary: Mapping[str, object] = field(default_factory=dict)


class _SilentRun:
    """Placeholder for a run that could not be opened; ignores everything."""

    def __init__(self) -> None:
        self.summary: dict[str, object] = {}

    def log(self, values: dict[str, object]) -> None:
        """Ignore the values."""


def is_wandb(logger: Component) -> bool:
    """Return whether a logger's node is W&B's."""
    return logger.target.endswith("WandbLogger")


def wandb_node(loggers: Mapping[str, Component]) -> Component | None:
    """Return the node of the W&B logger, if there is one."""
    return next((node for node in loggers.values() if is_wandb(node)), None)


def wandb_group(logger: Component, name: str) -> str:
    """Return the group of a sweep's runs: the logger's, else the sweep's name."""
    return str(logger.get("group") or name)


def kept_id(folder: Path, file: str = "wandb_id") -> str:
    """Return the id of a folder's run, persisted so a resumed run continues the same W&B run."""
    place = folder / file
    if not place.is_file():
        write_atomically(place, secrets.token_hex(4))
    return place.read_text()


def log_media(
    node: Component,
    folder: Path,
    name: str,
    group: str,
    job_type: str,
    config: Mapping[str, object],
    media: Media,
    exit_code: int = 0,
) -> None:
    """Log tables, figures and values as one run.

    Args:
        node: node of the logger.
        folder: folder of the run's files and id.
        name: name of the run.
        group: group of the run.
        job_type: job type of the run.
        config: configuration shown with the run.
        media: content of the run.
        exit_code: exit code if no error occurs.
    """
    with _run(node, folder, name, group, job_type, config, exit_code) as run:
        tables = {key: _to_table(rows) for key, rows in media.tables.items()}
        pictures = {key: _to_image(png) for key, png in media.pictures.items()}
        run.log(tables | pictures)
        run.summary.update(dict(media.summary))


@contextmanager
def _run(
    node: Component,
    folder: Path,
    name: str,
    group: str,
    job_type: str,
    config: Mapping[str, object],
    exit_code: int,
) -> Iterator[Any]:
    """Yield a run. Errors are only warnings, because the results are already on disk."""
    import wandb  # slow to import and rarely needed

    run = None
    try:
        run = wandb.init(
            project=node.get("project"),
            mode=node.get("mode"),
            group=group,
            job_type=job_type,
            name=name,
            id=kept_id(folder),
            resume="allow",
            dir=str(folder.absolute()),  # W&B's own process may have been started in another folder
            config=dict(config),
        )
        yield run
        run.finish(exit_code=exit_code)
    except Exception as error:  # wandb's errors have no common base class
        print(f"warning: W&B {job_type} run failed: {first_line(error)}", file=sys.stderr)
        if run is None:
            yield _SilentRun()
        else:
            run.finish(exit_code=1)


def _to_table(rows: pd.DataFrame) -> Any:
    import wandb

    cells = rows.astype(object)
    return wandb.Table(dataframe=cells.where(cells.notna(), None), allow_mixed_types=True)


def _to_image(png: bytes) -> Any:
    import wandb

    return wandb.Image(Image.open(io.BytesIO(png)))
