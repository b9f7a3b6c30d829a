"""Exponential smoothing of a face's probabilities over time."""

from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

from facemask.inference.backend import Probabilities

HalfLife = Annotated[float, Field(ge=0)]


class Smoother:
    """Exponential moving average of each track's probabilities.

    Args:
        half_life: seconds after which the weight of a prediction is halved; 0 for no smoothing.
    """

    def __init__(self, half_life: HalfLife) -> None:
        self.half_life = half_life
        self._known: dict[int, tuple[float, npt.NDArray[np.float64], float]] = {}  # time, weighted sum, weight

    def update(self, track: int, probabilities: Probabilities, seconds: float) -> Probabilities:
        """Add the current probabilities of a track, float32[C], and return the average, float32[C]."""
        when, total, weight = self._known.get(track, (seconds, np.zeros(len(probabilities)), 0.0))
        kept = 0.5 ** ((seconds - when) / self.half_life) if self.half_life else 0.0
        total, weight = total * kept + probabilities, weight * kept + 1
        self._known[track] = seconds, total, weight
        return (total / weight).astype(np.float32)

    def keep_only(self, tracks: set[int]) -> None:
        """Forget all tracks except these."""
        self._known = {track: known for track, known in self._known.items() if track in tracks}
