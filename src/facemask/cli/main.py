"""Entry points: the scripts in the repository root and the installed ``facemask`` call :func:`main`."""

import os
import signal
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, fields
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from facemask.cli import jobs
from facemask.cli.help import help_text
from facemask.cli.messages import explain, fail, hydra_message, reader_may_leave
from facemask.config.arguments import MULTIRUN, SUBCOMMANDS, expand_shorthands, normalise_arguments, program
from facemask.config.compose import CONF, register
from facemask.config.preparation_schemas import TASKS
from facemask.config.schemas import EvaluateConfig, ExportConfig, InferVideoConfig, TrainConfig
from facemask.errors import FaceMaskError, first_line
from facemask.files import remove_if_empty
from facemask.signals import handled
from facemask.sweeps.hydra_callback import JobFailedError, JobNotStartedError, SweepSummary, has_failed
from facemask.terminal import visible

TRACE_VARIABLE = "FACEMASK_TRACE"  # environment variable: if set, errors show their stack trace
USAGE = "usage: facemask {train,evaluate,export,infer,prepare,doctor} [KEY=VALUE ...]; --help lists the keys."


@dataclass(frozen=True)
class Command:
    """Definition of a command.

    Attributes:
        job: function that runs the command.
        schemas: dataclasses of its keys; one per task for ``prepare_data``.
        supports_sweeps: ``-m`` is allowed.
        repeated: see :func:`facemask.config.arguments.normalise_arguments`.
        renamed: see :func:`facemask.config.arguments.normalise_arguments`.
        examples: arguments of example commands, for ``--help``.
        path: key of a path that is given without one.
    """

    job: jobs.Job
    schemas: tuple[type, ...]
    supports_sweeps: bool = False
    repeated: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    examples: tuple[str, ...] = ()
    path: str = "run"


COMMANDS = {
    "train": Command(
        jobs.train,
        (TrainConfig,),
        supports_sweeps=True,
        repeated=("data.root",),
        examples=(
            "model=cnn epochs=3",
            "data.root=path/to/faces model=mobilenetv2 lr=1e-4",
            "model=mobilenetv2 -m lr=1e-2,1e-3,1e-4,1e-5 bs=16,32,64",
            "sweep=grid halving=true",
        ),
        path="data.root",
    ),
    "evaluate": Command(
        jobs.evaluate,
        (EvaluateConfig,),
        repeated=("run", "data.root", "sets"),
        renamed={"sweep": "sweep_folder", "data": "sets"},
        examples=("run=outputs/DATE/TIME", "sweep=outputs/sweeps/demo top=3", "run=A run=B data.root=path/to/faces"),
    ),
    "export": Command(
        jobs.export,
        (ExportConfig,),
        examples=("run=outputs/DATE/TIME", "run=A precision=int8", "run=A format=openvino precision=fp16"),
    ),
    "infer_video": Command(
        jobs.infer_video,
        (InferVideoConfig,),
        examples=("run=A source=0", "run=A source=street.mp4 sink=file", "run=A source=photos sink=file privacy=blur"),
        path="source",
    ),
    "prepare_data": Command(
        jobs.prepare_data,
        tuple(TASKS.values()),
        repeated=("photos", "data.root"),
        examples=(
            "task=crop photos=path/to/photos out=path/to/faces",
            "task=import photos=path/to/photos out=path/to/faces",
            "task=split data.root=path/to/faces",
            "task=audit data.root=path/to/faces",
            "task=explore data=folder data.root=path/to/faces",
        ),
        path="photos",
    ),
}


