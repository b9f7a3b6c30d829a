"""Result of an export."""

from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from facemask.config.schemas import ExportConfig
from facemask.exporting.parity import Parity
from facemask.files import relative_to_cwd
from facemask.inference.predictor import KINDS

HEADER = ("model", "accuracy", "MB")


@dataclass(frozen=True)
class ModelFacts:
    """Facts about the model in an exported file, besides the preprocessing.

    Attributes:
        model: name of the network.
        trained_on: fingerprint of the data, if known.
        facemask: version of this package.
        format: format of the file.
        precision: precision of the weights.
        preprocessing: ``inside`` or ``outside`` the graph.
        float_layers: int8 only: configured number of leading convolutions in float.
        calibration: int8 only: maximum number of calibration images.
        averaged: whether its weights are the mean of all folds of a run.
        caveat: what users of the model should know about its training data.
    """

    model: str
    trained_on: str | None
    facemask: str
    format: str
    precision: str
    preprocessing: str
    float_layers: int | None = None
    calibration: int | None = None
    averaged: bool = False
    caveat: str = ""

    def to_dict(self) -> dict[str, object]:
        """Return JSON-compatible types."""
        return asdict(self)


@dataclass(frozen=True)
class Exported:
    """An exported model.

    Attributes:
        file: path of the file.
        size: total size of its files, bytes.
        parity: comparison with the trained model on its validation images; None if it was not checked.
        facts: facts about the model.
        trained_size: size of the trained model's weights, bytes.
        samples: description of the images of ``parity``.
        config: configuration of the export.
    """

    file: Path
    size: int
    parity: Parity | None
    facts: ModelFacts
    trained_size: int
    samples: str
    config: ExportConfig

    def _rows(self) -> list[tuple[str, str, str]]:
        sides = (
            ("trained, fp32", self.parity and self.parity.before, self.trained_size),
            (f"{self.facts.format}, {self.facts.precision}", self.parity and self.parity.after, self.size),
        )
        rows = []
        for name, accuracy, size in sides:
            value = "{:.3f}\n{:.3f}-{:.3f}".format(*accuracy) if accuracy else "not checked"
            rows.append((name, value, f"{size / 1e6:.1f}"))
        return rows

    def _repr_html_(self) -> str:
        cells = [[escape(cell).replace("\n", "<br>") for cell in row] for row in self._rows()]
        body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in cells)
        head = "".join(f"<th>{name}</th>" for name in HEADER)
        return f"<table><caption>{escape(str(self.file))}</caption><tr>{head}</tr>{body}</table>"


def show(exported: Exported, console: Console) -> None:
    """Print accuracy and size before and after, the differences, and how to load the file."""
    parity = exported.parity
    about = f"{exported.facts.model} on {exported.samples}, n = {parity.n:,}" if parity else exported.facts.model
    console.print(about, soft_wrap=True, highlight=False, markup=False)
    table = Table(box=box.SIMPLE_HEAD)
    for column in HEADER:
        table.add_column(column, justify="left" if column == "model" else "right")
    for row in exported._rows():
        table.add_row(*row)
    console.print(table)
    notes = (
        _notes(parity, exported.config) if parity else ["Not compared with the trained model, because max_drop=null."]
    )
    if exported.facts.averaged:
        notes.append("The folds were trained on these images: to measure the model, evaluate it on the test part.")
    if exported.facts.caveat:
        notes.append(f"Note: {exported.facts.caveat}")
    file = relative_to_cwd(exported.file)
    is_loadable = file.suffix in KINDS
    notes.append(f'facemask.Predictor.load("{file}").predict(crops)' if is_loadable else f"File: {file}")
    console.print("\n".join(notes), soft_wrap=True, highlight=False, markup=False)


def _notes(parity: Parity, config: ExportConfig) -> list[str]:
    """Return the results of the parity check."""
    gain, low, high = (100 * value for value in parity.gain)
    max_drop = config.max_drop or 0.0
    notes = [
        f"{parity.changed} of {parity.n:,} labels changed; probabilities differ by {parity.mean:.2g} on average, "
        f"{parity.largest:.2g} at most.",
        f"Accuracy changed by {gain:+.2f} points (95 % interval: {low:+.2f} to {high:+.2f}); max_drop={max_drop:g} "
        f"allows a loss of {100 * max_drop:.2f}{', or of one image' if max_drop else ''}.",
        f"Ranges: 95 % bootstrap confidence intervals over the {parity.groups:,} groups, "
        f"{config.n_bootstraps:,} resamples.",
    ]
    if config.precision == "int8":
        n = min(config.calibration, parity.n)
        notes.append(f"It was calibrated on {n:,} of these images; the test part was not used.")
    return notes
