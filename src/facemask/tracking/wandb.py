"""Runs of Weights & Biases for what comes after training: opened, filled, and closed whatever happens."""

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
    """What a run shows.

    Attributes:
        tables: by name.
        pictures: PNG files by name.
        summary: figures and sentences by name.
    """

    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    summary: Mapping[str, object] = field(default_factory=dict)


class _SilentRun:
    """Stands in for a run that could not be opened: it takes everything and keeps nothing."""

    def __init__(self) -> None:
        self.summary: dict[str, object] = {}

    def log(self, values: dict[str, object]) -> None:
        """Ignore the values."""


def is_wandb(logger: Component) -> bool:
    """Return whether a logger's node is of Weights & Biases."""
    return logger.target.endswith("WandbLogger")


def wandb_node(loggers: Mapping[str, Component]) -> Component | None:
    """Return the node of its logger, if there is one."""
    return next((node for node in loggers.values() if is_wandb(node)), None)


def wandb_group(logger: Component, name: str) -> str:
    """Return what the runs of a sweep are grouped by: what its logger says, else the sweep's name."""
    return str(logger.get("group") or name)


def kept_id(folder: Path, file: str = "wandb_id") -> str:
    """Return the id of a folder's run, persisted so that a resumed run continues the same curves."""
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
    """Log tables, pictures and figures as one run.

    Args:
        node: the logger's.
        folder: where it keeps its files and its id.
        name: of the run.
        group: of the run.
        job_type: of the run.
        config: shown beside it.
        media: what is logged.
        exit_code: what the run ends with if all goes well.
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
    """Yield a run. What goes wrong with it is a warning: the results themselves are safe on disk."""
    import wandb  # takes a second to import, and most commands do without

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
            dir=str(folder),
            config=dict(config),
        )
        yield run
        run.finish(exit_code=exit_code)
    except Exception as error:  # its errors have no base class in common
        print(f"warning: no {job_type} run at Weights & Biases: {first_line(error)}", file=sys.stderr)
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
