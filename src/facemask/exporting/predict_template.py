"""Classify face crops with the ONNX model beside this file: ``python predict.py face.jpg ...``.

Needs numpy, opencv-python (or -headless) and onnxruntime, on Python 3.10 or newer. If several models are beside this
file, name one first: ``python predict.py model.onnx face.jpg ...``. From Python: ``from predict import predict``.
"""

import json
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime

BATCH_SIZE = 32  # crops per batch; bounds memory


@lru_cache
def load(model: str | None = None) -> tuple[Any, dict[str, Any]]:
    """Return the session and preprocessing of a model, by default the only one beside this file."""
    models = [Path(model)] if model else sorted(Path(__file__).parent.glob("*.onnx"))
    if len(models) != 1:
        raise ValueError(
            f"{len(models)} models are beside {__file__}; choose one: python predict.py model.onnx face.jpg"
        )
    session = onnxruntime.InferenceSession(str(models[0]), providers=["CPUExecutionProvider"])
    return session, json.loads(session.get_modelmeta().custom_metadata_map["facemask"])["preprocessing"]


def predict(crops: list[np.ndarray], model: str | None = None) -> np.ndarray:
    """Return class probabilities, float32[N, C], of N crops, uint8[h, w, 3] each, RGB, of any size."""
    session, preprocessing = load(model)
    (images,) = session.get_inputs()
    probabilities = [np.empty((0, len(preprocessing["class_names"])), np.float32)]
    for start in range(0, len(crops), BATCH_SIZE):
        batch = np.stack([square(crop, preprocessing["store_size"]) for crop in crops[start : start + BATCH_SIZE]])
        if images.type == "tensor(float)":  # exported with preprocessing=outside
            batch = normalise(batch, preprocessing)
        probabilities += session.run(None, {images.name: batch})
    return np.concatenate(probabilities)


def square(crop: np.ndarray, size: int) -> np.ndarray:
    """Resize the longer side of a crop to ``size`` pixels and centre it on a black square."""
    height, width = crop.shape[:2]
    side = max(height, width)
    if side != size:
        height, width = (max(1, round(length * size / side)) for length in (height, width))
        crop = cv2.resize(crop, (width, height), interpolation=cv2.INTER_AREA if side > size else cv2.INTER_LINEAR)
    top, left = (size - height) // 2, (size - width) // 2
    canvas = np.zeros((size, size, 3), np.uint8)
    canvas[top : top + height, left : left + width] = crop
    return canvas


def normalise(squares: np.ndarray, preprocessing: dict[str, Any]) -> np.ndarray:
    """Return normalised and resized squares, float32[N, 3, S, S] (bilinear, antialiased when shrinking)."""
    mean, std = (np.array(preprocessing[name], np.float32).reshape(3, 1, 1) * 255 for name in ("mean", "std"))
    batch = np.ascontiguousarray((squares.transpose(0, 3, 1, 2) - mean) / std)
    before, after = preprocessing["store_size"], preprocessing["input_size"]
    if before == after:
        return batch
    scale = before / after
    centres = (np.arange(after)[:, None] + 0.5) * scale - 0.5
    weights = np.clip(1 - np.abs(np.arange(before) - centres) / max(scale, 1), 0, None)
    weights = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return np.asarray(weights @ batch @ weights.T)


def read(file: str) -> np.ndarray:
    """Return an image, uint8[h, w, 3], RGB."""
    picture = cv2.imread(file)
    if picture is None:
        raise ValueError(f"{file} cannot be read as an image")
    return picture[..., ::-1]  # OpenCV reads BGR


def main(words: list[str]) -> None:
    """Print class and probabilities of each image."""
    model = words.pop(0) if words and words[0].endswith(".onnx") else None
    classes = load(model)[1]["class_names"]
    for word, row in zip(words, predict([read(word) for word in words], model), strict=True):
        print(word, classes[row.argmax()], *(f"{name}={p:.4f}" for name, p in zip(classes, row, strict=True)))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except ValueError as error:
        sys.exit(f"error: {error}")
