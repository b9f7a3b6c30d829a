"""``--help`` lists every key with type, default and meaning, and every group; its examples compose."""

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from commands import call_command
from conftest import PROJECT
from facemask.cli.help import help_text, schema_keys
from facemask.cli.main import COMMANDS
from facemask.config.arguments import expand_shorthands, normalise_arguments
from facemask.config.compose import CONF, compose, group_defaults
from facemask.config.preparation_schemas import TASKS
from facemask.config.schemas import EvaluateConfig, TrainConfig

SCHEMAS = {f"{name}.yaml": command.schemas[0] for name, command in COMMANDS.items() if name != "prepare_data"}
SCHEMAS |= {f"task/{name}.yaml": schema for name, schema in TASKS.items()}


@pytest.mark.parametrize(("file", "schema"), SCHEMAS.items(), ids=list(SCHEMAS))
def test_every_key_has_a_type_and_a_default(file: str, schema: type) -> None:
    listed = {key.name.partition(".")[0] for key in schema_keys(schema)}
    groups = {group for group, _ in group_defaults(CONF / file)}
    assert listed | groups >= {f.name for f in fields(schema)} - {"task"}
    assert all(key.type and key.default for key in schema_keys(schema))


def test_meaning_comes_from_the_schema() -> None:
    keys = {key.name: key for key in schema_keys(EvaluateConfig)}
    assert str(keys["n_bootstraps"]) == "  n_bootstraps = 2000, integer\n      number of bootstrap resamples"
    assert keys["costs.missed"].default == "5.0"
    assert keys["trust"].meaning.startswith("Packages whose classes")  # a comment above the key
    assert {key.name: key.default for key in schema_keys(TASKS["crop"])}["photos"] == "required"
    assert keys["run"].type == "text or list"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_prints_its_help(name: str, tmp_path: Path) -> None:
    done = call_command(PROJECT / f"{name}.py", ["--help"], tmp_path, {})
    assert done.code == 0, done.err
    assert done.out.startswith(f"usage: python {name}.py [KEY=VALUE ...]\n")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", [["train", "--help"], ["train", "--cfg", "job"], ["doctor"]])
def test_a_reader_may_stop_early(words: list[str]) -> None:
    command = [sys.executable, "-c", "from facemask.cli.main import facemask; facemask()", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as program:
        assert program.stdout
        assert program.stderr
        program.stdout.close()
        assert program.stderr.read() == b""
    assert program.returncode == 0


def test_groups_list_their_choices_and_the_keys_of_the_default() -> None:
    text = help_text("train", [TrainConfig], [], "python train.py", COMMANDS["train"].examples)
    models = sorted(file.stem for file in (CONF / "model").glob("*.yaml"))
    assert f"  model=mobilenetv2, of {', '.join(models)}\n" in text
    assert "  model.input_size = 96\n      pixels\n" in text  # from the file that mobilenetv2.yaml extends
    assert "      cnn: Small CNN of the three-class study, trained from scratch.\n" in text
    assert "  sweep=null, of cv, grid, optuna\n" in text
    assert "${bs}" not in text


def test_a_task_has_its_own_help() -> None:
    command = COMMANDS["prepare_data"]
    text = help_text("prepare_data", command.schemas, [], "prepare", command.examples)
    assert re.findall(r"^  task=(\w+)$", text, re.MULTILINE) == list(TASKS)
    text = help_text("prepare_data", command.schemas, ["task=audit", "--help"], "prepare", command.examples)
    assert "  allow.near_duplicates = 0, integer\n" in text
    assert "prepare task=audit data.root=path/to/faces" in text
    assert "task=crop" not in text


@pytest.mark.parametrize(
    ("name", "example"), [(name, example) for name, command in COMMANDS.items() for example in command.examples]
)
def test_every_example_composes(name: str, example: str) -> None:
    command = COMMANDS[name]
    words = normalise_arguments(example.split(), command.repeated, command.renamed)
    words = [re.sub(r"=([^\[,]+),.*", r"=\1", word) for word in words if word != "-m"]  # the first job of a sweep
    assert compose(name, expand_shorthands(name, words))
