"""Export a trained model to a file that runs anywhere: ``python export.py run=FOLDER format=onnx precision=int8``."""

from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from rich.console import Console

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
    """Check the configuration before torch is imported, so that a mistyped value is answered in a second."""
    typed = resolve_export(config)
    from facemask.exporting.export import export
    from facemask.exporting.exported import show

    show(export(typed, Path(HydraConfig.get().runtime.output_dir)), Console())


if __name__ == "__main__":
    cli.run(main, ExportConfig)
