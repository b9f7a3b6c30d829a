"""Predict with one runtime in a separate process, which ``benchmarks/inference.py`` starts.

It imports only what the runtime needs, so that its memory and start-up time are those of a program that only predicts
(PyTorch reads a checkpoint, which needs Lightning). Requests and answers are lines of JSON.
"""

import json
import pickle
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SIDE = 1024  # of the matrices multiplied to see what the machine can do
STUDIES = 224  # pixels, which the conventional way resizes to

Predict = Callable[[list[np.ndarray]], np.ndarray]


def runtime(file: str, threads: int) -> Predict:
    """Return the project's own way: whatever file it is, all crops at once."""
    import cv2

    from facemask.inference.predictor import Predictor

    cv2.setNumThreads(threads)
    if file.endswith(".ckpt"):  # a run's checkpoint would be opened on ONNX Runtime
        from facemask.inference.torch import open_checkpoint

        classifier = Predictor(open_checkpoint(Path(file), threads))
    else:
        classifier = Predictor.load(file, threads=threads)
    return lambda crops: classifier.predict(crops)


def compiled(file: str, threads: int) -> Predict:
    """Return the same, its network and preprocessing through torch.compile."""
    import cv2
    import torch

    from facemask.inference.backend import Backend
    from facemask.inference.graph import Graph
    from facemask.inference.predictor import Predictor
    from facemask.models.checkpoint import load_model

    cv2.setNumThreads(threads)
    torch.set_num_threads(threads)
    model, record = load_model(Path(file))
    graph = torch.compile(Graph(model, record).to(memory_format=torch.channels_last), dynamic=False)

    def run(squares: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return np.asarray(graph(torch.from_numpy(squares)).numpy())

    return Predictor(Backend(record, run)).predict


def conventional(file: str, threads: int) -> Predict:
    """Return the way everyone writes first: PIL, torchvision, eager PyTorch, one image at a time, 224 pixels."""
    import torch
    from PIL import Image
    from torchvision import transforms

    torch.set_num_threads(threads)
    saved = torch.load(file, weights_only=False)
    net = saved["net"]
    transform = transforms.Compose(
        [
            transforms.Resize((STUDIES, STUDIES)),
            transforms.ToTensor(),
            transforms.Normalize(saved["mean"], saved["std"]),
        ]
    )

    def predict(crops: list[np.ndarray]) -> np.ndarray:
        rows = []
        for crop in crops:
            image = Image.fromarray(crop)
            side = max(image.size)
            square = Image.new("RGB", (side, side))
            square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
            with torch.no_grad():
                rows.append(net(transform(square)[None]).softmax(dim=1)[0].numpy())
        return np.stack(rows)

    return predict


def gemm(file: str, threads: int) -> Predict:
    """Return no prediction: one multiplication of two large matrices, which is as fast as this machine computes."""
    import torch

    torch.set_num_threads(threads)
    one, other = torch.rand(2, SIDE, SIDE)

    def predict(crops: list[np.ndarray]) -> np.ndarray:
        torch.mm(one, other)
        return np.zeros((len(crops), 2), np.float32)

    return predict


def resident_bytes() -> int:
    """Return the memory that this process holds."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


def timed(predict: Predict, crops: list[np.ndarray], batch: int, seconds: float) -> list[float]:
    """Return the seconds of each call, of as many as fit, and one at least; each call gets the next crops."""
    durations: list[float] = []
    place, end = 0, time.perf_counter() + seconds
    while not durations or time.perf_counter() < end:
        some = [crops[(place + i) % len(crops)] for i in range(batch)]
        place += batch
        start = time.perf_counter()
        predict(some)
        durations.append(time.perf_counter() - start)
    return durations


def all_probabilities(predict: Predict, crops: list[np.ndarray], batch: int = 32) -> list[list[float]]:
    """Return those of every crop, in batches that are all full, because a compiled graph is of one size."""
    padded = [crops[i % len(crops)] for i in range(len(crops) + -len(crops) % batch)]
    parts = [predict(padded[start : start + batch]) for start in range(0, len(padded), batch)]
    probabilities: list[list[float]] = np.concatenate(parts)[: len(crops)].astype(float).tolist()
    return probabilities


def main() -> None:
    """Get ready, which ends with a first prediction, say so, and answer until there is no more to answer."""
    kind, file, threads, faces = sys.argv[1:]
    ways = {"runtime": runtime, "compiled": compiled, "conventional": conventional, "gemm": gemm}
    predict = ways[kind](file, int(threads))
    with open(faces, "rb") as stream:
        predict([pickle.load(stream)])
        print(json.dumps({"ready": True}), flush=True)
        crops = pickle.load(stream)
    for line in sys.stdin:
        asked = json.loads(line)
        if asked["what"] == "times":
            answer: dict[str, Any] = {"times": timed(predict, crops, asked["batch"], asked["seconds"])}
        elif asked["what"] == "probabilities":
            answer = {"probabilities": all_probabilities(predict, crops)}
        else:
            answer = {"memory": resident_bytes()}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
