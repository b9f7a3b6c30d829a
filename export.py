"""Make a small file of a run that runs anywhere: ``python export.py run=FOLDER format=onnx precision=int8``."""

import hydra
from omegaconf import DictConfig

from facemask.cli import main as cli
from facemask.config.checks.export import resolve_export
from facemask.config.compose import register
from facemask.config.schemas import ExportConfig

register()


@hydra.main(config_path="conf", config_name="export", version_base="1.3")
def main(config: DictConfig) -> None:
    """Export the run that the configuration names."""
    cli.run_job(write, config)


def write(config: DictConfig) -> None:
    """Check what needs no torch first: a mistyped value is answered in a second."""
    settings = resolve_export(config)
    from facemask.exporting.export import export

    export(settings)


if __name__ == "__main__":
    cli.run(main, ExportConfig)
