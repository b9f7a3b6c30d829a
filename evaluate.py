"""Evaluate trained models: ``python evaluate.py run=FOLDER``, several with ``run=A run=B``, or ``sweep=FOLDER``."""

from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from rich.console import Console

from facemask.cli import main as cli
from facemask.config.checks.evaluation import resolve_evaluation
from facemask.config.compose import register
from facemask.config.schemas import EvaluateConfig

register()


@hydra.main(config_path="conf", config_name="evaluate", version_base="1.3")
def main(config: DictConfig) -> None:
    """Write the report of the runs that the configuration names."""
    cli.run_job(report, config)


def report(config: DictConfig) -> None:
    """Check what needs no torch first: a mistyped value is answered in a second."""
    resolved = resolve_evaluation(config)
    from facemask.evaluation.command import evaluate, show
    from facemask.runs.run_folder import command

    show(evaluate(resolved, Path(HydraConfig.get().runtime.output_dir), command()), Console())


if __name__ == "__main__":
    cli.run(main, EvaluateConfig, repeated="run", renamed={"sweep": "sweep_folder"})
