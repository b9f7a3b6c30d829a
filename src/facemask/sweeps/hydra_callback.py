"""Hydra's callback around the jobs of a sweep.

It uses ``on_job_end``, because Hydra skips ``on_multirun_end`` after a failed job.
"""

import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, open_dict

from facemask.config.keys import ALL_FOLDS
from facemask.terminal import SafeConsole, visible

FAILED = ".failed"  # a file in the sweep's folder, so that jobs in other processes and on other machines see it


class JobFailedError(Exception):
    """A job of a sweep failed; the reason has been printed."""


class JobNotStartedError(JobFailedError):
    """A job of a sweep was skipped, because another had failed and ``fail_fast`` was set."""


def has_failed(sweep: Path | None) -> bool:
    """Return whether a job of a sweep has failed since the sweep was started or resumed."""
    return sweep is not None and (sweep / FAILED).exists()


def _train_in_rounds(config: DictConfig) -> None:
    """Sweep ``race_folds`` as the slowest key, so that every configuration ends a round before the next one starts.

    Not for Optuna, which chooses configurations one by one, or Slurm, where jobs start together and would only wait.

    Raises:
        ConfigError: ``halving=true`` in a sweep without rounds.
    """
    if config.get("halving"):
        _check_halving(config)
    if "study_name" in config.hydra.sweeper or "submitit" in config.hydra.launcher._target_:
        return
    is_race = config.get("race") and config.get("fold") == ALL_FOLDS
    rounds = ["0"] * bool(config.get("halving")) + [str(n + 1) for n in range(config.k - 1)] * bool(is_race)
    if not rounds:
        return
    rounds.append("null")  # all folds, also of a swept k
    params = {"race_folds": ",".join(rounds), **(config.hydra.sweeper.get("params") or {})}
    with open_dict(config):
        config.hydra.sweeper.params = params


def _check_halving(config: DictConfig) -> None:
    from facemask.errors import ConfigError
    from facemask.sweeps.halving import REDUCTION_FACTOR
    from facemask.sweeps.rankable import swept_values

    if "study_name" in config.hydra.sweeper:
        raise ConfigError(
            "halving=true needs a grid, but sweep=optuna chooses configurations one by one; use sweep=grid, or remove "
            "halving=true."
        )
    if not config.hydra.launcher._target_.endswith("BasicLauncher"):
        raise ConfigError(
            "halving=true trains in two rounds, so it needs launcher=local; remove launcher=, or remove halving=true."
        )
    if config.epochs < REDUCTION_FACTOR:
        raise ConfigError(
            f"halving=true needs at least {REDUCTION_FACTOR} epochs, got epochs={config.epochs}; remove halving=true."
        )
    if len(swept_values(config).get("fold", [])) > 1:
        raise ConfigError(
            "halving=true must choose the same configurations in every fold, but each fold is a job of its own; use "
            "fold=all instead of sweep=cv or several folds."
        )


class SweepSummary(Callback):
    """Rebuild the summary from the run folders after every job, in any process."""

    folder: ClassVar[Path | None] = None  # folder of the sweep that this process started

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Remember the sweep's folder, clear earlier failures, and resume its Optuna study if it has one."""
        from facemask.config.checks.training import check_name
        from facemask.errors import FaceMaskError
        from facemask.sweeps.rankable import check_rankable

        try:
            check_name(str(config.name))
            SweepSummary.folder = Path(config.hydra.sweep.dir)
            (SweepSummary.folder / FAILED).unlink(missing_ok=True)
            if warning := check_rankable(config, SweepSummary.folder):
                print(f"warning: {visible(warning)}", file=sys.stderr)
            _train_in_rounds(config)
            if "study_name" in config.hydra.sweeper:
                from facemask.sweeps.study import resume

                resume(config, SweepSummary.folder)
        except FaceMaskError as error:  # Hydra would only warn
            print(f"error: {visible(str(error))}", file=sys.stderr)
            sys.exit(2)

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **_: Any) -> None:
        """Record a job that failed before it had a run folder, and rebuild the summary."""
        if config.hydra.mode != RunMode.MULTIRUN or isinstance(job_return._return_value, JobNotStartedError):
            return
        from facemask.config.arguments import command_line
        from facemask.errors import RunError
        from facemask.runs.run_folder import record_failure
        from facemask.sweeps.page import rebuild

        if job_return.status == JobStatus.FAILED:
            (Path(config.hydra.sweep.dir) / FAILED).touch()
            line = command_line(config.hydra.overrides.task)
            record_failure(Path(config.hydra.runtime.output_dir), str(job_return._return_value), line)
        with suppress(RunError):  # for runs that cannot be ranked together; report() says so
            rebuild(Path(config.hydra.sweep.dir))

    @classmethod
    def report(cls) -> None:
        """Print and log the summary of the sweep that this process started, if any."""
        if cls.folder is None or not cls.folder.is_dir():
            return
        from facemask.errors import RunError
        from facemask.sweeps.ranking import summarise
        from facemask.sweeps.terminal import print_summary
        from facemask.sweeps.tracked import log_summary

        try:
            summary = summarise(cls.folder)
            print_summary(summary, cls.folder, SafeConsole())
            log_summary(summary, cls.folder, has_failed(cls.folder))
        except RunError as error:
            print(f"warning: no summary: {visible(str(error))}", file=sys.stderr)
