"""Read and write a run folder: ``config.yaml`` and ``result.json``, written atomically.

The status is ``running`` from the start, so an interrupted run differs from one that never started.
"""

import copy
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import lru_cache
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
import torch
import yaml
from filelock import FileLock, Timeout
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import TypeAdapter
from yaml import AliasToken, YAMLError

from facemask.config.checks.training import check_training
from facemask.config.component import Component
from facemask.config.keys import ALL_FOLDS, differing_keys, format_setting
from facemask.config.schemas import TrainConfig
from facemask.config.trust import check_plain, check_trusted
from facemask.config.typed import read_typed, to_plain
from facemask.errors import ConfigError, RunError, first_line
from facemask.files import read_bytes, read_text, to_jsonable, write_atomically
from facemask.runs.results import FORMAT, Environment, FoldResult, RunResult

CONFIG, RESULT, LOCK = "config.yaml", "result.json", ".lock"
BEST, LAST, METRICS, PREDICTIONS = "best.ckpt", "last.ckpt", "metrics.csv", "predictions.parquet"
MAX_CONFIG, MAX_RESULT = 200_000, 50_000_000  # bytes; our own have some thousand
MAX_DEPTH = 50
T = TypeVar("T")
RUN, FOLD = TypeAdapter(RunResult), TypeAdapter(FoldResult)

LIBRARIES = [
    "torch",
    "torchvision",
    "lightning",
    "timm",
    "albumentations",
    "torchmetrics",
    "numpy",
    "facemask",
]


def read_run(folder: Path) -> RunResult | None:
    """Return the result of a run, of this or an older format; None if there is none.

    Raises:
        RunError: the file is damaged.
    """
    return _read(folder, RUN)


def read_fold(folder: Path) -> FoldResult | None:
    """Return the result in a fold's folder, of this or an older format; None if there is none.

    Raises:
        RunError: the file is damaged.
    """
    return _read(folder, FOLD)


def _read(folder: Path, kind: TypeAdapter[T]) -> T | None:
    try:
        return kind.validate_json(read_bytes(folder / RESULT, MAX_RESULT))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise RunError(f"{folder / RESULT} is damaged; delete it to train {folder} from the start.") from error


def read_history(folder: Path) -> pd.DataFrame:
    """Return the metrics of a fold, one row per epoch.

    Raises:
        RunError: the file is missing or damaged.
    """
    return _read_table(folder / METRICS, pd.read_csv, ["epoch"])


def read_predictions(folder: Path) -> pd.DataFrame:
    """Return the predictions of a run or fold, one row per validation image.

    Raises:
        RunError: the file is missing or damaged.
    """
    return _read_table(folder / PREDICTIONS, pd.read_parquet, ["path", "group", "label"])


