"""Command lines and Python arguments are converted to Hydra overrides."""

from pathlib import Path

import pytest
from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import QuotedString
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from facemask.config.arguments import expand_shorthands, normalise_arguments, to_overrides
from facemask.config.compose import compose


def test_repeated_key_becomes_a_list_and_renamed_key_is_replaced() -> None:
    assert normalise_arguments(["run=a/bs=1,lr=2", "fold=0", "run=b"], ("run",)) == [
        "fold=0",
        "run=['a/bs=1,lr=2','b']",
    ]
    assert normalise_arguments(["run=a"], ("run",)) == ["run=a"]
    assert normalise_arguments(["a=1", "run=x", "a=2"], ("run", "a")) == ["run=x", "a=['1','2']"]
    assert normalise_arguments(["run=a,b"], ("run",)) == ["run=['a,b']"]
    assert normalise_arguments(["-m", "run=a,b"], ("run",)) == ["-m", "run=a,b"]
    assert normalise_arguments(["sweep=x/y=1", "top=2"], ("run",), {"sweep": "folder"}) == ["folder='x/y=1'", "top=2"]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("model=mobilenetv2 -m lr=1e-2,1e-3 bs=16,32", "-m model=mobilenetv2 lr=1e-2,1e-3 bs=16,32"),
        ("lr=1 bs=2 --multirun", "--multirun lr=1 bs=2"),
        ("-m lr=1,2", "-m lr=1,2"),
        ("--cfg job lr=1", "--cfg job lr=1"),
        ("bs=1 --cfg job lr=1", "--cfg job bs=1 lr=1"),
        ("model=mine --config-dir /a -m ~x lr=1,2", "--config-dir /a -m model=mine ~x lr=1,2"),
        ("resume=outputs/sweeps/demo/cnn/bs=16,lr=0.01", "resume='outputs/sweeps/demo/cnn/bs=16,lr=0.01'"),
        ("model.freeze=until=blocks.2", "model.freeze='until=blocks.2'"),
        ("model.freeze='until=blocks.2'", "model.freeze='until=blocks.2'"),
        ("data.root=~/faces/jürgen", "data.root='~/faces/jürgen'"),
        ("-m data.root=~/a,/b", "-m data.root='~/a',/b"),
        ("+x={a:b=c}", "+x={a:b=c}"),
        ("hydra.run.dir=${name}/lr=${lr}", "hydra.run.dir='${name}/lr=${lr}'"),
        ("-m bs=sort(64,16,reverse=true)", "-m bs=sort(64,16,reverse=true)"),
        ("data.root=/o'brien=", r"data.root='/o\'brien='"),
        ("lr= ~bs", "lr= ~bs"),
    ],
)
def test_flags_move_to_the_front_and_special_values_are_quoted(typed: str, expected: str) -> None:
    assert normalise_arguments(typed.split()) == expected.split()


@pytest.mark.parametrize(
    ("command", "typed", "expected"),
    [
        ("train", "data.root=faces", "data=folder data.root=faces"),
        ("train", "lr=1 data.root=a,b", "lr=1 data=folder data.root=a,b"),
        ("train", "data.root=x data=demo", "data.root=x data=demo"),
        ("train", "+data=mine data.root=x", "+data=mine data.root=x"),
        ("train", "data.fraction=0.5", "data.fraction=0.5"),
        ("prepare_data", "task=explore data.root=x", "task=explore data=folder data.root=x"),
        ("prepare_data", "task=split data.root=x", "task=split data.root=x"),  # task=split has no config group data
        ("evaluate", "run=r data.root=x", "run=r data.root=x"),
        ("train", "model=my_nets.Net lr=1", "model=custom model._target_=my_nets.Net lr=1"),
        ("infer_video", "detector=a.b.C", "detector=custom detector._target_=a.b.C"),
        ("infer_video", "sink=mine.Sink", "sink=custom sink.custom._target_=mine.Sink"),
        ("train", "model=cnn model.name=a.b", "model=cnn model.name=a.b"),
        ("train", "teacher=outputs/a.b data.name=c.d", "teacher=outputs/a.b data.name=c.d"),
        ("train", "model=cnn,my.Net -m", "model=cnn,my.Net -m"),
    ],
)
def test_shorthand_overrides_are_expanded(command: str, typed: str, expected: str) -> None:
    assert expand_shorthands(command, typed.split()) == expected.split()


