"""Train a face-mask classifier: ``python train.py model=mobilenetv2 lr=1e-4``; ``-m`` sweeps over several values."""

from facemask.cli.main import main

if __name__ == "__main__":
    main("train")