def facemask() -> None:
    """Run the installed program ``facemask``, whose first argument is the name of a command."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name == "doctor":
        from facemask.cli.doctor import doctor

        code = 0
        with reader_may_leave():
            code = doctor()
        sys.exit(code)
    name = next((whole for whole, short in SUBCOMMANDS.items() if short == name), name)
    if name not in COMMANDS:
        print(USAGE, file=sys.stderr)
        sys.exit(0 if name in ("-h", "--help") else 2)
    sys.argv = [f"{sys.argv[0]} {sys.argv[1]}", *sys.argv[2:]]
    main(name)


def main(name: str) -> None:
    """Run a command on ``sys.argv``.

    The exit code is 0 (success), 1 (a job of a sweep failed), 2 (invalid input), 130 (interrupted by Ctrl-C) or 143
    (by SIGTERM).

    Python modules and config groups in the current folder are found: ``model=my_nets.Net`` imports ``my_nets.py``, and
    ``model=mine`` reads ``conf/model/mine.yaml``.

    Args:
        name: name of the command and of its file in ``conf``.
    """
    command = COMMANDS[name]
    if {"--help", "-h"} & {*sys.argv[1:]}:
        with reader_may_leave():
            print(help_text(name, command.schemas, sys.argv[1:], program(), command.examples))
        return
    _check_flags(command)
    arguments = normalise_arguments(sys.argv[1:], command.repeated, command.renamed)
    sys.argv[1:] = _with_user_groups(expand_shorthands(name, arguments))
    sys.path.insert(0, os.getcwd())
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises its errors instead of printing them
    register()

    def job(config: DictConfig) -> float | None:
        return _run_job(command.job, config)

    job.__module__ = name  # Hydra's job name; also makes pickle send the function by value to other processes
    try:
        with _interrupted_by_sigterm() as received, reader_may_leave() if _only_shows(sys.argv) else nullcontext():
            _run(hydra.main(config_path=str(CONF), config_name=name, version_base="1.3")(job))
    except KeyboardInterrupt:
        sys.exit(128 + (received[0] if received else signal.SIGINT))
    except (FaceMaskError, HydraException, OmegaConfBaseException, OSError) as error:
        if os.environ.get(TRACE_VARIABLE):
            raise
        fail(explain(error), code=2)
    except Exception as error:
        if message := hydra_message(error):
            fail(message, code=2)
        if SweepSummary.folder is None or os.environ.get(TRACE_VARIABLE):
            raise
        # The sweeper or launcher failed, for example a cluster timeout or a search without a successful trial.
        SweepSummary.report()
        what = f"{type(error).__name__}: {first_line(error)}"
        fail(f"the sweep stopped early ({what}); to continue it, run the same command again.", code=1)


def _only_shows(words: list[str]) -> bool:
    """Return whether a flag of Hydra asks to print the configuration instead of running a job."""
    return any(word.partition("=")[0] in ("--cfg", "-c", "--info", "-i", "--hydra-help") for word in words)


@contextmanager
def _interrupted_by_sigterm() -> Iterator[list[int]]:
    """Let SIGTERM interrupt as Ctrl-C does; yield a list that receives its number."""
    received: list[int] = []

    def interrupt(number: int, _: object) -> None:
        received.append(number)
        raise KeyboardInterrupt

    with handled([signal.SIGTERM], interrupt):
        yield received


def _run(application: jobs.Application) -> None:
    has_job_failed = False
    try:
        application()
    except JobFailedError:  # already printed, and included in the summary
        has_job_failed = True
    SweepSummary.report()
    if has_job_failed or has_failed(SweepSummary.folder):
        fail("some jobs of the sweep failed; their errors are printed above.", code=1)


def _run_job(job: jobs.Job, config: DictConfig) -> float | None:
    """Run one job and print its error immediately, because Hydra only reports the first failure of a sweep."""
    runtime = HydraConfig.get()
    is_sweep, folder = runtime.mode == RunMode.MULTIRUN, Path(runtime.runtime.output_dir)
    if is_sweep and config.get("fail_fast") and has_failed(Path(runtime.sweep.dir)):
        remove_if_empty(folder)
        raise JobNotStartedError("not started, because another job had failed and fail_fast=true")
    try:
        return job(config)
    except (FaceMaskError, OSError) as error:
        remove_if_empty(folder)
        if not is_sweep:
            if os.environ.get(TRACE_VARIABLE):
                raise
            fail(explain(error), code=2)
        if os.environ.get(TRACE_VARIABLE):
            traceback.print_exc()
        print(f"error: {visible(explain(error))}", file=sys.stderr)
        raise JobFailedError(explain(error)) from error
    except Exception as error:
        if not is_sweep:
            raise
        traceback.print_exc()
        raise JobFailedError(f"{type(error).__name__}: {error}") from error


def _check_flags(command: Command) -> None:
    keys = {f.name for schema in command.schemas for f in fields(schema)}
    for before, word in zip(sys.argv, sys.argv[1:], strict=False):
        is_argument = before.startswith("-") and before not in MULTIRUN  # of a flag of Hydra, such as --cfg job
        if "=" not in word and word[:1] not in "-+~" and not is_argument:
            example = f"{command.path}={word}" if Path(word).exists() else f"KEY={word}"
            fail(f"{word!r} has no key; did you mean {example}? --help lists the keys.", code=2)
        key = word.removeprefix("--").partition("=")[0]
        if word.startswith("--") and key.partition(".")[0] in keys:
            fail(f"{word} is not a flag; set keys without dashes: {key}=VALUE", code=2)
        if word in MULTIRUN and not command.supports_sweeps:
            hint = (
                f" To pass several values: {command.repeated[0]}=A {command.repeated[0]}=B" if command.repeated else ""
            )
            fail(f"{word} is only supported by train.py; remove it.{hint}", code=2)


def _with_user_groups(words: list[str]) -> list[str]:
    """Add ``./conf`` to Hydra's search path, unless it is the package's own."""
    user_conf = Path.cwd() / "conf"
    is_given = any(word.startswith(("--config-dir", "-cd")) for word in words)
    if is_given or not user_conf.is_dir() or user_conf.samefile(CONF):
        return words
    return ["--config-dir", str(user_conf), *words]
