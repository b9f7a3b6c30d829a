"""How fast is the model of a run in each runtime, and how much accuracy does each lose?

    python benchmarks/inference.py run=outputs/DATE/TIME [run=ANOTHER ...] [--reference RUN_AT_224]

Each run is exported and predicts the faces of its test part with eager PyTorch, torch.compile, ONNX Runtime and
OpenVINO, in fp32 and int8. The baseline is the conventional pipeline: PIL, torchvision and eager PyTorch, one image at
a time at 224 pixels, with the model of ``--reference`` (a run with ``model.input_size=224``) or of the first run.
Each runtime has its own process; the processes alternate, so that other load on the machine affects all of them.
Times are from decoded crops to probabilities. ``--out`` gets the tables, a plot of accuracy over latency, and the
exported files.
"""

import argparse
import json
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import torch
from rich.console import Console

from facemask.cli.messages import fail
from facemask.config.schemas import ExportConfig
from facemask.data.pictures import read_image
from facemask.errors import FaceMaskError
from facemask.evaluation.cost import count_flops
from facemask.exporting.export import export_model
from facemask.metrics.bootstrap import bootstrap_metrics, metric_intervals, percentile_intervals
from facemask.metrics.classification import classification_metrics
from facemask.models.size import weights_size
from facemask.reports.figures import draw_pareto
from facemask.reports.terminal import print_table
from facemask.runs.run_folder import processor
from facemask.runs.samples import Samples, own_samples
from facemask.runs.trained import TrainedModel, open_models
from inference_worker import SIDE, STUDIES

WORKER = Path(__file__).with_name("inference_worker.py")
BATCHES, N_BOOTSTRAPS = (1, 8, 32), 2000
LEAST = {0.9: 10, 0.99: 100}  # calls from which on the slowest in ten, or in a hundred, can be told
WAYS = {  # kind of the worker, format and precision of the export
    "torch eager": ("runtime", None, None),
    "torch.compile": ("compiled", None, None),
    "ONNX Runtime": ("runtime", "onnx", "fp32"),
    "ONNX Runtime int8": ("runtime", "onnx", "int8"),
    "OpenVINO": ("runtime", "openvino", "fp32"),
    "OpenVINO int8": ("runtime", "openvino", "int8"),
}


@dataclass
class Way:
    """One model, run in one way.

    Attributes:
        model: what the table calls the model.
        name: of the way.
        kind: the worker's.
        file: what it runs.
        size: of it, bytes; of a checkpoint, its weights alone.
        flops: of an image.
        times: seconds of each call, by (threads, batch).
        cold: seconds from beginning the process to its first prediction, by threads.
        memory: bytes that it holds after all calls, by threads.
        probabilities: of the test part, float64[N, C].
    """

    model: str
    name: str
    kind: str
    file: Path
    size: int
    flops: int
    times: dict[tuple[int, int], list[float]] = field(default_factory=dict)
    cold: dict[int, float] = field(default_factory=dict)
    memory: dict[int, int] = field(default_factory=dict)
    probabilities: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))


