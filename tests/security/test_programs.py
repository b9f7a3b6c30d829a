"""Exported programs from a stranger."""

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from facemask.data.preprocessing import Preprocessing
from facemask.errors import ModelError
from facemask.inference.backend import METADATA, write_metadata
from facemask.inference.graph import Graph, to_program
from facemask.inference.predictor import Predictor
from facemask.models.cnn import CNN

pytestmark = pytest.mark.slow
Change = Callable[[dict[str, bytes]], None]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("program") / "model.pt2"
    record = Preprocessing(("a", "b"), 16, 16)
    graph = to_program(Graph(CNN(2, channels=[4]).eval(), record, is_inside=True, is_half=False))
    torch.export.save(graph, file, extra_files={METADATA: write_metadata(record, {})})
    return file


class Attack:
    """Runs code when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def change(program: Path, target: Path, changed: Callable[[dict[str, bytes]], None], compress: int = 0) -> Path:
    with zipfile.ZipFile(program) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    changed(members)
    with zipfile.ZipFile(target, "w", compress) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target


def in_json(member: str, edit: Callable[[Any], None]) -> Change:
    def changed(members: dict[str, bytes]) -> None:
        name = next(name for name in members if name.endswith(member))
        content = json.loads(members[name])
        edit(content)
        members[name] = json.dumps(content).encode()

    return changed


def test_exported_programs_pass_the_check(program: Path) -> None:
    assert Predictor.load(program).class_names == ("a", "b")


def _unpickled(mark: Path) -> Change:
    def changed(members: dict[str, bytes]) -> None:
        name = next(name for name in members if name.endswith("sample_inputs/model.pt"))
        content = io.BytesIO()
        torch.save(Attack(mark), content)
        members[name] = content.getvalue()

    return changed


def _constant(mark: Path) -> Change:
    def changed(members: dict[str, bytes]) -> None:
        top = next(iter(members)).split("/")[0]
        members[f"{top}/data/constants/opaque_obj_0"] = pickle.dumps(Attack(mark))

    return changed


def _call(target: str) -> Change:
    return in_json("model.json", lambda model: model["graph_module"]["graph"]["nodes"][0].update(target=target))


def _size(mark: Path, template: str = "{}") -> Change:
    def edit(model: Any) -> None:
        sizes = next(iter(model["graph_module"]["graph"]["tensor_values"].values()))["sizes"]
        sizes[0] = {
            "as_expr": {
                "expr_str": template.format(f"__import__('pathlib').Path({str(mark)!r}).touch()"),
                "hint": {"as_int": 2},
            }
        }

    return in_json("model.json", edit)


def _pickled_weight(model: Any) -> None:
    for entry in model["config"].values():
        entry["use_pickle"] = True


def _enum(model: Any) -> None:
    text = json.dumps([1, {"type": "x", "context": {"__enum__": True, "fqn": "antigravity:x"}}])
    model["graph_module"]["graph"]["nodes"][0]["metadata"]["more"] = text.replace("_", "\\u005f")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (_unpickled, "Weights only load failed"),
        (_constant, "is not one that export.py writes"),
        (lambda _: _call("torch.hub.load"), "it calls 'torch.hub.load'"),
        (lambda _: _call("#custom:x"), "it calls '#custom:x'"),
        (_size, "it has the size"),
        (lambda mark: _size(mark, "Mul(Integer(2), {})"), "it has the size"),
        (lambda mark: _size(mark, "Mul(Integer(2), Symbol('s')) + {}"), "it has the size"),
        (lambda _: in_json("model_weights_config.json", _pickled_weight), "it contains a pickle"),
        (lambda _: in_json("model.json", _enum), "it contains an object of another module"),
        (lambda _: lambda members: members.update({"x/data/aotinductor/model/a.so": b""}), "is not one that"),
    ],
)
def test_a_changed_archive_runs_nothing(
    program: Path, tmp_path: Path, make: Callable[[Path], Change], reason: str
) -> None:
    file = change(program, tmp_path / "a.pt2", make(tmp_path / "mark"))
    with pytest.raises(ModelError, match="cannot open") as raised:
        Predictor.load(file)
    assert reason in str(raised.value)
    assert not (tmp_path / "mark").exists()


def test_a_compressed_archive_is_refused(program: Path, tmp_path: Path) -> None:
    file = change(program, tmp_path / "a.pt2", lambda members: None, zipfile.ZIP_DEFLATED)
    with pytest.raises(ModelError, match="is not one that export.py writes"):
        Predictor.load(file)
