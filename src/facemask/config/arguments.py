"""What is typed, in the form that Hydra takes."""

import re
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from facemask.config.keys import SWEEP_ONLY_KEYS

MULTIRUN = ("-m", "--multirun")
PLAIN = re.compile(r"[\w\-/%.+*@:?|,$(){}\[\]\\ ]*", re.ASCII)  # what Hydra takes without quotes
FUNCTION = re.compile(r"\w+\(.*\)")  # Hydra's: range(start=0,stop=3)
SPECIAL = frozenset(",()[]{}\\")  # has a meaning to Hydra, unless it is quoted
QUOTED = "'\"[{("  # a value that starts like this has been quoted, or is a list, a mapping or a sweep
DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", re.ASCII)
# Groups that a class of the user's can be chosen in, and where its name goes in the file custom.yaml.
CUSTOM = {"model": "model", "detector": "detector", "sink": "sink.custom"}
# What the installed ``facemask`` calls two of the commands.
SHORT_OF = {"infer_video": "infer", "prepare_data": "prepare"}
EMPTY: Mapping[str, str] = MappingProxyType({})


def arrange(arguments: list[str], repeated: str = "", renamed: Mapping[str, str] = EMPTY) -> list[str]:
    """Put a command line into the form Hydra takes.

    Flags go to the front, because Hydra refuses them between overrides (hydra#3053), and a value with ``=`` in it, such
    as a folder named by its values, is quoted (hydra#1577).

    Args:
        arguments: the words typed.
        repeated: a key that may be given several times; its values become one list.
        renamed: words for keys that Hydra would take for a group of ``conf/``, and the keys meant.
    """
    words = [word.partition("=") for word in arguments]
    arguments = [f"{renamed.get(key, key)}{sign}{value}" for key, sign, value in words]
    values = [word.partition("=")[2] for word in arguments if word.partition("=")[0] == repeated]
    if len(values) > 1 or any("," in value and value[:1] not in QUOTED for value in values):
        quoted = [_in_quotes(value) for value in values]
        arguments = [word for word in arguments if word.partition("=")[0] != repeated]
        arguments = [*arguments, f"{repeated}=[{','.join(quoted)}]"]
    overrides = [word for word in arguments if not word.startswith("-") and ("=" in word or word[:1] in "+~")]
    flags = [word for word in arguments if word not in overrides]
    is_sweep = any(word in MULTIRUN for word in flags)
    return flags + [_quote(word, is_sweep) for word in overrides]


def _quote(word: str, is_sweep: bool) -> str:
    key, _, value = word.partition("=")
    if PLAIN.fullmatch(value) or value[0] in QUOTED or FUNCTION.fullmatch(value):
        return word
    parts = value.split(",") if is_sweep else [value]
    return f"{key}=" + ",".join(part if PLAIN.fullmatch(part) else _in_quotes(part) for part in parts)


def _in_quotes(word: str) -> str:
    """Return a word in Hydra's quotes, where backslashes count only before a quote."""
    return "'" + re.sub(r"(\\*)('|\Z)", lambda m: m[1] * 2 + (r"\'" if m[2] else ""), word) + "'"


def imply(command: str, overrides: Iterable[str]) -> list[str]:
    """Spell out what the overrides of a command imply.

    ``model=my_package.Net`` (also ``detector=``, ``sink=``) names a class of the user's in place of a file of ``conf``.
    ``data.root=FOLDER`` without a choice of ``data`` means a folder of one's own, not the demo set, where there is such
    a choice.
    """
    overrides = list(overrides)
    keys = [word.partition("=")[0].lstrip("+~") for word in overrides]
    has_choice = command == "train" or "task=explore" in overrides
    if has_choice and "data.root" in keys and "data" not in keys:
        overrides = ["data=folder", *overrides]
    spelled = []
    for word in overrides:
        key, _, value = word.partition("=")
        is_custom = key in CUSTOM and DOTTED.fullmatch(value)
        spelled += [f"{key}=custom", f"{CUSTOM[key]}._target_={value}"] if is_custom else [word]
    return spelled


def to_overrides(command: str, words: Sequence[str], keys: Mapping[str, object]) -> list[str]:
    """Return overrides and keyword arguments of a Python call as overrides: ``epochs=3`` is the same in both."""
    return imply(command, arrange([*words, *(f"{key}={_to_word(value)}" for key, value in keys.items())]))


def program(command: str = "") -> str:
    """Return how this command, or another one, is typed: ``python train.py``, or ``facemask train``."""
    script, _, subcommand = sys.argv[0].rpartition(" ")  # facemask.cli.main puts the two words together
    if script and not subcommand.endswith(".py"):
        return f"{Path(script).name} {SHORT_OF.get(command, command) or subcommand}"
    return f"python {command or Path(sys.argv[0]).stem}.py"


def command_line(overrides: Iterable[str]) -> str:
    """Return the line that repeats a job with these overrides: of a sweep, the job alone."""
    words = [word for word in overrides if word.partition("=")[0] not in SWEEP_ONLY_KEYS]
    return f"{program()} {shlex.join(words)}".rstrip()


def _to_word(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{_to_item(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_to_item, value)) + "]"
    word = str(value)
    is_spelled = isinstance(value, str) and word[:1] in QUOTED  # as on the command line
    is_plain = SPECIAL.isdisjoint(word) and word == word.strip()
    return word if is_spelled or is_plain else _in_quotes(word)


def _to_item(value: object) -> str:
    """Return a value inside a list or a mapping, where words need quotes."""
    return _in_quotes(str(value)) if isinstance(value, str | Path) else _to_word(value)