@pytest.mark.parametrize(
    "typed",
    [
        "data.root=x trainer=smoke -m augment=none,light name=y",
        "-m data.root=x lr=1,2",
        "model=my.Net data.root=x --config-dir conf -m lr=1,2 --cfg job",
    ],
)
def test_hydra_parses_words_before_and_after_flags(typed: str) -> None:
    words = expand_shorthands("train", normalise_arguments(typed.split()))
    parsed = get_args_parser().parse_args(words)
    assert parsed.multirun
    assert {"data=folder", "data.root=x"} < {*parsed.overrides}


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
WORDS = st.text(st.sampled_from("ab/ .,()[]{}'\"\\=&#ü-"), min_size=1, max_size=8).map(lambda word: f"/{word}/x")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("epochs", 3),
        ("lr", 1e-5),
        ("race", True),
        ("race", False),
        ("teacher", None),
        ("fold", "all"),
        ("resume", "outputs/sweeps/x/bs=16,lr=0.01"),
        ("resume", Path("outputs/bs=16,lr=0.01")),
        ("data.root", "/my faces/a, b"),
        ("data.root", Path("/photos (1)/[x]/{y}")),
        ("data.root", Path("/my\\ faces")),  # the backslash is part of the name, not an escape
        ("data.root", "faces "),
        ("data.hint", "it's \\'here\\'"),
        ("model.channels", [4, 8]),
        ("model.channels", (4, 8)),
        ("augment.without", ["flip", "a,b", "it's", "null", "3"]),
        ("augment.without", []),
        ("callbacks.early_stopping.patience", 4),
    ],
)
def test_python_value_reaches_the_configuration_unchanged(key: str, value: object) -> None:
    found = OmegaConf.select(compose("train", to_overrides("train", ["model=cnn"], {key: value})), key)
    expected = str(value) if isinstance(value, Path) else value
    if isinstance(value, list | tuple):
        found, expected = list(found), list(value)
    assert found == expected
    assert type(found) is type(expected)


@given(st.lists(SCALARS | WORDS | WORDS.map(Path), max_size=3))
@settings(max_examples=50, deadline=None)
def test_any_python_list_reaches_the_configuration_unchanged(values: list[object]) -> None:
    overrides = to_overrides("train", [], {"augment.without": values})
    (parsed,) = OverridesParser.create().parse_overrides(overrides)
    found = [value.text if isinstance(value, QuotedString) else value for value in parsed.value()]
    assert found == [str(value) if isinstance(value, Path) else value for value in values]


@given(WORDS, st.booleans())
@settings(max_examples=200, deadline=None)
def test_any_path_reaches_the_configuration_unchanged(path: str, is_text: bool) -> None:
    overrides = to_overrides("train", [], {"teacher": path if is_text else Path(path)})
    (parsed,) = OverridesParser.create().parse_overrides(overrides)
    assert not parsed.is_sweep_override()
    assert parsed.value() == (path if is_text else str(Path(path)))


def test_python_mapping_keeps_its_keys() -> None:
    overrides = to_overrides(
        "evaluate", ["run=[x]"], {"data.labels": {"with mask": "mask", "bare": "a,b", "none": None}}
    )
    labels = compose("evaluate", overrides).data.labels
    assert labels == {"with mask": "mask", "bare": "a,b", "none": None}


def test_python_values_equal_their_command_line_form() -> None:
    keys = {"data.root": Path("faces"), "model": "my_nets.Net", "k": 3}
    words = ["data.root=faces", "model=my_nets.Net", "k=3"]
    assert to_overrides("train", ["lr=1"], keys) == to_overrides("train", ["lr=1", *words], {})
    in_hydra_syntax = {"model.channels": "[4,8]"}
    assert to_overrides("train", [], in_hydra_syntax) == ["model.channels=[4,8]"]
