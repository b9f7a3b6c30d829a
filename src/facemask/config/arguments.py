"""Conversion of command lines and keyword arguments to Hydra overrides."""

import re
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType

from facemask.config.compose import CONF, RUN_GROUPS, group_defaults
from facemask.config.keys import EXPERIMENT, SWEEP_ONLY_KEYS

MULTIRUN = ("-m", "--multirun")
PLAIN = re.compile(r"[\w\-/%.+*@:?|,$(){}\[\]\\ ]*", re.ASCII)  # values that Hydra accepts without quotes
FUNCTION = re.compile(r"\w+\(.*\)")  # a Hydra function, such as range(start=0,stop=3)
SPECIAL = frozenset(",()[]{}\\")  # characters of Hydra's grammar, unless quoted
QUOTED = "'\"[{("  # a value that starts with one of these is already quoted, or is a list, mapping or sweep
EXPRESSIONS = ("data.groups",)  # keys whose values are regular expressions, which look like Hydra's grammar
DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", re.ASCII)
# The class of a name in annotation files, of all sets or of one.
CLASS_KEY = re.compile(r"\+*(?P<key>(sources\.[A-Za-z_]\w*\.)?classes)\.(?P<name>[^=]*)=(?P<label>.*)", re.ASCII)
HYDRA_KEY = re.compile(r"[A-Za-z_][\w.-]*|\d+", re.ASCII)
TYPED_NAMES = "_typed_"  # key of the pairs NAME=CLASS whose names are not keys for Hydra
# Config groups that accept a user's class, and the node of custom.yaml that holds its _target_.
CUSTOM = {"model": "model", "detector": "detector", "sink": "sink.custom"}
# Subcommands of the installed ``facemask`` that differ from the name of the script.
SUBCOMMANDS = {"infer_video": "infer", "prepare_data": "prepare"}
EMPTY: Mapping[str, str] = MappingProxyType({})


def normalise_arguments(
    arguments: list[str], repeated: Sequence[str] = (), renamed: Mapping[str, str] = EMPTY
) -> list[str]:
    """Convert a command line to a form that Hydra parses.

    Flags move to the front, because Hydra rejects flags between overrides (hydra#3053). Values that contain ``=``, such
    as the folder of a sweep's job, are quoted (hydra#1577).

    Args:
        arguments: command-line arguments without the program name.
        repeated: keys that may be given several times; the values of each are collected into one list.
        renamed: mapping of typed key to schema key, for keys whose name is also a config group.

    Returns:
        The flags, followed by the overrides.
    """
    words = [word.partition("=") for word in _with_foreign_names(arguments)]
    arguments = [f"{renamed.get(key, key)}{sign}{value}" for key, sign, value in words]
    # Hydra wants a plus for groups that are not in the defaults list, as in other projects' experiments; ours all are.
    arguments = [word[1:] if word[:1] == "+" and _is_group(word[1:].partition("=")[0]) else word for word in arguments]
    is_sweep = any(word in MULTIRUN for word in arguments)
    for key in repeated:
        values = [word.partition("=")[2] for word in arguments if word.partition("=")[0] == key]
        has_comma = any("," in value and value[:1] not in QUOTED for value in values)
        if len(values) > 1 or (has_comma and not is_sweep):
            arguments = [word for word in arguments if word.partition("=")[0] != key]
            arguments.append(f"{key}=[{','.join(map(_in_quotes, values))}]")
    overrides = [word for word in arguments if not word.startswith("-") and ("=" in word or word[:1] in "+~")]
    flags = [word for word in arguments if word not in overrides]
    return flags + [_quote(word, is_sweep) for word in overrides]


def _with_foreign_names(arguments: Sequence[str]) -> list[str]:
    """Collect ``+classes.маска=mask`` and the like, whose keys Hydra cannot parse, as values of one key."""
    kept: list[str] = []
    foreign: dict[str, list[str]] = {}
    for word in arguments:
        found = CLASS_KEY.fullmatch(word)
        if found and not HYDRA_KEY.fullmatch(found["name"]):
            foreign.setdefault(found["key"], []).append(_in_quotes(f"{found['name']}={found['label']}"))
        else:
            kept.append(word)
    return kept + [f"+{key}.{TYPED_NAMES}=[{','.join(pairs)}]" for key, pairs in foreign.items()]


def _is_group(key: str) -> bool:
    return key.isidentifier() and (CONF / key).is_dir()


