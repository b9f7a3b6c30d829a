"""Label faces in moving pictures: ``python infer_video.py run=FOLDER source=0``, or a file, a folder, an address."""

import hydra
from omegaconf import DictConfig

from facemask.cli import main as cli
from facemask.config.checks.video import resolve_video
from facemask.config.compose import register
from facemask.config.schemas import InferVideoConfig

register()


@hydra.main(config_path="conf", config_name="infer_video", version_base="1.3")
def main(config: DictConfig) -> None:
    """Label the faces of the source that the configuration names."""
    cli.run_job(infer, config)


def infer(config: DictConfig) -> None:
    """Check what needs no network first."""
    settings = resolve_video(config)
    from facemask.video.label import run

    run(settings)


if __name__ == "__main__":
    cli.run(main, InferVideoConfig)
