"""Label faces in moving pictures: ``python infer_video.py run=FOLDER source=0``, or a file, a folder, an address."""

from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from facemask.cli import main as cli
from facemask.config.checks.video import resolve_video
from facemask.config.compose import register
from facemask.config.schemas import InferVideoConfig
from facemask.files import remove_if_empty

register()


@hydra.main(config_path="conf", config_name="infer_video", version_base="1.3")
def main(config: DictConfig) -> None:
    """Label the faces of the source that the configuration names."""
    cli.run_job(infer, config)


def infer(config: DictConfig) -> None:
    """Check what needs no network first."""
    resolved, folder = resolve_video(config), Path(HydraConfig.get().runtime.output_dir)
    from rich.console import Console

    from facemask.video.label import label_video
    from facemask.video.tally import show

    try:
        tally = label_video(resolved, folder)
    finally:
        remove_if_empty(folder)
    show(tally, Console())
    if tally.is_interrupted:
        raise KeyboardInterrupt


if __name__ == "__main__":
    cli.run(main, InferVideoConfig)
