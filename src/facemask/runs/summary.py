"""Many runs as one table: ``python -m facemask.runs.summary DIR`` writes ``summary.csv``, ``.md`` and ``.html`` there.

Runs that differ in nothing but the fold are one configuration. Only those with every fold that any of them has are
ranked: a mean over fewer folds is a mean over other images.
"""

import math
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from facemask.config import ALL_FOLDS, Settings, monitor_mode, setting
from facemask.errors import FaceMaskError, RunError
from facemask.runs.record import (
    CONFIG,
    RESULT,
    Result,
    config_hash,
    is_complete,
    mean_and_std,
    read_result,
    read_settings,
)


@dataclass
class Configuration:
    """One point of a search: what was set, and what came out of its folds."""

    settings: Settings
    model: str = ""
    command: str = ""
    asked: set[int] = field(default_factory=set)
    folds: dict[int, Result] = field(default_factory=dict)  # the complete ones
    folders: dict[int, Path] = field(default_factory=dict)  # of the complete ones
    problems: list[str] = field(default_factory=list)
    label: str = ""  # what sets it apart from the others
    rank: int | None = None

    @property
    def values(self) -> dict[str, Any]:
        """Every setting by its dotted key."""
        return dict(_flatten(self.settings))

    def scores(self) -> list[float]:
        """Return the best monitored score of every complete fold, in the order of the folds."""
        return [self.folds[fold]["score"] for fold in sorted(self.folds)]

    @property
    def mean(self) -> float:
        """The mean over folds of the monitored score; NaN where no fold is complete."""
        return float(np.mean(self.scores())) if self.folds else math.nan

    def metric(self, name: str) -> dict[str, float | None]:
        """Return mean and std over folds of a validation metric."""
        return mean_and_std([fold["metrics"]["val"].get(name, math.nan) for fold in self.folds.values()])

    @property
    def seconds(self) -> float:
        """The training time of all folds."""
        return float(sum(fold["seconds"] for fold in self.folds.values()))

    @property
    def parameters(self) -> int:
        """The size of the network."""
        return int(next(iter(self.folds.values()))["weights"]["parameters"])

    @property
    def peak_memory(self) -> int:
        """The most memory that any fold's process had held, bytes."""
        return int(max(fold["peak_memory_bytes"] for fold in self.folds.values()))


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
    configurations = list(_gather(folder))
    if not configurations:
        raise RunError(f"{folder} holds no run; give a sweep's folder, such as outputs/sweeps/NAME.")
    varied = varied_keys([c.settings for c in configurations])
    _label(configurations, varied)
    monitors = {c.settings["monitor"] for c in configurations if c.settings}
    facts = [fold["data"] for c in configurations for fold in c.folds.values()]
    if len(monitors) > 1 or len({(fact["name"], fact["fingerprint"]) for fact in facts}) > 1:
        raise RunError(
            f"{folder} holds runs on different data or with different monitors, which cannot be ranked together; "
            "summarise their folders one by one."
        )
    monitor = monitors.pop() if monitors else "val/auroc"
    asked = set().union(*(c.asked for c in configurations))
    ranked = _rank(configurations, asked, monitor)
    data = _describe(configurations)
    return Summary(configurations, monitor, asked, data, _verdict(ranked, monitor, asked), varied)


def _gather(folder: Path) -> Iterator[Configuration]:
    """Group the runs below a folder by configuration, in the order of their folders' names."""
    groups: dict[str, list[tuple[Path, Settings, Result]]] = defaultdict(list)
    for file in sorted(folder.rglob(RESULT)):
        run = file.parent
        if (run.parent / RESULT).is_file():  # a fold of a run
            continue
        result = read_result(run)
        if result is None:
            continue
        settings = read_settings(run) if (run / CONFIG).is_file() else {}
        same = {key: value for key, value in settings.items() if key != "fold"}
        groups[config_hash(same) if settings else str(run)].append((run, settings, result))
    for runs in groups.values():
        yield _merge(runs)


def _merge(runs: Sequence[tuple[Path, Settings, Result]]) -> Configuration:
    merged = Configuration(runs[0][1])
    for run, settings, result in runs:
        merged.model = merged.model or result.get("model", "")
        merged.command = merged.command or result.get("command", "")
        if settings:
            merged.asked |= set(range(settings["k"])) if settings["fold"] == ALL_FOLDS else {int(settings["fold"])}
        for done in result.get("folds", []):
            if is_complete(done):
                merged.folds[done["fold"]] = done
                merged.folders[done["fold"]] = run / f"fold-{done['fold']}"
        if result["status"] != "complete":
            merged.problems.append(result.get("error") or f"running, or cut off: the same line goes on with it ({run})")
    return merged


def varied_keys(all_settings: Sequence[Settings]) -> list[str]:
    """Return the keys that tell configurations apart; of those that always change together, the shortest."""
    flat = [dict(_flatten(settings)) for settings in all_settings if settings]
    keys = sorted(
        {key for values in flat for key in values} - {"fold", "name", "resume"}, key=lambda k: (k.count("."), k)
    )
    by_values: dict[str, str] = {}
    for key in keys:
        values = [values.get(key) for values in flat]
        if any(value != values[0] for value in values):
            by_values.setdefault(_partition(values), key)
    return list(by_values.values())


def _partition(values: Sequence[Any]) -> str:
    """Return which of the values are equal, whatever they are: keys with the same partition say the same."""
    seen: dict[str, int] = {}
    return ",".join(str(seen.setdefault(repr(value), len(seen))) for value in values)


def _flatten(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _label(configurations: Sequence[Configuration], varied: Sequence[str]) -> None:
    for c in configurations:
        values = c.values
        words = [setting(key, values[key]) for key in varied if key in values and not key.startswith("model.")]
        c.label = " ".join([c.model, *words]).strip() or c.command or "did not start"


def _rank(configurations: list[Configuration], asked: set[int], monitor: str) -> list[Configuration]:
    """Sort in place: those with every fold by their mean, then the others; return the first."""
    sign = -1 if monitor_mode(monitor) == "max" else 1

    def place(c: Configuration) -> tuple[bool, float]:
        is_ranked = set(c.folds) == asked and bool(asked)
        return not is_ranked, sign * c.mean if c.folds else 0.0

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


def main() -> None:
    """Summarise the folder named on the command line."""
    from rich.console import Console

    from facemask.runs.summary_page import rebuild
    from facemask.runs.tables import print_summary

    if len(sys.argv) != 2:
        sys.exit("usage: python -m facemask.runs.summary DIR")
    folder = Path(sys.argv[1])
    try:
        print_summary(rebuild(folder), folder, Console())
    except FaceMaskError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
