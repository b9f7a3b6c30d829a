"""What ``prepare_data.py task=crop`` does: find the faces of photos, and cut them out."""

import os
from pathlib import Path
from queue import SimpleQueue

import cv2
import torch

from facemask.config.compose import Settings, build
from facemask.data.index import UNLABELLED
from facemask.data.preprocessing import Pixels
from facemask.detection.detectors import Detector
from facemask.preparation.crops import Found, crop_photos, made_with
from facemask.preparation.journal import open_journal
from facemask.preparation.photos import Photo, list_photos
from facemask.preparation.result import finish


def crop(settings: Settings) -> None:
    """Cut every face out of the photos, into ``out/{class}`` or ``out/unlabelled``, with a manifest.

    Args:
        settings: the resolved configuration.

    Raises:
        FaceMaskError: the photos, the detector or the folder cannot be used.
    """
    photos = list_photos(settings["photos"], settings["labels"] == "folder")
    out = Path(settings["out"]).expanduser()
    detector = {key: value for key, value in settings["detector"].items() if key != "threads"}
    find = _Detectors(settings["detector"], settings["workers"])
    with open_journal(out, made_with(settings, detector=detector, labels=settings["labels"])) as journal:
        crop_photos([(photo, photo.stamp) for photo in photos], find, settings, journal)
        finish(journal, settings)


class _Detectors:
    """Detectors that threads take turns with: not every one can be called by two at a time."""

    def __init__(self, node: Settings, n: int) -> None:
        threads = max(1, (os.cpu_count() or 1) // n)
        cv2.setNumThreads(threads)
        torch.set_num_threads(threads)
        if "threads" in node:
            node = node | {"threads": node["threads"] or threads}
        self._idle: SimpleQueue[Detector] = SimpleQueue()
        for _ in range(n):
            self._idle.put(build(node))

    def __call__(self, photo: Photo, image: Pixels) -> Found:
        detector = self._idle.get()
        try:
            faces = detector.detect(image)
        finally:
            self._idle.put(detector)
        return Found(
            faces.boxes, [photo.label or UNLABELLED] * len(faces), [round(score, 4) for score in faces.scores.tolist()]
        )
