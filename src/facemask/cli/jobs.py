"""Jobs of the commands: check the composed configuration, run the command and print the result.

Checks run before torch is imported, so that an invalid value is reported within a second.
"""

import math
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from facemask.cli.messages import fail
from facemask.config.arguments import command_line, program
from facemask.config.roots import check_root
from facemask.errors import ConfigError, RunError
from facemask.files import relative_to_cwd, remove_if_empty
from facemask.terminal import SafeConsole

Job = Callable[[DictConfig], float | None]
Application = Callable[[], object]


def train(config: DictConfig) -> float:
    """Train the configured folds and return the mean of their scores."""
    from facemask.config.checks.training import check_sweep_keys, resolve_training

    typed, runtime, folder = resolve_training(config), HydraConfig.get(), output_folder()
    sweep = Path(runtime.sweep.dir) if runtime.mode == RunMode.MULTIRUN else None
    check_sweep_keys(typed, is_sweep=sweep is not None)
    if typed.trainer.get("strategy") and sweep and not runtime.launcher._target_.endswith("BasicLauncher"):
        raise ConfigError(
            "trainer=ddp uses all devices for one run at a time; remove launcher=, or remove trainer=ddp."
        )
    if typed.resume is not None:
        _check_resume(typed.resume, is_sweep=sweep is not None)
    elif (root := typed.data.get("root")) and not (typed.data.get("create") or _has_run(folder)):
        check_root(root, typed.data.get("hint") or "")
    import torch

    from facemask.runs.run_folder import read_run, read_trusted_config
    from facemask.training import command
    from facemask.training.processes import external_ranks

    ranks = external_ranks()
    if ranks and sweep is not None:
        raise ConfigError(
            f"a sweep (-m) cannot run in {ranks.size} processes that torchrun or srun started; remove -m, or start one "
            "process."
        )
    if typed.resume is not None:
        typed = read_trusted_config(folder)
    if cores := runtime.launcher.get("cpus_per_task"):  # torch cannot know the limit of a Slurm job
        torch.set_num_threads(cores)
    console, before = SafeConsole(), read_run(folder)
    try:
        run = command.train(typed, folder, sweep, _command_line())
    except (KeyboardInterrupt, SystemExit):
        if ranks and ranks.rank:
            raise KeyboardInterrupt from None
        if sweep is not None:
            advice = "to continue the sweep, run the same command again."
        else:
            advice = f"to resume, type: {program()} {shlex.quote(f'resume={relative_to_cwd(folder)}')}"
        console.print(f"\ninterrupted; {advice}", soft_wrap=True, markup=False)
        raise KeyboardInterrupt from None
    if ranks and ranks.rank:
        return math.nan
    if not (sweep and run.result == before):  # a later round, or a sweep that is typed again, would repeat it
        command.show(run, console)
    if sweep is None and before is not None and before.is_complete:
        console.print("The run was complete already; nothing was trained.", soft_wrap=True, highlight=False)
    return math.nan if run.result.score is None else run.result.score  # None: it failed in an earlier round


def _has_run(folder: Path) -> bool:
    """Return whether a folder holds a run; a complete run does not need its images."""
    return folder.is_dir() and any(folder.iterdir())


def _check_resume(resume: str, is_sweep: bool) -> None:
    if is_sweep:
        raise ConfigError(
            "resume= continues a single run and cannot be combined with -m. To continue a sweep, run the same command "
            "again."
        )
    others = [word for word in HydraConfig.get().overrides.task if not word.startswith(("resume=", "trust="))]
    if others:
        raise ConfigError(f"resume={resume} uses the configuration of that run; remove {others[0]}.")


def _check_runs(runs: Sequence[str], others: str = "") -> None:
    for run in runs:
        if not Path(run).expanduser().exists():
            raise RunError(
                f"run={run} does not exist; give the folder that a run printed, one of its checkpoints{others}."
            )


def evaluate(config: DictConfig) -> None:
    """Evaluate the configured models and write a report."""
    from facemask.config.checks.evaluation import resolve_evaluation

    typed = resolve_evaluation(config)
    _check_runs(typed.run, ", or an exported model")
    if typed.data.root is not None:
        check_root(typed.data.root)
    from facemask.evaluation import command

    folder = output_folder()
    with explained_interrupt(folder):
        result = command.evaluate(typed, folder, _command_line())
    command.show(result, SafeConsole())


def export(config: DictConfig) -> None:
    """Export the configured model."""
    from facemask.config.checks.export import resolve_export

    typed = resolve_export(config)
    _check_runs([typed.run or ""])
    from facemask.exporting.export import export as write
    from facemask.exporting.exported import show

    folder = output_folder()
    with explained_interrupt(folder):
        exported = write(typed, folder)
    show(exported, SafeConsole())


def infer_video(config: DictConfig) -> None:
    """Label the faces of the configured video source."""
    from facemask.config.checks.video import resolve_video

    typed, folder = resolve_video(config), output_folder()
    from facemask.video.label import label_video
    from facemask.video.sinks.events import STANDARD_OUTPUT
    from facemask.video.tally import show

    try:
        tally = label_video(typed, folder)
    finally:
        remove_if_empty(folder)
    has_events = any(node.get("path") in STANDARD_OUTPUT for node in typed.sink.values())  # for another program
    show(tally, SafeConsole(stderr=has_events))
    if tally.is_interrupted:
        raise KeyboardInterrupt


def prepare_data(config: DictConfig) -> None:
    """Run the configured task."""
    from facemask.config.checks.preparation import resolve_preparation

    typed = resolve_preparation(config)
    from facemask.preparation.command import prepare, show

    folder = output_folder()
    with explained_interrupt(folder, getattr(typed, "out", None)):
        result = prepare(typed, folder)
    show(result, SafeConsole())
    if result.failure:
        fail(result.failure, code=1)


@contextmanager
def explained_interrupt(folder: Path, out: str | None = None) -> Iterator[None]:
    """Say after an interruption what the command has left in its folder, or in the folder it was given."""
    try:
        yield
    except KeyboardInterrupt:
        remove_if_empty(folder)
        written = Path(out).expanduser() if out else folder
        left = f"{written} is incomplete" if written.exists() else "no output was written"
        SafeConsole().print(f"\ninterrupted; {left}; run the same command again.", soft_wrap=True, markup=False)
        raise


def output_folder() -> Path:
    """Return the output folder that Hydra chose for this job."""
    return Path(HydraConfig.get().runtime.output_dir)


def _command_line() -> str:
    return command_line(HydraConfig.get().overrides.task)
