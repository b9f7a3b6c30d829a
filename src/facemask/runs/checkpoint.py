"""A checkpoint that is not the best one of a run: what it records of the fit that wrote it."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from types import NoneType

from hydra.utils import get_object

from facemask.config.component import TARGET, Component
from facemask.config.schemas import TrainConfig
from facemask.data.datamodule import FaceDataModule
from facemask.data.preprocessing import Preprocessing
from facemask.errors import RunError
from facemask.models.checkpoint import read_checkpoint
from facemask.runs.results import DataFacts, FoldResult

SUFFIX = ".ckpt"
DATA, FINGERPRINT = "data", "fingerprint"  # keys of a checkpoint: the data module's arguments, and a hash of its images
PLAIN = (str, int, float, bool, NoneType)
DEMO = Component("facemask.data.demo.make_demo", is_partial=True).to_plain()  # the set that makes itself
UNKNOWN_DATA = Component(f"{FaceDataModule.__module__}.{FaceDataModule.__qualname__}")


def describe(checkpoint: Path) -> tuple[TrainConfig, FoldResult]:
    """Return the configuration and the result of the fit that wrote a checkpoint, as far as it records them.

    The result's ``data`` is None where the checkpoint does not record its data.

    Raises:
        RunError: the file is missing, damaged, or no checkpoint of ours.
    """
    content = read_checkpoint(checkpoint)
    model, record, fingerprint = content["model"], content.get(DATA), content.get(FINGERPRINT)
    if not (isinstance(model, Mapping) and TARGET in model):
        raise RunError(f"{checkpoint} names no network to build; give a best.ckpt or last.ckpt of a run.")
    config, facts = TrainConfig(data=UNKNOWN_DATA, model=Component.from_plain(model)), None
    if isinstance(record, Mapping) and isinstance(fingerprint, str):
        data = _data_module(record, checkpoint)
        config.data = data.without("fold")  # given to it when it is built
        config.fold, config.k, config.bs = data.get("fold", 0), data.get("k", config.k), data.get("batch_size", 32)
        config.seed, config.split_seed = data.get("seed", 0), data.get("split_seed", 0)
        classes = list(Preprocessing.from_dict(content["preprocessing"]).class_names)
        facts = DataFacts(str(data.get("name")), fingerprint, classes)
    best_epoch = int(content.get("epoch", -1)) + 1
    return config, FoldResult(int(config.fold), "complete", data=facts, best_epoch=best_epoch)


def _data_module(record: Mapping[str, object], checkpoint: Path) -> Component:
    """Return the data module of a record, with plain arguments alone: a file must not have anything else called."""
    target = str(record.get(TARGET))
    try:
        is_ours = inspect.isclass(found := get_object(target)) and issubclass(found, FaceDataModule)
    except Exception:  # whatever importing somebody's module raises
        is_ours = False
    if not is_ours:
        raise RunError(f"{checkpoint} names {target}, which is no FaceDataModule, as its data; it cannot be evaluated.")
    kept = {key: value for key, value in record.items() if isinstance(value, PLAIN) or value == DEMO}
    return Component.from_plain(kept)