def _read_table(file: Path, read: Callable[..., pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    try:
        if not file.is_file():
            raise ValueError("it is missing")
        table = read(file)
    except (
        OSError,
        ValueError,
        KeyError,
        MemoryError,
        OverflowError,
    ) as error:  # pandas and pyarrow raise all of these
        raise RunError(f"{file} cannot be read ({first_line(error)}); train the fold again.") from error
    if not set(columns) <= set(table.columns) or not len(table):
        raise RunError(f"{file} is damaged: it lacks rows or columns; train the fold again.")
    if file.name == METRICS and not all(pd.api.types.is_numeric_dtype(kind) for kind in table.dtypes):
        raise RunError(f"{file} is damaged: it holds text; train the fold again.")
    return table


def write(folder: Path, result: RunResult | FoldResult) -> None:
    """Write ``result.json`` in the current format; NaN becomes null."""
    result.format = FORMAT
    write_atomically(folder / RESULT, json.dumps(to_jsonable(asdict(result)), indent=2) + "\n")


def read_config(folder: Path) -> TrainConfig:
    """Return the configuration of a run; keys that are newer than the run get their defaults.

    It may be from somebody else: nothing in it is resolved, imported or built.

    Raises:
        RunError: the folder is not a run folder, or the file is damaged.
    """
    file = folder / CONFIG
    try:
        text = read_text(file, MAX_CONFIG)
    except FileNotFoundError as error:
        raise RunError(
            f"{folder} is not a run folder: it has no {CONFIG}; give the folder that a run printed."
        ) from error
    except (OSError, ValueError) as error:
        raise RunError(f"{file} cannot be read: {first_line(error)}.") from error
    return copy.deepcopy(_parse_config(text, file, TrainConfig))


@lru_cache(maxsize=1024)  # a sweep reads the configurations of all its runs again after each job
def _parse_config(text: str, file: Path, schema: type[TrainConfig]) -> TrainConfig:
    settings = _parse_settings(text, file)
    check_plain(settings, file)
    try:
        config = read_typed(schema, settings)
    except ConfigError as error:
        raise RunError(f"{file} is damaged: {error}") from error
    for key in ("data", "model"):
        if not isinstance(node := getattr(config, key), Component) or not isinstance(node.target, str):
            raise RunError(f"{file} is damaged: {key} has no _target_.")
    if config.fold != ALL_FOLDS and not isinstance(config.fold, int):
        raise RunError(f"{file} is damaged: fold is {config.fold!r}.")
    return config


def read_trusted_config(folder: Path) -> TrainConfig:
    """Return the configuration of a run that is to be resumed, so that all its classes will be imported.

    Raises:
        RunError: as in :func:`read_config`, or a class is neither of facemask nor of a package that the user has named.
    """
    config = read_config(folder)
    check_trusted(to_plain(config), folder / CONFIG)
    try:
        check_training(config)
    except ConfigError as error:
        raise RunError(f"{folder / CONFIG} is damaged: {error}") from error
    return config


@contextmanager
def open_run(folder: Path, config: TrainConfig, is_waiting: bool = False) -> Iterator[RunResult | None]:
    """Lock a run folder for a new run or for resuming; yield its previous result.

    Args:
        folder: the run folder.
        config: configuration of the run.
        is_waiting: whether to wait for another process that is writing it, instead of raising.

    Raises:
        RunError: it contains another experiment, another process is writing it, or it is not writable.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK, timeout=-1 if is_waiting else 0)
        lock.acquire()
    except Timeout as error:
        raise RunError(
            f"{folder} is being written by another process; wait for it, or choose another folder."
        ) from error
    except OSError as error:
        raise RunError(
            f"{folder} cannot be written ({error.strerror}); choose another folder: hydra.run.dir=FOLDER"
        ) from error
    try:
        previous = read_run(folder)
        if previous is not None:
            _check_same_experiment(previous, folder, config)
        write_atomically(folder / CONFIG, OmegaConf.to_yaml(OmegaConf.create(to_plain(config))))
        yield previous
    finally:
        lock.release()


def _check_same_experiment(previous: RunResult, folder: Path, config: TrainConfig) -> None:
    """Raise if the folder has a run of another configuration; failed runs without checkpoints may be replaced."""
    if previous.status == "failed" and not any(folder.rglob("*.ckpt")):
        return
    known = read_config(folder) if (folder / CONFIG).is_file() else None
    differing = differing_keys(known, config) if known else {"its configuration": ("unknown", "given")}
    for key, (theirs, ours) in differing.items():
        there, here = format_setting(key, theirs), format_setting(key, ours)
        if there == here:  # for example 1 and 1.0
            there, here = f"{key}={theirs!r}", f"{key}={ours!r}"
        raise RunError(
            f"{folder} holds a run of another configuration: {there} there, {here} here; "
            "choose another folder (hydra.run.dir=FOLDER), or delete it."
        )


def _parse_settings(text: str, file: Path) -> dict[str, object]:
    try:
        _check_yaml(text)
        settings = OmegaConf.to_container(OmegaConf.load(StringIO(text)))
    except (OSError, ValueError, RecursionError, YAMLError, OmegaConfBaseException) as error:  # OSError: OmegaConf's
        raise RunError(f"{file} cannot be read: {first_line(error)}.") from error
    if not isinstance(settings, dict):
        raise RunError(f"{file} is not a configuration; give the folder that a run printed.")
    return {str(key): value for key, value in settings.items()}


def _check_yaml(text: str) -> None:
    """Raise if a few lines of YAML describe gigabytes, or are nested so deeply that parsing takes minutes."""
    depth = 0
    for token in yaml.scan(text):
        if isinstance(token, AliasToken):
            raise ValueError("aliases (*NAME) are not allowed")
        depth += type(token).__name__.endswith("StartToken") - type(token).__name__.endswith("EndToken")
        if depth > MAX_DEPTH:
            raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep")


def environment(device: str) -> Environment:
    """Return the hardware and software of this process."""
    libraries = {name: version(name) for name in LIBRARIES}
    system = platform.python_version(), platform.platform(), processor()
    return Environment(*system, device, libraries, _git_revision())


def record_failure(folder: Path, error: str, command: str) -> None:
    """Record a job that failed before it had a run folder."""
    if read_run(folder) is None:
        folder.mkdir(parents=True, exist_ok=True)
        write(folder, RunResult("failed", error, command=command))


def peak_memory() -> int | None:
    """Return the peak memory of this process or its finished children, bytes.

    Includes this process's GPU memory. None on systems without this information, such as Windows.
    """
    try:
        import resource
    except ImportError:
        return None
    largest = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    resident = int(largest * (1 if sys.platform == "darwin" else 1024))
    return resident + (torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0)


def mean_and_std(values: Sequence[float]) -> dict[str, float | None]:
    """Return the mean and the sample standard deviation (ddof=1; None for one value)."""
    return {"mean": float(np.mean(values)), "std": float(np.std(values, ddof=1)) if len(values) > 1 else None}


def processor() -> str:
    """Return number and type of CPU cores."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return f"{os.cpu_count()} x {platform.processor() or platform.machine()}"
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return f"{os.cpu_count()} x {next(names, platform.machine())}"


def _git_revision() -> str | None:
    """Return the git revision of this code, with ``-dirty`` if modified; None outside a checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
