"""Does an exported model say what the trained one says? Pure: two arrays of probabilities in, figures out."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from facemask.errors import ModelError
from facemask.metrics.bootstrap import metric_draws, metric_intervals, percentile_intervals
from facemask.metrics.classification import Labels, Probabilities, classification_metrics

TOLERANCE = 1e-4  # of a probability, in float32: more is no rounding
ROUNDING = 1e-9  # of a difference of accuracies, in float64: 195 of 200 less 194 of 200 is a little over 0.005


@dataclass(frozen=True)
class Parity:
    """What sets an exported model apart from the trained one, on the same samples.

    Attributes:
        n: samples.
        groups: that they come in.
        unusable: samples of which the exported model gives no numbers.
        changed: samples that get another label.
        largest: the largest difference of a probability.
        mean: the mean difference.
        before: accuracy of the trained model, with its 95 % interval.
        after: accuracy of the exported one, likewise.
        gain: the difference, likewise, paired draw by draw; negative for a loss.
    """

    n: int
    groups: int
    unusable: int
    changed: int
    largest: float
    mean: float
    before: tuple[float, float, float]
    after: tuple[float, float, float]
    gain: tuple[float, float, float]

    def to_dict(self) -> dict[str, Any]:
        """Return plain Python types."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


def compare(
    labels: Labels,
    before: Probabilities,
    after: Probabilities,
    groups: Sequence[str],
    draws: int,
    seed: int,
) -> Parity:
    """Compare two models.

    Args:
        labels: int64[N], the truth.
        before: float[N, C], of the trained model.
        after: float[N, C], of the exported one.
        groups: N group names.
        draws: of the bootstrap.
        seed: of the bootstrap.
    """
    names = [str(c) for c in range(before.shape[1])]
    figures, all_draws = [], []
    for probabilities in (before, after):
        metrics = classification_metrics(labels, probabilities, names)
        drawn = {"accuracy": metric_draws(labels, probabilities, names, groups, draws, seed)["accuracy"]}
        low, high = metric_intervals(drawn, metrics, labels, probabilities.argmax(axis=1), names, groups)["accuracy"]
        figures.append((metrics["accuracy"], low, high))
        all_draws.append(drawn["accuracy"])
    n_groups = len(set(groups))
    low, high = percentile_intervals({"gain": all_draws[1] - all_draws[0]}, n_groups)["gain"]
    differences = np.abs(after - before)
    return Parity(
        n=len(labels),
        groups=n_groups,
        unusable=int((~np.isfinite(after)).any(axis=1).sum()),
        changed=int((after.argmax(axis=1) != before.argmax(axis=1)).sum()),
        largest=float(differences.max()),
        mean=float(differences.mean()),
        before=figures[0],
        after=figures[1],
        gain=(figures[1][0] - figures[0][0], low, high),
    )


def check(parity: Parity, precision: str, max_drop: float) -> None:
    """Refuse a model that is not worth writing.

    Raises:
        ModelError: it lost more than ``max_drop`` of accuracy and more than one image (with 0, any), or gives no
            numbers; or in fp32, where nothing may be lost, says something else.
    """
    if parity.unusable:
        raise ModelError(
            f"{precision} gives no numbers for {parity.unusable:,} of the {parity.n:,} validation images; nothing was "
            "written. Its range is too small for this network: choose precision=fp32."
        )
    if precision == "fp32" and not parity.largest <= TOLERANCE:
        raise ModelError(
            f"the exported graph is not the trained network: a probability differs by {parity.largest:.2g}, more than "
            f"{TOLERANCE:g}; nothing was written. Does its forward depend on anything but its input?"
        )
    gain, low, high = parity.gain
    allowed = max(max_drop, 1 / parity.n) if max_drop else 0.0  # of few images, one is more than any small share
    if -gain > allowed + ROUNDING:
        lost, least, most = (0 - 100 * value for value in (gain, high, low))
        raise ModelError(
            f"{precision} lost {lost:.2f} points of accuracy (95 %: {least:.2f} to {most:.2f}) on "
            f"the {parity.n:,} validation images ({parity.before[0]:.4f} to {parity.after[0]:.4f}; {parity.changed} "
            f"got another label), more than max_drop={max_drop:g}; nothing was written. Try precision=fp16, for int8 "
            "more float_layers, or a larger max_drop."
        )
