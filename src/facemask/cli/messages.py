"""Conversion of errors to one sentence: what is wrong and what to type instead."""

import errno
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from hydra.errors import MissingConfigException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from facemask.errors import FaceMaskError, did_you_mean, first_line
from facemask.terminal import visible

# Messages for the plain errors of Hydra and its launchers, by a part of their text.
HYDRA_MESSAGES = {
    "Config group override": "a config group cannot be null; choose one of its files, such as schedule=none.",
    "Only one of --run": "--cfg shows a single configuration; remove -m, and give each key one value.",
    '"srun"': "launcher=slurm needs the commands of Slurm (srun, sbatch), which this machine does not have; type "
    "launcher=joblib or launcher=local.",
}
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # a full disk, or the largest file that is allowed
# pip extra that provides each Hydra plugin.
PLUGINS = {
    "hydra/launcher=joblib": "joblib",
    "hydra/launcher=submitit_slurm": "slurm",
    "hydra/launcher=ray": "ray",
    "hydra/sweeper=optuna": "optuna",
}


def fail(sentence: str, code: int) -> NoReturn:
    """Print an error message and exit with ``code``."""
    print(f"error: {visible(sentence)}", file=sys.stderr)
    sys.exit(code)


@contextmanager
def reader_may_leave() -> Iterator[None]:
    """Let a reader of the output, such as ``head``, stop early without an error."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the interpreter flushes once more at exit


def hydra_message(error: Exception) -> str | None:
    """Return the message for a plain error of Hydra or a launcher; None for any other error."""
    return next((sentence for words, sentence in HYDRA_MESSAGES.items() if words in str(error)), None)


def explain(error: Exception) -> str:
    """Return a one-sentence message for an error of facemask, Hydra, OmegaConf or the operating system."""
    cause = error.__cause__
    if isinstance(error, FaceMaskError):
        return str(error)
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, choice = str(error.missing_cfg_file).rpartition("/")
        if not group:
            return f"there is no configuration file conf/{choice}.yaml."
        if extra := PLUGINS.get(f"{group}={choice}"):
            return f"{group}={choice} is not installed; type: pip install 'facemask[{extra}]'"
        return f"{group}={choice}: there is no such {group}{did_you_mean(choice, error.options or [])}"
    if missing := re.match(r"You must specify '(\w+)'", str(error)):
        return f"{missing[1]} has no value; choose one of the files in conf/{missing[1]}: {missing[1]}=…"
    if foreign := re.match(r"Could not override '(\w+)'. No match", str(error)):
        return f"{foreign[1]} is not a config group of this command or task; remove it."
    if isinstance(cause, OmegaConfBaseException) and cause.full_key:
        return _explain_key(str(error), cause)
    if "Ambiguous value" in str(error):
        argument = re.findall(r"'(.*)'", str(error))[0]
        return (
            f"{argument} has several comma-separated values. Quote a literal comma ('key=\"a,b\"'), use brackets for a "
            "list (key=[a,b]), or add -m to train.py to sweep over them."
        )
    if override := getattr(error, "override", None):
        return f"{override!r} cannot be parsed as KEY=VALUE; quote special characters: 'KEY=\"VALUE\"'."
    if isinstance(error, FileExistsError):
        return f"{error.filename} is a file; choose a folder."
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        return (
            "too many files are open at once; raise the limit (ulimit -n 4096), or train without worker processes "
            "(data.num_workers=0)."
        )
    if isinstance(error, OSError) and error.filename and error.errno in FULL:
        full = error.filename2 or error.filename
        return f"{full} cannot be written ({error.strerror}); free some space, or choose another folder."
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename} cannot be written or read ({error.strerror}); choose another path."
    return first_line(error) + "."


def _explain_key(message: str, cause: OmegaConfBaseException) -> str:
    """Return the message for an unknown key or a value of the wrong type."""
    if "not in" in str(cause.msg):
        root = cause.parent_node._get_root() if cause.parent_node is not None else DictConfig({})
        word = str(cause.full_key)
        nested = [key for key in _dotted(root) if key.rpartition(".")[2] == word.rpartition(".")[2]]
        siblings = [*_dotted(root, depth=1 + word.count("."))]
        suggestion = did_you_mean(word, siblings)
        if nested and not ("." in word and "did you mean" in suggestion):  # prefer keys of the same group
            suggestion = f"; did you mean {nested[0]}?"
        return f"{word} is not a key{suggestion}"
    types = {
        "Union[int, str]": "an integer or a string",
        "Float": "a number",
        "Integer": "an integer",
        "valid bool": "true or false",
        "ListConfig": "a list in brackets, such as [A,B]",
        "DictConfig": "a mapping, such as {A: B}",
    }
    kind = next((words for name, words in types.items() if name in str(cause.msg)), "another type of value")
    _, is_override, override = message.rpartition("override ")
    if not is_override:
        return f"{cause.full_key} cannot be resolved: {message.splitlines()[0].rstrip('.')}."
    return f"{cause.full_key} must be {kind}, got {override.partition('=')[2] or 'an empty value'}."


def _dotted(node: Any, prefix: str = "", depth: int = 9) -> Iterator[str]:
    """Yield the dotted keys of a configuration, down to a depth."""
    if isinstance(node, DictConfig) and not node._is_missing() and not node._is_none() and depth > 0:
        for key in map(str, node):
            yield f"{prefix}{key}"
            yield from _dotted(node._get_node(key), f"{prefix}{key}.", depth - 1)
