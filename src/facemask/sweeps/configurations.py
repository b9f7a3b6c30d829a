"""The points of a search, read from the run folders: runs that differ in nothing but the fold are one configuration."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from facemask.config.compose import Settings
from facemask.config.keys import ALL_FOLDS, is_compared, setting
from facemask.runs.run_folder import (
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
    is_pruned: bool = False
    label: str = ""  # what sets it apart from the others
    rank: int | None = None

    @property
    def values(self) -> dict[str, Any]:
        """Every setting by its dotted key."""
        return dict(flatten(self.settings))

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


def gather(folder: Path) -> list[Configuration]:
    """Return the configurations of the runs below a folder, in the order of their folders' names."""
    groups: dict[str, list[tuple[Path, Settings, Result]]] = defaultdict(list)
    for file in sorted(folder.rglob(RESULT)):
        run = file.parent
        if (run.parent / RESULT).is_file():  # a fold of a run
            continue
        result = read_result(run)
        if result is None:
            continue
        settings = read_settings(run) if (run / CONFIG).is_file() else {}
        groups[identity(settings) if settings else str(run)].append((run, settings, result))
    return [_merge(runs) for runs in groups.values()]


def identity(settings: Settings) -> str:
    """Return what runs of one configuration share, whichever fold they are of."""
    return config_hash({key: value for key, value in settings.items() if key != "fold"})


def asked_folds(configurations: Sequence[Configuration]) -> set[int]:
    """Return every fold that any of them was to run: what each needs to be whole."""
    return set().union(*(c.asked for c in configurations))


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
        if result["status"] == "pruned":
            merged.is_pruned = True
            problem = f"pruned: {result['pruned']}"
        elif result["status"] != "complete":
            problem = result.get("error") or f"running, or cut off: the same line goes on with it ({run})"
        else:
            continue
        if problem not in merged.problems:  # folds that are jobs of their own are pruned for one reason
            merged.problems.append(problem)
    return merged


def varied_keys(all_settings: Sequence[Settings]) -> list[str]:
    """Return the keys that tell configurations apart: the top-level ones, and what does not follow from others."""
    flat = [dict(flatten(settings)) for settings in all_settings if settings]
    found = {key for values in flat for key in values if is_compared(key)}
    keys = sorted(found - {"fold"}, key=lambda key: (key.count("."), key))
    varied, partitions = [], set()
    for key in keys:
        values = [values.get(key) for values in flat]
        partition = _partition(values)
        if any(value != values[0] for value in values) and ("." not in key or partition not in partitions):
            varied.append(key)
            partitions.add(partition)
    return varied


def telling_keys(varied: Sequence[str], models: Sequence[str]) -> list[str]:
    """Return those that a name has to tell beside the model's: what is the model's own, where all are of one kind."""
    several = len(set(models)) > 1
    return [key for key in varied if not (several and key.startswith("model.")) and key != "name"]


def _partition(values: Sequence[Any]) -> str:
    """Return which of the values are equal, whatever they are: keys with the same partition say the same."""
    seen: dict[str, int] = {}
    return ",".join(str(seen.setdefault(repr(value), len(seen))) for value in values)


def flatten(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every setting with its dotted key."""
    for key, value in node.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def label(configurations: Sequence[Configuration]) -> list[str]:
    """Name each by its model and the values that vary; return the keys of these."""
    varied = varied_keys([c.settings for c in configurations])
    telling = telling_keys(varied, [c.model for c in configurations if c.model])
    for c in configurations:
        values = c.values
        shown = [key for key in telling if key in values]
        words = [setting(key, values[key], digits=4) for key in shown]
        c.label = " ".join([c.model, *words]).strip() or c.command or "did not start"
    return varied
