"""Evaluate trained models on face crops, and write the report."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from facemask.config.keys import ALL_FOLDS
from facemask.config.schemas import EvaluateConfig
from facemask.data.classes import read_merge
from facemask.errors import ConfigError, FaceMaskError, RunError, did_you_mean
from facemask.evaluation.cost import Prediction, count_flops, measure_latency
from facemask.evaluation.exported import ExportedModel, is_exported, open_exported
from facemask.evaluation.grad_cam import find_attention
from facemask.evaluation.leakage import find_leakage
from facemask.evaluation.result import Evaluation, ModelScores
from facemask.evaluation.tracked import log_report
from facemask.inference.engine import open_engine
from facemask.inference.predictor import Predictor
from facemask.metrics.classification import Floats, Labels
from facemask.models.fusing import fuse_conv_bn
from facemask.models.predict import (
    predict_probabilities,
    prediction_table,
    truth_and_probabilities,
    usable_device,
)
from facemask.models.size import count_parameters, file_size
from facemask.reports.evaluated import Evaluated
from facemask.reports.findings import Cost, Findings, Leakage, caveats, how_sure, missing_classes
from facemask.reports.folder import in_one_sentence, write_reports
from facemask.runs.run_folder import RESULT, processor
from facemask.runs.samples import Samples, open_training_data, read_samples
from facemask.runs.trained import TrainedModel, open_folds, open_models, pick_folds
from facemask.sweeps.ranking import check_folder, summarise

BATCHES = (1, 32)  # batch sizes for measuring latency


def evaluate(config: EvaluateConfig, folder: Path, command: str = "") -> Evaluation:
    """Evaluate trained models and write the report.

    Args:
        config: a validated configuration.
        folder: folder of the report.
        command: command line that repeats this evaluation.

    Raises:
        FaceMaskError: a run, the data or a setting cannot be used.
    """
    if (folder / RESULT).exists():
        raise ConfigError(f"{folder} is a run folder, which must not be changed; choose another: hydra.run.dir=FOLDER")
    device = usable_device(config.device)
    merge = read_merge(config.merge)
    models = [replace(model, merge=merge) for model in open_chosen(config)]
    _check_same_classes(models)
    positive = _positive(config.positive, models[0].class_names)
    samples = read_samples(models, config.data, config.split)
    known: dict[tuple[str, int], Leakage] = {}  # runs on the same data set share it
    all_findings = [_find(model, samples, config, positive, device, known) for model in models]
    sections = write_reports(folder, all_findings, samples, command)
    log_report(config, folder, all_findings, sections)
    return Evaluation(folder, all_findings[0].about, [_scores(f) for f in all_findings], _notes(all_findings))


def open_chosen(config: EvaluateConfig) -> list[TrainedModel]:
    """Open the configured runs and exported models, or the best configurations of a sweep.

    Raises:
        ModelError: an exported model cannot be opened.
        RunError: a folder is not a run or sweep, or has no complete fold.
    """
    if not config.sweep_folder:
        trained = [run for run in config.run if not is_exported(run)]
        exported = open_exported([run for run in config.run if is_exported(run)])
        return [*(open_models(trained, config.fold) if trained else []), *exported]
    sweep = Path(config.sweep_folder).expanduser()
    check_folder(sweep)
    ranked = [c for c in summarise(sweep).configurations if c.rank is not None]
    if not ranked:
        raise RunError(f"no configuration of {sweep} is complete; run the sweep's command again.")
    best = ranked if config.top == ALL_FOLDS else ranked[: int(config.top)]
    return open_folds([folder for c in best for folder in pick_folds(c.folders, config.fold)])


def _check_same_classes(models: Sequence[TrainedModel]) -> None:
    first = models[0]
    for other in models[1:]:
        if other.class_names != first.class_names:
            raise RunError(
                f"{first.label} has the classes {', '.join(first.class_names)}, but {other.label} "
                f"{', '.join(other.class_names)}: they cannot be compared; evaluate them separately, or with sets=."
            )


def _positive(name: str | None, class_names: Sequence[str]) -> int:
    if name is None:
        return 1
    if len(class_names) != 2:
        raise ConfigError(f"positive={name} only applies to two classes; this model has {', '.join(class_names)}.")
    if name not in class_names:
        raise ConfigError(f"positive={name} is not a class of the model{did_you_mean(name, class_names)}")
    return list(class_names).index(name)


def _find(
    model: TrainedModel,
    samples: Samples,
    config: EvaluateConfig,
    positive: int,
    device: str,
    known: dict[tuple[str, int], Leakage],
) -> Findings:
    """Predict and measure one model."""
    images = samples.images(model.preprocessing.store_size)
    predict, library = prediction_of(model, device, config.batch_size)
    probabilities = model.merged(predict(images))
    predictions = prediction_table(samples.table, probabilities, model.class_names)
    evaluated = Evaluated(model, predictions, positive, config.n_bootstraps, config.seed)
    cost = Cost(
        *_size_of(model),
        file_size(model.checkpoint),
        [measure_latency(predict, images, batch) for batch in BATCHES],
        _hardware("cpu" if isinstance(model, ExportedModel) else device),
        library,
    )
    seen = (
        model.result.data.fingerprint if model.result.data else str(model.checkpoint),
        model.preprocessing.store_size,
    )
    known[seen] = known.get(seen) or find_leakage(model, samples, config.split)
    shown = (config.report.pictures // 2 or 1) if config.report.faces and config.report.pictures else 0
    has_maps = not config.merge and not isinstance(model, ExportedModel)
    return Findings(
        evaluated=evaluated,
        images=images,
        fingerprint=samples.fingerprint,
        about=_about(samples),
        leakage=known[seen],
        cost=cost,
        attention=find_attention(evaluated, images, config.seed, shown) if has_maps else None,
        validation=None if config.split == "val" else _validation(model, predict, samples),
        config=config,
    )


def prediction_of(model: TrainedModel, device: str, batch_size: int) -> tuple[Prediction, str]:
    """Return the function from images to probabilities, and the name of its library.

    The function maps uint8[N, store_size, store_size, 3] to float32[N, C]. On the CPU it is the model's engine, if it
    has one.
    """
    if (predictor := _predictor(model, device)) is not None:
        return predictor.predict_squares, predictor.library
    network = fuse_conv_bn(model.model.to(device))
    return lambda images: predict_probabilities(network, model.preprocessing, images, batch_size), "torch"


def _predictor(model: TrainedModel, device: str) -> Predictor | None:
    """Return the exported model, or the engine of a run's model on the CPU; None if there is none."""
    if isinstance(model, ExportedModel):
        return model.predictor
    engine = open_engine(model.checkpoint, torch.get_num_threads()) if device == "cpu" else None
    return Predictor(engine) if engine else None


