"""Evaluate trained models: ``python evaluate.py run=FOLDER``, several with ``run=A run=B``, or ``sweep=FOLDER``."""

import hydra
from omegaconf import DictConfig

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
    settings = resolve_evaluation(config)
    if settings["photos"]:
        from facemask.evaluation.photos import evaluate_photos

        evaluate_photos(settings)
        return
    from facemask.evaluation.classification import evaluate

    evaluate(settings)


if __name__ == "__main__":
    cli.run(main, EvaluateConfig, repeated="run", renamed={"sweep": "sweep_folder"})
