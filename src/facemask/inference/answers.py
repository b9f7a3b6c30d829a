"""The answer for one face: its most probable class, or ``unsure``."""

from dataclasses import dataclass

import numpy as np

from facemask.config.schemas import Unsure
from facemask.data.preprocessing import Preprocessing
from facemask.inference.backend import Probabilities

UNSURE = "unsure"


@dataclass(frozen=True)
class Answers:
    """Rule that turns probabilities into answers.

    Attributes:
        class_names: classes of the classifier.
        min_side: crops with a shorter side below it are unsure, pixels.
        min_probability: smaller probabilities are unsure, in [0, 1].
    """

    class_names: tuple[str, ...]
    min_side: int = 0
    min_probability: float = 0.0

    @classmethod
    def of(cls, preprocessing: Preprocessing, unsure: Unsure) -> "Answers":
        """Return the rule of a model; without ``min_side``, that of its smallest training crops."""
        min_side = preprocessing.smallest_crop if unsure.min_side is None else unsure.min_side
        return cls(preprocessing.class_names, min_side, unsure.min_probability)

    def answer(self, probabilities: Probabilities, crop_shape: tuple[int, ...]) -> str:
        """Return the answer for probabilities, float32[C], of a crop of shape (h, w, 3)."""
        c = int(np.argmax(probabilities))
        is_unsure = min(crop_shape[:2]) < self.min_side or probabilities[c] < self.min_probability
        return UNSURE if is_unsure else self.class_names[c]
