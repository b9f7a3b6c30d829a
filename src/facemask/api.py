"""Python functions of the commands.

Each function takes overrides as on the command line (``"model=cnn"``), keyword arguments (``epochs=3``), or both. It
runs the same checks as the command line, writes to a folder and returns a typed result. User errors are raised as
:class:`~facemask.errors.FaceMaskError` with a one-sentence message.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from facemask.cli.messages import explain, hydra_message
from facemask.config.arguments import to_overrides
from facemask.config.checks.evaluation import resolve_evaluation
from facemask.config.checks.export import resolve_export
from facemask.config.checks.preparation import resolve_preparation
from facemask.config.checks.training import check_sweep_keys, resolve_training
from facemask.config.checks.video import resolve_video
from facemask.config.compose import compose as compose_with_hydra
from facemask.config.preparation_schemas import TaskConfig
from facemask.config.schemas import EvaluateConfig, ExportConfig, InferVideoConfig, TrainConfig
from facemask.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from facemask.evaluation.across_sets import SetsEvaluation
    from facemask.evaluation.result import Evaluation, PhotoEvaluation
    from facemask.exporting.exported import Exported
    from facemask.inference.run import Run
    from facemask.preparation.result import TaskResult
    from facemask.video.tally import Tally

AnyConfig = TrainConfig | EvaluateConfig | ExportConfig | InferVideoConfig | TaskConfig
RESOLVERS: dict[str, Callable[[DictConfig], AnyConfig]] = {
    "train": resolve_training,
    "evaluate": resolve_evaluation,
    "export": resolve_export,
    "infer_video": resolve_video,
    "prepare_data": resolve_preparation,
}


def compose(command: str, *overrides: str, **keys: object) -> AnyConfig:
    """Compose and check the configuration of a command.

    Args:
        command: ``train``, ``evaluate``, ``export``, ``infer_video`` or ``prepare_data``.
        overrides: overrides as on the command line, such as ``"model=cnn"``.
        keys: overrides as keyword arguments, such as ``epochs=3``; dotted keys as ``**{"model.dropout": 0.1}``.

    Returns:
        The typed configuration of the command.

    Raises:
        ConfigError: the command or a key is unknown, or a value is invalid.

    Example:
        >>> import facemask
        >>> config = facemask.compose("train", "model=cnn", epochs=3)
        >>> config.epochs, config.model.get("input_size")
        (3, 64)
        >>> facemask.compose("train", bs=0)
        Traceback (most recent call last):
        facemask.errors.ConfigError: bs must be at least 1, got 0.
    """
    if command not in RESOLVERS:
        raise ConfigError(f"{command} is not a command{did_you_mean(command, RESOLVERS)}")
    return RESOLVERS[command](_compose(command, to_overrides(command, overrides, keys)))


def train(*overrides: str, folder: str | Path | None = None, **keys: object) -> "Run":
    """Train a classifier as ``train.py`` does, or resume the run in ``folder``.

    Args:
        overrides: overrides as on the command line, such as ``"model=cnn"`` and ``"data.root=faces"``.
        folder: run folder; None for a new folder ``outputs/DATE/TIME``. An unfinished run of the same configuration is
            resumed; a finished run is returned unchanged.
        keys: overrides as keyword arguments, such as ``epochs=3``.

    Returns:
        The run, with ``metrics``, ``predictions``, ``history``, ``predictor()`` and ``folder``.

    Raises:
        ConfigError: the configuration is invalid.
        DataError: the data set cannot be used.
        WeightsError: the pretrained weights cannot be loaded.
        RunError: the folder contains a run with another configuration or on other data.

    Example:
        >>> import facemask
        >>> run = facemask.train("model=cnn", "data.root=faces", epochs=1, folder="run")
        >>> 0 <= run.metrics["accuracy"] <= 1
        True
        >>> list(run.predictions.columns[:3])
        ['path', 'group', 'label']
    """
    arguments = to_overrides("train", overrides, keys)
    config = resolve_training(_compose("train", arguments))
    check_sweep_keys(config, is_sweep=False)
    from facemask.runs.run_folder import read_trusted_config
    from facemask.training.command import train as command

    if config.resume is not None:
        if any(not argument.startswith(("resume=", "trust=")) for argument in arguments):
            raise ConfigError(f"resume={config.resume} uses the configuration of that run; remove the other overrides.")
        folder = Path(config.resume).expanduser()
        config = read_trusted_config(folder)
    return command(config, _output_folder(folder, "outputs"), command=_command_line("train.py", arguments))


def evaluate(
    run: "str | Path | Run | Sequence[str | Path | Run] | None" = None,
    *overrides: str,
    folder: str | Path | None = None,
    **keys: object,
) -> "Evaluation | PhotoEvaluation | SetsEvaluation":
    """Evaluate models as ``evaluate.py`` does and write a report.

    Models are evaluated on the test set that their runs held out, on another folder (``data.root=`` or ``photos=``), or
    on several sets each (``sets=``).

    Args:
        run: run, run folder, checkpoint or exported model; several models are compared; None with ``sweep=FOLDER``, and
            for the ready-made model.
        overrides: overrides as on the command line, such as ``"split=val"``.
        folder: folder of the report; None for a new folder ``outputs/reports/DATE/TIME``.
        keys: overrides as keyword arguments.

    Returns:
        The scores and the path of the report; for ``photos=``, a ``PhotoEvaluation``, for ``sets=``, a
        ``SetsEvaluation``.

    Raises:
        ConfigError: the configuration is invalid.
        DataError: the data set cannot be used.
        RunError: a run or checkpoint cannot be read.

    Example:
        >>> import facemask
        >>> evaluation = facemask.evaluate("run", n_bootstraps=100, folder="report")
        >>> 0 <= evaluation.models[0].metrics["accuracy"] <= 1
        True
        >>> evaluation.page.name
        'report.html'
    """
    if "sweep" in keys:
        keys["sweep_folder"] = keys.pop("sweep")
    arguments = to_overrides("evaluate", overrides, _with_runs(run, keys))
    config = resolve_evaluation(_compose("evaluate", arguments))
    from facemask.evaluation.command import evaluate as command

    return command(config, _output_folder(folder, "outputs/reports"), _command_line("evaluate.py", arguments))


def export(run: "str | Path | Run", *overrides: str, folder: str | Path | None = None, **keys: object) -> "Exported":
    """Export a trained model as ``export.py`` does and check its accuracy against the run.

    Args:
        run: run, run folder or checkpoint.
        overrides: overrides as on the command line, such as ``"format=onnx"`` and ``"precision=int8"``.
        folder: folder of the exported file; None for a new folder ``outputs/exports/DATE/TIME``.
        keys: overrides as keyword arguments.

    Returns:
        The path, size and parity check of the exported file.

    Raises:
        ConfigError: the configuration is invalid.
        RunError: the run or checkpoint cannot be read.
        ModelError: the model cannot be exported in this format, or loses more accuracy than ``max_drop``.

    Example:
        >>> import facemask
        >>> facemask.export("run", n_bootstraps=100, folder="exported").file.name
        'CNN-fp32.onnx'
    """
    config = resolve_export(_compose("export", to_overrides("export", overrides, keys | {"run": str(_run_path(run))})))
    from facemask.exporting.export import export as command

    return command(config, _output_folder(folder, "outputs/exports"))


def prepare(task: str, *overrides: str, folder: str | Path | None = None, **keys: object) -> "TaskResult":
    """Run a data preparation task as ``prepare_data.py`` does.

    Args:
        task: ``crop``, ``import``, ``split``, ``audit`` or ``explore``.
        overrides: overrides as on the command line, such as ``"photos=photos"`` and ``"out=faces"``.
        folder: folder of the report of ``audit`` and ``explore``; None for a new folder ``outputs/TASK/DATE/TIME``.
        keys: overrides as keyword arguments.

    Returns:
        The result of the task.

    Raises:
        ConfigError: the configuration is invalid.
        DataError: the photos, the annotations or the data set cannot be used.

    Example:
        >>> import facemask
        >>> result = facemask.prepare("split", "data.root=faces", out="parts")
        >>> result.folder.name
        'parts'
    """
    config = resolve_preparation(
        _compose("prepare_data", to_overrides("prepare_data", [f"task={task}", *overrides], keys))
    )
    from facemask.preparation.command import prepare as command

    writes_report = task in ("audit", "explore")
    return command(config, _output_folder(folder, f"outputs/{task}") if writes_report else Path.cwd())


def label_video(source: int | str | Path, *overrides: str, folder: str | Path | None = None, **keys: object) -> "Tally":
    """Detect and classify the faces of a video, camera or photos as ``infer_video.py`` does.

    Args:
        source: camera number, URL, video, photo or folder of photos.
        overrides: overrides as on the command line, such as ``"sink=events"``; the default is ``sink=none``, which only
            counts.
        folder: folder of the sinks' output; None for ``outputs/video/DATE/TIME``.
        keys: overrides as keyword arguments; ``run=`` is a run folder, checkpoint or exported model; without it, the
            ready-made model is used.

    Returns:
        The number of frames, faces and labels.

    Raises:
        ConfigError: the configuration is invalid, or the detector or a sink cannot be set up.
        DataError: the source cannot be opened or read.
        RunError: the run or checkpoint cannot be read.
        ModelError: the model file cannot be loaded.

    Example:
        >>> import facemask
        >>> facemask.label_video("photo.png", "detector=haar", run="run").n_frames
        1
    """
    has_sink = "sink" in keys or any(override.startswith("sink=") for override in overrides)
    keys = keys | {"source": source} | ({} if has_sink else {"sink": "none"})
    config = resolve_video(_compose("infer_video", to_overrides("infer_video", overrides, keys)))
    from facemask.video.label import label_video as command

    target = Path(folder or Path("outputs/video", f"{datetime.now():%Y-%m-%d/%H-%M-%S}")).expanduser()
    return command(config, target)


def _compose(command: str, overrides: Sequence[str]) -> DictConfig:
    if of_hydra := [override for override in overrides if override.startswith("hydra.")]:
        raise ConfigError(f"{of_hydra[0]} is only supported on the command line; in Python, pass folder=.")
    try:
        return compose_with_hydra(command, overrides)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(explain(error)) from error
    except ValueError as error:  # Hydra raises plain ones, too
        if message := hydra_message(error):
            raise ConfigError(message) from error
        raise


def _with_runs(run: Any, keys: dict[str, object]) -> dict[str, object]:
    if run is None:
        return keys
    runs = run if isinstance(run, Sequence) and not isinstance(run, str) else [run]
    return keys | {"run": [str(_run_path(one)) for one in runs]}


def _run_path(run: "str | Path | Run") -> Path:
    return Path(run) if isinstance(run, str | Path) else run.folder


def _output_folder(folder: str | Path | None, parent: str) -> Path:
    """Create and return ``folder``; if None, a new folder named by the time."""
    if folder is None:
        now = datetime.now()
        new = Path(parent) / f"{now:%Y-%m-%d}" / f"{now:%H-%M-%S}"
        folder, n = new, 2
        while folder.exists():
            folder, n = new.with_name(f"{new.name}-{n}"), n + 1
    folder = Path(folder).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _command_line(script: str, overrides: Sequence[str]) -> str:
    import shlex

    return f"python {script} {shlex.join(overrides)}".rstrip()