class Worker:
    """The process of a way.

    Args:
        way: what it runs.
        threads: that it computes with.
        faces: the file of the crops.
    """

    def __init__(self, way: Way, threads: int, faces: Path) -> None:
        command = [sys.executable, str(WORKER), way.kind, str(way.file), str(threads), str(faces)]
        environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
        start, pipe = time.perf_counter(), subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment, text=True)
        self.way, self.threads = way, threads
        self._answer()
        way.cold[threads] = time.perf_counter() - start

    def ask(self, **question: object) -> dict[str, Any]:
        """Return the answer to a question."""
        print(json.dumps(question), file=self.process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None  # because of stdout=PIPE
        line = self.process.stdout.readline()
        if not line:
            fail(f"{self.way.model}, {self.way.name}: its process ended; why is told above.", 1)
        answer: dict[str, Any] = json.loads(line)
        return answer

    def end(self) -> None:
        """Ask how much memory it has come to hold, and end the process."""
        self.way.memory[self.threads] = self.ask(what="memory")["memory"]
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def called(models: Sequence[TrainedModel], sizes: Sequence[int]) -> list[str]:
    """Return what the tables call each model: network and input, and the run's folder where several share these."""
    names = [f"{model.name} {size} px" for model, size in zip(models, sizes, strict=True)]
    folders = [model.folder.parent.name for model in models]
    return [
        name if names.count(name) == 1 else f"{name}, {folder}" for name, folder in zip(names, folders, strict=True)
    ]


def ways_of(model: TrainedModel, label: str, names: Sequence[str], folder: Path) -> list[Way]:
    """Export a model into a folder, and return the ways to run it."""
    flops, found = count_flops(model.model, model.preprocessing.input_size), []
    validation = own_samples([model], "val")
    for name in names:
        kind, format_, precision = WAYS[name]
        file, size = model.checkpoint, weights_size(model.model)
        if format_ is not None and precision is not None:
            target = folder / f"{format_}-{precision}"
            target.mkdir(parents=True, exist_ok=True)
            chosen = ExportConfig(format=format_, precision=precision, max_drop=1.0, n_bootstraps=100)
            exported = export_model(model, validation, chosen, target)
            file, size = exported.file, exported.size
        found.append(Way(label, name, kind, file, size, flops))
    return found


def measure(ways: Sequence[Way], threads: int, faces: Path, seconds: float, rounds: int) -> None:
    """Let the ways take turns; keep the times of their calls, and at first what they predict."""
    workers = [Worker(way, threads, faces) for way in ways]
    for worker in workers:
        if not worker.way.probabilities.size and worker.way.kind != "gemm":
            worker.way.probabilities = np.array(worker.ask(what="probabilities")["probabilities"])
    for batch in BATCHES:
        for worker in workers:
            worker.ask(what="times", batch=batch, seconds=0)  # torch.compile makes a graph a batch size
        for _ in range(rounds):
            for worker in workers:
                times = worker.ask(what="times", batch=batch, seconds=seconds)["times"]
                worker.way.times.setdefault((threads, batch), []).extend(times)
    for worker in workers:
        worker.end()


def speeds(ways: Sequence[Way], threads: Sequence[int], gemm: Way) -> pd.DataFrame:
    """Return a row a way, number of threads and batch."""
    rows = []
    for n in threads:
        limit = 2 * SIDE**3 / np.median([t for (of, _), times in gemm.times.items() if of == n for t in times])
        for batch in BATCHES:
            for way in ways:
                times = np.array(way.times[n, batch]) * 1000
                rate = 1000 * batch / np.median(times)
                row = {"threads": n, "batch": batch, "model": way.model, "way": way.name, "calls": len(times)}
                row["ms"] = np.median(times)
                for share, least in LEAST.items():
                    row[f"p{100 * share:.0f}"] = np.quantile(times, share) if len(times) >= least else np.nan
                rows.append(row | {"images/s": rate, "of GEMM": rate * way.flops / limit})
    table = pd.DataFrame(rows)
    for column, power in (("images/s", 1), ("p90", -1)):
        first = table.groupby(["threads", "batch"])[column].transform(lambda values: values.iloc[0])  # conventional
        table[f"x {column}"] = (table[column] / first) ** power
    return table


def scores(ways: Sequence[Way], samples: Samples, class_names: Sequence[str], threads: int) -> pd.DataFrame:
    """Return a row a way: what it scores on the test part, what sets it apart from the first, and what it takes."""
    labels, groups = samples.labels(class_names), samples.table["group"].tolist()
    rows: list[dict[str, Any]] = []
    for way in ways:
        metrics = classification_metrics(labels, way.probabilities, class_names)
        resampled = bootstrap_metrics(labels, way.probabilities, class_names, groups, N_BOOTSTRAPS)
        predicted = way.probabilities.argmax(axis=1)
        intervals = metric_intervals(resampled, metrics, labels, predicted, class_names, groups)
        row: dict[str, Any] = {"model": way.model, "way": way.name}
        for name in ("accuracy", "auroc"):
            low, high = intervals[name]
            row |= {name: metrics[name], f"{name}_low": low, f"{name}_high": high}
        if not rows:
            first, first_resampled = metrics["accuracy"], resampled["accuracy"]
        low, high = percentile_intervals({"gain": resampled["accuracy"] - first_resampled}, len(set(groups)))["gain"]
        row |= {"gain": metrics["accuracy"] - first, "gain_low": low, "gain_high": high}
        row |= {"file MB": way.size / 1e6, "memory MB": way.memory[threads] / 1e6, "cold start s": way.cold[threads]}
        rows.append(row | {"MFLOPs": way.flops / 1e6})
    return pd.DataFrame(rows)


def main() -> None:
    """Export, measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", metavar="run=FOLDER", type=lambda word: word.removeprefix("run="))
    parser.add_argument("--reference", help="a run at 224 pixels, for the conventional way")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--seconds", type=float, default=0.5, help="a turn")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--out", type=Path, default=Path("outputs/benchmarks/inference"))
    options = parser.parse_args()
    console = Console(width=max(140, Console().width), record=True)
    try:
        models = open_models(options.runs)
        reference = options.reference or options.runs[0]
        (conventional,) = open_models([reference])
        samples = own_samples([*models, conventional], "test")
        folders = [options.out / "files" / f"{i}-{model.name}" for i, model in enumerate(models)]
        sizes = [model.preprocessing.input_size for model in models]
        about, *labels = called([conventional, *models], [STUDIES, *sizes])
        ways = [
            way
            for model, label, folder in zip(models, labels, folders, strict=True)
            for way in ways_of(model, label, options.ways, folder)
        ]
    except FaceMaskError as error:
        fail(str(error), 2)
    if conventional.preprocessing.input_size != STUDIES:
        about += f" (trained at {conventional.preprocessing.input_size})"
    flops = count_flops(conventional.model, STUDIES)
    gemm = Way("", "multiplication", "gemm", Path(), 0, 0)
    options.out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as temporary:
        faces, network = Path(temporary, "faces.pickle"), Path(temporary, "network.pt")
        ways.insert(0, Way(about, "conventional", "conventional", network, weights_size(conventional.model), flops))
        record, net = conventional.preprocessing, getattr(conventional.model, "net", conventional.model)
        torch.save({"net": net, "mean": record.mean, "std": record.std}, network)
        crops = [read_image(samples.root / path) for path in samples.table["path"]]
        faces.write_bytes(pickle.dumps(crops[0]) + pickle.dumps(crops))
        for threads in options.threads:
            measure([*ways, gemm], threads, faces, options.seconds, options.rounds)
    by_way = scores(ways, samples, models[0].class_names, options.threads[0])
    by_speed = speeds(ways, options.threads, gemm)
    by_way.to_csv(options.out / "accuracy.csv", index=False)
    by_speed.to_csv(options.out / "speed.csv", index=False)
    alone = by_speed[(by_speed["threads"] == options.threads[0]) & (by_speed["batch"] == 1)]
    plotted = by_way.assign(variant=by_way["way"], ms_per_image=alone["ms"].to_numpy())
    n, groups = len(samples.table), samples.table["group"].nunique()
    data = f"{samples.data}, test part, n = {n:,}; ranges: 95 % bootstrap confidence intervals over {groups} groups"
    first = f"{options.threads[0]} thread(s) of {processor()}"
    figure = draw_pareto(plotted)
    figure.suptitle(f"{data}\n{first}; the line joins those that none beats in both", fontsize=8)
    figure.savefig(options.out / "pareto.png", dpi=150)
    explained = "gain: in accuracy over the conventional way, paired; memory (after batches of 32) and cold start with"
    print_table(by_way, f"{data}; {explained} {first}", console)
    for _, part in by_speed.groupby("threads"):
        print_table(
            part.drop(columns="threads"),
            f"{part['threads'].iloc[0]} thread(s) of {processor()}; milliseconds a call (median, p90, p99), images a "
            "second by the median, its share of what multiplying large matrices reaches here (in float32, also beside "
            "int8), and how many times better than the conventional way",
            console,
        )
    console.save_text(str(options.out / "tables.txt"))
    console.print(f"Tables, plot and files: {options.out}", highlight=False)


if __name__ == "__main__":
    main()
