"""``--help``: the keys of a command with type, default and meaning, its config groups, and examples.

Everything but the examples is read from the schemas and the files in ``conf/``, where it is written down anyway.
"""

import inspect
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import get_type_hints

from facemask.config.compose import CONF, group_defaults, read_defaults
from facemask.config.preparation_schemas import TASKS

FIELD = re.compile(r"    (\w+): (.+?)(?: = (.+?))?(?:  # (.+))?")
SETTING = re.compile(r"(\w+): *(.*?)(?: +# (.+))?")
COMMENT = re.compile(r" *# (.+)")
INTERPOLATION = re.compile(r"\$\{[^}]*\}")
CALLED = {"None": "null", "True": "true", "False": "false", "MISSING": "required"}
TYPES = {"str": "text", "int": "integer", "float": "number", "bool": "true or false", "Strings": "text or list"}
TYPES |= {"Names": "mapping", "list[float]": "list of numbers", "Margin": "number or list"}
TYPES |= {"Root": "text or list", "SourceName": "number or text", "Sources": "mapping"}
TASK = "task"
GROUPS = ("Node", "Nodes")  # types of the keys that config groups fill


@dataclass(frozen=True)
class Key:
    """A key of a command.

    Attributes:
        name: dotted key.
        type: type in words; empty for keys of config groups.
        default: default as typed, ``required`` if there is none.
        meaning: explanation; empty if the name says it all.
    """

    name: str
    type: str
    default: str
    meaning: str

    def __str__(self) -> str:
        kind = f", {self.type}" if self.type else ""
        head = f"  {self.name} = {self.default}" if self.default != "required" else f"  {self.name} (required)"
        return f"{head}{kind}" + (f"\n      {self.meaning}" if self.meaning else "")


def help_text(name: str, schemas: Sequence[type], arguments: Sequence[str], usage: str, examples: Sequence[str]) -> str:
    """Return the help of a command, or of the task that its arguments choose.

    Args:
        name: command and name of its file in ``conf``.
        schemas: dataclasses of its keys; one per task for ``prepare_data``.
        arguments: command line.
        usage: how to type the command, such as ``python train.py``.
        examples: arguments of example commands.
    """
    task = next((word.partition("=")[2] for word in arguments if word.startswith(f"{TASK}=")), None)
    lines = [f"usage: {usage} [KEY=VALUE ...]"]
    if len(schemas) > 1 and task not in TASKS:
        lines += ["", "Tasks (task=TASK --help lists the keys of one):"]
        lines += [f"  task={choice}\n      {_summary(CONF / TASK / f'{choice}.yaml')}" for choice in TASKS]
    else:
        file = CONF / TASK / f"{task}.yaml" if task in TASKS else CONF / f"{name}.yaml"
        schema = TASKS[task] if task in TASKS else schemas[0]
        lines += ["", "Keys:", *map(str, schema_keys(schema))]
        lines += ["", "Config groups, GROUP=CHOICE; the keys of a group are those of its default:"]
        for group, default in group_defaults(file):
            lines += ["", *_group(group, default)]
    lines += ["", "Examples:", *(f"  {usage} {example}" for example in examples if not task or task in example)]
    lines += ["", f"All values as they are used: {usage} --cfg job. Hydra's own flags: --hydra-help."]
    return "\n".join(lines)


def schema_keys(schema: type, prefix: str = "") -> Iterator[Key]:
    """Yield the keys of a schema, without those of config groups; nested schemas have dotted keys."""
    hints, written = get_type_hints(schema), _written(schema)
    for each in fields(schema):
        declared, (kind, default, meaning) = hints[each.name], written[each.name]
        if kind in GROUPS or (each.name == TASK and not prefix):
            continue
        if isinstance(declared, type) and is_dataclass(declared):
            yield from schema_keys(declared, f"{prefix}{each.name}.")
            continue
        yield Key(prefix + each.name, _kind(kind), _default(default), meaning)


def _written(schema: type) -> dict[str, tuple[str, str, str]]:
    """Return type, default and comment of each field, as they are written in the source."""
    found: dict[str, tuple[str, str, str]] = {}
    for base in reversed(schema.__mro__[:-1]):
        above = ""
        for line in inspect.getsource(base).splitlines():
            if comment := COMMENT.fullmatch(line):
                above = f"{above} {comment[1]}".strip()
            elif declared := FIELD.fullmatch(line):
                found[declared[1]] = declared[2], declared[3] or "MISSING", declared[4] or above
                above = ""
    return found


def _kind(written: str) -> str:
    parts = [part for part in written.split(" | ") if part != "None"]
    return " or ".join(TYPES.get(part, part) for part in parts)


def _default(written: str) -> str:
    if "default_factory=list" in written:
        return "[]"
    if "default_factory=dict" in written:
        return "{}"
    if made := re.fullmatch(r"field\(default_factory=lambda: (.+)\)", written):
        return made[1]
    return CALLED.get(written, written.strip("\"'"))


def _group(group: str, default: str) -> list[str]:
    folder = CONF / group
    choices = sorted(file.stem for file in folder.glob("*.yaml"))
    lines = [f"  {group}={default}, of {', '.join(choices)}"]
    described = {choice: _summary(folder / f"{choice}.yaml") for choice in choices}
    lines += [f"      {choice}: {summary}" for choice, summary in described.items() if summary]
    if (folder / f"{default}.yaml").is_file():
        lines += [str(Key(f"{group}.{key}", "", value, meaning)) for key, value, meaning in _settings(group, default)]
    return lines


def _summary(file: Path) -> str:
    """Return the comment at the top of a configuration file, in one line."""
    lines = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if "@package" in line:
            continue
        if not (comment := COMMENT.fullmatch(line)):
            break
        lines.append(comment[1])
    return " ".join(lines)


def _settings(group: str, choice: str) -> list[tuple[str, str, str]]:
    """Return key, value and comment of the settings of a choice, those of the files that it extends included."""
    file = CONF / group / f"{choice}.yaml"
    found: dict[str, tuple[str, str]] = {}
    for entry in read_defaults(file):
        base = str(entry).partition("@")[0]
        if isinstance(entry, str) and (CONF / group / f"{base}.yaml").is_file():
            found |= {key: (value, meaning) for key, value, meaning in _settings(group, base)}
    for line in file.read_text(encoding="utf-8").splitlines():
        written = SETTING.fullmatch(line)
        if not written or not written[2] or written[1].startswith("_"):
            continue
        if not INTERPOLATION.fullmatch(written[2]):  # else it is set by a key of the command
            meaning = written[3] or found.get(written[1], ("", ""))[1]
            found[written[1]] = ("required" if written[2] == "???" else written[2]), meaning
    return [(key, value, meaning) for key, (value, meaning) in found.items()]
