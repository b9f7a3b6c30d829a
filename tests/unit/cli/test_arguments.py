"""The command line is taken as people type it."""

import pytest

from facemask.config.arguments import arrange


def test_a_key_given_twice_is_a_list_and_a_word_for_a_key_is_that_key() -> None:
    assert arrange(["run=a/bs=1,lr=2", "fold=0", "run=b"], "run") == ["fold=0", "run=['a/bs=1,lr=2','b']"]
    assert arrange(["run=a"], "run") == ["run=a"]
    assert arrange(["run=a,b"], "run") == ["run=['a,b']"]
    assert arrange(["sweep=x/y=1", "top=2"], "run", {"sweep": "folder"}) == ["folder='x/y=1'", "top=2"]


@pytest.mark.parametrize(
    ("typed", "taken"),
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
def test_flags_go_first_and_values_with_equals_signs_are_quoted(typed: str, taken: str) -> None:
    assert arrange(typed.split()) == taken.split()
