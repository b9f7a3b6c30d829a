"""Look at a data set before training: ``python prepare_data.py task=explore data=folder data.root=path/to/faces``."""

import hydra
from omegaconf import DictConfig

from facemask import cli
from facemask.checks.preparation import resolve_preparation
from facemask.config import register
from facemask.schemas import PrepareConfig

register()


@hydra.main(config_path="conf", config_name="prepare_data", version_base="1.3")
def main(config: DictConfig) -> None:
    """Do what ``task`` says."""
    cli.run_job(prepare, config)


def prepare(config: DictConfig) -> None:
    """Check what needs no data first."""
    settings = resolve_preparation(config)
    from facemask.exploration.run import explore

    {"explore": explore}[settings["task"]](settings)


if __name__ == "__main__":
    cli.run(main, PrepareConfig)
