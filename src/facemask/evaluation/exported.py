"""Exported models in the place of trained ones, so that both are evaluated, and compared, alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lightning.pytorch import LightningModule

from facemask.config.component import Component
from facemask.config.schemas import TrainConfig
from facemask.errors import RunError
from facemask.inference.predictor import KINDS, Predictor
from facemask.runs.checkpoint import SUFFIX, UNKNOWN_DATA
from facemask.runs.results import FoldResult
from facemask.runs.trained import TrainedModel

EXPORTED = tuple(suffix for suffix in KINDS if suffix.startswith(".") and suffix != SUFFIX)


@dataclass(frozen=True, kw_only=True)
class ExportedModel(TrainedModel):
    """A model file that ``export.py`` wrote. It does not name its training images, and ``model`` has no parameters.

    Attributes:
        predictor: the opened file.
    """

    predictor: Predictor

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.checkpoint.stem


def is_exported(run: str | Path) -> bool:
    """Return whether a path is that of an exported model."""
    return Path(run).suffix in EXPORTED and not Path(run).expanduser().is_dir()


def open_exported(files: Sequence[str | Path]) -> list[ExportedModel]:
    """Open exported models, labelled by their names, or by their paths where names are equal.

    Raises:
        ModelError: a file is missing, damaged or not a model of this project, or a library is missing.
        RunError: a file is given twice.
    """
    paths = [Path(file).expanduser() for file in files]
    if len(set(map(Path.resolve, paths))) < len(paths):
        twice = next(path for i, path in enumerate(paths) if path.resolve() in map(Path.resolve, paths[:i]))
        raise RunError(f"run={twice} is given twice; a comparison needs different models.")
    has_own_names = len({path.name for path in paths}) == len(paths)
    return [_open(path, path.name if has_own_names else str(path)) for path in paths]


def _open(file: Path, label: str) -> ExportedModel:
    predictor = Predictor.load(file)
    source = Component(f"{Predictor.__module__}.{Predictor.__qualname__}.load", {"path": str(file)})
    return ExportedModel(
        label=label,
        folder=file,
        config=TrainConfig(data=UNKNOWN_DATA, model=source),
        result=FoldResult(0, "complete"),
        model=LightningModule(),
        preprocessing=predictor.preprocessing,
        checkpoint=file,
        predictor=predictor,
    )
