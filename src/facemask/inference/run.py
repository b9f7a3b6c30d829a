"""A run as an object: result, tables and model, read lazily from the run folder."""

import base64
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path

import pandas as pd

from facemask.config.schemas import TrainConfig
from facemask.errors import RunError
from facemask.inference.predictor import Predictor
from facemask.runs.results import RunResult
from facemask.runs.run_folder import PREDICTIONS, read_config, read_history, read_predictions, read_run

CURVES = "learning_curves.png"
SHOWN = {"accuracy": "accuracy", "f1": "macro F1", "auroc": "AUROC"}


@dataclass(frozen=True)
class Run:
    """A run folder.

    Attributes:
        folder: path of the run folder.
        config: configuration of the run.
        result: result of the run.
    """

    folder: Path
    config: TrainConfig
    result: RunResult

    def __repr__(self) -> str:
        """Return folder, model, data, status and score in one line."""
        data = self.result.data.name if self.result.data else "no data yet"
        score = "" if self.result.score is None else f", {self.result.monitor} {self.result.score:.4f}"
        return f"Run({str(self.folder)!r}: {self.result.model} on {data}, {self.result.status}{score})"

    @property
    def metrics(self) -> dict[str, float | None]:
        """Validation metrics of the best epoch, averaged over the complete folds."""
        return {name: spread.mean for name, spread in self.result.metrics.get("val", {}).items()}

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """One row per validation image: path, group, label, width, height, class probabilities, fold.

        Raises:
            RunError: no fold is complete.
        """
        file = self.folder / PREDICTIONS
        if not file.is_file():
            raise RunError(f"{self.folder} has no complete fold, so there are no predictions.")
        return read_predictions(self.folder)

    @cached_property
    def history(self) -> pd.DataFrame:
        """One row per epoch of each complete fold, with all logged values."""
        tables = [read_history(folder).assign(fold=fold) for fold, folder in self.folds.items()]
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()

    @property
    def folds(self) -> dict[int, Path]:
        """Folder of each complete fold by number."""
        return {fold.fold: self.folder / f"fold-{fold.fold}" for fold in self.result.folds if fold.is_complete}

    def predictor(self, fold: int | None = None, device: str | None = None) -> Predictor:
        """Return a predictor with the model of the best epoch.

        Args:
            fold: fold of the model; None for the first complete one.
            device: torch device; None for the CPU.

        Raises:
            FaceMaskError: the model does not exist.
        """
        return Predictor.load(self.folder, fold=fold, device=device)

    def _repr_html_(self) -> str:
        """Return the scores and learning curves as HTML for notebooks."""
        rows = []
        for fold in self.result.folds:
            cells = [str(fold.fold), f"{fold.n.val:,}", str(fold.best_epoch)]
            for name in SHOWN:
                value, (low, high) = fold.metrics["val"].get(name), fold.intervals.get(name, (None, None))
                interval = "" if low is None or high is None else f" ({low:.3f}–{high:.3f})"
                cells.append("–" if value is None else f"{value:.3f}{interval}")
            rows.append("".join(f"<td>{cell}</td>" for cell in cells))
        header = "".join(f"<th>{title}</th>" for title in ("fold", "n", "best epoch", *SHOWN.values()))
        data = self.result.data.name if self.result.data else "no data yet"
        title = escape(f"{self.result.model} on {data}, validation, {self.result.status}: {self.folder}")
        note = (
            "In brackets: 95 % bootstrap confidence intervals over groups. The best epoch was chosen on these images."
        )
        table = f"<table><tr>{header}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"
        return f"<p><b>{title}</b></p>{table}<p>{note}</p>{''.join(map(_as_image, self.folds.values()))}"


def load_run(folder: str | Path) -> Run:
    """Read a run folder, of this or an older format.

    Raises:
        RunError: the folder is not a run folder, or its files are damaged.

    Example:
        >>> import facemask
        >>> facemask.load_run("run").result.status
        'complete'
    """
    folder = Path(folder).expanduser()
    config, result = read_config(folder), read_run(folder)
    if result is None:
        raise RunError(f"{folder} has no result.json; give the folder that a run printed.")
    return Run(folder, config, result)


def _as_image(fold: Path) -> str:
    file = fold / CURVES
    if not file.is_file():
        return ""
    content = base64.b64encode(file.read_bytes()).decode()
    return f'<img alt="learning curves of {escape(fold.name)}" src="data:image/png;base64,{content}">'
