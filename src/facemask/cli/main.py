"""What every command shares: the order of its flags, and how it fails."""

import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, MissingConfigException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from facemask.errors import FaceMaskError, did_you_mean, first_line
from facemask.files import remove_if_empty
from facemask.sweeps.hydra_callback import JobFailedError, JobNotStartedError, SweepSummary, has_failed

Job = Callable[[DictConfig], float | None]
MULTIRUN = ("-m", "--multirun")
PLAIN = re.compile(r"[\w\-/%.+*@:?|,$(){}\[\]\\ ]*", re.ASCII)  # what Hydra takes without quotes
FUNCTION = re.compile(r"\w+\(.*\)")  # Hydra's: range(start=0,stop=3)
QUOTED = "'\"[{("  # a value that begins like this has been quoted, or is a list, a mapping or a sweep
OF_HYDRA = {
    "Config group override": "a group cannot be null; choose one of its files, such as schedule=none.",
    "Only one of --run": "--cfg shows one configuration; leave out -m, and give each key one value.",
}
# What brings Hydra's plugins, by the choice that needs them.
PLUGINS = {
    "hydra/launcher=joblib": "joblib",
    "hydra/launcher=submitit_slurm": "slurm",
    "hydra/launcher=ray": "ray",
    "hydra/sweeper=optuna": "optuna",
}
EMPTY: Mapping[str, str] = MappingProxyType({})
TRACE = "FACEMASK_TRACE"  # set in the environment, it shows the stack trace of any error


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
        quoted = ["'" + value.replace("'", r"\'") + "'" for value in values]
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
    escaped = [part.replace("'", r"\'") for part in parts]
    return f"{key}=" + ",".join(part if PLAIN.fullmatch(part) else f"'{part}'" for part in escaped)


def run(
    main: Callable[[], Any],
    schema: type | tuple[type, ...],
    sweeps: bool = False,
    repeated: str = "",
    renamed: Mapping[str, str] = EMPTY,
) -> None:
    """Run a Hydra command, ending with exit code 0, 1 (a job of a sweep failed), 2 (bad input) or 130 (Ctrl-C).

    Args:
        main: the command.
        schema: its keys; several, where they depend on what it is to do.
        sweeps: whether it may be typed with ``-m``.
        repeated: as in :func:`arrange`.
        renamed: as in :func:`arrange`.
    """
    keys = {f.name for some in (schema if isinstance(schema, tuple) else (schema,)) for f in fields(some)}
    for word in sys.argv[1:]:
        key = word.removeprefix("--").partition("=")[0]
        if word.startswith("--") and key.partition(".")[0] in keys:
            fail(f"{word} is no flag; keys are set without dashes: {key}=VALUE", code=2)
        if word in MULTIRUN and not sweeps:
            also = f"; name several at once: {repeated}=A {repeated}=B" if repeated else ""
            fail(f"{word} is for train.py; leave it out{also}.", code=2)
    sys.argv[1:] = arrange(sys.argv[1:], repeated, renamed)
    os.environ["HYDRA_FULL_ERROR"] = "1"  # have Hydra raise its errors instead of printing them its way
    failed = False
    try:
        try:
            main()
        except JobFailedError:  # told of already, and again below
            failed = True
        SweepSummary.report()
        if failed or has_failed(SweepSummary.folder):
            fail("not every job of the sweep succeeded; the reasons are above.", code=1)
    except KeyboardInterrupt:
        sys.exit(130)
    except (FaceMaskError, HydraException, OmegaConfBaseException, OSError) as error:
        if os.environ.get(TRACE):
            raise
        fail(explain(error), code=2)
    except Exception as error:
        if said := next((sentence for words, sentence in OF_HYDRA.items() if words in str(error)), None):
            fail(said, code=2)  # Hydra's own checks raise plain ValueErrors
        if SweepSummary.folder is None or os.environ.get(TRACE):
            raise
        # Its sweeper or launcher gave up: a cluster that ran out of time, a search without one success.
        SweepSummary.report()
        what = f"{type(error).__name__}: {first_line(error)}"
        fail(f"the sweep broke off ({what}); the same line goes on with it.", code=1)


def run_job(job: Job, config: DictConfig) -> float | None:
    """Run one job, and tell at once why it failed: Hydra would go on with a sweep and tell of the first alone."""
    hydra = HydraConfig.get()
    is_sweep, folder = hydra.mode == RunMode.MULTIRUN, Path(hydra.runtime.output_dir)
    if is_sweep and config.get("fail_fast") and has_failed(Path(hydra.sweep.dir)):
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
            return f"{group}={choice} is not installed; type: pip install -e '.[{extra}]'"
        return f"{group}={choice}: there is no such {group}{did_you_mean(choice, error.options or [])}"
    if missing := re.match(r"You must specify '(\w+)'", str(error)):
        return f"{missing[1]} has no value; choose one of the files in conf/{missing[1]}: {missing[1]}=…"
    if foreign := re.match(r"Could not override '(\w+)'. No match", str(error)):
        return f"{foreign[1]} means nothing to this command, or to this task of it; leave it out."
    if isinstance(cause, OmegaConfBaseException) and cause.full_key:
        return _explain_key(str(error), cause)
    if "Ambiguous value" in str(error):
        argument = re.findall(r"'(.*)'", str(error))[0]
        return (
            f"{argument} gives several values; mean the comma by quotes: 'key=\"a,b\"', a list by brackets: key=[a,b], "
            "or for train.py to run each of them add -m."
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
