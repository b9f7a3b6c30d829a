"""Many runs as one table: ``python -m facemask.sweeps.ranking DIR`` writes ``summary.{csv,md,html}`` there.

Runs that differ only in the fold are one configuration. A configuration is ranked only if it has every fold that any of
them has: a mean over fewer folds is a mean over other images.
"""

import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from facemask.config.resolvers import monitor_sign
from facemask.errors import FaceMaskError, RunError
from facemask.sweeps.configurations import Configuration, asked_folds, distinguishing_keys, gather, labels

DEFAULT_MONITOR = "val/auroc"  # where no job came far enough to have a configuration


@dataclass(frozen=True)
class Summary:
    """A ranked search.

    Attributes:
        configurations: the ranked ones first.
        monitor: the metric that they are ranked by.
        asked: every fold that any of them was to run.
        data: the data set and the number of images.
        verdict: how certain the first place is.
        varied: the keys in which the configurations differ.
    """

    configurations: Sequence[Configuration]
    monitor: str
    asked: frozenset[int]
    data: str
    verdict: str
    varied: Sequence[str]

    @property
    def title(self) -> str:
        """What is ranked, and how many."""
        n = len(self.configurations)
        return f"{n} configuration{'s' if n > 1 else ''} by {self.monitor}"

    @property
    def problems(self) -> list[tuple[str, str]]:
        """The label of each configuration that is not complete, and a reason."""
        return [(c.label, problem) for c in self.configurations for problem in c.problems]


def summarise(folder: Path) -> Summary:
    """Read and rank every run below a folder.

    Raises:
        RunError: there is no run, or the runs have different data or monitors.
    """
    found = gather(folder)
    if not found:
        raise RunError(f"{folder} holds no run; give a sweep's folder, such as outputs/sweeps/NAME.")
    monitors = {c.config.monitor for c in found if c.config}
    data = {(fold.facts.name, fold.facts.fingerprint) for c in found for fold in c.folds.values()}
    if len(monitors) > 1 or len(data) > 1:
        raise RunError(
            f"{folder} holds runs on different data or with different monitors, which cannot be ranked together; "
            "summarise their folders one by one."
        )
    monitor = monitors.pop() if monitors else DEFAULT_MONITOR
    asked, varied = asked_folds(found), distinguishing_keys(found)
    labelled = [replace(c, label=label) for c, label in zip(found, labels(found, varied), strict=True)]
    ranked, others = _rank(labelled, asked, monitor)
    ordered = [*ranked, *others]
    verdict = " ".join([_verdict(ranked, monitor, asked), *_savings(ordered, asked)])
    return Summary(ordered, monitor, asked, _describe(ordered), verdict, varied)


def _rank(
    configurations: Iterable[Configuration], asked: frozenset[int], monitor: str
) -> tuple[list[Configuration], list[Configuration]]:
    """Return the configurations that have every fold with their ranks, and the others; each ordered by the mean."""
    sign = monitor_sign(monitor)
    ordered = sorted(configurations, key=lambda c: -sign * c.mean if c.folds else 0.0)
    whole = [c for c in ordered if c.folds and c.folds.keys() == asked]
    others = [c for c in ordered if not c.folds or c.folds.keys() != asked]
    return [replace(c, rank=rank) for rank, c in enumerate(whole, start=1)], others


def _describe(configurations: Sequence[Configuration]) -> str:
    folds = [fold for c in configurations for fold in c.folds.values()]
    if not folds:
        return "no fold is complete"
    data, images = folds[0].facts, {fold.fold: fold.n.val for fold in folds}
    k = next((c.config.k for c in configurations if c.config and c.folds), len(images))
    return (
        f"{data.name} (fingerprint {data.fingerprint}), {sum(data.n['train'].values()):,} training images dealt into "
        f"{k} folds; validated on {sum(images.values()):,} images of {len(images)} fold{'s' if len(images) > 1 else ''}"
    )


def _verdict(ranked: Sequence[Configuration], monitor: str, asked: frozenset[int]) -> str:
    """Return a sentence about how certain the first place is."""
    if not ranked:
        return "No configuration is complete, so none is ranked."
    best = ranked[0]
    if len(ranked) == 1:
        return f"{best.label} is the only complete configuration."
    if len(asked) < 2:
        return (
            f"{best.label} is first by {monitor} on one fold, which cannot show how much of that is chance; run "
            "fold=all."
        )
    error = (best.spread().std or 0.0) / math.sqrt(len(asked))
    gap = abs(best.mean - ranked[1].mean)
    if gap > error:
        return (
            f"{best.label} is first by {gap:.4f} in {monitor}, more than one standard error of its mean ({error:.4f})."
        )
    near = [c for c in ranked if abs(c.mean - best.mean) <= error]
    cheapest = min(near, key=lambda c: c.seconds)
    return (
        f"{len(near)} configurations lie within one standard error ({error:.4f} in {monitor}) of the first; the "
        f"cheapest of them to train is {cheapest.label} ({cheapest.seconds:.0f} s)."
    )


def _savings(configurations: Sequence[Configuration], asked: frozenset[int]) -> list[str]:
    """Return a sentence about what racing has saved, if there was a race."""
    pruned = [c for c in configurations if c.is_pruned]
    saved = sum(len(asked) - len(c.folds) for c in pruned)
    n = len(configurations) * len(asked)
    return [f"Racing stopped {len(pruned)} of them early, which saved {saved} of {n} fits."] if pruned else []


def main() -> None:
    """Summarise the folder named on the command line."""
    from rich.console import Console

    from facemask.sweeps.page import rebuild
    from facemask.sweeps.terminal import print_summary

    if len(sys.argv) != 2:
        sys.exit("usage: python -m facemask.sweeps.ranking DIR")
    folder = Path(sys.argv[1])
    try:
        print_summary(rebuild(folder), folder, Console())
    except FaceMaskError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
