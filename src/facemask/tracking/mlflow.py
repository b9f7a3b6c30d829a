"""Runs of MLflow in a database of one file, without a server or an account."""

import os
from collections.abc import Mapping
from pathlib import Path

from lightning.pytorch.loggers import MLFlowLogger

from facemask.config.component import Component

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # a local run asks the network for nothing
MLFLOW_ID = "mlflow_id"  # a file in the fold's folder: a resumed fold continues its run
STORE = "outputs/mlruns"


def is_mlflow(logger: Component) -> bool:
    """Return whether a logger's node is of MLflow."""
    return logger.target.endswith("MLFlowLogger")


def mlflow_facts(logger: Component, folder: Path, name: str, tags: Mapping[str, str]) -> dict[str, object]:
    """Return what a fold's logger is built with.

    Args:
        logger: the node.
        folder: the fold's.
        name: of the run.
        tags: of the run.
    """
    facts: dict[str, object] = {"run_name": name, "tags": dict(tags)}
    if not logger.get("tracking_uri"):
        store = Path(STORE).absolute()
        store.mkdir(parents=True, exist_ok=True)
        facts["tracking_uri"] = f"sqlite:///{store}/mlflow.db"
        if not logger.get("artifact_location"):
            facts["artifact_location"] = store.as_uri()
    if (folder / MLFLOW_ID).is_file():
        facts["run_id"] = (folder / MLFLOW_ID).read_text()
    return facts


def continue_run(logger: MLFlowLogger) -> None:
    """Mark the run of a resumed fold as running again.

    Its parameters stay as they were logged: MLflow refuses to change them, and what may differ between the two calls,
    such as ``data.num_workers``, has no influence on the numbers.
    """
    logger.experiment.update_run(logger.run_id, status="RUNNING")
