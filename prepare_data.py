"""From photos to a set of faces: ``python prepare_data.py task=crop photos=FOLDER out=FOLDER``."""

from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from facemask.cli import main as cli
from facemask.config.checks.preparation import resolve_preparation
from facemask.config.compose import register
from facemask.config.schemas import TASKS

register()


@hydra.main(config_path="conf", config_name="prepare_data", version_base="1.3")
def main(config: DictConfig) -> None:
    """Do what ``task`` says."""
    cli.run_job(run_task, config)


def run_task(config: DictConfig) -> None:
    """Check what needs no data first."""
    resolved = resolve_preparation(config)
    from rich.console import Console

    from facemask.preparation.command import prepare, show

    result = prepare(resolved, Path(HydraConfig.get().runtime.output_dir))
    show(result, Console())
    if result.failure:
        cli.fail(result.failure, code=1)


if __name__ == "__main__":
    cli.run(main, tuple(TASKS.values()), repeated="photos")
