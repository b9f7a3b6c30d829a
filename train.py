"""Train a face-mask classifier: ``python train.py model=mobilenetv2 lr=1e-4``, or a grid of them with ``-m``."""

from facemask.cli.main import main

if __name__ == "__main__":
    main("train")
