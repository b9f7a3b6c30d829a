"""Which models are evaluated: folds of runs, named by what sets them apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from lightning.pytorch import LightningModule

from facemask.config.compose import Settings
from facemask.config.keys import ALL_FOLDS, setting
from facemask.data.preprocessing import Preprocessing
from facemask.errors import RunError
from facemask.models.checkpoint import load_model
from facemask.runs.run_folder import BEST, METRICS, PREDICTIONS, Result, is_complete, read_result, read_settings
from facemask.sweeps.configurations import flatten, telling_keys, varied_keys
from facemask.sweeps.ranking import summarise


@dataclass(frozen=True)
class TrainedModel:
    """The best epoch of one fold of a run.

    Attributes:
        label: what the report calls it.
        folder: the fold's.
        settings: the run's.
        result: the fold's.
        model: the network in evaluation mode, on the CPU.
        record: how it is fed.
    """

    label: str
    folder: Path
    settings: Settings
    result: Result
    model: LightningModule
    record: Preprocessing

    @property
    def checkpoint(self) -> Path:
        """The file of the best epoch."""
        return self.folder / BEST

    @property
    def name(self) -> str:
        """The network's, which several models may share."""
        return _name(self.folder)

    @property
    def fold(self) -> int:
        """The fold it was validated on."""
        return int(self.result["fold"])

    @property
    def class_names(self) -> list[str]:
        """In the order of the probabilities."""
        return list(self.record.class_names)

    def history(self) -> pd.DataFrame:
        """Return its epochs."""
        return pd.read_csv(self.folder / METRICS)

    def validation(self) -> pd.DataFrame:
        """Return its predictions of the validation images, as training left them."""
        return pd.read_parquet(self.folder / PREDICTIONS)


def open_models(settings: Settings) -> list[TrainedModel]:
    """Open what ``run`` or ``sweep_folder``, ``top`` and ``fold`` name.

    Raises:
        RunError: a folder is no run, has no complete fold, or the models' classes differ.
    """
    groups = (
        _of_sweep(settings)
        if settings["sweep_folder"]
        else [_folds_of(Path(run).expanduser()) for run in settings["run"]]
    )
    folders = [folder for group in groups for folder in _pick(group, settings["fold"])]
    if len(set(map(Path.resolve, folders))) < len(folders):
        raise RunError("a run is named twice; a comparison needs different ones.")
    all_settings = [read_settings(folder.parent) for folder in folders]
    labels = _labels(folders, all_settings)
    models = []
    for folder, label, of_run in zip(folders, labels, all_settings, strict=True):
        model, record = load_model(folder / BEST)
        models.append(TrainedModel(label, folder, of_run, read_result(folder) or {}, model, record))
    first = models[0]
    for other in models[1:]:
        if other.class_names != first.class_names:
            raise RunError(
                f"{first.label} knows the classes {', '.join(first.class_names)}, and {other.label} "
                f"{', '.join(other.class_names)}: they cannot be compared; evaluate them one by one."
            )
    return models


def _of_sweep(settings: Settings) -> list[dict[int, Path]]:
    sweep = Path(settings["sweep_folder"]).expanduser()
    if not sweep.is_dir():
        raise RunError(f"{sweep} is not a folder; give a sweep's, such as outputs/sweeps/NAME.")
    ranked = [c for c in summarise(sweep).configurations if c.rank is not None]
    if not ranked:
        raise RunError(f"no configuration of {sweep} is complete, so there is no winner; type the sweep's line again.")
    top = len(ranked) if settings["top"] == ALL_FOLDS else int(settings["top"])
    return [c.folders for c in ranked[:top]]


def _folds_of(folder: Path) -> dict[int, Path]:
    """Return the complete folds of a run; of a fold's own folder, that one."""
    if folder.is_file():
        raise RunError(f"{folder} is a file; give the folder of a run.")
    if (result := read_result(folder)) is not None and "fold" in result and is_complete(result):
        return {int(result["fold"]): folder}
    settings = read_settings(folder)  # which says what is wrong with a folder that is no run
    folds = {f["fold"]: folder / f"fold-{f['fold']}" for f in (result or {}).get("folds", []) if is_complete(f)}
    if not folds:
        state = (result or {}).get("error") or (result or {}).get("status", "never begun")
        raise RunError(
            f"{folder} has no complete fold of {settings['model'].get('name', 'its model')} to evaluate ({state}); go "
            f"on with it: python train.py resume={folder}"
        )
    return folds


def _pick(folds: dict[int, Path], fold: int | str | None) -> list[Path]:
    if fold == ALL_FOLDS:
        return [folds[number] for number in sorted(folds)]
    number = min(folds) if fold is None else int(fold)
    if number not in folds:
        raise RunError(
            f"fold={number} of {next(iter(folds.values())).parent} is not complete; complete are: "
            f"{', '.join(map(str, sorted(folds)))}."
        )
    return [folds[number]]


def fold_folder(folder: Path, fold: int | None = None) -> Path:
    """Return the folder of a run's fold, by default of the first that is complete.

    Raises:
        RunError: the folder is no run, or has no such fold that is complete.
    """
    return _pick(_folds_of(folder), fold)[0]


def _name(folder: Path) -> str:
    return str((read_result(folder.parent) or {}).get("model", "model"))


def _labels(folders: Sequence[Path], all_settings: Sequence[Settings]) -> list[str]:
    """Name each by its model and the settings that differ; by its folder too, where that tells no difference."""
    models = [_name(folder) for folder in folders]
    varied = telling_keys(varied_keys(all_settings), models)
    names = []
    for model, settings in zip(models, all_settings, strict=True):
        words = [model]
        flat = dict(flatten(settings))
        words += [setting(key, flat[key], digits=4) for key in varied if key in flat]
        names.append(" ".join(words))
    if len({folder.name for folder in folders}) > 1 or len({folder.parent for folder in folders}) < len(folders):
        names = [f"{name} {folder.name}" for name, folder in zip(names, folders, strict=True)]
    if len(set(names)) < len(names):
        names = [f"{name} ({folder.parent.name})" for name, folder in zip(names, folders, strict=True)]
    if len(set(names)) < len(names):
        names = [f"{name} ({folder.parent})" for name, folder in zip(names, folders, strict=True)]
    return names
