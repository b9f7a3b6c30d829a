"""``prepare_data.py task=crop``: detect faces in photos and crop them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue

import cv2
import torch

from facemask.config.component import Component
from facemask.config.preparation_schemas import CropConfig
from facemask.data.index import UNLABELLED
from facemask.data.preprocessing import Pixels
from facemask.detection.detectors import SupportsDetect
from facemask.detection.find import build_detector
from facemask.preparation.crops import Found, crop_photos, made_with, n_workers
from facemask.preparation.journal import open_journal
from facemask.preparation.photos import Photo, list_photos
from facemask.preparation.prepared import Prepared, finish


def crop(config: CropConfig) -> Prepared:
    """Crop every face of the photos into ``out/{class}`` or ``out/unlabelled``, and write a manifest.

    Raises:
        FaceMaskError: the photos, the detector or the folder cannot be used.
    """
    photos = list_photos(config.photos, config.labels == "folder")
    out, n = Path(config.out).expanduser(), n_workers(config)
    made = made_with(config, detector=config.detector.without("threads").to_plain(), labels=config.labels)
    with _threads(max(1, (os.cpu_count() or 1) // n)) as threads:
        find = _Detectors(config.detector, n, threads)
        with open_journal(out, made) as journal:
            table = crop_photos([(photo, photo.stamp) for photo in photos], find, config, journal)
    return finish(out, table, config)


@contextmanager
def _threads(n: int) -> Iterator[int]:
    """Limit the threads of OpenCV and torch, because photos are processed in parallel."""
    before = cv2.getNumThreads(), torch.get_num_threads()
    cv2.setNumThreads(n)
    torch.set_num_threads(n)
    try:
        yield n
    finally:
        cv2.setNumThreads(before[0])
        torch.set_num_threads(before[1])


class _Detectors:
    """Pool of detectors, one per thread, because not every detector is thread-safe."""

    def __init__(self, node: Component, n: int, threads: int) -> None:
        if "threads" in node.arguments:
            node = node.with_arguments(threads=node.get("threads") or threads)
        self._idle: SimpleQueue[SupportsDetect] = SimpleQueue()
        for _ in range(n):
            self._idle.put(build_detector(node))

    def __call__(self, photo: Photo, image: Pixels) -> Found:
        detector = self._idle.get()
        try:
            faces = detector.detect(image)
        finally:
            self._idle.put(detector)
        return Found(
            faces.boxes, [photo.label or UNLABELLED] * len(faces), [round(score, 4) for score in faces.scores.tolist()]
        )
