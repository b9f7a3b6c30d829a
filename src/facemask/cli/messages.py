"""From an error to one sentence: what was wrong, and what to type instead."""

import re
import sys
from collections.abc import Iterator
from typing import Any, NoReturn

from hydra.errors import MissingConfigException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from facemask.errors import FaceMaskError, did_you_mean, first_line

# Hydra's own checks raise plain ValueErrors.
HYDRA_MESSAGES = {
    "Config group override": "a group cannot be null; choose one of its files, such as schedule=none.",
    "Only one of --run": "--cfg shows one configuration; leave out -m, and give each key one value.",
}
# The extra that provides each of Hydra's plugins.
PLUGINS = {
    "hydra/launcher=joblib": "joblib",
    "hydra/launcher=submitit_slurm": "slurm",
    "hydra/launcher=ray": "ray",
    "hydra/sweeper=optuna": "optuna",
}


def fail(sentence: str, code: int) -> NoReturn:
    """Print one sentence and end the process."""
    print(f"error: {sentence}", file=sys.stderr)
    sys.exit(code)


def explain(error: Exception) -> str:
    """Return one sentence for an error: what was wrong, and what to type instead."""
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
        return f"{override!r} cannot be read as KEY=VALUE; quote special characters: 'KEY=\"VALUE\"'."
    if isinstance(error, FileExistsError):
        return f"{error.filename} is a file; give a folder."
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename} cannot be written or read ({error.strerror}); choose another place."
    return first_line(error) + "."


def _explain_key(message: str, cause: OmegaConfBaseException) -> str:
    """Explain an unknown key or a value of the wrong type."""
    if "not in" in str(cause.msg):
        root = cause.parent_node._get_root() if cause.parent_node is not None else DictConfig({})
        word = str(cause.full_key)
        deeper = [key for key in _dotted(root) if key.rpartition(".")[2] == word.rpartition(".")[2]]
        siblings = [*_dotted(root, depth=1 + word.count("."))]
        alike = did_you_mean(word, siblings)
        if deeper and not ("." in word and "did you mean" in alike):  # within a group, its own keys come first
            alike = f"; did you mean {deeper[0]}?"
        return f"{word} is no key{alike}"
    wanted = {
        "Union[int, str]": "a whole number or a word",
        "Float": "a number",
        "Integer": "a whole number",
        "Bool": "true or false",
    }
    kind = next((words for name, words in wanted.items() if name in str(cause.msg)), "another type of value")
    override = message.rpartition("override ")[2]
    return f"{override} cannot be used: {cause.full_key} must be {kind}."


def _dotted(node: Any, prefix: str = "", depth: int = 9) -> Iterator[str]:
    """Yield the dotted names of a configuration's keys, down to a depth."""
    if isinstance(node, DictConfig) and not node._is_missing() and not node._is_none() and depth > 0:
        for key in map(str, node):
            yield f"{prefix}{key}"
            yield from _dotted(node._get_node(key), f"{prefix}{key}.", depth - 1)
