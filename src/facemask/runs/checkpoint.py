"""Read configuration and result from the records of a single checkpoint, and the data of a run."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from types import NoneType

from hydra.utils import get_object

from facemask.config.component import TARGET, Component
from facemask.config.schemas import TrainConfig
from facemask.config.targets import check_targets
from facemask.config.trust import check_trusted
from facemask.data.datamodule import FaceDataModule
from facemask.errors import ConfigError, RunError
from facemask.models.checkpoint import read_checkpoint
from facemask.models.records import DATA, FINGERPRINT, MODEL, network_of, preprocessing_of
from facemask.runs.results import DataFacts, FoldResult

SUFFIX = ".ckpt"
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
    record, fingerprint = content.get(DATA), content.get(FINGERPRINT)
    config, facts = TrainConfig(data=UNKNOWN_DATA, model=network_of(content[MODEL], checkpoint)), None
    if isinstance(record, Mapping) and isinstance(fingerprint, str):
        data = data_module({str(key): value for key, value in record.items()}, checkpoint)
        config.data = data.without("fold")  # set when it is built
        config.fold, config.k, config.bs = data.get("fold", 0), data.get("k", config.k), data.get("batch_size", 32)
        config.seed, config.split_seed = data.get("seed", 0), data.get("split_seed", 0)
        classes = list(preprocessing_of(content, checkpoint).class_names)
        facts = DataFacts(str(data.get("name")), fingerprint, classes)
    epoch = content.get("epoch")
    best_epoch = epoch + 1 if isinstance(epoch, int) else 0
    return config, FoldResult(int(config.fold), "complete", data=facts, best_epoch=best_epoch)


def _is_plain(value: object) -> bool:
    values = value if isinstance(value, list) else [value]
    return all(isinstance(one, PLAIN) for one in values)


def data_module(record: Mapping[str, object], origin: Path) -> Component:
    """Return the node that reopens the data of a run or checkpoint.

    It keeps plain arguments and lists of them only, such as roots, sizes and seeds, so that the file can call nothing.

    Args:
        record: node of the data module.
        origin: file or folder of the record, for errors.

    Raises:
        RunError: it is not a FaceDataModule, is not trusted, or has an invalid argument.
    """
    kept = {key: value for key, value in record.items() if _is_plain(value) or value == DEMO}
    check_trusted(kept, origin)
    target = kept.get(TARGET)
    found = get_object(target) if isinstance(target, str) else None
    if not (inspect.isclass(found) and issubclass(found, FaceDataModule)):
        raise RunError(f"{origin} was trained on {target}, which is not a FaceDataModule; it cannot be evaluated.")
    kept.pop("augmentation", None)  # evaluation does not augment; a name would be looked up
    try:
        check_targets({DATA: kept})
    except ConfigError as error:
        raise RunError(f"the data record of {origin} is damaged: {error}") from error
    return Component.from_plain(kept)
