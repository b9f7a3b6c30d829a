"""Resume an Optuna study: the same command with ``sweep=optuna`` continues an earlier study."""

import json
import logging
from collections.abc import Set
from pathlib import Path
from typing import TYPE_CHECKING, cast

from filelock import FileLock, Timeout
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf, open_dict

from facemask.config.keys import Values, differing_keys, flat_values, is_compared
from facemask.config.schemas import TrainConfig
from facemask.config.typed import from_plain
from facemask.errors import ConfigError, RunError
from facemask.files import write_atomically

if TYPE_CHECKING:
    from optuna import Study

ENQUEUED = "asked again"  # study attribute: failed trials that were enqueued again
SETTINGS = ".study.json"  # settings of the study by dotted key
LOCKS: list[FileLock] = []  # held until this process ends


def resume(config: DictConfig, folder: Path) -> None:
    """Prepare Hydra's Optuna sweeper to continue a study, if the folder has one.

    ``n_trials`` becomes the number of remaining trials. Interrupted and failed trials are enqueued again, which resumes
    their runs. The sampler's seed is advanced, because the same seed would suggest the same values again.

    Args:
        config: configuration of the sweep; ``hydra.sweeper`` is changed in place.
        folder: folder of the sweep, which contains the study.

    Raises:
        ConfigError: Optuna is not installed.
        RunError: another process is running the study, or it was started with other settings.
    """
    try:
        import optuna
        from optuna.trial import TrialState
    except ImportError as error:
        raise ConfigError("sweep=optuna needs Optuna; install it with: pip install 'facemask[optuna]'") from error
    sweeper = config.hydra.sweeper
    folder.mkdir(parents=True, exist_ok=True)
    _lock(folder)
    optuna.logging.set_verbosity(logging.WARNING)
    names = [summary.study_name for summary in optuna.get_all_study_summaries(sweeper.storage)]
    study = optuna.load_study(sweeper.study_name, sweeper.storage) if sweeper.study_name in names else None
    done = study.get_trials(states=(TrialState.COMPLETE,)) if study else []
    _check_settings(config, folder / SETTINGS, {key for trial in done for key in trial.params} if done else None)
    if study is None:
        return
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
    _enqueue_failed(study)
    with open_dict(sweeper):
        sweeper.n_trials = max(0, sweeper.n_trials - len(done))
        if sweeper.sampler.get("seed") is not None:
            sweeper.sampler.seed += len(study.get_trials())
    print(f"Resuming the study {sweeper.study_name}: {len(done)} trials are complete, {sweeper.n_trials} are left.")


def _lock(folder: Path) -> None:
    lock = FileLock(folder / ".study.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise RunError(
            f"another process is already running the study in {folder}; wait for it, or use a new name=."
        ) from error
    LOCKS.append(lock)


def _enqueue_failed(study: "Study") -> None:
    """Enqueue the values of failed trials again, each trial once."""
    from optuna.trial import TrialState

    enqueued = list(study.system_attrs.get(ENQUEUED, []))
    for trial in study.get_trials(states=(TrialState.FAIL,)):
        if trial.params and trial.number not in enqueued:
            study.enqueue_trial(trial.params)
            enqueued.append(trial.number)
    study.set_system_attr(ENQUEUED, enqueued)


def _check_settings(config: DictConfig, file: Path, searched_before: Set[str] | None) -> None:
    """Raise if a study that has scores was started with other settings, or searched other keys.

    Keys that are newer than the study count as their defaults.

    Args:
        config: configuration of the sweep.
        file: settings of the study without the searched keys; written if the study has no scores.
        searched_before: keys searched by the complete trials; None if there are none.
    """
    now = from_plain(TrainConfig, cast(dict[str, object], OmegaConf.to_container(config)))
    values, searched = flat_values(now), _searched(config)
    if searched_before is None or not file.exists():
        kept = {key: value for key, value in values.items() if is_compared(key) and key not in searched}
        write_atomically(file, json.dumps(kept))
        return
    known: Values = json.loads(file.read_text())
    differing = differing_keys(from_plain(TrainConfig, _nested(known)), now)
    changed = {key: pair for key, pair in differing.items() if key not in searched}
    changed |= {key: (known[key], "searched") for key in searched & known.keys()}
    changed |= {key: ("searched", values.get(key)) for key in searched_before - searched - known.keys()}
    for key, (before, after) in sorted(changed.items()):
        raise RunError(
            f"the study in {file.parent} was started with {key}={before} but got {key}={after}; use the original "
            "value, or a new name=."
        )


def _searched(config: DictConfig) -> set[str]:
    """Return the searched keys: the sweeper's, without those fixed on the command line."""
    overrides = OverridesParser.create().parse_overrides(list(config.hydra.overrides.task))
    fixed = {override.key_or_group for override in overrides if not override.is_sweep_override()}
    return set(config.hydra.sweeper.get("params") or {}) - fixed


def _nested(values: Values) -> dict[str, object]:
    """Return settings by dotted key as nested dictionaries."""
    config = OmegaConf.create()
    for key, value in values.items():
        OmegaConf.update(config, key, value)
    return cast(dict[str, object], OmegaConf.to_container(config))