def _quote(word: str, is_sweep: bool) -> str:
    key, _, value = word.partition("=")
    if key.lstrip("+") in EXPRESSIONS and value[:1] not in ("'", '"') and value != "null":
        return f"{key}={_in_quotes(value)}"
    if PLAIN.fullmatch(value) or value[0] in QUOTED or FUNCTION.fullmatch(value):
        return word
    parts = value.split(",") if is_sweep else [value]
    return f"{key}=" + ",".join(part if PLAIN.fullmatch(part) else _in_quotes(part) for part in parts)


def _in_quotes(word: str) -> str:
    """Quote a string for Hydra, which treats a backslash as an escape only before a quote."""
    return "'" + re.sub(r"(\\*)('|\Z)", lambda m: m[1] * 2 + (r"\'" if m[2] else ""), word) + "'"


def expand_shorthands(command: str, overrides: Iterable[str]) -> list[str]:
    """Expand the shorthands among overrides.

    ``model=my_package.Net`` (also ``detector=`` and ``sink=``) becomes ``model=custom`` and the ``_target_``.
    ``data.root=FOLDER`` without ``data=`` adds ``data=folder``, in commands whose default would be the demo set.

    Args:
        command: command name, such as ``train``.
        overrides: Hydra overrides.

    Returns:
        The expanded overrides.
    """
    overrides = list(overrides)
    keys = [word.partition("=")[0].lstrip("+~") for word in overrides]
    has_data_group = command == "train" or "task=explore" in overrides
    if has_data_group and "data.root" in keys and "data" not in keys:
        overrides.insert(keys.index("data.root"), "data=folder")  # not in front of flags, which end Hydra's overrides
    expanded = []
    for word in overrides:
        key, _, value = word.partition("=")
        is_custom = key in CUSTOM and DOTTED.fullmatch(value)
        expanded += [f"{key}=custom", f"{CUSTOM[key]}._target_={value}"] if is_custom else [word]
    return expanded


def to_overrides(command: str, words: Sequence[str], keys: Mapping[str, object]) -> list[str]:
    """Convert the overrides and keyword arguments of a Python call to Hydra overrides."""
    arguments = [*words, *(f"{key}={_to_word(value)}" for key, value in keys.items())]
    return expand_shorthands(command, normalise_arguments(arguments))


def program(command: str = "") -> str:
    """Return how to type this command or ``command``: ``python train.py`` or ``facemask train``."""
    script, _, subcommand = sys.argv[0].rpartition(" ")  # facemask.cli.main joins program and subcommand
    if script and not subcommand.endswith(".py"):
        return f"{Path(script).name} {SUBCOMMANDS.get(command, command) or subcommand}"
    return f"python {command or Path(sys.argv[0]).stem}.py"


def command_line(overrides: Iterable[str]) -> str:
    """Return the command line that repeats one job, without the keys that only apply to a sweep."""
    words = [word for word in overrides if word.partition("=")[0] not in SWEEP_ONLY_KEYS]
    return f"{program()} {shlex.join(words)}".rstrip()


def typed_choices(command: str) -> dict[str, str]:
    """Return the choices of config groups on a command line, as typed.

    Groups that are not typed have the default of ``train.py``; with ``experiment=``, which may change it, they are left
    out.

    Args:
        command: command line from :func:`command_line`.

    Returns:
        The choice of each group, such as ``{"augment": "light"}``; empty if there is no command.
    """
    try:
        words = [word.lstrip("+").partition("=") for word in shlex.split(command) if "=" in word]
    except ValueError:  # a damaged command
        return {}
    values = {key: value for key, _, value in words}
    default = {} if EXPERIMENT in values or not command else default_choices()
    return dict(default) | {key: values[key] for key in (*RUN_GROUPS, EXPERIMENT) if key in values}


@cache
def default_choices() -> Mapping[str, str]:
    """Return the default choice of each config group of ``train.py`` that holds settings of a run."""
    return {group: choice for group, choice in group_defaults(CONF / "train.yaml") if group in RUN_GROUPS}


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
    is_hydra_syntax = isinstance(value, str) and word[:1] in QUOTED  # as on the command line
    is_plain = SPECIAL.isdisjoint(word) and word == word.strip()
    return word if is_hydra_syntax or is_plain else _in_quotes(word)


def _to_item(value: object) -> str:
    """Convert a value inside a list or a mapping, where strings need quotes."""
    return _in_quotes(str(value)) if isinstance(value, str | Path) else _to_word(value)
