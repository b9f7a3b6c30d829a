"""An export format in one file outside the package, chosen on the command line by its dotted path."""

import json
from pathlib import Path

import numpy as np
import pytest

from commands import Outcome, assert_refused, call_command
from conftest import PROJECT, write_faces
from facemask.training.fit import fit_folds
from fits import configure

pytestmark = pytest.mark.slow

FORMATS = '''
import torch

from facemask.exporting.formats.format import ExportFormat
from facemask.inference.backend import METADATA, Backend, read_metadata


class WriteOnly(ExportFormat):
    """The bare weights, which nothing here can run."""

    suffix = ".bin"

    def write(self, job, file):
        file.write_bytes(b"".join(value.numpy().tobytes() for value in job.model.state_dict().values()))


class TorchScript(ExportFormat):
    """One traced file, with the metadata inside."""

    suffix = ".pt"
    precisions = ("fp32", "fp16")
    sign = 1

    def write(self, job, file):
        graph = job.graph(is_half=job.config.precision == "fp16")
        traced = torch.jit.trace(graph, graph.example())
        torch.jit.save(traced, file, _extra_files={METADATA: job.metadata})

    def open(self, file):
        extra_files = {METADATA: ""}
        module = torch.jit.load(file, _extra_files=extra_files)

        def run(squares):
            with torch.inference_mode():
                return module(torch.from_numpy(squares)).numpy()[:, :: self.sign]

        return Backend(read_metadata(file, extra_files[METADATA].decode()), run)


class Mistaken(TorchScript):
    """Returns the classes in the wrong order."""

    sign = -1


class Broken(TorchScript):
    def write(self, job, file):
        raise KeyError("weights")


class NoFormat:
    pass
'''


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run, and a module of formats beside the command."""
    folder = tmp_path_factory.mktemp("formats")
    write_faces(folder / "set", {"mask": 30, "no_mask": 24}, side=14)
    fit_folds(configure(folder / "set", folder, "epochs=1"), folder / "run")
    (folder / "my_formats.py").write_text(FORMATS)
    return folder


def export(place: Path, *words: str) -> Outcome:
    return call_command(PROJECT / "export.py", ["run=run", *words], place, {})


def test_a_custom_format_is_written_and_checked(place: Path) -> None:
    done = export(place, "format=my_formats.TorchScript", "hydra.run.dir=own")
    assert done.code == 0, done.err
    assert "my_formats.TorchScript, fp32" in done.out
    assert "0 of 15 labels changed" in done.out
    assert done.out.splitlines()[-1] == "File: own/CNN-fp32.pt"
    about = json.loads((place / "own/CNN-fp32.pt.json").read_text())
    assert about["format"] == "my_formats.TorchScript"
    assert about["parity"]["largest"] < 1e-4
    assert sorted(file.name for file in (place / "own").iterdir()) == ["CNN-fp32.pt", "CNN-fp32.pt.json"]


def test_formats_without_reader_are_only_written_unchecked(place: Path) -> None:
    done = export(place, "format=my_formats.WriteOnly", "hydra.run.dir=blind")
    assert_refused(done, "format=my_formats.WriteOnly cannot be read back for the parity check; add max_drop=null")
    assert not (place / "blind").exists()
    done = export(place, "format=my_formats.WriteOnly", "max_drop=null", "hydra.run.dir=blind")
    assert done.code == 0, done.err
    assert "Not compared with the trained model, because max_drop=null." in done.out
    about = json.loads((place / "blind/CNN-fp32.bin.json").read_text())
    assert (about["parity"], about["validated_on"]) == (None, None)
    assert np.isfinite(np.frombuffer((place / "blind/CNN-fp32.bin").read_bytes()[:64], np.float32)).all()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Mistaken", "the exported graph does not match the trained network"),
        ("Broken", "CNN cannot be exported with format=my_formats.Broken and precision=fp32 ('weights')"),
        ("NoFormat", "format=my_formats.NoFormat is not an export format; derive the class from"),
    ],
)
def test_a_wrong_format_is_one_sentence(place: Path, name: str, expected: str) -> None:
    done = export(place, f"format=my_formats.{name}", "hydra.run.dir=wrong")
    assert_refused(done, expected)
    assert not (place / "wrong").exists()
