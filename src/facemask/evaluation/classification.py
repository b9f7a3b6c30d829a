"""What ``evaluate.py`` does: open the models, predict, write the report, show."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import torch
from hydra.core.hydra_config import HydraConfig
from rich import box
from rich.console import Console
from rich.table import Table

from facemask.config.compose import Settings
from facemask.errors import ConfigError, did_you_mean
from facemask.evaluation.cost import count_flops, measure_latency
from facemask.evaluation.leakage import Leakage, find_leakage
from facemask.files import as_typed
from facemask.models.fusing import fuse_conv_bn
from facemask.models.predict import predict_probabilities, prediction_table, usable_device
from facemask.models.size import count_parameters, file_size
from facemask.reports.evaluated import HEADLINE, Evaluated
from facemask.reports.findings import Cost, Findings, how_sure, missing_classes
from facemask.reports.folder import in_one_sentence, write_reports
from facemask.reports.write import PAGE
from facemask.runs.run_folder import RESULT, processor
from facemask.runs.samples import Samples, read_samples
from facemask.runs.trained import TrainedModel, open_models
from facemask.tracking.wandb_report import log_report

BATCHES = (1, 32)  # crops a call that latency is measured for


def evaluate(settings: Settings) -> None:
    """Evaluate as configured into Hydra's output folder.

    Args:
        settings: the resolved configuration.

    Raises:
        FaceMaskError: a run, the data or a setting cannot be used.
    """
    folder = Path(HydraConfig.get().runtime.output_dir)
    if (folder / RESULT).exists():
        raise ConfigError(f"{folder} is a run's own folder, which is only read; choose another: hydra.run.dir=FOLDER")
    device = usable_device(settings["device"])
    models = open_models(settings)
    positive = _positive(settings["positive"], models[0].class_names)
    data = settings["data"]
    store_dir = data["store_dir"] or models[0].settings["data"].get("store_dir", "data/store")
    settings = settings | {"data": data | {"store_dir": store_dir}}
    samples = read_samples(models, settings)
    known: dict[tuple[str, int], Leakage] = {}  # runs of one data set have seen the same images
    all_findings = [_find(model, samples, settings, positive, device, known) for model in models]
    sections = write_reports(folder, all_findings, samples)
    log_report(settings, folder, all_findings, sections)
    _print(folder, all_findings, Console())


def _positive(name: str | None, class_names: Sequence[str]) -> int:
    if name is None:
        return 1
    if len(class_names) != 2:
        raise ConfigError(f"positive={name} is for models of two classes; this one knows {', '.join(class_names)}.")
    if name not in class_names:
        raise ConfigError(f"positive={name} is no class of the model{did_you_mean(name, class_names)}")
    return list(class_names).index(name)


def _find(
    model: TrainedModel,
    samples: Samples,
    settings: Settings,
    positive: int,
    device: str,
    known: dict[tuple[str, int], Leakage],
) -> Findings:
    """Predict and measure one model."""
    network, images = fuse_conv_bn(model.model.to(device)), samples.images(model.record.store_size)
    probabilities = predict_probabilities(network, model.record, images, settings["batch_size"])
    predictions = prediction_table(samples.table, probabilities, model.class_names)
    evaluated = Evaluated(model, predictions, positive, settings["draws"], settings["seed"])
    cost = Cost(
        count_parameters(model.model),
        count_flops(model.model, model.record.input_size),
        file_size(model.checkpoint),
        [measure_latency(network, model.record, images, batch) for batch in BATCHES],
        _hardware(device),
    )
    seen = (model.result["data"]["fingerprint"], model.record.store_size)
    known[seen] = known.get(seen) or find_leakage(model, samples, settings)
    return Findings(evaluated, images, samples.fingerprint, _about(samples), known[seen], cost, settings)


def _hardware(device: str) -> str:
    if device != "cpu":
        return torch.cuda.get_device_name(device)
    n = torch.get_num_threads()
    return f"{processor()}, {n} thread{'s' if n > 1 else ''}"


def _about(samples: Samples) -> str:
    n, bad = len(samples.table), len(samples.unreadable)
    left_out = f" ({bad} more cannot be read)" if bad else ""
    return f"{samples.data}, {samples.part}, n = {n:,}{left_out}"


def _print(folder: Path, all_findings: Sequence[Findings], console: Console) -> None:
    """Print what came out, on what, and where the rest is."""
    first = all_findings[0]
    table = Table(title=first.about, title_justify="left", box=box.SIMPLE_HEAD)
    names = ("accuracy", "f1", "auroc")
    for column in ("model", *(HEADLINE[name] for name in names), "ms an image"):
        table.add_column(column, justify="left" if column == "model" else "right")
    for findings in all_findings:
        e = findings.evaluated
        cells = []
        for name in names:
            low, high = e.intervals[name]
            value = "–" if pd.isna(e.metrics[name]) else f"{e.metrics[name]:.3f}"
            cells.append(value if pd.isna(low) else f"{value}\n{low:.3f}-{high:.3f}")
        table.add_row(e.model.label, *cells, f"{findings.cost.latencies[0].median:.2f}")
    console.print(table)
    leaks = [f.leakage for f in all_findings]
    leaked = max(int(leak.leaked.sum()) for leak in leaks)
    notes = [how_sure(first.evaluated), *missing_classes(first.evaluated)]
    if len(all_findings) > 1:
        notes.append(in_one_sentence(all_findings))
    if reason := next((leak.reason for leak in leaks if leak.reason), ""):
        notes.append(f"Near-duplicates of training images were not looked for: {reason}")
    elif leaked == len(first.evaluated.labels):
        notes.append("Every image is one that was trained on: these scores say nothing of new ones.")
    elif leaked:
        notes.append(f"{leaked} images are near-duplicates of training images; the report has the scores without them.")
    notes.append(f"Report: {as_typed(folder)}/{PAGE}")
    console.print("\n".join(notes), soft_wrap=True, highlight=False, markup=False)
