"""Every docstring example runs and prints what it shows."""

import doctest
import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import facemask
from conftest import PROJECT, write_faces

SOURCE = PROJECT / "src"
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
RUN = '"run"'  # an example that contains this uses the trained run


def find_examples() -> list[doctest.DocTest]:
    """Return the docstring examples of all modules of facemask."""
    files = [file for file in sorted((SOURCE / "facemask").rglob("*.py")) if ">>>" in file.read_text()]
    names = [".".join(file.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__") for file in files]
    finder = doctest.DocTestFinder(exclude_empty=True)
    return [found for name in names for found in finder.find(import_module(name)) if found.examples]


def parameter(example: doctest.DocTest) -> Any:
    """Name the test after the function; examples that use a trained run are slow."""
    marks = [pytest.mark.slow] if RUN in (example.docstring or "") else []
    return pytest.param(example, id=example.name.removeprefix("facemask."), marks=marks)


EXAMPLES = find_examples()


@pytest.fixture(scope="session")
def trained_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``run``: the run that the examples with ``epochs=1`` train, which they resume instead."""
    folder = tmp_path_factory.mktemp("examples")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_faces(Path("faces"), {"mask": 22, "no_mask": 18})
        facemask.train("model=cnn", "data.root=faces", epochs=1, folder="run", **{"data.num_workers": 0})
    return folder


@pytest.mark.parametrize("example", [parameter(example) for example in EXAMPLES])
def test_docstring_example_prints_what_it_shows(
    example: doctest.DocTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """Examples run in a folder with ``faces`` (class subfolders), ``photo.png`` and, if they use it, ``run``."""
    if RUN in (example.docstring or ""):
        shutil.copytree(request.getfixturevalue("trained_folder"), tmp_path, dirs_exist_ok=True)
    else:
        write_faces(tmp_path / "faces", {"mask": 22, "no_mask": 18})
    Image.fromarray(np.full((96, 96, 3), 128, np.uint8)).save(tmp_path / "photo.png")
    monkeypatch.chdir(tmp_path)
    failures: list[str] = []
    doctest.DocTestRunner(optionflags=OPTIONS).run(example, out=failures.append)
    assert not failures, "".join(failures)


@pytest.mark.parametrize("name", facemask.__all__)
def test_public_entry_point_has_an_example(name: str) -> None:
    documented = getattr(facemask, name)
    expected = f"{documented.__module__}.{documented.__qualname__}"
    assert any(example.name.startswith(expected) for example in EXAMPLES)
