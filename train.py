"""Train a face-mask classifier: ``python train.py model=mobilenetv2 lr=1e-4``, or a grid of them with ``-m``."""

import hydra
from omegaconf import DictConfig

from facemask import cli
from facemask.config import register

register()


@hydra.main(config_path="conf", config_name="train", version_base="1.3")
def main(config: DictConfig) -> float:
    """Fit the fold or folds that the configuration asks for."""
    from facemask.training.run import train  # slow to import: a mistyped key need not wait for torch

    return cli.run_job(train, config)


if __name__ == "__main__":
    cli.run(main)
