"""Compare the probabilities of an exported model with those of the trained one."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from facemask.errors import ModelError
from facemask.inference.engine import TOLERANCE
from facemask.metrics.bootstrap import bootstrap_metrics, metric_intervals, percentile_intervals
from facemask.metrics.classification import Labels, Probabilities, classification_metrics

ROUNDING = 1e-9  # float64 rounding of accuracies: 195/200 - 194/200 is slightly more than 0.005


@dataclass(frozen=True)
class Parity:
    """Differences between an exported model and the trained one on the same samples.

    Attributes:
        n: number of samples.
        groups: number of groups.
        unusable: number of samples with NaN or infinite output of the exported model.
        changed: number of samples with another label.
        largest: largest absolute difference of a probability.
        mean: mean absolute difference.
        before: accuracy of the trained model with its 95 % interval.
        after: accuracy of the exported model with its 95 % interval.
        gain: difference of the accuracies with its 95 % interval (paired bootstrap); negative for a loss.
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

    def to_dict(self) -> dict[str, object]:
        """Return JSON-compatible types."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


def compare(
    labels: Labels,
    before: Probabilities,
    after: Probabilities,
    groups: Sequence[str],
    n_bootstraps: int,
    seed: int,
) -> Parity:
    """Compare two models.

    Args:
        labels: true classes, int64[N].
        before: probabilities of the trained model, float[N, C].
        after: probabilities of the exported model, float[N, C].
        groups: group of each sample, N names.
        n_bootstraps: number of bootstrap resamples.
        seed: seed of the bootstrap.
    """
    names = [str(c) for c in range(before.shape[1])]
    figures, all_draws = [], []
    for probabilities in (before, after):
        metrics = classification_metrics(labels, probabilities, names)
        drawn = {"accuracy": bootstrap_metrics(labels, probabilities, names, groups, n_bootstraps, seed)["accuracy"]}
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
    """Check that an exported model is close enough to the trained one.

    Args:
        parity: result of :func:`compare`.
        precision: precision of the exported model; for ``fp32``, probabilities must also agree within
            :data:`TOLERANCE`.
        max_drop: maximum drop of accuracy, in [0, 1]; any value > 0 tolerates one changed image.

    Raises:
        ModelError: the difference is too large.
    """
    if parity.unusable:
        raise ModelError(
            f"{precision} gives NaN or infinity for {parity.unusable:,} of the {parity.n:,} validation images; nothing "
            "was written. The range of the precision is too small for this network; use precision=fp32."
        )
    if precision == "fp32" and not parity.largest <= TOLERANCE:
        raise ModelError(
            f"the exported graph does not match the trained network: probabilities differ by {parity.largest:.2g}, "
            f"more than {TOLERANCE:g}; nothing was written. Does its forward() depend on anything but its input?"
        )
    gain, low, high = parity.gain
    # With few images, one of them is already more than a small max_drop.
    allowed = max(max_drop, 1 / parity.n) if max_drop else 0.0
    if -gain > allowed + ROUNDING:
        lost, least, most = (0 - 100 * value for value in (gain, high, low))
        raise ModelError(
            f"{precision} lost {lost:.2f} points of accuracy (95 % interval: {least:.2f} to {most:.2f}) on "
            f"the {parity.n:,} validation images ({parity.before[0]:.4f} to {parity.after[0]:.4f}; {parity.changed} "
            f"got another label), more than max_drop={max_drop:g}; nothing was written. Try precision=fp16, for int8 "
            "more float_layers, or a larger max_drop."
        )
