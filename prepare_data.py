"""From photos to a set of faces: ``python prepare_data.py task=crop photos=FOLDER out=FOLDER``."""

import hydra
from omegaconf import DictConfig

from facemask.cli import main as cli
from facemask.config.checks.preparation import resolve_preparation
from facemask.config.compose import register
from facemask.config.schemas import TASKS

register()


@hydra.main(config_path="conf", config_name="prepare_data", version_base="1.3")
def main(config: DictConfig) -> None:
    """Do what ``task`` says."""
    cli.run_job(prepare, config)


def prepare(config: DictConfig) -> None:
    """Check what needs no data first."""
    settings = resolve_preparation(config)
    from facemask.preparation.auditing import audit
    from facemask.preparation.cropping import crop
    from facemask.preparation.exploring import explore
    from facemask.preparation.importing import import_faces
    from facemask.preparation.splitting import split

    tasks = {"crop": crop, "import": import_faces, "split": split, "audit": audit, "explore": explore}
    if failure := tasks[settings["task"]](settings):
        cli.fail(failure, code=1)


if __name__ == "__main__":
    cli.run(main, tuple(TASKS.values()), repeated="photos")
