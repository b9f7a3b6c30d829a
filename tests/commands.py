"""Type a command in a process of its own: forked from one that has torch imported already, or begun from nothing."""

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

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
        process = FORKS.Process(target=_become, args=(script, words, folder, dict(os.environ) | environment, streams))
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
    multiprocessing.set_start_method(None, force=True)  # the platform's own for its children, as in a fresh process
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [str(script), *words]
    sys.path[0] = str(script.parent)
    runpy.run_path(str(script), run_name="__main__")
