"""An Optuna study that outlives the process: what a second call of ``sweep=optuna`` finds, and goes on with."""

import logging
from pathlib import Path

import optuna
from omegaconf import DictConfig, open_dict
from optuna.trial import TrialState

CUT_OFF = "cut off"


def go_on(sweeper: DictConfig, folder: Path) -> None:
    """Prepare the sweeper of a study that may have been begun before.

    ``n_trials`` becomes what is left of it. Trials that were cut off are asked for again, so that their runs, which
    are named by their values, are taken up where they ended. The sampler's seed moves on: begun anew with the same
    one, it would ask again for what it has asked before.

    Args:
        sweeper: Optuna's node of Hydra's configuration; changed in place.
        folder: of the sweep, where the study is kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(logging.WARNING)
    studies = [summary.study_name for summary in optuna.get_all_study_summaries(sweeper.storage)]
    if sweeper.study_name not in studies:
        return
    study = optuna.load_study(sweeper.study_name, sweeper.storage)
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study._storage.set_trial_user_attr(trial._trial_id, CUT_OFF, True)
        study.tell(trial.number, state=TrialState.FAIL)
        study.enqueue_trial(trial.params)
    ended = study.get_trials(states=(TrialState.COMPLETE, TrialState.FAIL))
    done = [trial for trial in ended if CUT_OFF not in trial.user_attrs]
    with open_dict(sweeper):
        sweeper.n_trials = max(0, sweeper.n_trials - len(done))
        if sweeper.sampler.get("seed") is not None:
            sweeper.sampler.seed += len(study.get_trials())
    print(f"Going on with the study {sweeper.study_name}: {len(done)} trials are done, {sweeper.n_trials} are left.")
