"""Train a face-mask classifier: ``python train.py model=mobilenetv2 lr=1e-4``, or a grid of them with ``-m``."""

import hydra
from omegaconf import DictConfig

from facemask.cli import main as cli
from facemask.config.checks.training import resolve_training
from facemask.config.compose import register
from facemask.config.schemas import TrainConfig

register()


@hydra.main(config_path="conf", config_name="train", version_base="1.3")
def main(config: DictConfig) -> float | None:
    """Fit the fold or folds that the configuration asks for."""
    return cli.run_job(fit, config)


def fit(config: DictConfig) -> float:
    """Check what needs no torch first: a mistyped value is answered in a second."""
    settings = resolve_training(config)
    from facemask.training.run import train

    return train(settings)


if __name__ == "__main__":
    cli.run(main, TrainConfig, sweeps=True)
