"""The commands as functions: what a line of the command line does, from Python.

Every function takes overrides as they are typed (``"model=cnn"``), keyword arguments (``epochs=3``), or both. It checks
them as the command line does, writes into a folder, and returns a typed result. Errors are
:class:`~facemask.errors.FaceMaskError` with one sentence each.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from facemask.cli.messages import explain
from facemask.config.arguments import to_overrides
from facemask.config.checks.evaluation import resolve_evaluation
from facemask.config.checks.export import resolve_export
from facemask.config.checks.preparation import resolve_preparation
from facemask.config.checks.training import check_race, resolve_training
from facemask.config.checks.video import resolve_video
from facemask.config.compose import compose as compose_plain
from facemask.config.schemas import EvaluateConfig, ExportConfig, InferVideoConfig, TaskConfig, TrainConfig
from facemask.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
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
        overrides: as on the command line, such as ``"model=cnn"``.
        keys: the same as keyword arguments.

    Raises:
        ConfigError: a key or a value is wrong; the sentence says what is allowed.

    Example:
        >>> import facemask
        >>> config = facemask.compose("train", "model=cnn", epochs=3)
        >>> config.epochs, config.model.get("input_size")
        (3, 64)
    """
    if command not in RESOLVERS:
        raise ConfigError(f"there is no command {command}{did_you_mean(command, RESOLVERS)}")
    return RESOLVERS[command](_composed(command, to_overrides(command, overrides, keys)))


def train(*overrides: str, folder: str | Path | None = None, **keys: object) -> "Run":
    """Train as ``train.py`` does, or resume the run that the folder holds.

    Args:
        overrides: as on the command line, such as ``"model=cnn"`` and ``"data.root=faces"``.
        folder: the run folder; None for ``outputs/DATE/TIME``.
        keys: overrides as keyword arguments, such as ``epochs=3``.

    Returns:
        The run: ``metrics``, ``predictions``, ``history``, ``predictor()``, ``folder``.

    Raises:
        FaceMaskError: the configuration or the data cannot be used.

    Example:
        >>> run = facemask.train("model=cnn", "data.root=faces", epochs=3)  # doctest: +SKIP
        >>> run.metrics["auroc"], run.predictions.head()  # doctest: +SKIP
    """
    words = to_overrides("train", overrides, keys)
    config = resolve_training(_composed("train", words))
    check_race(config, is_sweep=False)
    from facemask.runs.run_folder import read_config
    from facemask.training.command import train as command

    if config.resume is not None:
        if len(words) > 1:
            raise ConfigError(f"resume={config.resume} goes on with that run's configuration; leave out the others.")
        folder = Path(config.resume).expanduser()
        config = read_config(folder)
    return command(config, _folder(folder, "outputs"), command=_line("train.py", words))


def evaluate(
    run: "str | Path | Run | Sequence[str | Path | Run] | None" = None,
    *overrides: str,
    folder: str | Path | None = None,
    **keys: object,
) -> "Evaluation | PhotoEvaluation":
    """Evaluate as ``evaluate.py`` does: on the test part that a run held out, or on another folder.

    Args:
        run: a run, its folder or a checkpoint; several are compared; None where ``sweep=`` names a sweep's folder.
        overrides: as on the command line, such as ``"split=all"``.
        folder: for the report; None for ``outputs/reports/DATE/TIME``.
        keys: overrides as keyword arguments.

    Raises:
        FaceMaskError: a run, the data or a setting cannot be used.

    Example:
        >>> facemask.evaluate(run).models[0].metrics["accuracy"]  # doctest: +SKIP
    """
    if "sweep" in keys:
        keys["sweep_folder"] = keys.pop("sweep")
    words = to_overrides("evaluate", overrides, _with_runs(run, keys))
    config = resolve_evaluation(_composed("evaluate", words))
    from facemask.evaluation.command import evaluate as command

    return command(config, _folder(folder, "outputs/reports"), _line("evaluate.py", words))


