"""How many images a second does the loader deliver, against the conventional pipeline, and how long does training wait?

    python benchmarks/loader.py                       the demo set
    python benchmarks/loader.py ROOT                  a folder of yours, ROOT/CLASS/**

Conventional: torchvision's ImageFolder, Pillow, the SF-MASK study's random transforms at 224 px. Its files are PNGs of
224 px, padded and resized beforehand, as in the study; the row "small files" reads the original crops, and pads and
resizes them while loading. Ours: the packed store, the same transforms at 64 px, then one bilinear resize of the
batch. All start with their files in the page cache, shuffle, and end with a normalised float32 batch. The rounds
alternate; the table shows the median round.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from facemask.config.checks.training import resolve_training
from facemask.config.compose import compose
from facemask.config.schemas import TrainConfig
from facemask.data.datamodule import FaceDataModule
from facemask.data.demo import make_demo
from facemask.data.index import index
from facemask.data.pictures import read_image
from facemask.data.preprocessing import IMAGENET_MEAN, IMAGENET_STD, Preprocessing, square
from facemask.training.fit import fit_folds

PROJECT = Path(__file__).parent.parent
BATCH = 32


def prepare_224(root: Path, target: Path) -> Path:
    """Write every picture of a set as a square PNG of 224 pixels."""
    for path in index(root)["path"]:
        file = (target / path).with_suffix(".png")
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(square(read_image(root / path), 224)).save(file)
    return target


def pad_to_square(image: Image.Image) -> Image.Image:
    """Centre a picture on a black square."""
    side = max(image.size)
    canvas = Image.new("RGB", (side, side))
    canvas.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return canvas


def conventional(root: Path, workers: int) -> Callable[[], int]:
    """Return a function that passes over the set once and returns the number of images."""
    pipeline = transforms.Compose(
        [
            pad_to_square,
            transforms.Resize((224, 224)),
            transforms.RandomHorizontalFlip(0.5),
            transforms.RandomRotation(10),
            transforms.ColorJitter(0.2, 0.2, 0.2),
            transforms.RandomPerspective(0.1, p=0.3),
            transforms.RandomAffine(0, translate=(0.1, 0.1), scale=(0.9, 1.1)),
            transforms.ToTensor(),
            transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD),
        ]
    )
    loader = DataLoader(
        ImageFolder(root, pipeline), BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0
    )
    return lambda: sum(len(images) for images, _ in loader)


def ours(data: FaceDataModule, size: int) -> Callable[[], int]:
    """Return the same for our loader, feeding a network of ``size`` pixels."""
    record = Preprocessing(tuple(data.class_names), size, data.store_size)
    loader = data.train_dataloader()
    return lambda: sum(len(record.normalise(images)) for images, _ in loader)


def configure(root: Path, folder: Path, *overrides: str) -> TrainConfig:
    """Compose a training configuration for the set."""
    words = ["data=folder", f"data.root='{root}'", f"data.store_dir={folder}/store", f"bs={BATCH}", *overrides]
    return resolve_training(compose("train", words))


def measure(passes: dict[str, Callable[[], int]], rounds: int) -> dict[str, float]:
    """Return images/s of each, the median over alternating rounds, the first of which is not counted."""
    rates: dict[str, list[float]] = {name: [] for name in passes}
    for turn in track(range(rounds + 1), "Measuring", console=Console(stderr=True), transient=True):
        for name, run in passes.items():
            start = time.perf_counter()
            n = run()
            if turn:
                rates[name].append(n / (time.perf_counter() - start))
    return {name: statistics.median(values) for name, values in rates.items()}


def waiting(root: Path, folder: Path) -> Iterator[tuple[str, float, float]]:
    """Train an epoch of each model; yield its name, seconds and the fraction of them spent waiting for data."""
    for name, size in (("cnn", 64), ("mobilenetv2", 96), ("mobilenetv2", 224)):
        words = [f"model={name}", f"model.input_size={size}", "epochs=1", "trainer.enable_progress_bar=false"]
        words += ["model.pretrained=false"] if name != "cnn" else []
        (fold,) = fit_folds(configure(root, folder, *words), folder / f"{name}-{size}").folds
        yield f"{name}, {size} px", fold.seconds, fold.data_seconds / fold.seconds


def main() -> None:
    """Measure, and print two tables."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("root", nargs="?", type=Path, help="folder of classes; the demo set if not given")
    arguments.add_argument("--rounds", type=int, default=5)
    options = arguments.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        root = options.root or folder / "demo"
        if options.root is None:
            make_demo(root)
        prepared = prepare_224(root, folder / "prepared")
        passes: dict[str, Callable[[], int]] = {}
        for workers in (0, 1):
            data = configure(root, folder, f"data.num_workers={workers}", "data.test_fraction=0").data.build()
            data.prepare_data()
            data.train_samples = data.samples  # all images, as ImageFolder has
            passes[f"conventional, 224 px, {workers} workers"] = conventional(prepared, workers)
            passes[f"conventional, small files, {workers} workers"] = conventional(root, workers)
            for size in (224, 96, 64):
                passes[f"facemask, {size} px, {workers} workers"] = ours(data, size)
        rates = measure(passes, options.rounds)
        title = f"{len(data.samples):,} images, batch {BATCH}, median of {options.rounds} rounds"
        table = Table("pipeline", "images/s", "ratio", title=title)
        for name, rate in rates.items():
            reference = rates[f"conventional, 224 px, {name.split(', ')[2]}"]
            table.add_row(name, f"{rate:,.0f}", f"{rate / reference:.1f}")
        console.print(table)
        table = Table("training epoch", "seconds", "waiting for data", title="one epoch each, 4/5 of the images")
        for name, seconds, fraction in waiting(root, folder):
            table.add_row(name, f"{seconds:.1f}", f"{fraction:.1%}")
        console.print(table)


if __name__ == "__main__":
    main()
