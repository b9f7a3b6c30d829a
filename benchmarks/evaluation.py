"""How fast are 10,000 faces evaluated, compared with a plain PyTorch loop?

    python benchmarks/evaluation.py                        the small network of the three-class study, at 64 px
    python benchmarks/evaluation.py --net mobilenetv2_100 --size 96 --passes 1

The network, with random weights, predicts 10,000 faces of 7-64 px, saved as PNG, in three ways. The ways alternate, so
that other load on the machine affects all of them:

- conventional: PIL opens each file; torchvision pads, resizes to the network's input (and, in another row, to the
  studies' 224 px, measured on a tenth of the faces), converts to a tensor and normalises; batches of 32 from a
  DataLoader;
- ours, first time: the files are decoded into the store, then predicted by the run's best.onnx, as evaluate.py does;
- ours, again: the store exists already.

Times are from files to probabilities. The table shows the median time and the ratio to the first row. The last line
compares our probabilities with those of torch for the same decoded images.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from facemask import MaskClassifier
from facemask.data.preprocessing import Preprocessing
from facemask.data.store import open_store
from facemask.inference.engine import BEST, open_engine, write_engine
from facemask.inference.predictor import Predictor
from facemask.models.predict import predict_probabilities

CLASSES = ("compliant", "non-compliant")
STUDY, FRACTION = 224, 10  # pixels that the studies resize to; the fraction of the faces that this is measured on


class Files(Dataset[torch.Tensor]):
    """The loop that everyone writes."""

    def __init__(self, root: Path, paths: list[str], size: int, record: Preprocessing) -> None:
        self.root, self.paths, self.size = root, paths, size
        self.to_tensor = v2.Compose(
            [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(record.mean, record.std)]
        )

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, i: int) -> torch.Tensor:
        """Return one picture, float32[3, size, size]."""
        image = Image.open(self.root / self.paths[i]).convert("RGB")
        side = max(image.size)
        left, top = (side - image.width) // 2, (side - image.height) // 2
        padded = v2.functional.pad(image, [left, top, side - image.width - left, side - image.height - top])
        tensor: torch.Tensor = self.to_tensor(v2.functional.resize(padded, [self.size, self.size]))
        return tensor


def write_faces(root: Path, n: int) -> list[str]:
    """Write pictures with sides of 7 to 64 pixels."""
    rng = np.random.default_rng(0)
    paths = [f"{i:05d}.png" for i in range(n)]
    for path in paths:
        width, height = rng.integers(7, 65, 2)
        coarse = rng.integers(0, 256, (4, 4, 3)).astype(np.uint8)  # smooth, as faces are, so that PNG has to work
        image = Image.fromarray(coarse).resize((int(width), int(height)), Image.Resampling.BICUBIC)
        image.save(root / path)
    return paths


def conventional(model: nn.Module, files: Files, workers: int) -> np.ndarray:
    """Predict batch by batch as the files come."""
    model.eval()
    with torch.no_grad():
        parts = [model(batch).softmax(dim=1) for batch in DataLoader(files, batch_size=32, num_workers=workers)]
    return torch.cat(parts).numpy()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faces", type=int, default=10_000)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--net", default="cnn")
    parser.add_argument("--size", type=int, default=64, help="side of the network's input, pixels")
    options = parser.parse_args()
    record = Preprocessing(CLASSES, input_size=options.size, store_size=64)
    torch.manual_seed(0)
    untrained: dict[str, Any] = {} if options.net == "cnn" else {"pretrained": False}
    model = MaskClassifier(options.net, num_classes=2, input_size=options.size, **untrained)
    for norm in (module for module in model.modules() if isinstance(module, nn.BatchNorm2d)):
        assert norm.running_mean is not None
        assert norm.running_var is not None
        nn.init.uniform_(norm.running_mean, -1, 1)  # as if trained
        nn.init.uniform_(norm.running_var, 0.5, 2)
    with tempfile.TemporaryDirectory() as temporary:
        root, stores = Path(temporary, "faces"), Path(temporary, "stores")
        root.mkdir()
        paths = write_faces(root, options.faces)
        checkpoint = Path(temporary, BEST)
        torch.save(model.state_dict(), checkpoint)
        images = open_store(root, paths, record.store_size, stores).images
        if reason := write_engine(checkpoint, model, record, images[:200]):
            raise SystemExit(f"the network has no engine: {reason}")

        def ours() -> np.ndarray:
            images = open_store(root, paths, record.store_size, stores).images
            engine = open_engine(checkpoint, torch.get_num_threads())
            assert engine is not None
            return Predictor(engine).predict_squares(images)

        def first_time() -> np.ndarray:
            shutil.rmtree(stores, ignore_errors=True)
            return ours()

        ways: dict[str, Callable[[], np.ndarray]] = {
            "conventional": lambda: conventional(model, Files(root, paths, options.size, record), 0),
            "conventional, 2 workers": lambda: conventional(model, Files(root, paths, options.size, record), 2),
            "conventional, 224 px": lambda: conventional(model, Files(root, paths[::FRACTION], STUDY, record), 0),
            "ours, first time": first_time,
            "ours, again": ours,
        }
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        found: dict[str, np.ndarray] = {}
        for _ in range(options.passes):
            for name, way in ways.items():
                start = time.perf_counter()
                found[name] = way()
                seconds[name].append((time.perf_counter() - start) * len(paths) / len(found[name]))
        assert np.array_equal(found["ours, first time"], found["ours, again"])
        expected = predict_probabilities(model, record, open_store(root, paths, record.store_size, stores).images)
    threads = torch.get_num_threads()
    print(f"{options.faces:,} faces of 7-64 px, {options.net} at {options.size} px, {threads} threads, ", end="")
    print(f"{options.passes} passes")
    reference = statistics.median(seconds["conventional"])
    for name, times in seconds.items():
        median = statistics.median(times)
        print(f"{name:32} {median:7.2f} s {options.faces / median:8,.0f} images/s {reference / median:6.2f} x")
    far = np.abs(found["ours, again"] - expected).max()
    print(f"largest difference of a probability from torch's for the same decoded images: {far:.1e}")


if __name__ == "__main__":
    main()
