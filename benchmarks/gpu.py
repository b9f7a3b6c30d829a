"""How fast does a GPU train, what keeps it waiting, and does it give the CPU's numbers?

    python benchmarks/gpu.py                  the demo set, on the first GPU
    python benchmarks/gpu.py ROOT             a folder of yours, ROOT/CLASS/** or ROOT/{train,test}/CLASS/**
    python benchmarks/gpu.py --device cpu --seconds 0 --faces 64 --grid 2 --jobs 1      a small run without a GPU

Four tables, MobileNetV2 at 96 px:

- step: training steps on random images that are on the device already, by batch size and precision;
- epoch: an epoch of 45,826 faces, as many as SF-MASK has (the set's faces repeated), by loader processes; the ratio is
  to the step alone of the same batch size and precision;
- equality: the largest difference of a probability between CPU and device, with the same weights; and the validation
  scores of the same fit on both. TF32, which torch uses for convolutions unless told otherwise, rounds to 10 bits;
- grid: seconds of a grid of learning rates and batch sizes over five folds, by the number of fits side by side.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from rich.console import Console
from rich.table import Table

from facemask import FaceDataModule, MaskClassifier
from facemask.cli.messages import fail
from facemask.config.checks.training import resolve_training
from facemask.config.compose import compose
from facemask.data.demo import make_demo
from facemask.models.predict import predict_probabilities
from facemask.training.fit import fit_folds
from facemask.training.processes import silence_expected_warnings

PROJECT = Path(__file__).parent.parent
SIZE, STORED = 96, 64  # pixels
LR = "1e-2,1e-3,1e-4,1e-5"
BATCHES = (16, 32, 64)
SCORES = ("accuracy", "f1", "auroc")
PRECISIONS = {"32-true": torch.float32, "bf16-mixed": torch.bfloat16}


def synchronise(device: str) -> None:
    """Wait for the device, so that a clock can be read."""
    if device == "cuda":
        torch.cuda.synchronize()


def network(device: str, classes: int = 2) -> MaskClassifier:
    """Return the classifier with random weights."""
    torch.manual_seed(0)
    return MaskClassifier("mobilenetv2_100", num_classes=classes, input_size=SIZE, pretrained=False).to(device)


def step_rate(device: str, batch: int, precision: str, seconds: float, *, compiled: bool = False) -> float:
    """Return images/s of training steps on one batch that stays on the device."""
    model = network(device).train()
    if compiled:
        model.compile()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    images = torch.randn(batch, 3, SIZE, SIZE, device=device).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, 2, (batch,), device=device)

    def step() -> None:
        with torch.autocast(device, PRECISIONS[precision], enabled=precision != "32-true"):
            loss = torch.nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    for _ in range(3):
        step()
    synchronise(device)
    n, start = 0, time.perf_counter()
    while n == 0 or time.perf_counter() - start < seconds:
        for _ in range(10 if seconds else 1):  # synchronising after every step would slow it down
            step()
        n += 10 if seconds else 1
        synchronise(device)
    return n * batch / (time.perf_counter() - start)


class EpochClock(Callback):
    """Measures the rate of training after a tenth of an epoch, when the loader's processes run."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.start, self.batches = 0.0, 0
        self.seconds = 0.0

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Start and read the clock."""
        done, total = trainer.fit_loop.epoch_loop.batch_progress.current.ready, int(trainer.num_training_batches)
        if not self.start and done >= total // 10:
            synchronise(self.device)
            self.start, self.batches = time.perf_counter(), total - done
        elif done == total:
            synchronise(self.device)
            self.seconds = (time.perf_counter() - self.start) * total / self.batches


def epoch_seconds(device: str, data: FaceDataModule, faces: int, batch: int, precision: str, workers: int) -> float:
    """Return the seconds of an epoch, at the rate that it has after its first tenth."""
    clock = EpochClock(device)
    data.batch_size, data.num_workers = batch, workers
    data.train_samples = data.train_samples.sample(faces, replace=True, random_state=0)
    trainer = Trainer(
        max_epochs=1,
        accelerator=device,
        devices=1,
        precision=precision,  # type: ignore[arg-type]  # one of PRECISIONS
        callbacks=[clock],
        limit_val_batches=0,
        enable_progress_bar=False,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
    )
    trainer.fit(MaskClassifier("mobilenetv2_100", input_size=SIZE, pretrained=False), data)
    return clock.seconds


def words_for(device: str, root: Path, folder: Path) -> list[str]:
    """Return the words of a command that trains on the set, on the device."""
    own = ["data=folder", f"data.root='{root}'", f"data.store_dir={folder}/store", f"model.input_size={SIZE}"]
    return [*own, "trainer.enable_progress_bar=false", f"trainer.accelerator={device}"]


def grid_seconds(device: str, root: Path, folder: Path, jobs: int, points: int, brief: Sequence[str]) -> float:
    """Return the seconds of a grid over five folds, as its command takes them from a terminal."""
    rates, sizes = LR.split(",")[: max(1, points // len(BATCHES))], BATCHES[: min(points, len(BATCHES))]
    words = ["-m", f"lr={','.join(rates)}", f"bs={','.join(map(str, sizes))}", "fold=all"]
    words += [*words_for(device, root, folder), *brief, f"hydra.sweep.dir={folder}/grid-{jobs}"]
    if jobs > 1:
        words += ["launcher=joblib", f"hydra.launcher.n_jobs={jobs}"]
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, str(PROJECT / "train.py"), *words], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"the grid failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return time.perf_counter() - start


def fit_scores(device: str, root: Path, folder: Path, brief: Sequence[str]) -> dict[str, float]:
    """Return the validation scores of a fit, and its seconds."""
    words = [*words_for(device, root, folder), *brief]
    with tempfile.TemporaryDirectory(dir=folder) as run:
        (fold,) = fit_folds(resolve_training(compose("train", words)), Path(run, "run")).folds
    return {name: fold.metrics["val"][name] or 0.0 for name in SCORES} | {"seconds": fold.seconds}


def difference(device: str, data: FaceDataModule) -> float:
    """Return the largest difference of a probability between CPU and device, same weights."""
    model = network("cpu", len(data.class_names)).eval()
    record = model.preprocessing_for(tuple(data.class_names), STORED)
    images = data.images(data.val_samples)
    here = predict_probabilities(model, record, images)
    return float(np.abs(here - predict_probabilities(model.to(device), record, images)).max())


def open_data(root: Path, folder: Path) -> FaceDataModule:
    """Return the set, decoded."""
    data = FaceDataModule(root, store_dir=folder / "store", store_size=STORED)
    data.prepare_data()
    return data


def tables(options: argparse.Namespace, root: Path, folder: Path, console: Console) -> None:
    """Measure, and print a table after the other."""
    device: str = options.device
    batches = (*BATCHES[1:], 512) if device == "cuda" else BATCHES[1:2]
    table = Table("batch", "precision", "images/s", title="step alone")
    rates: dict[tuple[int, str], float] = {}
    for batch in batches:
        for precision in PRECISIONS:
            rates[batch, precision] = step_rate(device, batch, precision, options.seconds)
            table.add_row(str(batch), precision, f"{rates[batch, precision]:,.0f}")
    if options.compile:
        rate = step_rate(device, batches[-1], "bf16-mixed", options.seconds, compiled=True)
        table.add_row(str(batches[-1]), "bf16-mixed, compiled", f"{rate:,.0f}")
    console.print(table)

    data = open_data(root, folder)
    n = len(data.val_samples)
    table = Table(
        "batch", "precision", "workers", "seconds", "images/s", "of step rate", title=f"{options.faces:,} faces"
    )
    for batch, precision in ((batches[len(batches) // 2], "32-true"), (batches[-1], "bf16-mixed")):
        for workers in options.workers:
            seconds = epoch_seconds(device, open_data(root, folder), options.faces, batch, precision, workers)
            rate = options.faces / seconds
            share = rate / rates[batch, precision]
            table.add_row(str(batch), precision, str(workers), f"{seconds:.1f}", f"{rate:,.0f}", f"{share:.0%}")
    console.print(table)

    brief = [f"epochs={options.epochs}", *([f"trainer.limit_train_batches={options.limit}"] if options.limit else [])]
    table = Table("", "cpu", device, "difference", title=f"equality, validation, n = {n:,}")
    for name, allowed in (("TF32", True), ("float32", False)):
        torch.backends.cudnn.allow_tf32 = allowed
        table.add_row(f"a probability, {name}", "", "", f"{difference(device, data):.1e}")
    torch.backends.cudnn.allow_tf32 = True
    here, there = (fit_scores(place, root, folder, brief) for place in ("cpu", device))
    for name in here:
        table.add_row(name, f"{here[name]:.4f}", f"{there[name]:.4f}", f"{there[name] - here[name]:+.4f}")
    console.print(table)

    title = f"{options.grid} points x 5 folds, {options.epochs} epochs"
    table = Table("fits side by side", "seconds", "ratio", title=title)
    first = None
    for jobs in options.jobs:
        seconds = grid_seconds(device, root, folder, jobs, options.grid, brief)
        first = first or seconds
        table.add_row(str(jobs), f"{seconds:.0f}", f"{first / seconds:.1f}")
    console.print(table)


def main(words: Sequence[str] | None = None) -> None:
    """Read the options, and measure."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("root", nargs="?", type=Path, help="folder of classes; the demo set if not given")
    arguments.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    arguments.add_argument("--seconds", type=float, default=2.0, help="seconds per measurement of the step")
    arguments.add_argument("--faces", type=int, default=45_826, help="faces per epoch")
    arguments.add_argument("--workers", type=int, nargs="+", default=[1, 8], help="loader processes")
    arguments.add_argument("--jobs", type=int, nargs="+", default=[8], help="fits of the grid side by side")
    arguments.add_argument("--grid", type=int, default=12, choices=(1, 2, 3, 6, 9, 12), help="points of the grid")
    arguments.add_argument("--epochs", type=int, default=3, help="epochs of the grid and of the compared fit")
    arguments.add_argument(
        "--compile", action="store_true", help="measure the compiled step, too, which takes a minute"
    )
    arguments.add_argument("--limit", type=int, help="training batches of these epochs; all if not given")
    options = arguments.parse_args(words)
    if options.faces < (least := 2 * (512 if options.device == "cuda" else BATCHES[1])):
        arguments.error(f"--faces must be at least {least}, two batches")
    silence_expected_warnings()
    if options.device == "cuda" and not torch.cuda.is_available():
        fail("there is no GPU here; python benchmarks/gpu.py --help shows a small run without one", 2)
    console = Console(width=100)
    name = torch.cuda.get_device_name() if options.device == "cuda" else "CPU"
    console.print(f"{name}, {os.cpu_count()} cores, torch {torch.__version__}", highlight=False)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        root = (options.root or folder / "demo").absolute()
        if options.root is None:
            make_demo(root)
        tables(options, root, folder, console)


if __name__ == "__main__":
    main()
