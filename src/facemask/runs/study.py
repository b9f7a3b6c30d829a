"""An Optuna study that outlives the process: what a second call of ``sweep=optuna`` finds, and goes on with."""

import logging
from pathlib import Path

import optuna
from filelock import FileLock, Timeout
from omegaconf import DictConfig, open_dict
from optuna.trial import TrialState

from facemask.errors import RunError

ASKED_AGAIN = "asked again"
HELD: list[FileLock] = []  # for as long as this process lives


def go_on(sweeper: DictConfig, folder: Path) -> None:
    """Prepare the sweeper of a study that may have been begun before.

    ``n_trials`` becomes what is left of it. Trials that were cut off, or failed, are asked for again, so that their
    runs, which are named by their values, are taken up where they ended. The sampler's seed moves on: begun anew with
    the same one, it would ask again for what it has asked before.

    Args:
        sweeper: Optuna's node of Hydra's configuration; changed in place.
        folder: of the sweep, where the study is kept.

    Raises:
        RunError: another process is at it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        HELD.append(FileLock(folder / ".study.lock", timeout=0))
        HELD[-1].acquire()
    except Timeout as error:
        raise RunError(
            f"the study in {folder} is gone on with by another process; wait for it, or give another name=."
        ) from error
    optuna.logging.set_verbosity(logging.WARNING)
    studies = [summary.study_name for summary in optuna.get_all_study_summaries(sweeper.storage)]
    if sweeper.study_name not in studies:
        return
    study = optuna.load_study(sweeper.study_name, sweeper.storage)
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
    known = study.system_attrs.get(ASKED_AGAIN, [])
    for trial in study.get_trials(states=(TrialState.FAIL,)):
        if trial.params and trial.number not in known:
            study.enqueue_trial(trial.params)
            known = [*known, trial.number]
    study.set_system_attr(ASKED_AGAIN, known)
    done = study.get_trials(states=(TrialState.COMPLETE,))
    with open_dict(sweeper):
        sweeper.n_trials = max(0, sweeper.n_trials - len(done))
        if sweeper.sampler.get("seed") is not None:
            sweeper.sampler.seed += len(study.get_trials())
    print(f"Going on with the study {sweeper.study_name}: {len(done)} trials are done, {sweeper.n_trials} are left.")
