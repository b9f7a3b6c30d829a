"""The table of export formats, and the checks of the configuration of a format."""

import subprocess
import sys
from pathlib import Path

import pytest

from facemask.config.checks.export import FORMATS, import_format, resolve_export
from facemask.config.compose import compose
from facemask.errors import ConfigError
from facemask.exporting.formats.format import ExportFormat
from facemask.inference.predictor import KINDS

OWN = """
from facemask.exporting.formats.format import ExportFormat

class Own(ExportFormat):
    suffix = ".own"
    def write(self, job, file): pass

class Demanding(Own):
    packages = {"no_such_runtime": "no-such-runtime"}

class WithoutWrite(ExportFormat):
    suffix = ".own"

class WithoutSuffix(ExportFormat):
    def write(self, job, file): pass

def function(): pass
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_formats.py").write_text(OWN)
    (tmp_path / "broken_formats.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_of_the_table_can_be_loaded_by_predictor(name: str) -> None:
    found = import_format(name)
    assert issubclass(found, ExportFormat)
    assert found.suffix in KINDS


def test_checking_imports_no_torch() -> None:
    code = (
        "import sys; from facemask.config.checks.export import FORMATS, resolve_export\n"
        "from facemask.config.compose import compose\n"
        "for name in FORMATS: resolve_export(compose('export', ['run=RUN', f'format={name}']))\n"
        "assert not {'torch', 'onnx', 'onnxruntime', 'openvino'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.usefixtures("own")
def test_an_own_format_is_chosen_by_its_class() -> None:
    config = resolve_export(compose("export", ["run=RUN", "format=own_formats.Own", "max_drop=null"]))
    assert (config.format, config.max_drop) == ("own_formats.Own", None)
    assert import_format(config.format)().suffix == ".own"


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("format=own", r"format must be one of onnx, openvino, exported_program, or the dotted path of a class"),
        ("format=own_formats.Missing", "format=own_formats.Missing cannot be imported"),
        ("format=nowhere.Own", "format=nowhere.Own cannot be imported: No module named 'nowhere'"),
        ("format=broken_formats.Own", "format=broken_formats.Own cannot be imported"),
        (
            "format=own_formats.WithoutWrite",
            "format=own_formats.WithoutWrite is not an export format; derive the class",
        ),
        ("format=own_formats.WithoutSuffix", "format=own_formats.WithoutSuffix is not an export format"),
        ("format=own_formats.function", "format=own_formats.function is not an export format"),
        ("format=own_formats.Own precision=fp16", "format=own_formats.Own supports precision=fp32, got fp16; "),
        (
            "format=own_formats.Demanding",
            "format=own_formats.Demanding needs the package no_such_runtime; type: pip install no-such-runtime",
        ),
    ],
)
def test_a_wrong_format_raises(words: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        resolve_export(compose("export", ["run=RUN", *words.split()]))


@pytest.mark.parametrize(
    ("name", "package", "extra"),
    [
        ("openvino", "openvino", "'facemask[openvino]'"),
        ("openvino", "onnxscript", "onnxscript"),
        ("onnx", "onnxscript", "onnxscript"),
    ],
)
def test_a_missing_package_is_named_with_its_extra(
    name: str, package: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facemask.config.checks.export.find_spec", lambda asked: None if asked == package else asked)
    expected = f"format={name} needs the package {package}; type: pip install {extra}"
    with pytest.raises(ConfigError) as error:
        resolve_export(compose("export", ["run=RUN", f"format={name}"]))
    assert str(error.value) == expected
