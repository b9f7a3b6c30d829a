"""An Optuna study that outlives the process: what a second call of ``sweep=optuna`` finds, and goes on with."""

import json
import logging
from pathlib import Path
from typing import Any, cast

import optuna
from filelock import FileLock, Timeout
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf, open_dict
from optuna.trial import TrialState

from facemask.errors import RunError
from facemask.files import write_atomically
from facemask.runs.run_folder import decisive
from facemask.sweeps.configurations import flatten

ASKED_AGAIN = "asked again"
BEGUN_WITH = ".study.json"
HELD: list[FileLock] = []  # for as long as this process lives


def go_on(config: DictConfig, folder: Path) -> None:
    """Prepare the sweeper of a study that may have been begun before.

    ``n_trials`` becomes what is left of it. Trials that were cut off, or failed, are asked for again, so that their
    runs, which are named by their values, are taken up where they ended. The sampler's seed moves on: begun anew with
    the same one, it would ask again for what it has asked before.

    Args:
        config: of the sweep; Optuna's node of Hydra's part of it is changed in place.
        folder: of the sweep, where the study is kept.

    Raises:
        RunError: another process is at it, or it was begun with other settings.
    """
    sweeper = config.hydra.sweeper
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
    study = optuna.load_study(sweeper.study_name, sweeper.storage) if sweeper.study_name in studies else None
    done = study.get_trials(states=(TrialState.COMPLETE,)) if study else []
    _check_settings(config, folder / BEGUN_WITH, has_scores=bool(done))
    if study is None:
        return
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
    known = study.system_attrs.get(ASKED_AGAIN, [])
    for trial in study.get_trials(states=(TrialState.FAIL,)):
        if trial.params and trial.number not in known:
            study.enqueue_trial(trial.params)
            known = [*known, trial.number]
    study.set_system_attr(ASKED_AGAIN, known)
    with open_dict(sweeper):
        sweeper.n_trials = max(0, sweeper.n_trials - len(done))
        if sweeper.sampler.get("seed") is not None:
            sweeper.sampler.seed += len(study.get_trials())
    print(f"Going on with the study {sweeper.study_name}: {len(done)} trials are done, {sweeper.n_trials} are left.")


def _check_settings(config: DictConfig, file: Path, has_scores: bool) -> None:
    """Refuse to add to a study's scores others under other settings, but for what is searched."""
    typed = OverridesParser.create().parse_overrides(list(config.hydra.overrides.task))
    fixed = {override.key_or_group for override in typed if not override.is_sweep_override()}
    searched = set(config.hydra.sweeper.get("params") or {}) - fixed
    whole = cast(dict[str, Any], OmegaConf.to_container(config))
    settings = {key: value for key, value in whole.items() if key != "hydra"}
    found = {key: value for key, value in flatten(decisive(settings)) if key not in searched}
    if not (has_scores and file.exists()):
        write_atomically(file, json.dumps(found))
    known = json.loads(file.read_text())
    for key in sorted(known.keys() | found.keys()):
        if known.get(key) != found.get(key):
            raise RunError(
                f"the study in {file.parent} was begun with {key}={known.get(key, 'searched')}, and here it is "
                f"{found.get(key, 'searched')}; type it as it was, or give another name=."
            )
