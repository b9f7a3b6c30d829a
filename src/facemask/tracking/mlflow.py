"""MLflow runs in a local database file, without a server."""

import os
from collections.abc import Mapping
from pathlib import Path

from lightning.pytorch.loggers import MLFlowLogger

from facemask.config.component import Component

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # no network access for local runs
MLFLOW_ID = "mlflow_id"  # file in the fold's folder, so that a resumed fold continues its run
STORE = "outputs/mlruns"


def is_mlflow(logger: Component) -> bool:
    """Return whether a logger's node is MLflow's."""
    return logger.target.endswith("MLFlowLogger")


def mlflow_facts(logger: Component, folder: Path, name: str, tags: Mapping[str, str]) -> dict[str, object]:
    """Return the arguments of a fold's logger.

    Args:
        logger: node of the logger.
        folder: folder of the fold.
        name: name of the run.
        tags: tags of the run.
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

    Its logged parameters are not changed, because MLflow does not allow it; keys that may differ between the calls,
    such as ``data.num_workers``, do not affect the numbers.
    """
    logger.experiment.update_run(logger.run_id, status="RUNNING")
