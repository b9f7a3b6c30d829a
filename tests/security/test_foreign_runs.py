"""Run folders and checkpoints from a stranger: nothing in them runs, and nothing of this machine is shown."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml  # type: ignore[import-untyped]

from commands import Outcome, assert_refused, call_command
from conftest import PROJECT, write_faces
from facemask.config import trust
from facemask.errors import RunError
from facemask.models.checkpoint import load_model
from facemask.runs.run_folder import read_config
from facemask.runs.trained import open_models
from facemask.sweeps.configurations import gather
from facemask.training.fit import fit_folds
from fits import configure

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("foreign")
    fit_folds(configure(write_faces(place / "faces", {"mask": 20, "no_mask": 16}), place, "epochs=1"), place / "run")
    return place


Copy = Callable[..., Path]


@pytest.fixture
def change_config(place: Path, tmp_path: Path) -> Copy:
    """Return a function that copies the run with changed settings, by dotted key."""

    def copy(**changed: Any) -> Path:
        folder = tmp_path / "run"
        shutil.copytree(place / "run", folder)
        settings = yaml.safe_load((folder / "config.yaml").read_text())
        for key, value in changed.items():
            *groups, name = key.split("__")
            node = settings
            for group in groups:
                node = node[group]
            node[name] = value
        (folder / "config.yaml").write_text(yaml.safe_dump(settings))
        return folder

    return copy


def run(script: str, place: Path, *words: str) -> Outcome:
    return call_command(PROJECT / f"{script}.py", [*words], place, {"SECRET": "hunter2"})


def attack(mark: Path) -> dict[str, str]:
    return {"_target_": "sympy.sympify", "a": f"__import__('pathlib').Path({str(mark)!r}).touch()"}


@pytest.mark.parametrize("key", ["data__augmentation", "data__create", "data__hint"])
def test_evaluation_builds_nothing_that_a_configuration_describes(
    place: Path, tmp_path: Path, change_config: Copy, key: str
) -> None:
    folder = change_config(**{key: attack(tmp_path / "mark")})
    done = run("evaluate", place, f"run={folder}", "n_bootstraps=100", f"hydra.run.dir={tmp_path}/report")
    assert done.code == 0, done.err
    assert not (tmp_path / "mark").exists()


RESUMED = [("train", node) for node in ("data", "augment", "optim", "callbacks__x", "logger__x")]


@pytest.mark.parametrize(("script", "node"), [("evaluate", "data"), ("export", "data"), *RESUMED])
def test_a_foreign_class_is_named_and_never_imported(
    place: Path, tmp_path: Path, change_config: Copy, script: str, node: str
) -> None:
    folder = change_config(**{node: attack(tmp_path / "mark")})
    word = "resume" if script == "train" else "run"
    done = run(script, place, f"{word}={folder}", *([] if word == "resume" else [f"hydra.run.dir={tmp_path}/out"]))
    assert_refused(done, "names sympy.sympify, which is not part of facemask, and importing it runs its code")
    assert "trust=sympy" in done.err
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("script", ["evaluate", "export"])
def test_secrets_are_not_read(place: Path, tmp_path: Path, change_config: Copy, script: str) -> None:
    folder = change_config(data__name="${oc.env:SECRET}")
    done = run(script, place, f"run={folder}", f"hydra.run.dir={tmp_path}/out")
    assert_refused(done, "contains the reference name: '${oc.env:SECRET}'; replace it by its value.")
    assert "hunter2" not in done.out + done.err


def test_an_alias_bomb_is_refused_at_once(place: Path, change_config: Copy) -> None:
    folder = change_config()
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    (folder / "config.yaml").write_text("\n".join(lines))
    assert_refused(run("evaluate", place, f"run={folder}"), "aliases (*NAME) are not allowed")


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"k": "many"}, "config.yaml is damaged"),
        ({"bs": [1]}, "config.yaml is damaged"),
        ({"data": 3}, "data has no _target_"),
        ({"model": None}, "model has no _target_"),
        ({"data__k": "many"}, "data.k must be a valid integer, unable to parse string as an integer, got many"),
        ({"data__store_size": 100_000}, "data.store_size must be less than or equal to 1024"),
    ],
)
def test_a_damaged_configuration_is_one_sentence(
    place: Path, change_config: Copy, changed: dict[str, Any], expected: str
) -> None:
    assert_refused(run("evaluate", place, f"run={change_config(**changed)}"), expected)


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"a: [", b"[]", b"a: !!python/object/apply:os.getpid []", b"[" * 5000]
)
def test_a_configuration_that_is_not_yaml_is_one_sentence(place: Path, change_config: Copy, content: bytes) -> None:
    folder = change_config()
    (folder / "config.yaml").write_bytes(content)
    done = run("evaluate", place, f"run={folder}")
    assert_refused(done, "config.yaml")


@pytest.mark.parametrize("content", [b"\xff", b"[]", b"{", b'{"status": 3}', b'{"folds": {}}', b"[" * 5000])
def test_a_damaged_result_is_one_sentence(place: Path, change_config: Copy, content: bytes) -> None:
    folder = change_config()
    (folder / "result.json").write_bytes(content)
    assert_refused(run("evaluate", place, f"run={folder}"), "result.json is damaged")


def change_checkpoint(place: Path, target: Path, **changed: Any) -> Path:
    content = torch.load(place / "run/fold-0/best.ckpt", weights_only=True)
    for key, value in changed.items():
        *groups, name = key.split("__")
        node = content
        for group in groups:
            node = node[group]
        node[name] = value
    torch.save(content, target)
    return target


def test_a_checkpoint_that_names_an_untrusted_package_is_refused(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "strangers.py").write_text(
        f"open({str(tmp_path / 'mark')!r}, 'w')\nfrom facemask.models.cnn import CNN as Net\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(trust, "_packages", set())
    file = change_checkpoint(place, tmp_path / "a.ckpt", model__net={"_target_": "strangers.Net", "_partial_": True})
    with pytest.raises(RunError, match="if you trust it, add trust=strangers"):
        load_model(file)
    assert not (tmp_path / "mark").exists()
    trust.trust("strangers")
    load_model(file)
    assert (tmp_path / "mark").exists()


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"model__channels": [20_000, 20_000]}, "channels"),
        ({"model__channels": [4, 8, 8]}, "do not fit its network"),
        ({"model__hidden": 30_000}, "hidden"),
        ({"model__convolutions": 10**9}, "convolutions"),
        ({"model__channels": "x"}, "channels"),
        ({"model__net": 3}, "do not fit its network"),
        ({"preprocessing__store_size": 100_000}, "store_size is not between 8 and 1024 pixels"),
        ({"preprocessing__input_size": "x"}, "input_size is not between 8 and 1024 pixels"),
        ({"preprocessing__mean": [0.0]}, "mean is not three numbers"),
        ({"preprocessing__std": [1.0, 0.0, 1.0]}, "std is not positive"),
        ({"preprocessing__class_names": []}, "class_names is not a list of names"),
        ({"preprocessing__colour": "RGB"}, "colour is unknown"),
        ({"preprocessing": None}, "preprocessing record"),
        ({"state_dict": [1]}, "is not a checkpoint of facemask"),
        ({"model__name": "${oc.env:HOME}"}, "contains the reference"),
    ],
)
def test_tensor_shapes_are_compared_before_memory_is_allocated(
    place: Path, tmp_path: Path, changed: dict[str, Any], expected: str
) -> None:
    with pytest.raises(RunError, match=expected):
        load_model(change_checkpoint(place, tmp_path / "a.ckpt", **changed))


def test_a_ranking_imports_nothing_and_goes_on_without_a_damaged_run(
    place: Path, tmp_path: Path, change_config: Copy
) -> None:
    change_config(optim=attack(tmp_path / "mark"))
    shutil.copytree(place / "run", tmp_path / "sweep/whole")
    shutil.copytree(tmp_path / "run", tmp_path / "sweep/strange")
    shutil.copytree(place / "run", tmp_path / "sweep/damaged")
    (tmp_path / "sweep/damaged/result.json").write_text("{")
    found = gather(tmp_path / "sweep")
    assert sorted(len(c.folds) for c in found) == [0, 1, 1]
    assert any("result.json is damaged" in problem for c in found for problem in c.problems)
    assert not (tmp_path / "mark").exists()


def test_a_pipe_in_place_of_a_file_is_not_waited_for(place: Path, change_config: Copy) -> None:
    folder = change_config()
    (folder / "result.json").unlink()
    os.mkfifo(folder / "result.json")
    assert_refused(run("evaluate", place, f"run={folder}"), "result.json is damaged")


def test_what_a_user_named_is_trusted(place: Path, change_config: Copy) -> None:
    folder = change_config()
    assert json.loads((folder / "result.json").read_text())["status"] == "complete"
    assert read_config(folder).k == 3
    assert open_models([folder])[0].class_names == ["mask", "no_mask"]
