"""Evaluate every model on every one of several sets: how scores carry over to other faces."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from rich.console import Console
from rich.progress import track

from facemask.annotations.naming import plain_name
from facemask.config.roots import base_name, to_places
from facemask.config.schemas import EvaluateConfig
from facemask.config.typed import to_plain
from facemask.data.classes import SYNONYMS, matched_classes
from facemask.errors import ConfigError, DataError
from facemask.evaluation.classification import open_chosen, prediction_of
from facemask.evaluation.leakage import find_leakage
from facemask.evaluation.result import SHOWN, to_html
from facemask.files import relative_to_cwd
from facemask.models.predict import prediction_table, usable_device
from facemask.reports.evaluated import HEADLINE, Evaluated
from facemask.reports.figures import draw_scores
from facemask.reports.sections import Drawing, Section, Table, to_cells
from facemask.reports.terminal import print_table
from facemask.reports.write import PAGE, write_report
from facemask.runs.run_folder import environment
from facemask.runs.samples import Samples, read_set
from facemask.runs.trained import TrainedModel
from facemask.terminal import SafeConsole

TWO_CLASSES = {"compliant": SYNONYMS["compliant"], "non_compliant": SYNONYMS["non-compliant"]}


@dataclass(frozen=True)
class SetsEvaluation:
    """The scores of several models on several sets.

    Attributes:
        folder: folder of the report.
        scores: one row per model and set: ``model``; ``set``; its ``part``; ``n`` images and their number of
            ``groups``; ``left_out``, the number of images in groups that a model was trained on; and each main metric
            with its interval (``accuracy``, ``accuracy_low``, ``accuracy_high``).
        notes: sentences about these numbers.
    """

    folder: Path
    scores: pd.DataFrame
    notes: list[str]

    @property
    def page(self) -> Path:
        """Path of the report."""
        return self.folder / PAGE

    def show(self, console: Console) -> None:
        """Print the scores, the notes and the path of the report."""
        shown = self.scores.drop(columns=["part", "groups", "left_out"])
        shown = shown.rename(columns=lambda name: str(name).replace("macro_F1", "macro F1"))
        print_table(shown, "Every model on every set", console, is_stacked=True)
        report = f"Report: {relative_to_cwd(self.page)}"
        console.print("\n".join([*self.notes, report]), soft_wrap=True, highlight=False, markup=False)

    def __repr__(self) -> str:
        """Return the scores and the report as text."""
        return f"{to_cells(self.scores).to_string(index=False)}\n{self.page}"

    def _repr_html_(self) -> str:
        """Return the scores as HTML for notebooks."""
        return to_html("Every model on every set", self.scores, self.notes, self.page)


def evaluate_sets(config: EvaluateConfig, folder: Path, command: str = "") -> SetsEvaluation:
    """Evaluate every model on every set and write the report.

    The images of a set are the part that runs on it have held out; without such runs its test part, and without one
    all of its images. Groups that contain near-duplicates of training images of any of the models are left out.
    Classes are matched by their known names.

    Args:
        config: a validated configuration with ``sets``.
        folder: folder of the report.
        command: command line that repeats this evaluation.

    Raises:
        FaceMaskError: a run, a set or a setting cannot be used.
    """
    device = usable_device(config.device)
    models = open_chosen(config)
    known = {plain_name(name): label for name, label in config.classes.items() if label} | TWO_CLASSES
    sets, unknown = {}, []
    for name, place in _named(config.sets).items():
        samples = read_set(models, place, config.data)
        is_new, reasons = _unseen(models, samples)
        if not is_new.any():
            raise DataError(f"a model was trained on images of every group of {name}; leave this set out.")
        sets[name], unknown = (samples, is_new), reasons
    rows, notes = [], []
    cells = [(model, name) for model in models for name in sets]
    for model, name in track(cells, "Evaluating", console=SafeConsole(stderr=True), transient=True):
        row, note = _evaluate(model, name, *sets[name], known, config, device)
        rows.append(row)
        notes += [note] * bool(note)
    scores = pd.DataFrame(rows)
    notes = [
        f"Ranges: 95 % bootstrap confidence intervals over the groups of a set, {config.n_bootstraps:,} resamples.",
        *dict.fromkeys(notes),
        *_left_out(sets),
        *(f"Note: {one.label} was {one.preprocessing.caveat}" for one in models if one.preprocessing.caveat),
        *(f"Not compared with the images that {label} was trained on: {reason}" for label, reason in unknown),
    ]
    sections = [_section(scores, name) for name in SHOWN]
    sections[0].notes = notes
    sections[0].tables.append(Table("scores", "All scores", scores, is_collapsed=True))
    about = "; ".join(f"{name}: {samples.part}, n = {is_new.sum():,}" for name, (samples, is_new) in sets.items())
    facts = {
        "sets": {
            name: {"root": str(samples.root), "part": samples.part, "n": int(is_new.sum())}
            for name, (samples, is_new) in sets.items()
        },
        "models": [{"label": model.label, "folder": str(model.folder)} for model in models],
        "command": command,
        "environment": to_plain(environment(device)),
    }
    title = config.report.title or f"{len(models)} models on {len(sets)} sets"
    write_report(folder, title, [f"{about}."], sections, facts)
    return SetsEvaluation(folder, scores, notes)


def _named(sets: Sequence[str]) -> dict[str, Path]:
    """Return the place of each set by its name, or by its path where two have the same name."""
    names = [base_name(root) for root in sets]
    return {root if names.count(name) > 1 else name: to_places(root)[0] for name, root in zip(names, sets, strict=True)}


def _unseen(models: Sequence[TrainedModel], samples: Samples) -> tuple[npt.NDArray[np.bool_], list[tuple[str, str]]]:
    """Return which samples no model was trained on, bool[N], and for which models that is unknown, and why."""
    is_leaked, unknown = np.zeros(len(samples.table), dtype=bool), []
    for model in models:
        leakage = find_leakage(model, samples, "test")
        is_leaked |= leakage.leaked
        if leakage.reason:
            unknown.append((model.label, leakage.reason))
    groups = samples.table["group"]
    return ~groups.isin(groups[is_leaked]).to_numpy(), unknown


def _evaluate(
    model: TrainedModel,
    name: str,
    samples: Samples,
    is_new: npt.NDArray[np.bool_],
    known: Mapping[str, str],
    config: EvaluateConfig,
    device: str,
) -> tuple[dict[str, object], str]:
    """Return a row of the scores, and a sentence about merged or renamed classes (empty if there are none)."""
    own = model.preprocessing.class_names
    present = sorted(samples.table["label"].unique())
    meanings = {each: known[plain_name(each)] for each in (*own, *present) if plain_name(each) in known}
    try:
        merge, labels = matched_classes(own, present, meanings)
    except ConfigError as error:
        raise DataError(f"{model.label} cannot be evaluated on {name}: {error}") from error
    model = replace(model, merge=merge)
    table = samples.table[is_new].replace({"label": labels})
    images = samples.images(model.preprocessing.store_size)[is_new]
    predict, _ = prediction_of(model, device, config.batch_size)
    probabilities = model.merged(predict(images))
    predictions = prediction_table(table, probabilities, model.class_names)
    evaluated = Evaluated(model, predictions, 1, config.n_bootstraps, config.seed)
    row: dict[str, object] = {"model": model.label, "set": name, "part": samples.part, "n": len(table)}
    row |= {"groups": evaluated.n_groups, "left_out": int((~is_new).sum())}
    for metric in SHOWN:
        row |= evaluated.cells(metric, _column(metric))
    counted = {
        each: label for each, label in labels.items() if meanings.get(each) != meanings.get(label, label)
    } | merge
    listed = ", ".join(f"{each} as {label}" for each, label in counted.items())
    return row, f"{model.label} on {name} counts {listed}." if counted else ""


def _left_out(sets: Mapping[str, tuple[Samples, npt.NDArray[np.bool_]]]) -> list[str]:
    counts = {name: int((~is_new).sum()) for name, (_, is_new) in sets.items() if not is_new.all()}
    return [
        f"{n:,} images of {name} are left out: their groups contain near-duplicates of a model's training images."
        for name, n in counts.items()
    ]


def _section(scores: pd.DataFrame, name: str) -> Section:
    column = _column(name)
    caption = f"{HEADLINE[name]}, one row per model and one column per set, with 95 % intervals"
    return Section(name, HEADLINE[name], drawings=[Drawing(f"{name}_by_set", caption, draw_scores(scores, column))])


def _column(metric: str) -> str:
    return HEADLINE[metric].replace(" ", "_")
