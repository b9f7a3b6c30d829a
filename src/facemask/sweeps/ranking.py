"""Many runs as one table: ``python -m facemask.sweeps.ranking DIR`` writes ``summary.{csv,md,html}`` there.

Runs that differ in nothing but the fold are one configuration. Only those with every fold that any of them has are
ranked: a mean over fewer folds is a mean over other images.
"""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from facemask.config.resolvers import monitor_sign
from facemask.errors import FaceMaskError, RunError
from facemask.runs.run_folder import mean_and_std
from facemask.sweeps.configurations import Configuration, asked_folds, gather, label


@dataclass
class Summary:
    """A search: its configurations, the ranked ones first, and what the ranking is worth."""

    configurations: list[Configuration]
    monitor: str
    asked: set[int]
    data: str  # on what, how many images
    verdict: str
    varied: list[str]  # the keys in which the configurations differ

    @property
    def title(self) -> str:
        """What is ranked, and how many."""
        n = len(self.configurations)
        return f"{n} configuration{'s' if n > 1 else ''} by {self.monitor}"

    @property
    def problems(self) -> list[tuple[str, str]]:
        """What is not complete, and why."""
        return [(c.label, problem) for c in self.configurations for problem in c.problems]


def summarise(folder: Path) -> Summary:
    """Read every run below a folder.

    Raises:
        RunError: there is none, or they cannot be compared: other data, or another monitor.
    """
    configurations = gather(folder)
    if not configurations:
        raise RunError(f"{folder} holds no run; give a sweep's folder, such as outputs/sweeps/NAME.")
    monitors = {c.settings["monitor"] for c in configurations if c.settings}
    facts = [fold["data"] for c in configurations for fold in c.folds.values()]
    if len(monitors) > 1 or len({(fact["name"], fact["fingerprint"]) for fact in facts}) > 1:
        raise RunError(
            f"{folder} holds runs on different data or with different monitors, which cannot be ranked together; "
            "summarise their folders one by one."
        )
    varied = label(configurations)
    monitor = monitors.pop() if monitors else "val/auroc"
    asked = asked_folds(configurations)
    ranked = _rank(configurations, asked, monitor)
    verdict = " ".join([_verdict(ranked, monitor, asked), *_savings(configurations, asked)])
    return Summary(configurations, monitor, asked, _describe(configurations), verdict, varied)


def _rank(configurations: list[Configuration], asked: set[int], monitor: str) -> list[Configuration]:
    """Sort in place: those with every fold by their mean, then the others; return the first."""

    def place(c: Configuration) -> tuple[bool, float]:
        is_ranked = set(c.folds) == asked and bool(asked)
        return not is_ranked, -monitor_sign(monitor) * c.mean if c.folds else 0.0

    configurations.sort(key=place)
    ranked = [c for c in configurations if not place(c)[0]]
    for position, c in enumerate(ranked, start=1):
        c.rank = position
    return ranked


def _describe(configurations: Sequence[Configuration]) -> str:
    facts = [fold for c in configurations for fold in c.folds.values()]
    if not facts:
        return "no fold is complete"
    data, k = facts[0]["data"], next(c.settings["k"] for c in configurations if c.folds)
    n = {fold["fold"]: fold["n"]["val"] for fold in facts}
    images = sum(data["n"]["train"].values())
    return (
        f"{data['name']} (fingerprint {data['fingerprint']}), {images:,} training images dealt into {k} folds; "
        f"validated on {sum(n.values()):,} images of {len(n)} fold{'s' if len(n) > 1 else ''}"
    )


def _verdict(ranked: Sequence[Configuration], monitor: str, asked: set[int]) -> str:
    """Say how sure the first place is."""
    if not ranked:
        return "No configuration is complete, so none is ranked."
    best = ranked[0]
    if len(ranked) == 1:
        return f"{best.label} is the only complete configuration."
    if len(asked) < 2:
        return (
            f"{best.label} is first by {monitor} on one fold: without other folds nothing tells how much of that is "
            "chance; run fold=all."
        )
    spread = mean_and_std(best.scores())["std"] or 0.0
    error = spread / math.sqrt(len(asked))
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


def _savings(configurations: Sequence[Configuration], asked: set[int]) -> list[str]:
    """Say what racing has saved, if there was a race."""
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
