"""Run a command as users run it.

Three ways, from the fastest to the one closest to a user's shell: :func:`call_command` in this process,
:func:`type_command` in a process forked from one that has imported torch, :func:`type_fresh_command` in a new process.
"""

import io
import logging
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig

from facemask.sweeps.hydra_callback import SweepSummary

TIMEOUT = 300  # seconds
# A network that trains in seconds.
SMALL = ["model=cnn", "model.channels=[4,8]", "model.input_size=24", "epochs=3", "trainer.limit_train_batches=4"]
# A forked process saves the seconds that importing takes; one forked from pytest itself would inherit torch's threads.
FORKS = multiprocessing.get_context("forkserver")
PRELOADED = ("training.command", "evaluation.classification", "video.label", "exporting.export")
FORKS.set_forkserver_preload([f"facemask.{name}" for name in PRELOADED])


@dataclass
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str


def assert_refused(done: Outcome, expected: str) -> None:
    """Check that a command ended with exit code 2 and one sentence, which contains the expected words."""
    assert done.code == 2, done.out + done.err
    assert "Traceback" not in done.err
    sentences = [line for line in done.err.splitlines() if line.startswith("error: ")]
    assert len(sentences) == 1, done.err
    assert expected in sentences[0], done.err


def call_command(script: Path, words: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Outcome:
    """Run ``python SCRIPT WORDS`` in a folder, in this process: for what is refused before anything expensive."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with _own_state(folder, environment), redirect_stdout(out), redirect_stderr(err), warnings.catch_warnings():
        sys.argv = [str(script), *words]
        sys.path[:0] = [str(script.parent), *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
        try:
            runpy.run_path(str(script), run_name="__main__")
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        except Exception:
            traceback.print_exc()
            code = 1
    return Outcome(code, out.getvalue(), err.getvalue())


@contextmanager
def _own_state(folder: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Give a command the folder and the environment of a process of its own, and undo what it changes globally."""
    cwd, variables, argv, path = Path.cwd(), dict(os.environ), sys.argv, list(sys.path)
    modules, handlers = set(sys.modules), list(logging.getLogger().handlers)
    others = logging._handlerList[:]
    logging._handlerList.clear()  # Hydra closes all handlers, and absl's handler would close pytest's stream
    try:
        os.chdir(folder)
        os.environ.update(environment)
        yield
    finally:
        os.chdir(cwd)
        os.environ.clear()
        os.environ.update(variables)
        sys.argv, sys.path[:], logging.getLogger().handlers[:] = argv, path, handlers
        logging._handlerList[:] = others
        for name in set(sys.modules) - modules:  # the user's own modules, which another test may write anew
            if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(folder)):
                del sys.modules[name]
        GlobalHydra.instance().clear()
        HydraConfig.instance().cfg = None
        SweepSummary.folder = None


def type_command(
    script: Path,
    words: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    meanwhile: Callable[[BaseProcess], object] = lambda _: None,
) -> Outcome:
    """Run ``python SCRIPT WORDS`` in a folder; ``meanwhile`` gets its process."""
    with tempfile.TemporaryDirectory() as temporary:
        streams = [str(Path(temporary, name)) for name in ("out", "err")]
        own = {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}  # of this process
        process = FORKS.Process(target=_become, args=(script, words, folder, own | dict(environment), streams))
        process.start()
        meanwhile(process)
        process.join(TIMEOUT)
        if process.is_alive():
            process.kill()
            raise TimeoutError(f"{script.name} {' '.join(words)} took more than {TIMEOUT} s")
        assert process.exitcode is not None
        return Outcome(process.exitcode, *(Path(stream).read_text() for stream in streams))


def type_fresh_command(script: Path, words: Sequence[str], folder: Path, **environment: str) -> Outcome:
    """Do the same in a process begun from nothing, as a user's is."""
    command = [sys.executable, str(script), *words]
    env = os.environ | environment
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=TIMEOUT)
    return Outcome(done.returncode, done.stdout, done.stderr)


def _become(
    script: Path, words: Sequence[str], folder: Path, environment: Mapping[str, str], streams: Sequence[str]
) -> None:
    for descriptor, stream in enumerate(streams, start=1):
        os.dup2(os.open(stream, os.O_WRONLY | os.O_CREAT), descriptor)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells start background jobs with SIGINT ignored
    multiprocessing.set_start_method(None, force=True)  # the platform's own for its children, as in a fresh process
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [str(script), *words]
    sys.path[0] = str(script.parent)
    runpy.run_path(str(script), run_name="__main__")
