"""Rank runs: ``python -m facemask.sweeps.ranking DIR`` writes ``summary.{csv,md,html}`` there.

Runs that differ only in the fold are one configuration. Only configurations with all folds are ranked, because means
over different folds are means over different images.
"""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

from scipy.stats import t as student_t

from facemask.config.resolvers import monitor_sign
from facemask.errors import FaceMaskError, RunError
from facemask.files import not_a_folder
from facemask.sweeps.configurations import Configuration, asked_folds, distinguishing_keys, gather, labels
from facemask.sweeps.race import paired_difference

DEFAULT_MONITOR = "val/auroc"  # if no job has a configuration


@dataclass(frozen=True)
class Summary:
    """A ranked search.

    Attributes:
        configurations: all configurations, ranked ones first.
        monitor: metric of the ranking.
        asked: all requested folds.
        data: description of data set and number of images.
        verdict: sentence about the certainty of the first rank.
        varied: keys in which the configurations differ.
    """

    configurations: Sequence[Configuration]
    monitor: str
    asked: frozenset[int]
    data: str
    verdict: str
    varied: Sequence[str]

    @property
    def title(self) -> str:
        """Title: number of configurations and metric."""
        n = len(self.configurations)
        return f"{n} configuration{'s' if n > 1 else ''} by {self.monitor}"

    @property
    def problems(self) -> list[tuple[str, str]]:
        """Labels of incomplete configurations with reasons."""
        return [(c.label, problem) for c in self.configurations for problem in c.problems]


def check_folder(folder: Path) -> None:
    """Raise a RunError if the folder of a sweep is missing or is a file."""
    if not folder.is_dir():
        raise RunError(f"{not_a_folder(folder)}; give the folder of a sweep, such as outputs/sweeps/NAME.")


def summarise(folder: Path) -> Summary:
    """Read and rank every run below a folder.

    Raises:
        RunError: there are no runs, or they have different data or monitors.
    """
    found = gather(folder)
    if not found:
        raise RunError(f"{folder} contains no runs; give the folder of a sweep, such as outputs/sweeps/NAME.")
    monitors = {c.config.monitor for c in found if c.config}
    facts = sorted((fold.facts for c in found for fold in c.folds.values()), key=lambda one: bool(one.samples))
    data = {one.fingerprint: one for one in facts}  # of equal fingerprints, the last: one that knows its samples
    if len(monitors) > 1 or not all(one.has_same_images(other) for one, other in combinations(data.values(), 2)):
        raise RunError(
            f"{folder} contains runs with different data or monitors, which cannot be ranked together; "
            "rank their folders separately."
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
    """Return ranked configurations (with all folds), and the others; both ordered by the mean."""
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
    fingerprints = sorted({fold.facts.fingerprint for fold in folds})
    return (
        f"{data.name} (fingerprint{'s' * (len(fingerprints) > 1)} {', '.join(fingerprints)}), "
        f"{sum(data.n['train'].values()):,} training images in "
        f"{k} folds; validated on {sum(images.values()):,} images of {len(images)} fold{'s' if len(images) > 1 else ''}"
    )


def _verdict(ranked: Sequence[Configuration], monitor: str, asked: frozenset[int]) -> str:
    """Return a sentence about the certainty of the first rank."""
    if not ranked:
        return "No configuration is complete, so none is ranked."
    best = ranked[0]
    if len(ranked) == 1:
        return f"{best.label} is the only complete configuration."
    if len(asked) < 2:
        return f"{best.label} is first by {monitor} on one fold, which says nothing about chance; run fold=all."
    quantile = float(student_t.ppf(0.975, len(asked) - 1))
    gap, error = paired_difference(best, ranked[1])
    gap *= monitor_sign(monitor)
    difference = (
        f"{gap:.4f} in {monitor} (95 % interval {gap - quantile * error:.4f} to {gap + quantile * error:.4f}, "
        f"paired over {len(asked)} folds)"
    )
    near = [c for c in ranked[1:] if _is_within(quantile, c, best)]
    if not near:
        return f"{best.label} is first, ahead of {ranked[1].label} by {difference}."
    if ranked[1] not in near:
        second = f"{best.label} is ahead of {ranked[1].label} by {difference}."
    else:
        second = f"{best.label} and {ranked[1].label} are not distinguishable: they differ by {difference}."
    others = f"{len(near)} configuration{'s' if len(near) > 1 else ''}"
    cheapest = min([best, *(c for c in near if _is_within(1, c, best))], key=lambda c: c.seconds)
    return (
        f"{second} {others} cannot be distinguished from the first. Of those within one standard error of the first, "
        f"{cheapest.label} is the cheapest to train ({cheapest.seconds:.0f} s)."
    )


def _is_within(n_errors: float, configuration: Configuration, best: Configuration) -> bool:
    """Return whether the paired difference of the folds is at most a number of its standard errors."""
    gap, error = paired_difference(best, configuration)
    return abs(gap) <= n_errors * error


def _savings(configurations: Sequence[Configuration], asked: frozenset[int]) -> list[str]:
    """Return sentences about what halving and racing saved, if anything."""
    halved = [c for c in configurations if c.is_pruned and not c.folds]
    raced = [c for c in configurations if c.is_pruned and c.folds]
    saved, n_raced = sum(len(asked) - len(c.folds) for c in raced), len(configurations) - len(halved)
    sentences, raced_of = [], "them"
    if halved:
        sentences.append(
            f"Halving stopped {len(halved)} of {len(configurations)} configurations early; the same command without "
            "halving=true completes them."
        )
        raced_of = f"the other {n_raced}"
    if raced:
        sentences.append(
            f"Racing pruned {len(raced)} of {raced_of}, which saved {saved} of {n_raced * len(asked)} fits."
        )
    return sentences


def main() -> None:
    """Rank the runs of the folder given on the command line."""
    from facemask.sweeps.page import rebuild
    from facemask.sweeps.terminal import print_summary
    from facemask.terminal import SafeConsole, visible

    if len(sys.argv) != 2:
        sys.exit("usage: python -m facemask.sweeps.ranking DIR")
    folder = Path(sys.argv[1])
    try:
        check_folder(folder)
        print_summary(rebuild(folder), folder, SafeConsole())
    except FaceMaskError as error:
        print(f"error: {visible(str(error))}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