def _size_of(model: TrainedModel) -> tuple[int | None, int | None]:
    """Return the number of parameters, and of operations per image; None for an exported model."""
    if isinstance(model, ExportedModel):
        return None, None
    return count_parameters(model.model), count_flops(model.model, model.preprocessing.input_size)


def _validation(model: TrainedModel, predict: Prediction, samples: Samples) -> tuple[Labels, Floats] | None:
    """Return labels and probabilities of the model's validation images: saved ones, else predicted now.

    None if the images are unknown or missing.
    """
    predictions = model.validation()
    if predictions is None:
        try:
            data = open_training_data(model, samples.store_dir)
        except FaceMaskError:
            return None
        predictions = model.prediction_table(data.val_samples, predict(data.images(data.val_samples)))
    return truth_and_probabilities(predictions, model.class_names)


def _hardware(device: str) -> str:
    if device != "cpu":
        return torch.cuda.get_device_name(device)
    n = torch.get_num_threads()
    return f"{processor()}, {n} thread{'s' if n > 1 else ''}"


def _about(samples: Samples) -> str:
    n, bad = len(samples.table), len(samples.unreadable)
    left_out = f" ({bad} more cannot be read)" if bad else ""
    return f"{samples.data}, {samples.part}, n = {n:,}{left_out}"


def _scores(findings: Findings) -> ModelScores:
    e, leakage = findings.evaluated, findings.leakage
    return ModelScores(
        label=e.model.label,
        folder=e.model.folder,
        metrics=e.metrics,
        intervals={name: (low, high) for name, (low, high) in e.intervals.items()},
        predictions=e.predictions,
        milliseconds=findings.cost.latencies[0].median,
        leaked=None if leakage.reason else int(leakage.leaked.sum()),
    )


def _notes(all_findings: Sequence[Findings]) -> list[str]:
    """Return notes about the scores."""
    first, leaks = all_findings[0], [f.leakage for f in all_findings]
    leaked = max(int(leak.leaked.sum()) for leak in leaks)
    notes = [how_sure(first.evaluated), *missing_classes(first.evaluated)]
    if len(all_findings) > 1:
        notes.append(in_one_sentence(all_findings))
    notes += caveats(all_findings)
    if reason := next((leak.reason for leak in leaks if leak.reason), ""):
        notes.append(f"Not checked for near-duplicates of training images: {reason}")
    elif leaked == len(first.evaluated.labels):
        notes.append("All of these images were trained on, so the scores do not apply to new images.")
    elif leaked:
        notes.append(f"{leaked} images are near-duplicates of training images; the report has the scores without them.")
    return notes
