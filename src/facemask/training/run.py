"""What ``train.py`` does: check, fit, show."""

import gc
import shlex
from pathlib import Path

import torch
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from rich.console import Console

from facemask.config.compose import Settings
from facemask.config.targets import check_targets
from facemask.errors import ConfigError
from facemask.files import as_typed
from facemask.reports.run import print_result
from facemask.runs.run_folder import is_complete, read_result, read_run, read_settings
from facemask.training.distillation import check_teacher
from facemask.training.fit import fit_folds
from facemask.training.parts import rehearse


def train(settings: Settings) -> float:
    """Train as configured into Hydra's output folder; return the mean of the folds' best monitored scores.

    Args:
        settings: the resolved configuration.

    Raises:
        FaceMaskError: the configuration or the data cannot be used.
    """
    if not gc.get_freeze_count():
        gc.freeze()  # what has been imported stays: a collection after each fold need not walk through it
    console = Console()
    hydra = HydraConfig.get()
    folder = Path(hydra.runtime.output_dir)
    sweep = Path(hydra.sweep.dir) if hydra.mode == RunMode.MULTIRUN else None
    if settings["race"] and sweep is None:
        raise ConfigError("race=true compares the configurations of a sweep, and this is a single run; add -m.")
    if settings["resume"] is not None:
        if sweep is not None:
            raise ConfigError("resume goes on with one run: leave out -m; a sweep goes on when its line is typed anew.")
        others = [word for word in hydra.overrides.task if not word.startswith("resume=")]
        if others:
            raise ConfigError(
                f"resume={settings['resume']} goes on with that run's configuration; leave out {others[0]}."
            )
        settings = read_settings(folder)
    if settings["trainer"].get("strategy") and sweep and not hydra.launcher._target_.endswith("BasicLauncher"):
        raise ConfigError(
            "trainer=ddp takes all devices for one run at a time; leave out the launcher, or trainer=ddp."
        )
    check_targets(settings)
    if cores := hydra.launcher.get("cpus_per_task"):  # a cluster's share of its machine, which torch cannot know
        torch.set_num_threads(cores)
    if not is_complete(read_result(folder)):
        check_teacher(settings)
        rehearse(settings)
    try:
        result = fit_folds(settings, folder, sweep)
    except (KeyboardInterrupt, SystemExit):
        word = shlex.quote(f"resume={as_typed(folder)}")
        console.print(f"\ninterrupted; go on with: python train.py {word}", soft_wrap=True, markup=False)
        raise KeyboardInterrupt from None
    if (written := read_run(folder)) and written.folds:
        print_result(written, as_typed(folder), console)
    if result["status"] == "pruned":
        console.print(f"pruned: {result['pruned']}.", soft_wrap=True, highlight=False, markup=False)
    return float(result["score"])
