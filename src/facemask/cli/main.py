"""The commands: the scripts beside ``conf`` and the installed ``facemask`` are thin doors to :func:`main`."""

import os
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from facemask.cli import jobs
from facemask.cli.messages import HYDRA_MESSAGES, explain, fail
from facemask.config.arguments import MULTIRUN, SHORT_OF, arrange, imply
from facemask.config.compose import CONF, register
from facemask.config.schemas import TASKS, EvaluateConfig, ExportConfig, InferVideoConfig, TrainConfig
from facemask.errors import FaceMaskError, first_line
from facemask.files import remove_if_empty
from facemask.sweeps.hydra_callback import JobFailedError, JobNotStartedError, SweepSummary, has_failed

TRACE = "FACEMASK_TRACE"  # set in the environment, it shows the stack trace of any error
USAGE = "usage: facemask {train,evaluate,export,infer,prepare,doctor} [KEY=VALUE ...]; each takes --help."


@dataclass(frozen=True)
class Command:
    """A command.

    Attributes:
        job: what it does.
        schemas: its keys; several, where they depend on what it is to do.
        sweeps: whether it may be typed with ``-m``.
        repeated: as in :func:`facemask.config.arguments.arrange`.
        renamed: as in :func:`facemask.config.arguments.arrange`.
    """

    job: jobs.Job
    schemas: tuple[type, ...]
    sweeps: bool = False
    repeated: str = ""
    renamed: Mapping[str, str] = field(default_factory=dict)


COMMANDS = {
    "train": Command(jobs.train, (TrainConfig,), sweeps=True),
    "evaluate": Command(jobs.evaluate, (EvaluateConfig,), repeated="run", renamed={"sweep": "sweep_folder"}),
    "export": Command(jobs.export, (ExportConfig,)),
    "infer_video": Command(jobs.infer_video, (InferVideoConfig,)),
    "prepare_data": Command(jobs.prepare_data, tuple(TASKS.values()), repeated="photos"),
}


def facemask() -> None:
    """Run the installed command ``facemask``, whose first word says which command is meant."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name == "doctor":
        from facemask.cli.doctor import doctor

        sys.exit(doctor())
    name = next((whole for whole, short in SHORT_OF.items() if short == name), name)
    if name not in COMMANDS:
        print(USAGE, file=sys.stderr)
        sys.exit(0 if name in ("-h", "--help") else 2)
    sys.argv = [f"{sys.argv[0]} {sys.argv[1]}", *sys.argv[2:]]
    main(name)


def main(name: str) -> None:
    """Run a command, ending with exit code 0, 1 (a job of a sweep failed), 2 (bad input) or 130 (Ctrl-C).

    Modules and configuration groups in the current folder are found: ``model=my_nets.Net`` takes ``my_nets.py``, and
    ``model=mine`` takes ``conf/model/mine.yaml``.

    Args:
        name: the command's, and that of its file in ``conf``.
    """
    command = COMMANDS[name]
    _check_flags(command)
    sys.argv[1:] = _with_own_groups(imply(name, arrange(sys.argv[1:], command.repeated, command.renamed)))
    sys.path.insert(0, os.getcwd())
    os.environ["HYDRA_FULL_ERROR"] = "1"  # have Hydra raise its errors instead of printing them its way
    register()

    def job(config: DictConfig) -> float | None:
        return _run_job(command.job, config)

    job.__module__ = name  # Hydra calls the job so, and pickles it by value for other processes
    try:
        _run(hydra.main(config_path=str(CONF), config_name=name, version_base="1.3")(job))
    except KeyboardInterrupt:
        sys.exit(130)
    except (FaceMaskError, HydraException, OmegaConfBaseException, OSError) as error:
        if os.environ.get(TRACE):
            raise
        fail(explain(error), code=2)
    except Exception as error:
        if message := next((sentence for words, sentence in HYDRA_MESSAGES.items() if words in str(error)), None):
            fail(message, code=2)
        if SweepSummary.folder is None or os.environ.get(TRACE):
            raise
        # Its sweeper or launcher gave up: a cluster that ran out of time, a search without one success.
        SweepSummary.report()
        what = f"{type(error).__name__}: {first_line(error)}"
        fail(f"the sweep broke off ({what}); the same line goes on with it.", code=1)


def _run(application: jobs.Application) -> None:
    has_job_failed = False
    try:
        application()
    except JobFailedError:  # it has been printed, and is in the summary
        has_job_failed = True
    SweepSummary.report()
    if has_job_failed or has_failed(SweepSummary.folder):
        fail("not every job of the sweep succeeded; the reasons are above.", code=1)


def _run_job(job: jobs.Job, config: DictConfig) -> float | None:
    """Run one job and print at once why it failed: Hydra would continue a sweep and report the first failure alone."""
    runtime = HydraConfig.get()
    is_sweep, folder = runtime.mode == RunMode.MULTIRUN, Path(runtime.runtime.output_dir)
    if is_sweep and config.get("fail_fast") and has_failed(Path(runtime.sweep.dir)):
        remove_if_empty(folder)
        raise JobNotStartedError("not begun, because another job had failed and fail_fast=true")
    try:
        return job(config)
    except (FaceMaskError, OSError) as error:
        remove_if_empty(folder)
        if not is_sweep:
            if os.environ.get(TRACE):
                raise
            fail(explain(error), code=2)
        if os.environ.get(TRACE):
            traceback.print_exc()
        print(f"error: {explain(error)}", file=sys.stderr)
        raise JobFailedError(explain(error)) from error
    except Exception as error:
        if not is_sweep:
            raise
        traceback.print_exc()
        raise JobFailedError(f"{type(error).__name__}: {error}") from error


def _check_flags(command: Command) -> None:
    keys = {f.name for schema in command.schemas for f in fields(schema)}
    for word in sys.argv[1:]:
        key = word.removeprefix("--").partition("=")[0]
        if word.startswith("--") and key.partition(".")[0] in keys:
            fail(f"{word} is no flag; keys are set without dashes: {key}=VALUE", code=2)
        if word in MULTIRUN and not command.sweeps:
            also = f"; name several at once: {command.repeated}=A {command.repeated}=B" if command.repeated else ""
            fail(f"{word} is for train.py; leave it out{also}.", code=2)


def _with_own_groups(words: list[str]) -> list[str]:
    """Have Hydra look for groups in ``./conf`` too, if that is not its own."""
    own = Path.cwd() / "conf"
    is_given = any(word.startswith(("--config-dir", "-cd")) for word in words)
    if is_given or not own.is_dir() or own.samefile(CONF):
        return words
    return ["--config-dir", str(own), *words]
