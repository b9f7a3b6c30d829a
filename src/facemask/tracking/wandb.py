"""One run of Weights & Biases for what comes after training: opened, filled, and closed whatever happens."""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from facemask.config.compose import Settings
from facemask.errors import first_line
from facemask.reports.sections import Drawing
from facemask.runs.run_folder import is_wandb, wandb_id


class _SilentRun:
    """What stands for a run that could not be opened: it takes everything and keeps nothing."""

    def __init__(self) -> None:
        self.summary: dict[str, Any] = {}

    def log(self, values: dict[str, Any]) -> None:
        """Take it."""


def wandb_node(settings: Settings) -> Settings | None:
    """Return the node of its logger, if a configuration has one."""
    nodes = (settings.get("logger") or {}).values()
    return next((node for node in nodes if is_wandb(node)), None)


@contextmanager
def wandb_run(
    node: Settings, folder: Path, name: str, group: str, job_type: str, config: dict[str, Any], exit_code: int = 0
) -> Iterator[Any]:
    """Yield a run. What goes wrong with it is a warning: the results themselves are safe on disk.

    Args:
        node: the logger's.
        folder: where it keeps its files and its id, so that what goes on goes on with the same run.
        name: of the run.
        group: of the run.
        job_type: of the run.
        config: shown beside it.
        exit_code: what it ends with if all goes well.
    """
    import wandb  # takes a second to import, and most commands do without

    run = None
    try:
        run = wandb.init(
            project=node["project"],
            mode=node["mode"],
            group=group,
            job_type=job_type,
            name=name,
            id=wandb_id(folder),
            resume="allow",
            dir=str(folder),
            config=config,
        )
        yield run
        run.finish(exit_code=exit_code)
    except Exception as error:  # its errors have no base class in common
        print(f"warning: no {job_type} run at Weights & Biases: {first_line(error)}", file=sys.stderr)
        if run is None:
            yield _SilentRun()
        else:
            run.finish(exit_code=1)


def to_wandb_table(rows: pd.DataFrame) -> Any:
    """Return a table as Weights & Biases takes it."""
    import wandb

    cells = rows.astype(object)
    return wandb.Table(dataframe=cells.where(cells.notna(), None), allow_mixed_types=True)


def to_image(drawing: Drawing) -> Any:
    """Return a figure as Weights & Biases takes it."""
    import wandb

    return wandb.Image(Image.open(io.BytesIO(drawing.png)))