def export(run: "str | Path | Run", *overrides: str, folder: str | Path | None = None, **keys: object) -> "Exported":
    """Export as ``export.py`` does: one file from pictures to probabilities, checked against the run.

    Args:
        run: a run, its folder or a checkpoint.
        overrides: as on the command line, such as ``"precision=int8"``.
        folder: for the file; None for ``outputs/exports/DATE/TIME``.
        keys: overrides as keyword arguments.

    Raises:
        FaceMaskError: the run cannot be exported like this, or lost too much.

    Example:
        >>> facemask.export(run, precision="int8").file  # doctest: +SKIP
    """
    config = resolve_export(_composed("export", to_overrides("export", overrides, keys | {"run": str(_path(run))})))
    from facemask.exporting.export import export as command

    return command(config, _folder(folder, "outputs/exports"))


def prepare(task: str, *overrides: str, folder: str | Path | None = None, **keys: object) -> "TaskResult":
    """Prepare data as ``prepare_data.py`` does.

    Args:
        task: ``crop``, ``import``, ``split``, ``audit`` or ``explore``.
        overrides: as on the command line, such as ``"photos=photos"`` and ``"out=faces"``.
        folder: for the report of ``audit`` and ``explore``; None for ``outputs/TASK/DATE/TIME``.
        keys: overrides as keyword arguments.

    Raises:
        FaceMaskError: the photos, the annotations or the folder cannot be used.

    Example:
        >>> facemask.prepare("crop", photos="photos", out="faces")  # doctest: +SKIP
    """
    config = resolve_preparation(
        _composed("prepare_data", to_overrides("prepare_data", [f"task={task}", *overrides], keys))
    )
    from facemask.preparation.command import prepare as command

    writes = task in ("audit", "explore")
    return command(config, _folder(folder, f"outputs/{task}") if writes else Path.cwd())


def label_video(source: int | str | Path, *overrides: str, folder: str | Path | None = None, **keys: object) -> "Tally":
    """Label the faces of a video, a camera or photos, as ``infer_video.py`` does.

    Args:
        source: a camera's number, an address, a video, a photo or a folder of photos.
        overrides: as on the command line, such as ``"sink=events"``; without a sink nothing is kept but the counts.
        folder: for what sinks write; None for ``outputs/video/DATE/TIME``.
        keys: overrides as keyword arguments; ``run=`` names the model.

    Raises:
        FaceMaskError: the source, the model, the detector or a sink cannot be used.

    Example:
        >>> facemask.label_video("street.mp4", run="outputs/exports/model.onnx", sink="file").labels  # doctest: +SKIP
    """
    has_sink = "sink" in keys or any(word.startswith("sink=") for word in overrides)
    given = keys | {"source": source} | ({} if has_sink else {"sink": "none"})
    config = resolve_video(_composed("infer_video", to_overrides("infer_video", overrides, given)))
    from facemask.video.label import label_video as command

    place = Path(folder or Path("outputs/video", f"{datetime.now():%Y-%m-%d/%H-%M-%S}")).expanduser()
    return command(config, place)


def _composed(command: str, words: Sequence[str]) -> DictConfig:
    if foreign := [word for word in words if word.startswith("hydra.")]:
        raise ConfigError(f"{foreign[0]} is for the command line; from Python give folder=.")
    try:
        return compose_plain(command, words)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(explain(error)) from error


def _with_runs(run: Any, keys: dict[str, object]) -> dict[str, object]:
    if run is None:
        return keys
    several = run if isinstance(run, Sequence) and not isinstance(run, str) else [run]
    return keys | {"run": [str(_path(one)) for one in several]}


def _path(run: "str | Path | Run") -> Path:
    return Path(run) if isinstance(run, str | Path) else run.folder


def _folder(folder: str | Path | None, parent: str) -> Path:
    """Return the folder that was asked for, or a new one named by the time."""
    if folder is None:
        now = datetime.now()
        new = Path(parent) / f"{now:%Y-%m-%d}" / f"{now:%H-%M-%S}"
        folder, n = new, 2
        while folder.exists():
            folder, n = new.with_name(f"{new.name}-{n}"), n + 1
    folder = Path(folder).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _line(script: str, words: Sequence[str]) -> str:
    import shlex

    return f"python {script} {shlex.join(words)}".rstrip()
