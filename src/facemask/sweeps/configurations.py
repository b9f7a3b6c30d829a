"""Configurations of a sweep, read from its run folders; runs that differ only in the fold are one configuration."""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from facemask.config import keys
from facemask.config.arguments import typed_choices
from facemask.config.keys import ALL_FOLDS, Values, flat_values, identities
from facemask.config.schemas import TrainConfig
from facemask.errors import RunError
from facemask.runs.results import FoldResult, RunResult, Spread
from facemask.runs.run_folder import CONFIG, RESULT, mean_and_std, read_config, read_run


@dataclass(frozen=True)
class Configuration:
    """One configuration of a search and the results of its folds.

    Attributes:
        config: settings; None if a job failed before it had any.
        model: name of the network.
        command: command line that repeats it.
        asked: requested folds.
        folds: results of the complete folds.
        folders: folders of the complete folds.
        problems: reasons why it is not complete.
        is_pruned: whether a race or halving pruned it.
        label: label that distinguishes it from the others of its sweep.
        rank: rank in the sweep, from 1; None if it is not ranked.
    """

    config: TrainConfig | None
    model: str = ""
    command: str = ""
    asked: frozenset[int] = frozenset()
    folds: dict[int, FoldResult] = field(default_factory=dict)
    folders: dict[int, Path] = field(default_factory=dict)
    problems: Sequence[str] = ()
    is_pruned: bool = False
    label: str = ""
    rank: int | None = None

    @property
    def choices(self) -> dict[str, str]:
        """Typed choices of the config groups."""
        return typed_choices(self.command)

    @property
    def values(self) -> Values:
        """All settings by dotted key, and the choices of the config groups."""
        return flat_values(self.config) | dict(self.choices) if self.config else {}

    def score(self, fold: int) -> float:
        """Return the best monitored score of a complete fold."""
        return _number(self.folds[fold].score)

    def scores(self) -> list[float]:
        """Return the scores of the complete folds, in the order of the folds."""
        return [self.score(fold) for fold in sorted(self.folds)]

    @property
    def mean(self) -> float:
        """Mean monitored score over folds; NaN if no fold is complete."""
        return float(np.mean(self.scores())) if self.folds else math.nan

    def spread(self) -> Spread:
        """Return mean and standard deviation over folds of the monitored score."""
        return Spread(**mean_and_std(self.scores()))

    def metric(self, name: str) -> Spread:
        """Return mean and standard deviation over folds of a validation metric."""
        return Spread(**mean_and_std([_number(fold.metrics["val"].get(name)) for fold in self.folds.values()]))

    @property
    def seconds(self) -> float:
        """Total training time, seconds."""
        return sum(fold.seconds for fold in self.folds.values())

    @property
    def parameters(self) -> int:
        """Number of parameters of the network."""
        return next(iter(self.folds.values())).weights.parameters

    @property
    def peak_memory(self) -> int | None:
        """Maximum peak memory of the folds, bytes; None if it was not measured."""
        return max((m for fold in self.folds.values() if (m := fold.peak_memory_bytes) is not None), default=None)


@dataclass(frozen=True)
class SweptRun:
    """A run of a sweep; its configuration is None if the job failed before it had any."""

    folder: Path
    config: TrainConfig | None
    result: RunResult

    @property
    def asked(self) -> set[int]:
        """Requested folds."""
        if self.config is None:
            return set()
        return set(range(self.config.k)) if self.config.fold == ALL_FOLDS else {int(self.config.fold)}

    @property
    def problem(self) -> str | None:
        """Reason why the run is not complete."""
        if self.result.is_complete:
            return None
        if self.result.status == "pruned":
            return f"pruned: {self.result.pruned}"
        if self.result.status == "waiting":
            return "waits for the other configurations; if it was interrupted, run the same command again"
        return self.result.error or f"running or interrupted; run the same command again to resume it ({self.folder})"


def gather(folder: Path) -> list[Configuration]:
    """Return the configurations of the runs below a folder, ordered by the names of their folders."""
    runs = list(runs_below(folder))
    configs = {run.folder: run.config for run in runs if run.config}
    identity = dict(zip(configs, identities(list(configs.values())), strict=True))
    groups: dict[str, list[SweptRun]] = defaultdict(list)
    for run in runs:
        groups[identity.get(run.folder, str(run.folder))].append(run)
    return [_merge(group) for group in groups.values()]


def asked_folds(configurations: Sequence[Configuration]) -> frozenset[int]:
    """Return all folds that any configuration requested."""
    return frozenset().union(*(c.asked for c in configurations))


def distinguishing_keys(configurations: Sequence[Configuration]) -> list[str]:
    """Return the keys in which the configurations differ."""
    return keys.varied_keys([c.config for c in configurations], [c.choices for c in configurations])


def labels(configurations: Sequence[Configuration], varied: Sequence[str]) -> list[str]:
    """Return a label for each configuration: its model and its values of the varied keys."""
    found = keys.labels(
        [c.config for c in configurations],
        [c.model for c in configurations],
        varied,
        [c.choices for c in configurations],
    )
    return [label or c.command or "did not start" for label, c in zip(found, configurations, strict=True)]


def runs_below(folder: Path) -> Iterator[SweptRun]:
    """Yield the runs below a folder, ordered by their paths."""
    for file in sorted(folder.rglob(RESULT)):
        run = file.parent
        if (run.parent / RESULT).is_file():  # a fold
            continue
        try:
            result, config = read_run(run), read_config(run) if (run / CONFIG).is_file() else None
        except RunError as error:  # a damaged run is named, and the others are ranked
            result, config = RunResult("failed", str(error)), None
        if result is not None:
            yield SweptRun(run, config, result)


def _merge(runs: Sequence[SweptRun]) -> Configuration:
    complete = {fold.fold: (run, fold) for run in runs for fold in run.result.folds if fold.is_complete}
    return Configuration(
        config=runs[0].config,
        model=next((run.result.model for run in runs if run.result.model), ""),
        command=next((run.result.command for run in runs if run.result.command), ""),
        asked=frozenset().union(*(run.asked for run in runs)),
        folds={number: fold for number, (_, fold) in complete.items()},
        folders={number: run.folder / f"fold-{number}" for number, (run, _) in complete.items()},
        # Folds that are separate jobs are pruned for the same reason, which is shown once.
        problems=list(dict.fromkeys(run.problem for run in runs if run.problem)),
        is_pruned=any(run.result.status == "pruned" for run in runs),
    )


def _number(value: float | None) -> float:
    """Return a number; NaN if it is None."""
    return math.nan if value is None else value
