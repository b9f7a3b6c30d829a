"""Trained models of runs and checkpoints, labelled by their differences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from lightning.pytorch import LightningModule

from facemask.config import keys
from facemask.config.arguments import program, typed_choices
from facemask.config.component import network_name
from facemask.config.keys import ALL_FOLDS
from facemask.config.schemas import TrainConfig
from facemask.data.classes import merge_probabilities, merged_names
from facemask.data.preprocessing import Preprocessing
from facemask.errors import RunError
from facemask.models.checkpoint import load_model
from facemask.models.predict import prediction_table
from facemask.runs.checkpoint import SUFFIX, describe
from facemask.runs.results import FoldResult
from facemask.runs.run_folder import BEST, CONFIG, read_config, read_fold, read_history, read_predictions, read_run


@dataclass(frozen=True)
class TrainedModel:
    """Best model of a fold of a run, or the model of any other checkpoint.

    Attributes:
        label: label in reports.
        folder: folder of the fold; for other checkpoints, the file.
        config: configuration of the run; for other checkpoints, the recorded keys.
        result: result of the fold; for other checkpoints, the recorded facts.
        model: model in evaluation mode, on the CPU.
        preprocessing: preprocessing of the model.
        checkpoint: file of the model.
        merge: classes that are counted as another, see :func:`facemask.data.classes.merged_names`.
    """

    label: str
    folder: Path
    config: TrainConfig
    result: FoldResult
    model: LightningModule
    preprocessing: Preprocessing
    checkpoint: Path
    merge: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Architecture name (not unique)."""
        return network_name(self.config.model)

    @property
    def device(self) -> str:
        """Device of the network; the CPU for a model without parameters."""
        return next((str(parameter.device) for parameter in self.model.parameters()), "cpu")

    @property
    def fold(self) -> int:
        """Validation fold."""
        return self.result.fold

    @property
    def class_names(self) -> list[str]:
        """Class names in the order of the probabilities, after merging."""
        return merged_names(self.preprocessing.class_names, self.merge)

    def merged(self, probabilities: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        """Return the probabilities of the merged classes, float32[N, M], of the network's, float[N, C]."""
        return merge_probabilities(probabilities, self.preprocessing.class_names, self.merge)

    @property
    def is_of_run(self) -> bool:
        """Whether it belongs to a run, which has a history and predictions."""
        return self.folder != self.checkpoint

    def history(self) -> pd.DataFrame:
        """Return one row per epoch; empty if they are not recorded."""
        return read_history(self.folder) if self.is_of_run else pd.DataFrame({"epoch": []})

    def validation(self) -> pd.DataFrame | None:
        """Return the saved predictions on the validation images, with merged classes; None if there are none."""
        if not self.is_of_run:
            return None
        saved = read_predictions(self.folder)
        columns = [f"probability_{name}" for name in self.preprocessing.class_names]
        return self.prediction_table(saved, saved[columns].to_numpy())

    def prediction_table(self, samples: pd.DataFrame, probabilities: npt.NDArray[np.floating]) -> pd.DataFrame:
        """Return the predictions table with merged classes.

        Args:
            samples: samples with the classes of the network.
            probabilities: float[N, C], probabilities of the network's classes.
        """
        merged = samples.replace({"label": dict(self.merge)})
        return prediction_table(merged, self.merged(probabilities), self.class_names)


def open_models(runs: Sequence[str | Path], fold: int | str | None = None) -> list[TrainedModel]:
    """Open the models of some runs.

    Args:
        runs: folders of runs or folds, or checkpoints.
        fold: fold of each run; None for the first complete one, ``all`` for every fold as a separate model.

    Raises:
        RunError: a folder is not a run or has no complete fold, or is given twice.
    """
    return open_folds([place for run in runs for place in _places(Path(run).expanduser(), fold)])


def open_folds(folders: Sequence[Path]) -> list[TrainedModel]:
    """Open the best model of each fold's folder, and other checkpoints.

    Raises:
        RunError: a folder is given twice.
    """
    if len(set(map(Path.resolve, folders))) < len(folders):
        raise RunError("a run is given twice; a comparison needs different runs.")
    described = [_describe(folder) for folder in folders]
    models = []
    for folder, label, (config, result) in zip(folders, _labels(folders, described), described, strict=True):
        checkpoint = folder if folder.is_file() else folder / BEST
        models.append(TrainedModel(label, folder, config, result, *load_model(checkpoint), checkpoint))
    return models


def _describe(folder: Path) -> tuple[TrainConfig, FoldResult]:
    if not folder.is_dir():
        return describe(folder)
    result = read_fold(folder)
    assert result is not None
    return read_config(folder.parent), result


def _places(run: Path, fold: int | str | None) -> list[Path]:
    """Return the folders of the chosen folds; a checkpoint that is not a fold's best one is returned as it is."""
    if run.suffix != SUFFIX or run.is_dir():
        return pick_folds(_folds_of(run), fold)
    if run.name == BEST and (own := _own_fold(run.parent)):
        return pick_folds(own, fold)
    if isinstance(fold, int):
        raise RunError(f"fold={fold} only applies to a run folder, but {run} is a checkpoint; leave it out.")
    return [run]


def _own_fold(folder: Path) -> dict[int, Path]:
    """Return the complete fold of a fold's folder; empty if it is not one."""
    result = read_fold(folder) if (folder.parent / CONFIG).is_file() and folder.is_dir() else None
    return {result.fold: folder} if result is not None and result.is_complete else {}


def _folds_of(folder: Path) -> dict[int, Path]:
    """Return the complete folds of a run folder or a fold's folder."""
    if folder.is_file():
        raise RunError(f"{folder} is a file; give the folder of a run, or a checkpoint ({SUFFIX}).")
    if own := _own_fold(folder):
        return own
    config = read_config(folder)  # raises for folders that are not runs
    result = read_run(folder)
    folds = {f.fold: folder / f"fold-{f.fold}" for f in (result.folds if result else []) if f.is_complete}
    if not folds:
        state = (result.error or result.status) if result else "never begun"
        raise RunError(
            f"{folder} has no complete fold of {network_name(config.model)} to evaluate ({state}); resume "
            f"it: {program('train')} resume={folder}"
        )
    return folds


def pick_folds(folds: Mapping[int, Path], fold: int | str | None) -> list[Path]:
    """Return the folders of the chosen folds.

    Args:
        folds: folder of each complete fold.
        fold: number of the fold; None for the first, ``all`` for all.

    Raises:
        RunError: the fold is not complete.
    """
    if fold == ALL_FOLDS:
        return [folds[number] for number in sorted(folds)]
    number = min(folds) if fold is None else int(fold)
    if number not in folds:
        raise RunError(
            f"fold={number} of {next(iter(folds.values())).parent} is not complete; complete folds: "
            f"{', '.join(map(str, sorted(folds)))}."
        )
    return [folds[number]]


def fold_folder(folder: Path, fold: int | None = None) -> Path:
    """Return the folder of a run's fold, by default the first complete one.

    Raises:
        RunError: the folder is not a run, or the fold is not complete.
    """
    return pick_folds(_folds_of(folder), fold)[0]


def _command(fold: Path) -> str:
    """Return the command line of the run of a fold."""
    run = read_run(fold.parent)
    return run.command if run else ""


def _labels(folders: Sequence[Path], described: Sequence[tuple[TrainConfig, FoldResult]]) -> list[str]:
    """Label each model by its name and differing settings, and by its folder if these are equal.

    Settings are only shown for runs, because other checkpoints do not record all of them.
    """
    models = [network_name(config.model) for config, _ in described]
    configs = [config if folder.is_dir() else None for folder, (config, _) in zip(folders, described, strict=True)]
    choices = [typed_choices(_command(folder)) if folder.is_dir() else {} for folder in folders]
    names = keys.labels(configs, models, keys.varied_keys(configs, choices), choices)
    if len({folder.name for folder in folders}) > 1 or len({folder.parent for folder in folders}) < len(folders):
        names = [f"{name} {folder.name}" for name, folder in zip(names, folders, strict=True)]
    if len(set(names)) < len(names):
        names = [f"{name} ({folder.parent.name})" for name, folder in zip(names, folders, strict=True)]
    if len(set(names)) < len(names):
        names = [f"{name} ({folder.parent})" for name, folder in zip(names, folders, strict=True)]
    return names
