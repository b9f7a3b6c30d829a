"""Runs of MLflow in a store of files, without a server or an account."""

from collections.abc import Mapping
from pathlib import Path

from facemask.config.component import Component

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
        facts["tracking_uri"] = f"sqlite:///{Path(STORE).absolute()}/mlflow.db"
        Path(STORE).mkdir(parents=True, exist_ok=True)
    if (folder / MLFLOW_ID).is_file():
        facts["run_id"] = (folder / MLFLOW_ID).read_text()
    return facts
