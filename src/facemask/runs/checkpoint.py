"""Read configuration and result from the records of a single checkpoint."""

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
DATA, FINGERPRINT = "data", "fingerprint"  # keys of a checkpoint: the data module, and the hash of its images
PLAIN = (str, int, float, bool, NoneType)
DEMO = Component("facemask.data.demo.make_demo", is_partial=True).to_plain()  # generates the demo set
UNKNOWN_DATA = Component(f"{FaceDataModule.__module__}.{FaceDataModule.__qualname__}")


def describe(checkpoint: Path) -> tuple[TrainConfig, FoldResult]:
    """Return the recorded configuration and result of the fit that wrote a checkpoint.

    The result's ``data`` is None if the checkpoint does not record its data.

    Raises:
        RunError: the file is missing, damaged, or not a checkpoint of facemask.
    """
    content = read_checkpoint(checkpoint)
    model, record, fingerprint = content["model"], content.get(DATA), content.get(FINGERPRINT)
    if not (isinstance(model, Mapping) and TARGET in model):
        raise RunError(f"{checkpoint} does not describe its network; give a best.ckpt or last.ckpt of a run.")
    config, facts = TrainConfig(data=UNKNOWN_DATA, model=Component.from_plain(model)), None
    if isinstance(record, Mapping) and isinstance(fingerprint, str):
        data = _data_module(record, checkpoint)
        config.data = data.without("fold")  # set when it is built
        config.fold, config.k, config.bs = data.get("fold", 0), data.get("k", config.k), data.get("batch_size", 32)
        config.seed, config.split_seed = data.get("seed", 0), data.get("split_seed", 0)
        classes = list(Preprocessing.from_dict(content["preprocessing"]).class_names)
        facts = DataFacts(str(data.get("name")), fingerprint, classes)
    best_epoch = int(content.get("epoch", -1)) + 1
    return config, FoldResult(int(config.fold), "complete", data=facts, best_epoch=best_epoch)


def _data_module(record: Mapping[str, object], checkpoint: Path) -> Component:
    """Return the recorded data module with plain arguments only, so that a file cannot call anything else."""
    target = str(record.get(TARGET))
    try:
        is_ours = inspect.isclass(found := get_object(target)) and issubclass(found, FaceDataModule)
    except Exception:  # importing a custom module can raise anything
        is_ours = False
    if not is_ours:
        raise RunError(f"{checkpoint} was trained on {target}, which is not a FaceDataModule; it cannot be evaluated.")
    kept = {key: value for key, value in record.items() if isinstance(value, PLAIN) or value == DEMO}
    return Component.from_plain(kept)
