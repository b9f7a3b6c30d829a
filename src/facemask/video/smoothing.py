"""One steady answer for a face seen many times: its probabilities, averaged with more weight on what is new."""

from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

from facemask.inference.backend import Probabilities

HalfLife = Annotated[float, Field(ge=0)]


class Smoother:
    """An exponential average of each track's probabilities.

    Args:
        half_life: seconds after which an answer counts half as much as a new one does; 0 for the newest alone.
    """

    def __init__(self, half_life: HalfLife) -> None:
        self.half_life = half_life
        self._known: dict[int, tuple[float, npt.NDArray[np.float64], float]] = {}  # when, weighted sum, weight

    def update(self, track: int, probabilities: Probabilities, seconds: float) -> Probabilities:
        """Take in what the network says of a track now, float32[C], and return the average, float32[C]."""
        when, total, weight = self._known.get(track, (seconds, np.zeros(len(probabilities)), 0.0))
        kept = 0.5 ** ((seconds - when) / self.half_life) if self.half_life else 0.0
        total, weight = total * kept + probabilities, weight * kept + 1
        self._known[track] = seconds, total, weight
        return (total / weight).astype(np.float32)

    def keep_only(self, tracks: set[int]) -> None:
        """Forget every track but these."""
        self._known = {track: known for track, known in self._known.items() if track in tracks}
